"""A bundle in the shadow: it answers what the serving one answers, beside it, and the lists are compared.

Nothing of it is shown, and no answer waits for it: what is to be compared queues up for one thread, and where that does
not keep up, requests are left out.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from recsys import background
from recsys.engine import Engine
from recsys.result import Result
from recsys.shadow import compare_lists

WAITING = 200
DEPTH = 10


@dataclass(slots=True)
class Sums:
    """What was found so far."""

    compared: int = 0
    failed: int = 0
    skipped: int = 0
    overlap: float = 0.0
    rbo: float = 0.0
    tau: float = 0.0
    ordered: int = 0  # lists of which a tau can be told: two items in common at least
    slower_ms: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Shadow:
    """Compares an engine with the one that serves."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sums = Sums()
        self._tasks: queue.Queue[tuple[Callable[[Engine], Result], Result] | None] = queue.Queue(WAITING)
        self._thread = background.start(self._work, "recsys-shadow", self.close)

    def compare(self, ask: Callable[[Engine], Result], served: Result) -> None:
        """Have the same question asked of the shadow, later; ``served`` is what was answered."""
        try:
            self._tasks.put_nowait((ask, served))
        except queue.Full:
            self.sums.skipped += 1

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Wait until all is compared that was asked for; return whether it is. For tests and reports."""
        waiter = threading.Thread(target=self._tasks.join, daemon=True)
        waiter.start()
        waiter.join(timeout_s)
        return not waiter.is_alive()

    def close(self) -> None:
        """Compare no more; what waits is dropped."""
        while True:
            try:
                self._tasks.get_nowait()
                self._tasks.task_done()
            except queue.Empty:
                break
        self._tasks.put_nowait(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            ask, served = task
            try:
                self._add(served, ask(self.engine))
            except Exception:  # whatever a bundle on trial does, it is its own failure, and it is counted
                with self.sums.lock:
                    self.sums.failed += 1
            finally:
                self._tasks.task_done()
        self._tasks.task_done()

    def _add(self, served: Result, other: Result) -> None:
        found = compare_lists(served, other)
        with self.sums.lock:
            self.sums.compared += 1
            self.sums.overlap += found.overlap
            self.sums.rbo += found.rbo
            if found.tau is not None:
                self.sums.tau += found.tau
                self.sums.ordered += 1
            self.sums.slower_ms += other.trace.took_ms - served.trace.took_ms

    def figures(self) -> dict[str, Any]:
        """Return the body of a comparison, see `recsys.serving.shapes.models.ShadowOut`."""
        with self.sums.lock:
            sums = self.sums
            n = sums.compared
            return {
                "version": self.engine.bundle_id, "compared": n, "failed": sums.failed, "skipped": sums.skipped,
                "overlap_at_10": sums.overlap / n if n else None, "rbo": sums.rbo / n if n else None,
                "kendall_tau": sums.tau / sums.ordered if sums.ordered else None,
                "slower_by_ms": sums.slower_ms / n if n else None,
            }  # fmt: skip
