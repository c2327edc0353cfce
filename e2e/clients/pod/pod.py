"""The app's first process in a pod of clients: it sees what goes to the proxy, and is a server that no proxy may be asked for.

    pod.py PROXY-PORT LOCAL-PORT LOG

On loopback it answers HTTP on LOCAL-PORT. What an app sends to PROXY-PORT is written to LOG, a line for each segment that
begins a request: `CONNECT orders:8080`, `GET http://orders:8080/x`, `GET /x` (inside CONNECT), `PRI *` (HTTP/2), `TLS`.
A datagram to PROXY-PORT is written as it is: clients are told apart by it. Reading packets needs CAP_NET_RAW, which a
container has unless it is dropped.
"""

import http.server
import re
import socket
import struct
import sys
import threading

PROXY_PORT, LOCAL_PORT = int(sys.argv[1]), int(sys.argv[2])
IPV4, TCP, UDP = 0x0800, 6, 17
HEAD = re.compile(rb"([A-Z]+) (\S+) HTTP/[12]\.[01]\r\n")
OUTGOING = 4  # Each packet of loopback comes by twice.


class Local(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "6")
        self.end_headers()
        self.wfile.write(b"local\n")

    def log_message(self, *_):
        pass


def word_of(packet):
    """What is to be written of a packet, or None."""
    header = (packet[0] & 15) * 4
    protocol, rest = packet[9], packet[header:]
    if struct.unpack(">H", rest[2:4])[0] != PROXY_PORT:
        return None
    if protocol == UDP:
        return rest[8:].decode()
    if protocol != TCP:
        return None
    data = rest[(rest[12] >> 4) * 4 :]
    if data[:2] == b"\x16\x03":
        return "TLS"
    head = HEAD.match(data)
    return None if head is None else f"{head[1].decode()} {head[2].decode()}"


def watch(log):
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    packets.bind(("lo", 0))
    with open(log, "a", buffering=1) as lines:
        lines.write("watching\n")
        while True:
            packet, (_, kind, direction, *_) = packets.recvfrom(2048)
            if kind == IPV4 and direction == OUTGOING:
                word = word_of(packet)
                if word is not None:
                    lines.write(f"{word}\n")


server = http.server.ThreadingHTTPServer(("127.0.0.1", LOCAL_PORT), Local)
threading.Thread(target=server.serve_forever, daemon=True).start()
watch(sys.argv[3])
