"""Calls of many threads joined into batches: a model reads ten short requests in little more time than one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence, Set
from threading import Condition, Event, Thread
from time import monotonic
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.background import start
from recsys.errors import BudgetExceeded, ConfigError, ModelError
from recsys.runtime.causal import CausalLM
from recsys.runtime.constraints import Constraint
from recsys.runtime.decoding import Reply, rules_of, unread
from recsys.runtime.prefixes import EVERY_TAG, Prompt

T = TypeVar("T")
R = TypeVar("R")
# Seconds after which an idle worker ends; the next call starts another.
IDLE_S = 2.0


class _Call(Generic[T, R]):
    """What one thread asked for, and what became of it."""

    def __init__(self, key: Hashable, things: Sequence[T], deadline: float | None) -> None:
        self.key, self.things, self.deadline = key, things, deadline
        self.since = monotonic()
        self.finished = Event()
        self.results: Sequence[R] = ()
        self.error: BaseException | None = None
        self.begun = False


class Batcher(Generic[T, R]):
    """Joins calls that arrive within ``wait_ms`` of one another into one call of ``work``, on one thread.

    ``work(key, things, deadline)`` gives one result a thing. Only calls of an equal key are joined, up to ``most``
    things (a larger call goes alone); at ``waiting`` calls in the queue, further ones wait for a place. The deadline
    that work gets is the latest of its callers. A batch that fails is done again call by call, so that an error
    reaches only who caused it.

    Raises:
        ConfigError: a bound that lets nothing through.
    """

    def __init__(
        self,
        work: Callable[[Any, list[T], float | None], Sequence[R]],
        *,
        wait_ms: float = 2.0,
        most: int = 32,
        waiting: int = 256,
    ) -> None:
        if wait_ms < 0 or most < 1 or waiting < 1:
            raise ConfigError("a batcher needs wait_ms >= 0, most >= 1 and waiting >= 1")
        self._work, self._wait_s, self._most, self._waiting = work, wait_ms / 1000, most, waiting
        self._queue: deque[_Call[T, R]] = deque()
        self._changed = Condition()
        self._worker: Thread | None = None
        self._closed = False

    def __call__(
        self, things: Sequence[T], *, key: Hashable = None, deadline: float | None = None, ends_itself: bool = False
    ) -> list[R]:
        """Return the results for ``things``, worked on together with those of other callers.

        ``ends_itself`` says that ``work`` returns what there is at the deadline: what has begun by then is waited for.

        Raises:
            BudgetExceeded: ``deadline`` (a value of `time.monotonic`) passed; what has not begun is not done.
            ModelError: the batcher is closed. Whatever ``work`` raises for these things.
        """
        if not things:
            return []
        call: _Call[T, R] = _Call(key, things, deadline)
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._queue) < self._waiting, _left(deadline))
            if self._closed:
                raise ModelError("the batcher is closed")
            if len(self._queue) >= self._waiting:
                raise BudgetExceeded("the deadline passed while the queue was full")
            self._queue.append(call)
            self._changed.notify_all()
            if self._worker is None:
                self._worker = start(self._serve, "batcher", self._refuse)
        if not call.finished.wait(_left(deadline)):
            with self._changed:
                # Its place is free for others, and nobody works for an answer that nobody reads.
                if not call.begun and not call.finished.is_set():
                    self._queue.remove(call)
                    self._changed.notify_all()
                elif ends_itself:
                    deadline = None
            if deadline is not None:
                raise BudgetExceeded("the deadline passed before the model answered")
            call.finished.wait()
        if call.error is not None:
            raise call.error
        return list(call.results)

    def close(self) -> None:
        """Refuse what waits and what comes, and wait for the batch that is being worked on. Twice is once."""
        worker = self._refuse()
        if worker is not None:
            worker.join()

    def _refuse(self) -> Thread | None:
        """Refuse what waits and what comes; return who works on a batch still."""
        with self._changed:
            self._closed = True
            for call in self._queue:
                _finish(call, error=ModelError("the batcher is closed"))
            self._queue.clear()
            self._changed.notify_all()
            return self._worker

    def _serve(self) -> None:
        while calls := self._next():
            self._do(calls)

    def _next(self) -> list[_Call[T, R]]:
        """Wait for a call and those that join it; none once there is nothing more to do."""
        with self._changed:
            while True:
                if not self._changed.wait_for(lambda: self._closed or self._queue, IDLE_S) or self._closed:
                    self._worker = None
                    return []
                first = self._queue[0]
                until = first.since + self._wait_s
                while not self._closed and self._joined(first)[1] < self._most and (left := until - monotonic()) > 0:
                    self._changed.wait(left)
                # All of them may have given up by now.
                calls, _ = self._joined(first)
                for call in calls:
                    self._queue.remove(call)
                    call.begun = True
                self._changed.notify_all()
                if calls:
                    return calls

    def _joined(self, first: _Call[T, R]) -> tuple[list[_Call[T, R]], int]:
        """Return what would be worked on with ``first``, in the order of arrival, and how many things that are."""
        calls: list[_Call[T, R]] = []
        size = 0
        for call in self._queue:
            if call.key == first.key and (not calls or size + len(call.things) <= self._most):
                calls.append(call)
                size += len(call.things)
        return calls, size

    def _do(self, calls: list[_Call[T, R]]) -> None:
        things = [thing for call in calls for thing in call.things]
        deadlines = [c.deadline for c in calls]
        latest = None if None in deadlines else max(d for d in deadlines if d is not None)
        try:
            results = self._work(calls[0].key, things, latest)
            if len(results) != len(things):
                raise ModelError(f"{len(things)} things gave {len(results)} results")
        except BaseException as error:  # handed to the thread that asked, which raises it
            if len(calls) == 1:
                _finish(calls[0], error=error)
            else:
                for call in calls:
                    self._do([call])
            return
        start = 0
        for call in calls:
            _finish(call, results[start : start + len(call.things)])
            start += len(call.things)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - monotonic(), 0.0)


def _finish(call: _Call[T, R], results: Sequence[R] = (), error: BaseException | None = None) -> None:
    call.results, call.error = results, error
    call.finished.set()


class JoinedCausal(CausalLM):
    """A `CausalLM` whose concurrent calls are read in one batch; the answers are those of the model by itself.

    ``wait_ms``, ``most`` (prompts a batch) and ``waiting`` (calls) are those of `Batcher`. Calls join that ask for the
    same: scores of one kind, logits of equal ids, texts under equal options. `close` ends it, not the model.
    """

    def __init__(self, model: CausalLM, *, wait_ms: float = 2.0, most: int = 32, waiting: int = 256) -> None:
        vars(self).update(vars(model))
        self._model = model
        self._batcher: Batcher[Any, Any] = Batcher(self._do, wait_ms=wait_ms, most=most, waiting=waiting)

    def score(
        self,
        prefixes: Sequence[Prompt],
        continuations: Sequence[Sequence[Prompt]],
        *,
        mean: bool = True,
        deadline: float | None = None,
    ) -> list[NDArray[np.float32]]:
        """As `CausalLM.score`."""
        return self._ask(("score", mean), prefixes, continuations, deadline)

    def hidden(
        self,
        prefixes: Sequence[Prompt],
        continuations: Sequence[Sequence[Prompt]],
        *,
        deadline: float | None = None,
    ) -> list[NDArray[np.float32]]:
        """As `CausalLM.hidden`."""
        return self._ask(("hidden",), prefixes, continuations, deadline)

    def choice_logits(
        self,
        prefixes: Sequence[Prompt],
        continuations: Sequence[Sequence[Prompt]],
        ids: NDArray[np.int64],
        *,
        deadline: float | None = None,
    ) -> list[NDArray[np.float32]]:
        """As `CausalLM.choice_logits`."""
        return self._ask(("choice", tuple(ids.tolist())), prefixes, continuations, deadline)

    def next_token_logits(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """As `CausalLM.next_token_logits`."""
        if not prompts:
            return self._model.next_token_logits(prompts)
        return np.array(self._together([(p, None) for p in prompts], ("next",)), np.float32)

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        stop: Sequence[str] = (),
        constraint: Constraint | Sequence[Constraint | None] | None = None,
        temperature: float = 0.0,
        seed: int = 0,
        deadline: float | None = None,
    ) -> list[Reply]:
        """As `CausalLM.generate`; a text with a deadline joins only those of the same, and waits no longer."""
        rules = rules_of(constraint, len(prompts))
        key = ("generate", max_new_tokens, tuple(stop), temperature, seed, deadline)
        try:
            return self._together(list(zip(prompts, rules, strict=True)), key, deadline, ends_itself=True)
        except BudgetExceeded:
            return [unread(rule) for rule in rules]

    def close(self) -> None:
        """End the worker; calls that wait raise `ModelError`."""
        self._batcher.close()

    def _ask(
        self,
        key: Hashable,
        prefixes: Sequence[Prompt],
        continuations: Sequence[Sequence[Prompt]],
        deadline: float | None,
    ) -> list[NDArray[np.float32]]:
        if len(prefixes) != len(continuations):
            raise ModelError(f"{len(prefixes)} prefixes need as many groups of continuations, got {len(continuations)}")
        return self._together(list(zip(prefixes, continuations, strict=True)), key, deadline)

    def _together(
        self, asked: list[tuple[Prompt, Any]], key: Hashable, deadline: float | None = None, ends_itself: bool = False
    ) -> list[Any]:
        # What is forgotten from here on is not kept, be it that its turn comes later.
        with self._prefixes.reading() as forgotten:
            things = [(*one, forgotten) for one in asked]
            return self._batcher(things, key=key, deadline=deadline, ends_itself=ends_itself)

    def _do(
        self, key: tuple[Any, ...], things: list[tuple[Prompt, Any, Set[str]]], deadline: float | None
    ) -> Sequence[Any]:
        with self._prefixes.reading() as late:
            gone = [p.tag in forgotten or EVERY_TAG in forgotten for p, _, forgotten in things]
            prompts = [Prompt(p.pieces) if late_one else p for (p, _, _), late_one in zip(things, gone, strict=True)]
            try:
                return self._answers(key, prompts, [other for _, other, _ in things], deadline)
            finally:
                # Who was forgotten after the look above and before the model began to read.
                for tag in {*(p.tag for p in prompts), EVERY_TAG} & late:
                    self._prefixes.forget(tag)

    def _answers(
        self, key: tuple[Any, ...], prompts: list[Prompt], others: list[Any], deadline: float | None
    ) -> Sequence[Any]:
        match key:
            case ("score", mean):
                return self._model.score(prompts, others, mean=mean, deadline=deadline)
            case ("hidden",):
                return self._model.hidden(prompts, others, deadline=deadline)
            case ("choice", ids):
                return self._model.choice_logits(prompts, others, np.array(ids, np.int64), deadline=deadline)
            case ("next",):
                return list(self._model.next_token_logits(prompts))
        _, most, stop, temperature, seed, until = key
        return self._model.generate(
            prompts,
            max_new_tokens=most,
            stop=stop,
            constraint=others,
            temperature=temperature,
            seed=seed,
            deadline=until,
        )
