/*
 * An HTTP/1.1 origin that reads a request whole, head and Content-Length body, and only then answers 200 with 1 KiB.
 * nginx cannot stand in for it: it answers a POST before it has read it. Single-threaded, epoll, loopback only.
 * Use: post-origin PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 65536, MAX_HEAD = 16384, MAX_EVENTS = 256, REPLY_BODY = 1024 };

struct connection {
  size_t head_bytes; /* of a head that is still incomplete */
  long body_left;    /* of the body that is being read; 0 between requests */
  char head[MAX_HEAD + 1];
};

static struct connection *connections[MAX_FD];
static char reply[REPLY_BODY + 256];
static size_t reply_bytes;

/* A reply is far smaller than an empty send buffer: a short write means a peer that does not read, which is an error. */
static int send_reply(int fd) { return write(fd, reply, reply_bytes) == (ssize_t)reply_bytes ? 0 : -1; }

/* Takes what was read; -1 when the connection is to be closed. */
static int take(int fd, struct connection *c, const char *data, size_t bytes) {
  while (bytes > 0) {
    if (c->body_left > 0) {
      size_t used = bytes < (size_t)c->body_left ? bytes : (size_t)c->body_left;
      c->body_left -= (long)used;
      data += used;
      bytes -= used;
      if (c->body_left == 0 && send_reply(fd) < 0) return -1;
      continue;
    }
    size_t room = MAX_HEAD - c->head_bytes;
    size_t copied = bytes < room ? bytes : room;
    size_t before = c->head_bytes;
    memcpy(c->head + before, data, copied);
    c->head_bytes += copied;
    c->head[c->head_bytes] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (end == NULL) {
      if (copied == room) return -1;
      return 0;
    }
    size_t used = (size_t)(end + 4 - c->head) - before;
    data += used;
    bytes -= used;
    end[2] = 0;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    if (strcasestr(c->head, "\r\ntransfer-encoding:") != NULL) return -1;
    c->head_bytes = 0;
    c->body_left = length == NULL ? 0 : atol(length + strlen("\r\ncontent-length:"));
    if (c->body_left < 0 || (c->body_left == 0 && send_reply(fd) < 0)) return -1;
  }
  return 0;
}

static void close_connection(int fd) {
  close(fd);
  free(connections[fd]);
  connections[fd] = NULL;
}

static void accept_all(int listener, int poll) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (fd >= MAX_FD || (connections[fd] = calloc(1, sizeof(struct connection))) == NULL) {
      close(fd);
      continue;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }
}

int main(int argc, char **argv) {
  static char buffer[262144];
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 0))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) {
    perror("post-origin");
    return 1;
  }
  reply_bytes = (size_t)snprintf(reply, sizeof reply,
                                 "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n",
                                 REPLY_BODY);
  memset(reply + reply_bytes, 'a', REPLY_BODY);
  reply_bytes += REPLY_BODY;

  int poll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[MAX_EVENTS];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int count = epoll_wait(poll, ready, MAX_EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener) {
        accept_all(listener, poll);
        continue;
      }
      ssize_t bytes = read(fd, buffer, sizeof buffer);
      if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (bytes <= 0 || take(fd, connections[fd], buffer, (size_t)bytes) < 0) close_connection(fd);
    }
  }
}
