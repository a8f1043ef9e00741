"""A real HTTP server on loopback that answers as a test says."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import pytest

Act = Callable[["Handler"], None]


@dataclass
class Seen:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    port: int  # of the client: the same port is the same connection


@dataclass
class Fake:
    """The server: ``acts`` are done one after the other, then ``usual`` for ever."""

    url: str = ""
    acts: list[Act] = field(default_factory=list)
    usual: Act = lambda handler: handler.json({})
    seen: list[Seen] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    at_once: int = 0
    most_at_once: int = 0

    def texts(self) -> str:
        return json.dumps([s.body for s in self.seen], ensure_ascii=False)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: without this each answer takes 40 ms
    fake: Fake

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        fake = self.fake
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with fake.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            fake.seen.append(Seen(self.path, headers, body, self.client_address[1]))
            self.asked = body
            act = fake.acts.pop(0) if fake.acts else fake.usual
            fake.at_once += 1
            fake.most_at_once = max(fake.most_at_once, fake.at_once)
        try:
            act(self)
        finally:
            with fake.lock:
                fake.at_once -= 1

    def json(self, data: Any, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        self.raw(json.dumps(data).encode(), status, kind, **headers)

    def raw(self, data: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def reset(self) -> None:
        """End the connection with a reset instead of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of these tests hang up on purpose."""


@pytest.fixture
def server() -> Iterator[Fake]:
    fake = Fake()
    made = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"fake": fake}))
    thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{made.server_port}/v1"
    yield fake
    made.shutdown()
    made.server_close()
    thread.join()


def slow(seconds: float) -> Act:
    def act(handler: Handler) -> None:
        time.sleep(seconds)
        handler.json({})

    return act
