/*
 * HTTP/2 frames (RFC 9113) for the load generator and the origin: a reader that takes bytes at any split, and an output
 * buffer that outlives short writes. Written for the benchmarks, so that neither side shares code with a proxy under
 * test, and cheap enough that both on one core keep ahead of the proxy on the other.
 */
#ifndef H2_WIRE_H
#define H2_WIRE_H
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PUSH_PROMISE = 5, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, PRIORITY_FLAG = 32 };
enum { HEADER_TABLE_SIZE = 1, MAX_CONCURRENT_STREAMS = 3, INITIAL_WINDOW_SIZE = 4 };
enum { FRAME_HEAD = 9, MAX_FRAME = 16384, DEFAULT_WINDOW = 65535, HUGE_WINDOW = (1 << 30) - 1, KEPT_PAYLOAD = 256 };

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
enum { PREFACE_BYTES = 24 };

/* A frame that has arrived whole. Of its payload the first KEPT_PAYLOAD bytes are there. */
struct frame {
  uint32_t length, stream;
  uint8_t type, flags;
  const uint8_t *payload;
  uint32_t kept;
};

struct reader {
  uint8_t head[FRAME_HEAD], payload[KEPT_PAYLOAD];
  unsigned have;  /* bytes of the frame's head */
  uint32_t taken; /* bytes of its payload */
};

/* Returns -1 to stop: the connection is then closed. */
typedef int (*on_frame)(void *owner, const struct frame *frame);

static inline uint32_t read32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Takes bytes; -1 when a frame is too long, or when its owner says so. */
static int read_frames(struct reader *r, const uint8_t *data, size_t bytes, on_frame tell, void *owner) {
  while (bytes > 0) {
    if (r->have < FRAME_HEAD) {
      unsigned want = FRAME_HEAD - r->have, used = bytes < want ? (unsigned)bytes : want;
      memcpy(r->head + r->have, data, used);
      r->have += used;
      r->taken = 0;
      data += used;
      bytes -= used;
      if (r->have < FRAME_HEAD) return 0;
    }
    uint32_t length = read32(r->head) >> 8;
    if (length > MAX_FRAME) return -1;
    uint32_t left = length - r->taken, used = bytes < left ? (uint32_t)bytes : left;
    if (r->taken < KEPT_PAYLOAD) {
      uint32_t room = KEPT_PAYLOAD - r->taken;
      memcpy(r->payload + r->taken, data, used < room ? used : room);
    }
    r->taken += used;
    data += used;
    bytes -= used;
    if (r->taken < length) return 0;
    struct frame frame = {.length = length,
                          .stream = read32(r->head + 5) & 0x7fffffff,
                          .type = r->head[3],
                          .flags = r->head[4],
                          .payload = r->payload,
                          .kept = length < KEPT_PAYLOAD ? length : KEPT_PAYLOAD};
    r->have = 0;
    if (tell(owner, &frame) < 0) return -1;
  }
  return 0;
}

/* Bytes that wait to be written, from start to end. */
struct output {
  uint8_t *bytes;
  size_t start, end, capacity;
};

static uint8_t *room(struct output *out, size_t wanted) {
  if (out->end + wanted > out->capacity) {
    if (out->start > 0) {
      memmove(out->bytes, out->bytes + out->start, out->end - out->start);
      out->end -= out->start;
      out->start = 0;
    }
    if (out->end + wanted > out->capacity) {
      out->capacity = 2 * (out->end + wanted);
      out->bytes = realloc(out->bytes, out->capacity);
      if (out->bytes == NULL) abort();
    }
  }
  return out->bytes + out->end;
}

/* Writes what the kernel takes: 1 when all is gone, 0 when some waits, -1 when the connection has failed. */
static int flush(struct output *out, int fd) {
  while (out->start < out->end) {
    ssize_t written = write(fd, out->bytes + out->start, out->end - out->start);
    if (written < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    out->start += (size_t)written;
  }
  out->start = out->end = 0;
  return 1;
}

static inline void put32(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 24);
  at[1] = (uint8_t)(value >> 16);
  at[2] = (uint8_t)(value >> 8);
  at[3] = (uint8_t)value;
}

static inline void put_head(uint8_t *at, uint32_t length, uint8_t type, uint8_t flags, uint32_t stream) {
  put32(at, length << 8 | type);
  at[4] = flags;
  put32(at + 5, stream);
}

/* A frame whose payload is given, or (with payload NULL) stays as it stands in the buffer. */
static inline void put_frame(struct output *out, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                             uint32_t length) {
  uint8_t *at = room(out, FRAME_HEAD + length);
  put_head(at, length, type, flags, stream);
  if (payload != NULL) memcpy(at + FRAME_HEAD, payload, length);
  out->end += FRAME_HEAD + length;
}

static inline void put_setting(uint8_t *at, uint16_t id, uint32_t value) {
  at[0] = (uint8_t)(id >> 8);
  at[1] = (uint8_t)id;
  put32(at + 2, value);
}

static inline void put_window_update(struct output *out, uint32_t stream, uint32_t increment) {
  uint8_t payload[4];
  put32(payload, increment);
  put_frame(out, WINDOW_UPDATE, 0, stream, payload, 4);
}
#endif
