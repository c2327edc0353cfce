/*
 * A closed loop of HTTP/1.1 GETs inside CONNECT tunnels: each connection asks the proxy for its tunnel once, then sends
 * one request after another. An answer has to be a 200 with a Content-Length. Prints one line of JSON, latencies in
 * microseconds.
 * Use: tunnel-load PROXY_PORT HOST:PORT PATH CONNECTIONS SECONDS BODY_BYTES
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_HEAD = 8192, MAX_EVENTS = 256, MAX_US = 2000000, MAX_TEXT = 1024 };

struct connection {
  int fd;
  enum { OPENING, HEAD, BODY, FAILED } state;
  size_t have; /* bytes of a head that is still incomplete */
  size_t left; /* bytes of the body */
  double asked;
  char head[MAX_HEAD + 1];
};

static unsigned latencies[MAX_US + 1];
static long answered, errors;
static char request[MAX_TEXT], opening[MAX_TEXT];
static size_t body_bytes;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(struct connection *c) {
  errors++;
  c->state = FAILED;
  close(c->fd);
}

static void ask(struct connection *c) {
  size_t bytes = strlen(request);
  c->state = HEAD;
  c->have = 0;
  c->asked = now();
  /* A request is far smaller than an empty send buffer. */
  if (write(c->fd, request, bytes) != (ssize_t)bytes) fail(c);
}

static void complete(struct connection *c) {
  double us = (now() - c->asked) * 1e6;
  answered++;
  latencies[us > MAX_US ? MAX_US : (unsigned)us]++;
  ask(c);
}

/* Looks at a head that may be complete; the body's first bytes may have come with it. */
static void take_head(struct connection *c) {
  c->head[c->have] = 0;
  char *end = strstr(c->head, "\r\n\r\n");
  if (end == NULL) {
    if (c->have == MAX_HEAD) fail(c);
    return;
  }
  if (strncmp(c->head, "HTTP/1.", 7) != 0 || strncmp(c->head + 8, " 200", 4) != 0) {
    fail(c);
    return;
  }
  if (c->state == OPENING) {
    ask(c);
    return;
  }
  char *length = strcasestr(c->head, "\r\ncontent-length:");
  if (length == NULL || length > end || (size_t)atol(length + strlen("\r\ncontent-length:")) != body_bytes) {
    fail(c);
    return;
  }
  size_t come = c->have - (size_t)(end + 4 - c->head);
  if (come > body_bytes) {
    fail(c);
    return;
  }
  c->left = body_bytes - come;
  c->state = BODY;
  if (c->left == 0) complete(c);
}

static void take(struct connection *c) {
  static char body[1 << 16];
  ssize_t bytes = c->state == BODY ? read(c->fd, body, sizeof body) : read(c->fd, c->head + c->have, MAX_HEAD - c->have);
  if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (bytes <= 0) {
    fail(c);
    return;
  }
  if (c->state != BODY) {
    c->have += (size_t)bytes;
    take_head(c);
    return;
  }
  if ((size_t)bytes > c->left) {
    fail(c);
    return;
  }
  c->left -= (size_t)bytes;
  if (c->left == 0) complete(c);
}

static long quantile(double share) {
  long sum = 0;
  for (int i = 0; answered > 0 && i <= MAX_US; i++)
    if ((double)(sum += latencies[i]) >= share * (double)answered) return i;
  return -1;
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "use: tunnel-load PROXY_PORT HOST:PORT PATH CONNECTIONS SECONDS BODY_BYTES\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  long count = atol(argv[4]);
  double seconds = atof(argv[5]);
  body_bytes = (size_t)atol(argv[6]);
  snprintf(opening, sizeof opening, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[2], argv[2]);
  snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[3], argv[2]);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct connection *all = calloc((size_t)count, sizeof *all);
  int poll = epoll_create1(EPOLL_CLOEXEC);
  for (long i = 0; i < count; i++) {
    struct connection *c = &all[i];
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) {
      perror("tunnel-load: connect");
      return 1;
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &event);
    if (write(c->fd, opening, strlen(opening)) < 0) fail(c);
  }
  double begun = now(), end = begun + seconds;
  struct epoll_event ready[MAX_EVENTS];
  for (double at = begun; at < end; at = now()) {
    int found = epoll_wait(poll, ready, MAX_EVENTS, (int)((end - at) * 1000) + 1);
    for (int i = 0; i < found; i++) {
      struct connection *c = ready[i].data.ptr;
      if (c->state != FAILED) take(c);
    }
  }
  printf("{\"requests\":%ld,\"seconds\":%.6f,\"p50Us\":%ld,\"p99Us\":%ld,\"errors\":%ld}\n", answered, now() - begun,
         quantile(0.5), quantile(0.99), errors);
  return 0;
}
