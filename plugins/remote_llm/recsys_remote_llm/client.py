"""Asks one server: bounded, patient with a server that is busy, and silent towards one that is broken."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import BoundedSemaphore, Lock
from typing import Any

import numpy as np
from pydantic import SecretStr

from recsys.breaker import Breaker
from recsys.errors import BudgetExceeded
from recsys_remote_llm.errors import BadReply, CircuitOpen, Refused, RemoteError, TimedOut, Unreachable
from recsys_remote_llm.settings import Server
from recsys_remote_llm.wire import Answer, Wire

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504, 529})  # worth another try

HEADROOM = 1.2  # a deadline leaves time enough if it leaves so many times what the last answer took


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered: the JSON, and counts for `recsys.types.Notes`.

    ``counts``: "remote_calls", "remote_retries", "tokens_in", "tokens_out", and "cost_micros" in millionths of the
    currency of the prices. A server that does not say how many tokens it read counts none.
    """

    data: Any
    counts: Mapping[str, float] = field(default_factory=dict)


class Client:
    """One server, shared by all threads. It logs nothing; ``totals`` are sums of everything asked, failures too."""

    def __init__(
        self, server: Server, key: SecretStr | None = None, *, sleep: Callable[[float], None] = time.sleep,
        breaker: Breaker | None = None,
    ) -> None:  # fmt: skip
        self.server = server
        self.breaker = breaker or Breaker(server.breaker_failures, server.breaker_window_s, server.breaker_cooldown_s)
        self._wire = Wire(server.url, server.connect_s, server.read_s, server.max_bytes, server.concurrency)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "recsys"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key.get_secret_value()}"
        self._sleep = sleep
        self._rng = np.random.default_rng(server.seed)
        self._slots = BoundedSemaphore(server.concurrency)
        self._lock = Lock()
        self._totals: dict[str, float] = {}
        self._took: float | None = None  # seconds of the last answer

    def ask(self, path: str, body: Mapping[str, Any], deadline: float | None = None) -> Reply:
        """Post ``body``, as the settings change it, as JSON to ``path`` and return the answer.

        Args:
            path: below the server's URL, "/rerank".
            body: what is asked.
            deadline: a `time.monotonic` second, as in `recsys.types.Request`.

        Raises:
            BudgetExceeded: the deadline has passed.
            RemoteError: one of its kinds: the server gave no usable answer, or was not asked.
        """
        until = time.monotonic() + self.server.total_s
        until = until if deadline is None else min(until, deadline)
        self._in_time(deadline)
        kept = {name: value for name, value in body.items() if name not in self.server.omit}
        data = json.dumps({"model": self.server.model, **kept, **self.server.extra}).encode()
        if not self._slots.acquire(timeout=max(until - time.monotonic(), 0)):
            self._in_time(deadline)
            raise TimedOut(f"{self._wire.name}: {self.server.concurrency} other requests took all the time")
        try:
            return self._guarded(path, data, until, deadline)
        finally:
            self._slots.release()

    @property
    def totals(self) -> dict[str, float]:
        """Sums of the counts of all replies, and "remote_failures"."""
        with self._lock:
            return dict(self._totals)

    def close(self) -> None:
        """Close idle connections."""
        self._wire.close()

    def _guarded(self, path: str, data: bytes, until: float, deadline: float | None) -> Reply:
        turn = self.breaker.allow()
        if not turn:
            raise CircuitOpen(f"{self._wire.name} failed repeatedly and is left alone for a while")
        began = time.monotonic()
        try:
            reply = self._tried(path, data, until)
        except RemoteError as error:
            (self.breaker.failed if self._blames(error, began, deadline) else self.breaker.abandoned)(turn)
            self._add({"remote_calls": 1, "remote_failures": 1})
            self._in_time(deadline)
            raise
        except BaseException:  # of our own making: it says nothing about the server
            self.breaker.abandoned(turn)
            raise
        self.breaker.succeeded(turn)
        self._took = time.monotonic() - began
        self._add({name: value for name, value in reply.counts.items() if name != "remote_retries"})
        return reply

    def _blames(self, error: RemoteError, began: float, deadline: float | None) -> bool:
        """Return whether an error tells something about the server, and not that a deadline left it no time."""
        if isinstance(error, Refused | BadReply) or deadline is None or time.monotonic() < deadline:
            return True
        usual = self.server.read_s if self._took is None else HEADROOM * self._took
        return deadline - began >= min(self.server.total_s, self.server.read_s, usual)

    def _tried(self, path: str, data: bytes, until: float) -> Reply:
        tries = 0
        while True:
            try:
                return self._reply(self._wire.post(path, data, self._headers, until), tries)
            except RemoteError as error:
                wait = self._wait(error, tries)
                if wait is None or tries >= self.server.retries or time.monotonic() + wait >= until:
                    raise
                tries += 1
                self._add({"remote_retries": 1})
                self._sleep(wait)

    def _in_time(self, deadline: float | None) -> None:
        if deadline is not None and time.monotonic() >= deadline:
            raise BudgetExceeded(f"no answer of {self._wire.name} before the deadline", plugin="remote")

    def _wait(self, error: RemoteError, tries: int) -> float | None:
        """Return how long to wait before the next try; None where none makes sense."""
        if isinstance(error, Refused):
            if error.status not in BUSY:
                return None
        elif not isinstance(error, Unreachable):
            return None
        asked = (error.wait_s or 0.0) if isinstance(error, Refused) else 0.0
        with self._lock:
            jitter = float(self._rng.random())
        return asked + jitter * min(self.server.max_backoff_s, self.server.backoff_s * 2.0**tries)

    def _reply(self, answer: Answer, tries: int) -> Reply:
        if answer.status != 200:
            led = " (redirects are not followed: correct the url)" if 300 <= answer.status < 400 else ""
            wait = retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC))
            raise Refused(f"{self._wire.name} answered {answer.status}{led}", answer.status, wait)
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise BadReply(f"{self._wire.name}: the answer is not application/json")
        try:
            data = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise BadReply(f"{self._wire.name}: the answer is no JSON") from error
        return Reply(data, self._counts(data, tries))

    def _counts(self, data: Any, tries: int) -> dict[str, float]:
        read, written = tokens_of(data)
        server = self.server
        # The price of a million tokens is that of one in millionths, the price of 1,000 calls 1,000 times that of one.
        cost = read * server.price_in + written * server.price_out + server.price_call * 1000
        return {
            "remote_calls": 1, "remote_retries": tries, "tokens_in": read, "tokens_out": written, "cost_micros": cost,
        }  # fmt: skip

    def _add(self, counts: Mapping[str, float]) -> None:
        with self._lock:
            for name, value in counts.items():
                self._totals[name] = self._totals.get(name, 0) + value


def retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, a number or a date; None for neither.

    >>> retry_after("7", datetime(2026, 1, 1, tzinfo=UTC))
    7.0
    """
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) <= 9:
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max((when - now).total_seconds(), 0.0)


def tokens_of(data: Any) -> tuple[int, int]:
    """Return (tokens read, tokens written) as the answer states them, in OpenAI's, Jina's or Cohere's form; else 0.

    >>> tokens_of({"usage": {"prompt_tokens": 9, "completion_tokens": 2}}), tokens_of({"usage": {"total_tokens": 5}})
    ((9, 2), (5, 0))
    """
    if not isinstance(data, dict):
        return 0, 0
    usage, meta = data.get("usage"), data.get("meta")
    if isinstance(usage, dict):
        read, written = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
        return (read or _count(usage.get("total_tokens")) - written, written)
    tokens = meta.get("tokens") if isinstance(meta, dict) else None
    if isinstance(tokens, dict):
        return _count(tokens.get("input_tokens")), _count(tokens.get("output_tokens"))
    return 0, 0


def _count(value: Any) -> int:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
    return int(value) if known else 0
