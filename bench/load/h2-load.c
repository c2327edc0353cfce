/*
 * A load of HTTP/2 requests without TLS (prior knowledge), closed loop or open loop, or streams that are opened and then
 * stalled. Each answer is looked at: status 200, the body's size, and trailers where they are due; anything else is an
 * error. Prints one line of JSON, latencies in microseconds.
 *
 * Use: h2-load NAME=VALUE …
 *   port=N authority=HOST:PORT path=/P connections=N streams=N seconds=S
 *   bytes=N       body bytes of a right answer
 *   post=N        POST with a body of N bytes; otherwise GET
 *   grpc=1        the fields of a gRPC call, and an answer has to end with trailers
 *   unique=1      another path and two other field values in each request
 *   rate=N        open loop: N requests a second, each timed from when it was due
 *   hold=1        opens all streams once, and holds them; the answers get no window
 */
#include "../native/h2-wire.h"
#include "../native/hpack-encode.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

enum { RING = 1024, MAX_EVENTS = 256, MAX_BLOCK = 1024, OUTPUT_LIMIT = 1 << 18, MAX_US = 2000000, MAX_TEXT = 256 };
static const double DRAIN_SECONDS = 5;

struct exchange {
  uint32_t stream; /* 0: free */
  uint32_t received, unsent;
  int64_t window;
  double due;
  uint8_t has_head, bad, has_trailers;
};

struct connection {
  int fd, ready, failed, watches_output;
  struct reader reader;
  struct output out;
  struct table table;
  struct field path, authority, agent, type, te, id, trace;
  uint32_t next_stream, in_flight, limit, initial_window, received, with_unsent;
  int64_t window;
  struct exchange ring[RING];
};

static struct {
  long port, connections, streams, bytes, post, grpc, unique, rate, hold;
  double seconds;
  char authority[MAX_TEXT], path[MAX_TEXT];
} options = {.connections = 1, .streams = 1, .seconds = 1, .bytes = -1};

static struct connection *all;
static uint8_t filler[MAX_FRAME];
static uint32_t latencies[MAX_US + 1], lateness[MAX_US + 1];
static long answered, errors, heads, started, due_seen;
static double begun, ends;
static int poll_fd, stopping;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void count(uint32_t *histogram, double seconds) {
  double us = seconds * 1e6;
  histogram[us < 0 ? 0 : us > MAX_US ? MAX_US : (unsigned)us]++;
}

static long quantile(const uint32_t *histogram, double share) {
  uint64_t total = 0, sum = 0;
  for (int i = 0; i <= MAX_US; i++) total += histogram[i];
  for (int i = 0; total > 0 && i <= MAX_US; i++)
    if ((double)(sum += histogram[i]) >= share * (double)total) return i;
  return -1;
}

/* Writes what the windows allow of a request body. */
static void put_body(struct connection *c, struct exchange *e) {
  while (e->unsent > 0) {
    int64_t allowed = e->window < c->window ? e->window : c->window;
    uint32_t bytes = e->unsent < MAX_FRAME ? e->unsent : MAX_FRAME;
    if (allowed < (int64_t)bytes) bytes = allowed > 0 ? (uint32_t)allowed : 0;
    if (bytes == 0 || c->out.end - c->out.start > OUTPUT_LIMIT) return;
    e->unsent -= bytes;
    e->window -= bytes;
    c->window -= bytes;
    if (e->unsent == 0) c->with_unsent--;
    put_frame(&c->out, DATA, e->unsent == 0 ? END_STREAM : 0, e->stream, filler, bytes);
  }
}

static void resume_bodies(struct connection *c) {
  for (int i = 0; c->with_unsent > 0 && i < RING; i++)
    if (c->ring[i].stream != 0 && c->ring[i].unsent > 0) put_body(c, &c->ring[i]);
}

static void start_request(struct connection *c, double due) {
  /* A stream that has long been open may be in the way: its identifier is then passed over, as RFC 9113 allows. */
  while (c->ring[(c->next_stream >> 1) % RING].stream != 0) c->next_stream += 2;
  struct exchange *e = &c->ring[(c->next_stream >> 1) % RING];
  *e = (struct exchange){.stream = c->next_stream, .due = due, .window = c->initial_window};
  c->next_stream += 2;
  c->in_flight++;
  long number = started++;

  uint8_t *start = room(&c->out, FRAME_HEAD + MAX_BLOCK) + FRAME_HEAD, *at = start;
  *at++ = options.post > 0 ? 0x83 : 0x82; /* :method */
  *at++ = 0x86;                           /* :scheme http */
  if (options.unique) {
    char text[MAX_TEXT + 32];
    snprintf(text, sizeof text, "%s?n=%08lx", options.path, number);
    at = put_literal(at, &c->path, text);
  } else at = put_field(at, &c->table, &c->path, options.path, 1);
  at = put_field(at, &c->table, &c->authority, options.authority, 1);
  at = put_field(at, &c->table, &c->agent, "bench/1.0", 1);
  if (options.grpc) {
    at = put_field(at, &c->table, &c->type, "application/grpc", 1);
    at = put_field(at, &c->table, &c->te, "trailers", 1);
  }
  if (options.unique) {
    char text[64];
    uint64_t mixed = (uint64_t)number * 0x9e3779b97f4a7c15u;
    snprintf(text, sizeof text, "%016lx-%08lx", mixed, number);
    at = put_field(at, &c->table, &c->id, text, 0);
    snprintf(text, sizeof text, "00-4bf92f3577b34da6%016lx-%016lx-01", mixed, mixed ^ 0x5bd1e995u);
    at = put_field(at, &c->table, &c->trace, text, 0);
  }
  uint8_t flags = (uint8_t)(END_HEADERS | (options.post > 0 ? 0 : END_STREAM));
  put_frame(&c->out, HEADERS, flags, e->stream, NULL, (uint32_t)(at - start));
  if (options.post > 0) {
    e->unsent = (uint32_t)options.post;
    c->with_unsent++;
    put_body(c, e);
  }
}

static void fill(struct connection *c) {
  if (!c->ready || c->failed || stopping || options.rate > 0) return;
  uint32_t wanted = (uint32_t)options.streams < c->limit ? (uint32_t)options.streams : c->limit;
  double at = c->in_flight < wanted ? now() : 0;
  while (c->in_flight < wanted) start_request(c, at);
}

static void finish(struct connection *c, struct exchange *e, int bad) {
  int right = !bad && !e->bad && e->has_head && (options.bytes < 0 || e->received == (uint32_t)options.bytes) &&
              (!options.grpc || e->has_trailers);
  if (right) {
    answered++;
    count(latencies, now() - e->due);
  } else errors++;
  if (e->unsent > 0) c->with_unsent--;
  e->stream = 0;
  c->in_flight--;
}

static void take_head(struct exchange *e, const struct frame *f) {
  if (e->has_head) {
    e->has_trailers = (f->flags & END_STREAM) != 0;
    return;
  }
  uint32_t at = (f->flags & PADDED ? 1 : 0) + (f->flags & PRIORITY_FLAG ? 5 : 0);
  while (at < f->kept && (f->payload[at] & 0xe0) == 0x20) at++; /* table size updates, of which none is long */
  e->has_head = 1;
  e->bad = at >= f->kept || f->payload[at] != 0x88; /* :status 200 has one form in every common encoder */
  heads++;
}

static int take_settings(struct connection *c, const struct frame *f) {
  for (uint32_t at = 0; at + 6 <= f->kept; at += 6) {
    unsigned id = (unsigned)f->payload[at] << 8 | f->payload[at + 1];
    uint32_t value = read32(f->payload + at + 2);
    if (id == HEADER_TABLE_SIZE && value < TABLE_BYTES) return -1; /* no peer asks for that */
    if (id == MAX_CONCURRENT_STREAMS) c->limit = value;
    if (id != INITIAL_WINDOW_SIZE) continue;
    for (int i = 0; i < RING; i++) c->ring[i].window += (int64_t)value - c->initial_window;
    c->initial_window = value;
  }
  put_frame(&c->out, SETTINGS, ACK, 0, NULL, 0);
  if (!c->ready) {
    c->ready = 1;
    fill(c);
  }
  resume_bodies(c);
  return 0;
}

static int take_frame(void *owner, const struct frame *f) {
  struct connection *c = owner;
  struct exchange *e = &c->ring[(f->stream >> 1) % RING];
  if (f->stream == 0 || e->stream != f->stream) e = NULL;
  switch (f->type) {
    case DATA:
      c->received += f->length;
      if (c->received > HUGE_WINDOW / 2 && !options.hold) {
        put_window_update(&c->out, 0, c->received);
        c->received = 0;
      }
      if (e != NULL) e->received += f->length;
      break;
    case HEADERS:
      if (!(f->flags & END_HEADERS)) return -1;
      if (e != NULL) take_head(e, f);
      break;
    case RST_STREAM:
      if (e == NULL) break;
      finish(c, e, 1);
      fill(c);
      break;
    case SETTINGS: return f->flags & ACK ? 0 : take_settings(c, f);
    case PING:
      if (!(f->flags & ACK)) put_frame(&c->out, PING, ACK, 0, f->payload, 8);
      break;
    case GOAWAY: return -1;
    case WINDOW_UPDATE:
      if (f->stream == 0) c->window += read32(f->payload);
      else if (e != NULL) e->window += read32(f->payload);
      resume_bodies(c);
      break;
    default: break;
  }
  if (f->type <= HEADERS && f->flags & END_STREAM && e != NULL) {
    finish(c, e, 0);
    fill(c);
  }
  return 0;
}

static void fail(struct connection *c) {
  errors += c->in_flight == 0 ? 1 : c->in_flight;
  c->in_flight = 0;
  c->failed = 1;
  close(c->fd);
}

static void write_out(struct connection *c) {
  int done;
  while ((done = flush(&c->out, c->fd)) == 1 && c->with_unsent > 0) {
    resume_bodies(c);
    if (c->out.end == 0) break;
  }
  if (done < 0) {
    fail(c);
    return;
  }
  if (c->watches_output == !done) return;
  c->watches_output = !done;
  struct epoll_event event = {.events = EPOLLIN | (done ? 0u : EPOLLOUT), .data.ptr = c};
  epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static int open_connection(struct connection *c) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) return -1;
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  c->next_stream = 1;
  c->limit = 100;
  c->window = c->initial_window = DEFAULT_WINDOW;
  c->path = (struct field){.name = ":path", .static_name = 4};
  c->authority = (struct field){.name = ":authority", .static_name = 1};
  c->agent = (struct field){.name = "user-agent", .static_name = 58};
  c->type = (struct field){.name = "content-type", .static_name = 31};
  c->te = (struct field){.name = "te"};
  c->id = (struct field){.name = "x-request-id"};
  c->trace = (struct field){.name = "traceparent"};
  memcpy(room(&c->out, PREFACE_BYTES), PREFACE, PREFACE_BYTES);
  c->out.end += PREFACE_BYTES;
  uint8_t setting[6];
  put_setting(setting, INITIAL_WINDOW_SIZE, options.hold ? 0 : HUGE_WINDOW);
  put_frame(&c->out, SETTINGS, 0, 0, setting, sizeof setting);
  if (!options.hold) put_window_update(&c->out, 0, HUGE_WINDOW - DEFAULT_WINDOW);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
  write_out(c);
  return 0;
}

/* Starts what is due, on the connections in turn; what finds all of them full starts later, and its wait counts. */
static void start_due(double at) {
  static long turn;
  long total = (long)((double)options.rate * options.seconds);
  long due = (long)((at - begun) * (double)options.rate) + 1;
  if (due > total) due = total;
  for (; due_seen < due; due_seen++) count(lateness, at - begun - (double)due_seen / (double)options.rate);
  while (started < due) {
    struct connection *c = NULL;
    for (long i = 0; i < options.connections && c == NULL; i++) {
      struct connection *next = &all[turn++ % options.connections];
      if (next->ready && !next->failed && next->in_flight < (uint32_t)options.streams && next->in_flight < next->limit)
        c = next;
    }
    if (c == NULL) return;
    start_request(c, begun + (double)started / (double)options.rate);
    write_out(c);
  }
}

static void read_options(int argc, char **argv) {
  const struct {
    const char *name;
    long *at;
  } numbers[] = {{"port", &options.port},     {"connections", &options.connections}, {"streams", &options.streams},
                 {"bytes", &options.bytes},   {"post", &options.post},               {"grpc", &options.grpc},
                 {"unique", &options.unique}, {"rate", &options.rate},               {"hold", &options.hold}};
  for (int i = 1; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (value == NULL) continue;
    *value++ = 0;
    if (strcmp(argv[i], "authority") == 0) snprintf(options.authority, MAX_TEXT, "%s", value);
    if (strcmp(argv[i], "path") == 0) snprintf(options.path, MAX_TEXT, "%s", value);
    if (strcmp(argv[i], "seconds") == 0) options.seconds = atof(value);
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
      if (strcmp(argv[i], numbers[n].name) == 0) *numbers[n].at = atol(value);
  }
}

static long open_streams(void) {
  long sum = 0;
  for (long i = 0; i < options.connections; i++) sum += all[i].in_flight;
  return sum;
}

static void print_result(double seconds) {
  long lost = options.rate > 0 ? open_streams() + due_seen - started : 0;
  printf("{\"requests\":%ld,\"seconds\":%.6f,\"p50Us\":%ld,\"p99Us\":%ld,\"errors\":%ld,\"lateP99Us\":%ld,"
         "\"open\":%ld,\"heads\":%ld}\n",
         answered, seconds, quantile(latencies, 0.5), quantile(latencies, 0.99), errors + lost,
         quantile(lateness, 0.99), open_streams(), heads);
}

int main(int argc, char **argv) {
  static uint8_t buffer[1 << 18];
  signal(SIGPIPE, SIG_IGN);
  read_options(argc, argv);
  memset(filler, 'b', sizeof filler);
  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  all = calloc((size_t)options.connections, sizeof *all);
  for (long i = 0; i < options.connections; i++) {
    if (open_connection(&all[i]) < 0) {
      perror("h2-load: connect");
      return 1;
    }
  }
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, ready[MAX_EVENTS];
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer, &event);
  long interval = options.rate > 0 ? 1000000000L / options.rate : 1000000000L;
  struct timespec step = {.tv_sec = interval / 1000000000L, .tv_nsec = interval % 1000000000L};
  timerfd_settime(timer, 0, &(struct itimerspec){.it_interval = step, .it_value = step}, NULL);
  begun = now();
  ends = begun + options.seconds;

  for (double at = begun; at < ends + (options.rate > 0 ? DRAIN_SECONDS : 0); at = now()) {
    if (at >= ends && !stopping) stopping = 1;
    if (stopping && open_streams() == 0 && started == due_seen) break;
    double left = (stopping ? ends + DRAIN_SECONDS : ends) - at;
    int found = epoll_wait(poll_fd, ready, MAX_EVENTS, (int)(left * 1000) + 1);
    for (int i = 0; i < found; i++) {
      struct connection *c = ready[i].data.ptr;
      if (c == NULL) {
        uint64_t ticks;
        if (read(timer, &ticks, sizeof ticks) < 0) continue;
        continue;
      }
      if (c->failed) continue;
      if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t bytes = read(c->fd, buffer, sizeof buffer);
        int gone = bytes < 0 ? errno != EAGAIN && errno != EINTR : bytes == 0;
        if (gone || (bytes > 0 && read_frames(&c->reader, buffer, (size_t)bytes, take_frame, c) < 0)) {
          fail(c);
          continue;
        }
      }
      write_out(c);
    }
    if (options.rate > 0) start_due(now());
  }
  print_result(options.rate > 0 ? options.seconds : now() - begun);
  return 0;
}
