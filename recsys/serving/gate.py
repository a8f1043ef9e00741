"""Gate: a bounded queue in front of a few threads; who would wait too long is told so at once.

A service past its capacity has two choices: let every answer come late, or refuse some and give the rest in time. This
one refuses, from an estimate of the wait: the work that is queued, at what such work has taken lately.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from recsys.serving.problems import Problem, unavailable

T = TypeVar("T")
# How far an expected duration moves towards the last one measured.
SHARE = 0.1
# Before anything was measured: optimistic, or the first requests would be refused on no evidence.
FIRST_S = 0.005
# What work hears at least of its budget: 0 would be no budget.
LEAST_MS = 0.1


class Expected:
    """What each kind of work is expected to take, in seconds: a moving mean (EWMA) by name."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}

    def of(self, kind: str) -> float:
        """Return what work of this kind takes."""
        return self._means.get(kind, FIRST_S)

    def add(self, kind: str, seconds: float) -> None:
        """Learn from one that was done."""
        old = self._means.get(kind)
        self._means[kind] = seconds if old is None else old + SHARE * (seconds - old)


class Gate:
    """Runs work in ``threads`` threads, for coroutines of one event loop.

    Work is let in while fewer than ``waiting`` wait and while its expected end lies within its budget, and always where
    a thread is free: what has become slow is measured again that way. What was let in is done, also when the gate is
    closing; only what could not end in time any more when its turn comes, or whose client is gone, is dropped unbegun.

    The estimate counts what runs as if it had just begun, and is a mean: it errs to the side of refusing.

    Args:
        threads: how many run at a time. waiting: how many may wait. budget_ms: where a call names none.
        on_shed: is told why a call was refused: "queue-full", "too-slow", "too-late" or "stopping".
        on_depth: is told how many wait, whenever that changes.
    """

    def __init__(
        self, threads: int, waiting: int = 64, budget_ms: float = 500.0, *,
        on_shed: Callable[[str], None] = lambda reason: None, on_depth: Callable[[int], None] = lambda depth: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.threads, self.waiting, self.budget_ms = threads, waiting, budget_ms
        self.on_shed, self.on_depth, self.clock = on_shed, on_depth, clock
        self.expected = Expected()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="recsys-gate")
        self._inside = 0  # waiting and running
        self._backlog_s = 0.0  # what all of it is expected to take, one after another
        self._stopping = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def depth(self) -> int:
        """How many wait."""
        return max(0, self._inside - self.threads)

    @property
    def inside(self) -> int:
        """How many wait or run."""
        return self._inside

    def wait_s(self) -> float:
        """Return how long work that comes now is expected to wait for a thread."""
        return 0.0 if self._inside < self.threads else self._backlog_s / self.threads

    async def run(self, fn: Callable[..., T], *args: Any, budget_ms: float | None = None, **named: Any) -> T:
        """Return ``fn(*args, **named)``, computed in a thread. ``budget_ms`` counts from now, waiting included.

        Raises:
            Problem: 503 with Retry-After: there is no room, no time, or the service stops. ``fn`` was not begun.
        """
        return await self._run(functools.partial(fn, *args, **named), fn, budget_ms, tells=False)

    async def ask(self, fn: Callable[..., T], *args: Any, budget_ms: float | None = None, **named: Any) -> T:
        """Like `run`, and ``fn`` gets what is left of the budget when it begins as its argument ``budget_ms``."""
        return await self._run(functools.partial(fn, *args, **named), fn, budget_ms, tells=True)

    async def _run(self, call: Callable[..., T], fn: Callable[..., T], budget_ms: float | None, tells: bool) -> T:
        budget_s = (self.budget_ms if budget_ms is None else budget_ms) / 1000
        kind = getattr(fn, "__qualname__", type(fn).__name__)
        waits = self._inside >= self.threads
        cost, deadline = self._enter(kind, budget_s), self.clock() + budget_s
        context = contextvars.copy_context()

        def work() -> T:
            begun = self.clock()
            # What always takes longer than its budget may still begin in the first half of it.
            if waits and begun > deadline - min(cost, budget_s / 2):
                raise self._refused("too-late", 0.0)
            try:
                return (
                    context.run(call, budget_ms=max(LEAST_MS, (deadline - begun) * 1000))
                    if tells
                    else context.run(call)
                )
            finally:
                self.expected.add(kind, self.clock() - begun)

        try:
            future = self._pool.submit(work)
        except RuntimeError:
            self._leave(cost)
            raise self._refused("stopping", 0.0) from None
        loop = asyncio.get_running_loop()
        # Not when the coroutine ends: a client that goes away leaves its work behind, which still takes a thread.
        future.add_done_callback(lambda done: _told(loop, self._leave, cost))
        return await asyncio.wrap_future(future)

    def _enter(self, kind: str, budget_s: float) -> float:
        cost = self.expected.of(kind)
        wait = self.wait_s()
        if self._stopping:
            raise self._refused("stopping", 0.0)
        if self._inside >= self.threads:
            if self._inside - self.threads >= self.waiting:
                raise self._refused("queue-full", wait)
            if wait + cost > budget_s:
                raise self._refused("too-slow", wait + cost - budget_s)
        self._inside += 1
        self._backlog_s += cost
        self._empty.clear()
        if self._inside > self.threads:
            self.on_depth(self.depth)
        return cost

    def _leave(self, cost: float) -> None:
        self._inside -= 1
        if self._inside >= self.threads:
            self.on_depth(self.depth)
        self._backlog_s = self._backlog_s - cost if self._inside else 0.0  # no drift of roundings
        if not self._inside:
            self._empty.set()

    def _refused(self, reason: str, wait_s: float) -> Problem:
        self.on_shed(reason)
        if reason == "stopping":
            return unavailable("stopping", "the service is stopping; ask again, another one may answer", 2)
        return unavailable("overloaded", "more requests than can be answered in time: ask again later", wait_s)

    async def close(self, within_s: float) -> bool:
        """Let nothing more in, wait for what is inside; return whether all of it was done in ``within_s`` seconds."""
        self._stopping = True
        try:
            await asyncio.wait_for(self._empty.wait(), within_s)
        except TimeoutError:
            return False
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
        return True


def _told(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed: the service ended before the work, and nobody counts any more
        loop.call_soon_threadsafe(call, *args)
