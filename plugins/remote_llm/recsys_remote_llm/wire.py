"""One exchange with one server over kept connections: bounded in time and size, never led elsewhere."""

from __future__ import annotations

import io
import ssl
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from socket import socket
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from recsys_remote_llm.errors import BadReply, TimedOut, Unreachable

HEADERS = 256 * 1024  # bytes that a status line, headers and the frames of chunks may take beside the body


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: ``headers`` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Connections to one server; serves any number of threads, each exchange has a connection to itself.

    Redirects are answers like any other: nothing is ever sent to another host. Proxies of the environment are not
    used.
    """

    def __init__(self, url: str, connect_s: float, read_s: float, max_bytes: int, keep: int) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.netloc}"  # for messages
        self._host, self._port, self._base = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._connect_s, self._read_s, self._max_bytes, self._keep = connect_s, read_s, max_bytes, keep
        self._idle: list[HTTPConnection] = []
        self._lock = Lock()
        weakref.finalize(self, _close_all, self._idle)

    def post(self, path: str, body: bytes, headers: Mapping[str, str], until: float) -> Answer:
        """Send ``body`` to ``path`` and return the answer, complete at `time.monotonic` second ``until``.

        Raises:
            Unreachable: no connection, or it was lost.
            TimedOut: silence for ``read_s``, or ``until`` has come.
            BadReply: more than ``max_bytes``, compressed, or no HTTP.
        """
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange(kept, path, body, headers, until)
            except Unreachable:
                pass  # the server hung up while the connection lay idle: that is no failure of this request
        return self._exchange(self._connected(until), path, body, headers, until)

    def _connected(self, until: float) -> HTTPConnection:
        left = min(self._connect_s, until - time.monotonic())
        if left <= 0:
            raise TimedOut(f"{self.name}: no time left to connect")
        connection = (
            HTTPConnection(self._host, self._port, timeout=left) if self._tls is None
            else HTTPSConnection(self._host, self._port, timeout=left, context=self._tls)
        )  # fmt: skip
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:  # a host name may be none
            connection.close()
            raise Unreachable(f"{self.name}: no connection ({type(error).__name__})") from error
        return connection

    def _exchange(
        self, connection: HTTPConnection, path: str, body: bytes, headers: Mapping[str, str], until: float
    ) -> Answer:
        done = False
        try:
            connection.sock.settimeout(max(min(self._read_s, until - time.monotonic()), 1e-3))
            connection.request("POST", self._base + path, body, dict(headers))
            timed = _Timed(connection.sock, until, self._read_s, self._max_bytes + HEADERS)
            connection.sock = timed
            response = connection.getresponse()
            data = self._read(response)
            done = response.isclosed() and not response.will_close
        except TimeoutError as error:
            raise TimedOut(f"{self.name}: no complete answer in time") from error
        except (OSError, IncompleteRead) as error:
            raise Unreachable(f"{self.name}: the connection was lost ({type(error).__name__})") from error
        except (HTTPException, ValueError) as error:  # the library lets some of its own conversions fail
            raise BadReply(f"{self.name}: the answer is no HTTP ({type(error).__name__})") from error
        finally:
            if isinstance(connection.sock, _Timed):
                connection.sock = connection.sock.inner
            if done:
                self._give_back(connection)
            else:
                connection.close()
        return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, data)

    def _read(self, response: HTTPResponse) -> bytes:
        if response.getheader("content-encoding", "identity").strip().lower() != "identity":
            raise BadReply(f"{self.name}: the answer is compressed, which was not asked for")
        if (response.length or 0) > self._max_bytes:
            raise BadReply(f"{self.name}: the answer has {response.length} bytes, at most {self._max_bytes} are read")
        data = response.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise BadReply(f"{self.name}: the answer has more than {self._max_bytes} bytes")
        if response.length:
            raise IncompleteRead(b"", response.length)
        return data

    def _take(self) -> HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < self._keep:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the connections that lie idle; the next request opens new ones."""
        with self._lock:
            idle, self._idle[:] = list(self._idle), []
        _close_all(idle)


def _close_all(connections: list[HTTPConnection]) -> None:
    for connection in connections:
        connection.close()


class _Timed:
    """A socket for one response: no piece of it may take ``read_s``, all of it ends at ``until``.

    `http.client` sets a time-out for each piece alone, so that a server which sends a byte now and then would be
    listened to for ever; and it believes a negative size of a chunk, so that the bytes are counted here as well.
    """

    def __init__(self, inner: socket, until: float, read_s: float, most: int) -> None:
        self.inner, self._until, self._read_s, self._most = inner, until, read_s, most

    def makefile(self, mode: str) -> Any:
        """Return what a response is read from."""
        return io.BufferedReader(_TimedReader(self.inner, self._until, self._read_s, self._most))

    def close(self) -> None:
        """Close the socket."""
        self.inner.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket, until: float, read_s: float, most: int) -> None:
        self._socket, self._until, self._read_s, self._left = sock, until, read_s, most
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open until the response is read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = min(self._read_s, self._until - time.monotonic())
        if left <= 0:
            raise TimeoutError("the time for the response is over")
        self._socket.settimeout(left)
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise HTTPException("more bytes than were to be read")
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
