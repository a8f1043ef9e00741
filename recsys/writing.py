"""Reasons that take long to word: asked for in passing, made in the background, there the next time.

A list never waits for a language model: `Desk.ask` gives what is ready and queues the rest. One worker takes what is
queued, many cases at a time. What is kept is personal, bounded, and goes when its shopper goes.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from threading import Condition, Thread
from typing import NamedTuple

from recsys.background import start
from recsys.breaker import Breaker
from recsys.errors import ConfigError, ContractError
from recsys.explain.template_plan import LITTLE, MODERATE, STRONG
from recsys.explanation import Case, Explanation, Fact

DAY = 86_400
# (cases) -> one checked explanation for each, as `recsys.explaining.Reasons.worded` gives them
Word = Callable[[Sequence[Case]], Sequence[Explanation]]


class Key(NamedTuple):
    """Whose reason for what: equal keys get the same text."""

    user: str
    item_id: str
    facts: str
    model: str


class Answer(NamedTuple):
    """What a desk has for a case.

    Attributes:
        ready: the text, None if there is none now.
        why: there is none: "pending" it is on its way, "no facts" there is nothing to word; or it was dropped, and may
            be asked for again: "full", "resting" or "closed". "" where it is ready.
    """

    ready: Explanation | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Job:
    case: Case
    until: float


class Desk:
    """Words cases in the background and keeps the texts; serves any number of threads.

    Nothing here blocks: what does not fit into the queue is dropped and counted. A worker whose explainer keeps
    failing rests for a while (`recsys.breaker.Breaker`); what it was given is dropped and may be asked for again. A
    worker without work ends, so that nothing is held by it, and another one begins when there is some.

    Args:
        word: the explainer, with its check.
        model: what tells its texts from those of another: a hash of the model and its settings.
        queue: cases that may wait. kept: texts that are kept; the least recently asked for go first.
        batch: cases that are worded together.
        patience_s: a case that waited longer is dropped: nobody looks at that list any more.
        idle_s: how long a worker waits for work.
        breaker: of the explainer.
        clock: in seconds, for the patience.

    Raises:
        ConfigError: a bound below 1.
    """

    def __init__(
        self, word: Word, model: str, *, queue: int = 1000, kept: int = 20_000, batch: int = 16,
        patience_s: float = 60.0, idle_s: float = 5.0, breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        if min(queue, kept, batch) < 1 or not (patience_s > 0 and idle_s > 0):
            raise ConfigError("queue, kept and batch must be at least 1, patience_s and idle_s above 0")
        self._word, self.model = word, model
        self._limit, self._room, self._batch, self._patience = queue, kept, batch, patience_s
        self._idle, self._breaker, self._clock = idle_s, breaker or Breaker(), clock
        self._waiting: OrderedDict[Key, _Job] = OrderedDict()
        self._running: set[Key] = set()
        self._ready: OrderedDict[Key, Explanation] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._changed = Condition()
        self._worker: Thread | None = None
        self._closed = False

    def ask(self, cases: Sequence[Case]) -> list[Explanation | None]:
        """Return what is ready for each case, None for what is pending or was dropped; `take` tells which."""
        return [answer.ready for answer in self.take(cases)]

    def take(self, cases: Sequence[Case]) -> list[Answer]:
        """Return what is ready for each case; the rest is queued where it can be, and the answer says if not why."""
        keys = [key_of(case, self.model) for case in cases]
        with self._changed:
            until = self._clock() + self._patience
            out = []
            for key, case in zip(keys, cases, strict=True):
                found = self._held(key)
                why = "" if found else self._queued(key, _Job(case, until)) if case.facts else "no facts"
                out.append(Answer(found, why))
            if self._waiting and not self._closed:
                self._work()
            return out

    def ready(self, cases: Sequence[Case]) -> list[Explanation | None]:
        """Return what is ready for each case; nothing is queued."""
        keys = [key_of(case, self.model) for case in cases]
        with self._changed:
            return [self._held(key) for key in keys]

    def pending(self, user: str | None = None) -> int:
        """Return how many cases are being worded or wait for it: all of them, or those of one shopper."""
        with self._changed:
            keys = [*self._waiting, *self._running]
            return len(keys) if user is None else sum(key.user == user for key in keys)

    def wait(self, timeout_s: float) -> bool:
        """Wait until nothing is pending; return whether that came about in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._running, timeout_s)

    def forget(self, user: str, reviews: Collection[str] = ()) -> int:
        """Drop all that is kept or queued for a shopper, and texts that quote one of ``reviews``; return how many.

        ``user`` "" drops everything.
        """
        quoted, every = frozenset(reviews), not user
        with self._changed:
            gone = {
                key for key, one in self._ready.items()
                if every or key.user == user or not quoted.isdisjoint(e.review_id for e in one.evidence if e.review_id)
            }  # fmt: skip
            gone |= {
                key for key, job in self._waiting.items() if every or key.user == user or _cites(job.case.facts, quoted)
            }
            running = {key for key in self._running if every or key.user == user or quoted}
            for key in gone:
                self._ready.pop(key, None)
                self._waiting.pop(key, None)
            # What is being worded now is thrown away when it comes; what was quoted in it is not known here.
            self._running -= running
            self._changed.notify_all()
            return len(gone | running)

    def close(self, timeout_s: float = 5.0) -> None:
        """Drop what waits and end the worker; what is ready can still be asked for."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
            worker = self._worker
        if worker is not None:
            worker.join(timeout_s)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many cases were "queued" and "worded", and dropped: "full", "late", "resting", "closed", "error:NAME"."""
        with self._changed:
            return dict(self._counts)

    def __len__(self) -> int:
        """How many texts are kept."""
        return len(self._ready)

    def _held(self, key: Key) -> Explanation | None:
        found = self._ready.get(key)
        if found is not None:
            self._ready.move_to_end(key)
        return found

    def _queued(self, key: Key, job: _Job) -> str:
        """Queue a job unless it is there; return "pending", or why it was dropped."""
        if key in self._running:
            return "pending"
        if key in self._waiting:
            self._waiting[key] = job  # asked for again: somebody still looks at it
            return "pending"
        why = (
            "closed" if self._closed
            else "full" if len(self._waiting) >= self._limit
            else "resting" if self._breaker.state == "open"
            else ""
        )  # fmt: skip
        self._counts[why or "queued"] += 1
        if not why:
            self._waiting[key] = job
        return why or "pending"

    def _work(self) -> None:
        """Wake the worker, or start one."""
        if self._worker is None or not self._worker.is_alive():
            self._worker = start(self._run, "recsys-writing", partial(self.close, 0.0))
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                awake = self._changed.wait_for(lambda: self._closed or self._waiting, self._idle)
                if self._closed or not awake:
                    self._worker = None
                    return
                jobs, turn = self._taken()
            if jobs:
                self._done(jobs, self._worded(jobs, turn))
            del jobs

    def _taken(self) -> tuple[dict[Key, Case], int]:
        """Take the next cases off the queue; those that waited too long, or that rest with the worker, are dropped."""
        now, turn = self._clock(), self._breaker.allow()
        jobs: dict[Key, Case] = {}
        while self._waiting and len(jobs) < self._batch:
            key, job = self._waiting.popitem(last=False)
            if not turn:
                self._counts["resting"] += 1
            elif job.until < now:
                self._counts["late"] += 1
            else:
                jobs[key] = job.case
        if turn and not jobs:
            self._breaker.abandoned(turn)
        self._running |= jobs.keys()
        self._changed.notify_all()
        return jobs, turn

    def _worded(self, jobs: Mapping[Key, Case], turn: int) -> Sequence[Explanation] | str:
        """Return the explanations, or the name of the error."""
        try:
            said = list(self._word(list(jobs.values())))
            if len(said) != len(jobs):
                raise ContractError(f"an explainer owes {len(jobs)} explanations and gave {len(said)}")
        except Exception as error:  # whatever an explainer raises must not end the worker: it is counted
            self._breaker.failed(turn)
            return type(error).__name__
        self._breaker.succeeded(turn)
        return said

    def _done(self, jobs: Mapping[Key, Case], said: Sequence[Explanation] | str) -> None:
        with self._changed:
            if isinstance(said, str):
                self._counts[f"error:{said}"] += len(jobs)
            else:
                for key, one in zip(jobs, said, strict=True):
                    # What was forgotten meanwhile is not there any more.
                    if key in self._running:
                        self._ready[key] = one
                        self._counts["worded"] += 1
                while len(self._ready) > self._room:
                    self._ready.popitem(last=False)
            self._running -= jobs.keys()
            self._changed.notify_all()


def key_of(case: Case, model: str) -> Key:
    """Return what decides the text of a case: its facts, how sure they are, tone, language, and the day it is read.

    Strengths count only as far as the words do, so that a score that moves a little gives no new text; nor does the
    item's place in the list.
    """
    parts = (
        case.title, case.query, case.locale, case.register, None if case.now is None else case.now // DAY,
        *(_told(fact) for fact in case.facts),
    )  # fmt: skip
    digest = hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return Key(case.user or "", case.item_id, digest, model)


def _told(fact: Fact) -> tuple[object, ...]:
    sure = (fact.strength >= STRONG) + (fact.strength >= MODERATE)
    matters = None if fact.causal_drop is None else fact.causal_drop >= LITTLE
    praised = (fact.sentiment or 0.0) > 0
    return (fact.kind, sure, matters, fact.aspect, praised, tuple(astuple(e) for e in fact.evidence))


def _cites(facts: Sequence[Fact], reviews: Collection[str]) -> bool:
    return any(e.review_id in reviews for f in facts for e in f.evidence if e.review_id)
