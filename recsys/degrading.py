"""A reranker under a time budget: late, failing or hopeless, the incoming order stays and the notes say why."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from threading import BoundedSemaphore, Event, Lock
from typing import Any, Protocol, TypeVar

import numpy as np

from recsys.background import start
from recsys.breaker import Breaker
from recsys.errors import BudgetExceeded, StageError
from recsys.reranking import Absent, rerank_top
from recsys.types import Notes, Request, Slates

T = TypeVar("T")
# A call is begun when this many times its expected duration is left: expectations are means, half of all are longer.
HEADROOM = 1.2
# How far an expected cost moves towards the last one measured, and how much of it is forgotten when it forbids a call:
# else one slow call would be the last one ever.
SHARE, FORGET = 0.3, 0.2
# A late call failed if it had at least the budget, or what calls cost, or so many seconds where neither is known.
PATIENCE_S = 1.0
# Of the budget, a little goes by before a call begins.
NEARLY = 0.9


class Runner(Protocol):
    """Runs work elsewhere and waits for it."""

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """Return what ``work`` gives within ``seconds``, or raise what it raises.

        Raises:
            TimeoutError: it did not; it may go on, and what it gives is dropped.
        """
        ...


class Workers:
    """Runs work in threads of its own, at most ``most`` at a time.

    Nothing in Python ends a thread that is stuck. It holds its place, one of ``most``, until it comes back; with all
    places held, work is not begun and the wait ends like any other. A thread ends with its work, so that none is left
    idle, and none of them keeps the process from ending for longer than a moment (`recsys.background`).
    """

    def __init__(self, most: int = 4) -> None:
        self.most = most
        self._places = BoundedSemaphore(most)

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """See `Runner`."""
        begin = time.monotonic()
        if not self._places.acquire(timeout=max(seconds, 0)):
            raise TimeoutError(f"all {self.most} workers are busy")
        done = Event()
        got: list[T] = []
        failed: list[BaseException] = []

        def task() -> None:
            try:
                got.append(work())
            except BaseException as error:  # it belongs to who waits, see below
                failed.append(error)
            finally:
                self._places.release()
                done.set()

        try:
            start(task, "rerank")
        except RuntimeError:  # the system gives no more threads, or the process is ending
            self._places.release()
            raise
        if not done.wait(max(begin + seconds - time.monotonic(), 0)):
            raise TimeoutError("no answer in time")
        if failed:
            raise failed[0]
        return got[0]


class Cost:
    """What an item is expected to cost, in seconds: a moving mean over calls; None before the first. Thread-safe.

    Attributes:
        per_item: what is expected.
        last: what an item of the last call cost that gave an answer.
    """

    def __init__(self) -> None:
        self.per_item: float | None = None
        self.last: float | None = None
        self._lock = Lock()

    def add(self, seconds: float, items: int) -> None:
        """Learn from one call."""
        with self._lock:
            found, old = seconds / max(items, 1), self.per_item
            self.last = found
            self.per_item = found if old is None else old + SHARE * (found - old)

    def at_least(self, seconds: float, items: int) -> None:
        """Learn from a call that gave up: it would have cost more."""
        with self._lock:
            found = seconds / max(items, 1)
            if found > (self.per_item or 0.0):
                self.per_item = found

    def width(self, slates: Slates, seconds: float) -> int:
        """Return how many of each list can be reranked in ``seconds``: all, half of the longest, or 0."""
        full = int(slates.lengths.max(initial=0))
        with self._lock:
            for width in (full, (full + 1) // 2):
                items = int(np.minimum(slates.lengths, width).sum())
                # A list of one item has no order.
                if width > 1 and (self.per_item is None or items * self.per_item * HEADROOM <= seconds):
                    return width
            if self.per_item is not None:
                self.per_item *= 1 - FORGET
            return 0


@dataclass(slots=True)
class _Call:
    """A call of so many ``items``, up to ``deadline``; ``began`` is None while it waits for a worker."""

    items: int
    deadline: float | None
    enough: float
    began: float | None = None

    def blames(self, late: bool) -> bool:
        """Return whether it tells something about the reranker that the call gave nothing, by lateness or error."""
        if self.began is None:  # there was no worker for it
            return False
        return not late or self.deadline is None or self.deadline - self.began >= self.enough


class Warmth:
    """Whether a reranker has set up what its first call needs, by its ``warm_up`` where it has one. Thread-safe."""

    def __init__(self, reranker: Any) -> None:
        self.done = not hasattr(reranker, "warm_up")
        self._lock = Lock()

    def bring(self, reranker: Any) -> None:
        """Warm it up unless that was done; who comes meanwhile waits."""
        with self._lock:
            if self.done:
                return
            with suppress(Exception):  # what is wrong is said, and counted, by the call that follows
                reranker.warm_up()
            self.done = True


class Guard:
    """Runs a reranker so that a list never waits longer than its budget and never gets lost; it is a ranker itself.

    Where the reranker gives no order the incoming one stays, exactly, and `Notes.degraded` of every request says why:

    - ``rerank:NAME:timeout``: it was not ready at the deadline. It goes on in its thread; its answer is dropped.
    - ``rerank:NAME:<ErrorType>``: it raised, gave back other items than it was given (`ContractError`), or its model
      could not be opened when the bundle was loaded (`recsys.reranking.Absent`).
    - ``rerank:NAME:open``: it failed 3 times in 30 s and is left alone for 30 s; then one call tries. A late call is
      no failure if no worker was free for it, or if its deadline left less time than the budget and than calls cost.
    - ``rerank:NAME:slow``: by what it cost so far, not even half of the list would be ready in time.
    - ``rerank:NAME:half``: only the better half of each list was reranked, for the same reason.

    A batch is one call: it has the budgets of its requests together, and the earliest deadline of them is that of all.
    Without a budget and without deadlines the reranker runs in the calling thread for as long as it takes. What its
    first call has to set up is not on the budget: who comes first waits for it, up to the deadline of the request.
    Serves any number of threads.
    """

    def __init__(
        self, reranker: Any, name: str, budget_ms: float | None = None, *, strict: bool = False,
        clock: Callable[[], float] = time.monotonic, breaker: Breaker | None = None, runner: Runner | None = None,
        watched: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:  # fmt: skip
        """Guard ``reranker``.

        Args:
            reranker: a `recsys.protocols.Ranker` that gives back all it is given.
            name: by which notes call it.
            budget_ms: for a request; None leaves it to the deadlines of requests.
            strict: raise `StageError` where it would degrade, and always try the whole list.
            clock: of budget and deadlines.
            breaker: which failures are counted by; its own by default, on the same clock.
            runner: what runs a call that has a deadline; `Workers` by default.
            watched: what a call runs in, which may go on after the list is given (`recsys.erasing.Erasures.watched`).
        """
        self.reranker, self.name, self.budget_ms, self.strict = reranker, name, budget_ms, strict
        self.clock, self.watched = clock, watched
        self.breaker = breaker or Breaker(clock=clock)
        self.runner: Runner = runner or Workers()
        self.cost, self.warmth = Cost(), Warmth(reranker)

    @property
    def cheap(self) -> bool:
        """Whether the reranker declares that it is."""
        return bool(getattr(self.reranker, "cheap", False))

    @property
    def reads_queries(self) -> bool:
        """Whether the reranker declares that it does."""
        return bool(getattr(self.reranker, "reads_queries", False))

    def strictly(self) -> Guard:
        """Return a strict guard that shares all else with this one."""
        twin = self.over(self.reranker)
        twin.strict = True
        return twin

    def over(self, reranker: Any) -> Guard:
        """Return a guard of the reranker of a new snapshot; failures, costs and busy workers go on being counted."""
        twin = Guard(
            reranker, self.name, self.budget_ms, strict=self.strict, clock=self.clock, breaker=self.breaker,
            runner=self.runner, watched=self.watched,
        )  # fmt: skip
        twin.cost, twin.warmth = self.cost, self.warmth
        return twin

    def warm_up(self) -> None:
        """Let the reranker set up what its first call needs, so that nobody waits for it; however often."""
        self.warmth.bring(self.reranker)

    def rank(self, requests: Sequence[Request], slates: Slates, n: int) -> Slates:
        """Return at most ``n`` of each list, in the order of the reranker or as they came.

        Raises:
            StageError: in strict mode, where it would degrade.
        """
        before = slates.ordered(slates.scores)
        if not len(before.items):
            return before
        if isinstance(self.reranker, Absent):  # it will not come back: that is no matter of a breaker
            error = self.reranker.error
            return self._kept(before, type(error).__name__, error).head(n)
        turn = self.breaker.allow()
        if not turn:
            return self._kept(before, "open", None).head(n)
        try:
            return self._tried(requests, before, turn).head(n)
        except StageError:
            raise
        except BaseException:  # neither an answer nor a failure of the reranker: an interrupt, say
            self.breaker.abandoned(turn)
            raise

    def _tried(self, requests: Sequence[Request], before: Slates, turn: int) -> Slates:
        try:
            warm = self._warm(requests)
        except Exception as error:  # as below: the list is worth more than the reason why it was not reranked
            self.breaker.failed(turn)
            return self._kept(before, type(error).__name__, error)
        if not warm:
            self.breaker.abandoned(turn)
            return self._kept(before, "timeout", None)
        deadline = self._deadline(requests)
        width = int(before.lengths.max())
        half = False
        if deadline is not None:
            left = deadline - self.clock()
            if left <= 0:
                self.breaker.abandoned(turn)  # it was not asked: that says nothing about it
                return self._kept(before, "timeout", None)
            fits = width if self.strict or width < 2 else self.cost.width(before, left)
            if not fits:
                self.breaker.abandoned(turn)
                return self._kept(before, "slow", None)
            half, width = fits < width, fits
        items = int(np.minimum(before.lengths, width).sum())
        call = _Call(items, deadline, self._enough(items, len(requests)))
        try:
            after = self._run(requests, before, width, call)
        except Exception as error:  # whatever a plug-in raises must not take the list down: the prior order is good
            late = isinstance(error, TimeoutError | BudgetExceeded)
            (self.breaker.failed if call.blames(late) else self.breaker.abandoned)(turn)
            return self._kept(before, "timeout" if late else type(error).__name__, error)
        self._judge(before, after, turn)
        return after.note(Notes(degraded=(f"rerank:{self.name}:half",))) if half else after

    def _warm(self, requests: Sequence[Request]) -> bool:
        """Return whether the reranker is set up, or need not be in any time; the first caller sees to it."""
        asked = min((r.deadline for r in requests if r.deadline is not None), default=None)
        if self.warmth.done or (asked is None and self.budget_ms is None):
            return True
        if asked is None:
            self.warm_up()
            return True
        try:
            self.runner.run(self.warm_up, asked - self.clock())
        except TimeoutError:  # it goes on: whoever comes next finds it further
            return False
        return True

    def _deadline(self, requests: Sequence[Request]) -> float | None:
        found = [r.deadline for r in requests if r.deadline is not None]
        budget = self._budget(len(requests))
        if budget is not None:
            found.append(self.clock() + budget)
        return min(found, default=None)

    def _budget(self, n: int) -> float | None:
        """Return the seconds that ``n`` requests may take by the settings."""
        return None if self.budget_ms is None else n * self.budget_ms / 1000

    def _run(self, requests: Sequence[Request], before: Slates, width: int, call: _Call) -> Slates:
        deadline = call.deadline
        bound = requests if deadline is None else [replace(r, deadline=deadline) for r in requests]

        def work() -> Slates:
            begin = call.began = self.clock()
            try:
                with self.watched():
                    after = rerank_top(self.reranker, bound, before, width)
            except BudgetExceeded:
                self.cost.at_least(self.clock() - begin, call.items)
                raise
            self.cost.add(self.clock() - begin, call.items)  # also where nobody waits for it any more
            return after

        return work() if deadline is None else self.runner.run(work, deadline - self.clock())

    def _enough(self, items: int, n: int) -> float:
        """Return after how many seconds it is the reranker's own fault that ``n`` requests have no answer."""
        last, budget = self.cost.last, self._budget(n)
        known = [] if last is None else [last * items * HEADROOM]
        if budget is not None:
            known.append(budget * NEARLY)
        return min(known, default=PATIENCE_S)

    def _judge(self, before: Slates, after: Slates, turn: int) -> None:
        """Tell the breaker how it went. Raises `StageError` in strict mode if the reranker itself degraded a request.

        A reranker that asks others may fail some requests alone: it notes them and raises nothing.
        """
        worse = [
            new.degraded[len(old.degraded) :]
            for old, new in zip(before.notes or (Notes(),) * len(before), after.notes or (Notes(),) * len(before))
        ]
        if not any(worse):
            self.breaker.succeeded(turn)
            return
        asked = before.lengths > 1
        if all(note for note, counts in zip(worse, asked.tolist()) if counts):
            self.breaker.failed(turn)
        else:
            self.breaker.succeeded(turn)
        if self.strict:
            raise StageError("rerank", self.name, next(note[0] for note in worse if note))

    def _kept(self, before: Slates, why: str, error: Exception | None) -> Slates:
        if not self.strict:
            return before.note(Notes(degraded=(f"rerank:{self.name}:{why}",)))
        if why == "timeout":
            raise BudgetExceeded("it was not ready in time", "rerank", self.name) from error
        raise StageError("rerank", self.name, str(error) if error else f"it is skipped ({why})") from error
