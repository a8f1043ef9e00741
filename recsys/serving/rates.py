"""Rate limits: a token bucket for each key (Turner 1986), and the headers that tell a client where it stands."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from recsys.serving.problems import Problem


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands after a request: ``wait_s`` above 0 refuses it, and is how long until one is let through."""

    limit: int
    remaining: int
    reset_s: int
    window_s: int
    wait_s: float = 0.0

    def headers(self) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-07."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
            "RateLimit-Policy": f"{self.limit};w={self.window_s}",
        }

    def problem(self) -> Problem:
        """Return the answer to a request that was refused."""
        headers = {**self.headers(), "Retry-After": str(max(1, math.ceil(self.wait_s)))}
        return Problem(
            429, "too-many-requests", "Too many requests",
            f"this key may make {self.limit} requests in {self.window_s} s: wait as long as Retry-After says",
            headers=headers,
        )  # fmt: skip


class Buckets:
    """One bucket a key, of ``burst`` tokens, refilled by ``per_s``; a request takes one. Thread-safe.

    Of ``most`` keys at most: the one that was quiet longest is forgotten, which fills its bucket.
    """

    def __init__(self, most: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.clock = most, clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key -> tokens, and when it had them
        self._lock = threading.Lock()

    def take(self, key: str, rate: tuple[float, int]) -> Standing:
        """Take a token of ``key``'s bucket where there is one; ``rate`` is (per second, burst)."""
        per_s, burst = rate
        with self._lock:
            now = self.clock()
            tokens, then = self._held.pop(key, (float(burst), now))
            tokens = min(float(burst), tokens + (now - then) * per_s)
            fits = tokens >= 1
            left = tokens - 1 if fits else tokens
            self._held[key] = (left, now)
            while len(self._held) > self.most:
                self._held.popitem(last=False)
        return Standing(
            limit=burst, remaining=int(left), reset_s=math.ceil((burst - left) / per_s),
            window_s=max(1, math.ceil(burst / per_s)), wait_s=0.0 if fits else (1 - left) / per_s,
        )  # fmt: skip
