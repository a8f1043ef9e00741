"""A circuit breaker: what keeps failing is left alone for a while instead of being waited for again and again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Literal

from recsys.errors import ConfigError

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Counts failures of one thing that others depend on; serves any number of threads.

    Closed, it lets everything through. ``failures`` failures within ``window_s`` seconds open it: nothing passes for
    ``cooldown_s``. Then it is half-open: one call at a time may try; its success closes the breaker, its failure opens
    it for another cool-down. (M. Nygard, Release It!, 2007.)

    Whoever was allowed tells how it went, by `succeeded`, `failed` or `abandoned`, with the turn that `allow` gave. A
    call of an earlier turn says nothing about now: it neither closes a breaker that another call tries, nor opens one
    that has recovered. A trial that never tells is given up after another cool-down.

    >>> breaker = Breaker(failures=1)
    >>> turn = breaker.allow()
    >>> breaker.failed(turn)
    >>> breaker.allow()
    0
    """

    def __init__(
        self, failures: int = 3, window_s: float = 30.0, cooldown_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        if failures < 1 or not window_s > 0 or not cooldown_s > 0:
            raise ConfigError(f"a breaker needs failures >= 1 and times > 0, got {failures}, {window_s}, {cooldown_s}")
        self.failures, self.window_s, self.cooldown_s = failures, window_s, cooldown_s
        self._clock = clock
        self._lock = Lock()
        self._failed: deque[float] = deque(maxlen=failures)  # when the last ones happened
        self._opened: float | None = None
        self._trial: float | None = None
        self._turn = 1  # raised whenever what earlier calls tell stops to count

    def allow(self) -> int:
        """Return the turn of a call that may be made now, else 0; of a half-open breaker, the caller tries."""
        with self._lock:
            now = self._clock()
            if self._opened is not None:
                if now - self._opened < self.cooldown_s:
                    return 0
                if self._trial is not None and now - self._trial < self.cooldown_s:
                    return 0
                self._trial = now
                self._turn += 1
            return self._turn

    def succeeded(self, turn: int) -> None:
        """Note a call that went well: a trial closes the breaker."""
        with self._lock:
            if turn == self._turn and self._trial is not None:
                self._opened = self._trial = None
                self._turn += 1

    def failed(self, turn: int) -> None:
        """Note a call that went wrong."""
        with self._lock:
            if turn != self._turn:
                return
            now = self._clock()
            if self._trial is None:
                self._failed.append(now)
                if len(self._failed) < self.failures or now - self._failed[0] > self.window_s:
                    return
            self._opened, self._trial = now, None
            self._turn += 1
            self._failed.clear()

    def abandoned(self, turn: int) -> None:
        """Note a call that was allowed and says nothing about the other side: another may try."""
        with self._lock:
            if turn == self._turn and self._trial is not None:
                self._trial = None
                self._turn += 1

    @property
    def state(self) -> State:
        """What a call would meet now."""
        with self._lock:
            if self._opened is None:
                return "closed"
            return "open" if self._clock() - self._opened < self.cooldown_s else "half-open"
