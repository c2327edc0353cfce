/*
 * An HTTP/2 origin without TLS: answers each request with 200 and a body of the given size, once it has arrived whole.
 * Single-threaded, epoll, loopback only. It reads no field blocks, so any path is answered alike, and it costs a
 * fraction of what a server costs: the proxy is to be the bottleneck.
 * Use: h2-origin PORT BODY_BYTES plain   content-length, no trailers
 *      h2-origin PORT BODY_BYTES grpc    trailers with grpc-status
 *      h2-origin PORT 0 silent           never answers, and gives request bodies no window
 */
#include "../native/h2-wire.h"
#include "../native/hpack-encode.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { MAX_FD = 65536, MAX_EVENTS = 256, OUTPUT_LIMIT = 1 << 18, MAX_STREAMS = 128, MAX_BLOCK = 512 };

enum manner { PLAIN, GRPC, SILENT };

/* An answer whose body waits for windows. */
struct pending {
  uint32_t stream, left;
  int64_t window;
};

struct connection {
  struct reader reader;
  struct output out;
  struct table table;
  struct field content_type, server, grpc_status;
  unsigned preface; /* bytes of it */
  int indexing;     /* 0 until the client's settings, and for ever when its table is smaller than ours */
  int shrink;       /* its table got smaller: the next block has to say so */
  int64_t window;
  uint32_t initial_window, received;
  struct pending *waiting;
  unsigned waiting_count, waiting_room;
  int fd, watches_output;
};

static struct connection *connections[MAX_FD];
static enum manner manner;
static uint32_t body_bytes;
static char length_text[16];
static uint8_t filler[MAX_FRAME];
static int poll_fd;

static uint8_t *put_known(struct connection *c, uint8_t *at, struct field *field, const char *value) {
  return c->indexing ? put_field(at, &c->table, field, value, 1) : put_literal(at, field, value);
}

static void put_block(struct connection *c, uint32_t stream, int trailers, uint8_t flags) {
  static const struct field content_length = {.name = "content-length", .static_name = 28};
  uint8_t *start = room(&c->out, FRAME_HEAD + MAX_BLOCK) + FRAME_HEAD, *at = start;
  if (c->shrink) {
    *at++ = 0x20;
    c->shrink = 0;
  }
  if (trailers) {
    at = put_known(c, at, &c->grpc_status, "0");
  } else {
    *at++ = 0x88; /* :status 200 */
    at = put_known(c, at, &c->server, "bench");
    at = put_known(c, at, &c->content_type, manner == GRPC ? "application/grpc" : "application/octet-stream");
    if (manner == PLAIN) at = put_literal(at, &content_length, length_text);
  }
  put_frame(&c->out, HEADERS, (uint8_t)(END_HEADERS | flags), stream, NULL, (uint32_t)(at - start));
}

/* Writes what the windows allow of a body; true when it has ended. */
static int put_body(struct connection *c, struct pending *p) {
  while (p->left > 0) {
    int64_t allowed = p->window < c->window ? p->window : c->window;
    uint32_t bytes = p->left < MAX_FRAME ? p->left : MAX_FRAME;
    if (allowed < (int64_t)bytes) bytes = allowed > 0 ? (uint32_t)allowed : 0;
    if (bytes == 0 || c->out.end - c->out.start > OUTPUT_LIMIT) return 0;
    p->left -= bytes;
    p->window -= bytes;
    c->window -= bytes;
    put_frame(&c->out, DATA, p->left == 0 && manner != GRPC ? END_STREAM : 0, p->stream, filler, bytes);
  }
  if (manner == GRPC) put_block(c, p->stream, 1, END_STREAM);
  return 1;
}

static void answer(struct connection *c, uint32_t stream) {
  if (manner == SILENT) return;
  struct pending p = {.stream = stream, .left = body_bytes, .window = c->initial_window};
  put_block(c, stream, 0, body_bytes == 0 && manner == PLAIN ? END_STREAM : 0);
  if ((body_bytes == 0 && manner == PLAIN) || put_body(c, &p)) return;
  if (c->waiting_count == c->waiting_room) {
    c->waiting_room = c->waiting_room == 0 ? 16 : 2 * c->waiting_room;
    c->waiting = realloc(c->waiting, c->waiting_room * sizeof *c->waiting);
    if (c->waiting == NULL) abort();
  }
  c->waiting[c->waiting_count++] = p;
}

static void resume(struct connection *c) {
  unsigned kept = 0;
  for (unsigned i = 0; i < c->waiting_count; i++)
    if (!put_body(c, &c->waiting[i])) c->waiting[kept++] = c->waiting[i];
  c->waiting_count = kept;
}

static struct pending *find(struct connection *c, uint32_t stream) {
  for (unsigned i = 0; i < c->waiting_count; i++)
    if (c->waiting[i].stream == stream) return &c->waiting[i];
  return NULL;
}

static void take_settings(struct connection *c, const struct frame *f) {
  c->indexing = 1;
  for (uint32_t at = 0; at + 6 <= f->kept; at += 6) {
    unsigned id = (unsigned)f->payload[at] << 8 | f->payload[at + 1];
    uint32_t value = read32(f->payload + at + 2);
    if (id == HEADER_TABLE_SIZE && value < TABLE_BYTES) c->shrink = 1;
    if (id != INITIAL_WINDOW_SIZE) continue;
    for (unsigned i = 0; i < c->waiting_count; i++) c->waiting[i].window += (int64_t)value - c->initial_window;
    c->initial_window = value;
  }
  if (c->shrink) c->indexing = 0;
  put_frame(&c->out, SETTINGS, ACK, 0, NULL, 0);
}

static int take_frame(void *owner, const struct frame *f) {
  struct connection *c = owner;
  struct pending *p;
  switch (f->type) {
    case DATA:
      c->received += f->length;
      if (c->received > HUGE_WINDOW / 2 && manner != SILENT) {
        put_window_update(&c->out, 0, c->received);
        c->received = 0;
      }
      if (f->flags & END_STREAM) answer(c, f->stream);
      break;
    case HEADERS:
      if (!(f->flags & END_HEADERS)) return -1; /* no scenario has heads above 16 KiB */
      if (f->flags & END_STREAM) answer(c, f->stream);
      break;
    case SETTINGS:
      if (!(f->flags & ACK)) take_settings(c, f);
      break;
    case PING:
      if (!(f->flags & ACK)) put_frame(&c->out, PING, ACK, 0, f->payload, 8);
      break;
    case WINDOW_UPDATE:
      if (f->stream == 0) c->window += read32(f->payload);
      else if ((p = find(c, f->stream)) != NULL) p->window += read32(f->payload);
      if (c->waiting_count > 0) resume(c);
      break;
    case RST_STREAM:
      if ((p = find(c, f->stream)) != NULL) *p = c->waiting[--c->waiting_count];
      break;
    case GOAWAY: return c->waiting_count == 0 ? -1 : 0;
    default: break;
  }
  return 0;
}

static int take(struct connection *c, const uint8_t *data, size_t bytes) {
  if (c->preface < PREFACE_BYTES) {
    unsigned want = PREFACE_BYTES - c->preface, used = bytes < want ? (unsigned)bytes : want;
    if (memcmp(PREFACE + c->preface, data, used) != 0) return -1;
    c->preface += used;
    data += used;
    bytes -= used;
  }
  return read_frames(&c->reader, data, bytes, take_frame, c);
}

/* Writes, and goes on with what waited for room in the output; asks to be told when there is more. */
static int write_out(struct connection *c) {
  int done;
  while ((done = flush(&c->out, c->fd)) == 1 && c->waiting_count > 0) {
    resume(c);
    if (c->out.end == 0) break;
  }
  if (done < 0) return -1;
  if (c->watches_output != !done) {
    c->watches_output = !done;
    struct epoll_event event = {.events = EPOLLIN | (done ? 0u : EPOLLOUT), .data.fd = c->fd};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
  }
  return 0;
}

static void close_connection(int fd) {
  free(connections[fd]->out.bytes);
  free(connections[fd]->waiting);
  free(connections[fd]);
  connections[fd] = NULL;
  close(fd);
}

static void greet(struct connection *c) {
  uint8_t settings[12];
  put_setting(settings, MAX_CONCURRENT_STREAMS, MAX_STREAMS);
  put_setting(settings + 6, INITIAL_WINDOW_SIZE, manner == SILENT ? 0 : HUGE_WINDOW);
  put_frame(&c->out, SETTINGS, 0, 0, settings, sizeof settings);
  if (manner != SILENT) put_window_update(&c->out, 0, HUGE_WINDOW - DEFAULT_WINDOW);
}

static void accept_all(int listener) {
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    struct connection *c = fd < MAX_FD ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
      close(fd);
      continue;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->fd = fd;
    c->window = c->initial_window = DEFAULT_WINDOW;
    c->server = (struct field){.name = "server", .static_name = 54};
    c->content_type = (struct field){.name = "content-type", .static_name = 31};
    c->grpc_status = (struct field){.name = "grpc-status"};
    connections[fd] = c;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    greet(c);
    if (write_out(c) < 0) close_connection(fd);
  }
}

int main(int argc, char **argv) {
  static uint8_t buffer[1 << 18];
  signal(SIGPIPE, SIG_IGN);
  if (argc != 4) {
    fprintf(stderr, "use: h2-origin PORT BODY_BYTES plain|grpc|silent\n");
    return 2;
  }
  body_bytes = (uint32_t)atol(argv[2]);
  manner = argv[3][0] == 'g' ? GRPC : argv[3][0] == 's' ? SILENT : PLAIN;
  snprintf(length_text, sizeof length_text, "%u", body_bytes);
  memset(filler, 'a', sizeof filler);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) {
    perror("h2-origin");
    return 1;
  }
  socklen_t size = sizeof address;
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);

  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[MAX_EVENTS];
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int count = epoll_wait(poll_fd, ready, MAX_EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener) {
        accept_all(listener);
        continue;
      }
      struct connection *c = connections[fd];
      int gone = 0;
      if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t bytes = read(fd, buffer, sizeof buffer);
        if (bytes < 0) gone = errno != EAGAIN && errno != EINTR;
        else gone = bytes == 0 || take(c, buffer, (size_t)bytes) < 0;
      }
      if (gone || write_out(c) < 0) close_connection(fd);
    }
  }
}
