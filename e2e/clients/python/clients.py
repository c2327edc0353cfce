"""Python's HTTP clients, each as its documentation opens it: nothing is said about a proxy but by the environment.

    clients.py CLIENT (OP URL COUNT)...

Prints a line of JSON for each request. What the operations are is written in ../README.md.
"""

import asyncio
import json
import os
import sys
import time
import urllib.error
import urllib.request

DEADLINE_S = 30
PAUSE_S = 0.05
MOST = 5000
ENOUGH = "/tmp/enough"


def say(op, status, text):
    print(json.dumps({"op": op, "status": status, "text": text}), flush=True)


def fail(op, error):
    print(json.dumps({"op": op, "error": f"{type(error).__name__}: {error}"[:300]}), flush=True)


class Urllib:
    """A connection for each request, always."""

    def get(self, url):
        return self.ask(urllib.request.Request(url))

    def post(self, url, body):
        return self.ask(urllib.request.Request(url, data=body, method="POST"))

    def ask(self, request):
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stream(self, url, release):
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
            first = answer.read1()
            self.get(release)
            return answer.status, (first + answer.read()).decode()


class Requests:
    def __init__(self):
        import requests

        self.session = requests.Session()

    def get(self, url):
        answer = self.session.get(url, timeout=DEADLINE_S)
        return answer.status_code, answer.text

    def post(self, url, body):
        answer = self.session.post(url, data=body, timeout=DEADLINE_S)
        return answer.status_code, answer.text

    def stream(self, url, release):
        with self.session.get(url, stream=True, timeout=DEADLINE_S) as answer:
            pieces = answer.iter_content(chunk_size=None)
            first = next(pieces)
            self.get(release)
            return answer.status_code, (first + b"".join(pieces)).decode()


class Httpx:
    def __init__(self):
        import httpx

        self.client = httpx.Client(timeout=DEADLINE_S)

    def get(self, url):
        answer = self.client.get(url)
        return answer.status_code, answer.text

    def post(self, url, body):
        answer = self.client.post(url, content=body)
        return answer.status_code, answer.text

    def stream(self, url, release):
        with self.client.stream("GET", url) as answer:
            pieces = answer.iter_raw()
            first = next(pieces)
            self.get(release)
            return answer.status_code, (first + b"".join(pieces)).decode()


class Aiohttp:
    """trust_env is what its users have to say; without it no variable is read."""

    def __init__(self, trust_env):
        import aiohttp

        self.loop = asyncio.new_event_loop()

        async def session():
            return aiohttp.ClientSession(trust_env=trust_env, timeout=aiohttp.ClientTimeout(total=DEADLINE_S))

        self.session = self.loop.run_until_complete(session())

    def get(self, url):
        return self.loop.run_until_complete(self.ask("GET", url, None))

    def post(self, url, body):
        return self.loop.run_until_complete(self.ask("POST", url, body))

    async def ask(self, method, url, body):
        async with self.session.request(method, url, data=body) as answer:
            return answer.status, await answer.text()

    def stream(self, url, release):
        async def read():
            async with self.session.get(url) as answer:
                first = await answer.content.readany()
                await self.ask("GET", release, None)
                return answer.status, (first + await answer.content.read()).decode()

        return self.loop.run_until_complete(read())

    def close(self):
        self.loop.run_until_complete(self.session.close())


class Grpc:
    """grpcio, that is gRPC's C core: what Python, Ruby, PHP and C++ use. A URL is only a target here."""

    def __init__(self):
        import grpc

        self.grpc = grpc
        self.channels = {}

    def channel(self, target):
        if target not in self.channels:
            self.channels[target] = self.grpc.insecure_channel(target)
        return self.channels[target]

    def get(self, target):
        return self.post(target, b"hello\n")

    def post(self, target, body):
        call = self.channel(target).unary_unary("/carpool.clients.Echo/Say")
        return 200, call(body, timeout=DEADLINE_S).decode()

    def stream(self, target, _release):
        call = self.channel(target).unary_stream("/carpool.clients.Echo/Spread")
        return 200, b"".join(call(b"spread\n", timeout=DEADLINE_S)).decode()


CLIENTS = {
    "urllib": Urllib,
    "requests": Requests,
    "httpx": Httpx,
    "aiohttp": lambda: Aiohttp(False),
    "aiohttp-trust-env": lambda: Aiohttp(True),
    "grpcio": Grpc,
}


def more(op, done, count):
    """Whether another request is due after so many."""
    if op == "paced":
        return done < count or (done < MOST and not os.path.exists(ENOUGH))
    return done < (count if op == "get" else 1)


def run(client, op, url, count):
    if op == "post":
        return client.post(url, b"x" * count)
    if op == "stream":
        return client.stream(url, url.replace("/stream/", "/release/"))
    return client.get(url)


def main():
    client = CLIENTS[sys.argv[1]]()
    plan = sys.argv[2:]
    for index in range(0, len(plan), 3):
        op, url, count = plan[index], plan[index + 1], int(plan[index + 2])
        done = 0
        while more(op, done, count):
            done += 1
            try:
                say(op, *run(client, op, url, count))
            except Exception as error:  # Whatever a client throws is a line, and the next request is tried.
                fail(op, error)
            if op == "paced":
                time.sleep(PAUSE_S)
    if hasattr(client, "close"):
        client.close()


main()
