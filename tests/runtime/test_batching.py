"""Calls of many threads as one batch: equal answers, own errors, own deadlines, an end."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import BudgetExceeded, ConfigError, ModelError
from recsys.runtime import batching
from recsys.runtime.batching import Batcher, JoinedCausal
from recsys.runtime.causal import CausalLM
from recsys.runtime.constraints import Trie
from recsys.runtime.prefixes import PrefixCache, Prompt
from recsys.runtime.session import Session, SessionSpec

Causal = Callable[[str], CausalLM]


class Doubling:
    """Doubles numbers, fails at 13, takes its time on request and notes every batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.deadlines: list[float | None] = []
        self.gate = Event()
        self.gate.set()

    def __call__(self, key: object, things: list[int], deadline: float | None) -> Sequence[int]:
        self.gate.wait(10)
        self.batches.append(list(things))
        self.deadlines.append(deadline)
        if 13 in things:
            raise ValueError("thirteen")
        return [2 * t for t in things]


def together(count: int, call: Callable[[int], object]) -> list[object]:
    """Run ``call(k)`` on so many threads at the same moment; an exception is a result."""
    barrier = Barrier(count)

    def one(k: int) -> object:
        barrier.wait()
        try:
            return call(k)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_calls_at_a_time_become_one() -> None:
    work = Doubling()
    batcher = Batcher(work, wait_ms=200, most=8)
    assert together(4, lambda k: batcher([k, 10 * k])) == [[2 * k, 20 * k] for k in range(4)]
    # Four times two things fill the batch: nobody waits for the 200 ms to pass.
    assert [len(b) for b in work.batches] == [8]
    batcher.close()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), max_size=5), min_size=1, max_size=6), st.integers(1, 7))
def test_every_caller_gets_its_own(calls: list[list[int]], most: int) -> None:
    work = Doubling()
    batcher = Batcher(work, wait_ms=1, most=most, waiting=2)
    got = together(len(calls), lambda k: batcher(calls[k], key=k % 2))
    assert got == [[2 * t for t in things] for things in calls]
    assert all(len(b) <= most or b in calls for b in work.batches)
    batcher.close()


def test_an_error_reaches_only_who_caused_it() -> None:
    batcher = Batcher(Doubling(), wait_ms=100, most=3)
    got = together(3, lambda k: batcher([12 + k]))
    assert [got[0], got[2]] == [[24], [28]]
    assert isinstance(got[1], ValueError)
    assert batcher([1]) == [2]
    batcher.close()


def test_keys_are_not_mixed() -> None:
    work = Doubling()
    batcher = Batcher(work, wait_ms=100, most=2)
    together(4, lambda k: batcher([k], key=k % 2))
    assert sorted(sorted(b) for b in work.batches) == [[0, 2], [1, 3]]
    batcher.close()


def test_a_deadline_is_that_of_its_caller() -> None:
    work = Doubling()
    work.gate.clear()
    batcher = Batcher(work, wait_ms=0, most=4)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batcher, [1])
        while not batcher._worker:
            time.sleep(0.001)
        time.sleep(0.02)
        begin = time.monotonic()
        with pytest.raises(BudgetExceeded, match="before the model answered"):
            batcher([2], deadline=begin + 0.05)
        assert time.monotonic() - begin < 2
        later = pool.submit(batcher, [3], deadline=begin + 30)
        work.gate.set()
        assert first.result(5) == [2]
        assert later.result(5) == [6]
    # What was given up before it began is not done; work is told how long its callers wait at most.
    assert work.batches == [[1], [3]]
    assert work.deadlines == [None, begin + 30]
    batcher.close()


def test_a_full_queue_makes_callers_wait() -> None:
    work = Doubling()
    work.gate.clear()
    batcher = Batcher(work, wait_ms=0, most=1, waiting=1)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(batcher, [1])]
        time.sleep(0.05)
        calls.append(pool.submit(batcher, [2]))
        time.sleep(0.05)
        with pytest.raises(BudgetExceeded, match="the queue was full"):
            batcher([3], deadline=time.monotonic() + 0.03)
        calls.append(pool.submit(batcher, [4]))
        work.gate.set()
        assert [c.result(5) for c in calls] == [[2], [4], [8]]
    batcher.close()


def test_close_refuses_what_waits_and_what_comes() -> None:
    work = Doubling()
    work.gate.clear()
    batcher = Batcher(work, wait_ms=0)
    with ThreadPoolExecutor(3) as pool:
        begun = pool.submit(batcher, [1])
        time.sleep(0.05)
        waits = pool.submit(batcher, [2])
        time.sleep(0.05)
        closing = pool.submit(batcher.close)
        with pytest.raises(ModelError, match="closed"):
            waits.result(5)
        work.gate.set()
        assert begun.result(5) == [2]
        closing.result(5)
    with pytest.raises(ModelError, match="closed"):
        batcher([3])
    batcher.close()


def test_an_idle_worker_ends_and_another_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "IDLE_S", 0.02)
    batcher = Batcher(Doubling(), wait_ms=0)
    assert batcher([1]) == [2]
    time.sleep(0.2)
    assert batcher._worker is None
    assert batcher([2]) == [4]
    batcher.close()


def test_bounds_and_results_that_do_not_fit() -> None:
    for bad in ({"wait_ms": -1}, {"most": 0}, {"waiting": 0}):
        with pytest.raises(ConfigError, match="a batcher needs"):
            Batcher(Doubling(), **bad)  # type: ignore[arg-type]
    batcher: Batcher[int, int] = Batcher(lambda key, things, deadline: [1], wait_ms=0)
    with pytest.raises(ModelError, match="2 things gave 1 results"):
        batcher([1, 2])
    assert batcher([]) == []
    batcher.close()


def test_a_joined_model_answers_as_the_model(causal: Causal) -> None:
    model = causal("qwen3")
    joined, rng = JoinedCausal(model, wait_ms=20, most=8), np.random.default_rng(0)
    prefixes = [Prompt((rng.integers(3, 400, n),)) for n in (9, 4, 20, 9, 6, 11)]
    groups = [
        [Prompt((rng.integers(3, 400, c),)) for c in sizes] for sizes in ((3, 7), (), (1,), (4, 4, 4), (2,), (9,))
    ]
    ids, trie = np.array([5, 8]), Trie([np.array([7, 9]), np.array([30])])

    def ask(m: CausalLM, k: int) -> list[np.ndarray]:
        one, group = [prefixes[k]], [groups[k]]
        free = m.generate(one, max_new_tokens=4, temperature=1.0, seed=3)[0]
        bound = m.generate(one, max_new_tokens=4, constraint=trie, deadline=time.monotonic() + 60)[0]
        return [
            m.score(one, group)[0], m.score(one, group, mean=False)[0], m.hidden(one, group)[0],
            m.choice_logits(one, group, ids)[0], m.next_token_logits(one)[0], free.ids, bound.ids,
        ]  # fmt: skip

    for k, got in enumerate(together(6, lambda k: ask(joined, k))):
        assert isinstance(got, list), got
        for one, other in zip(got, ask(model, k), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    wrong = together(2, lambda k: joined.score([prefixes[0] if k else Prompt(())], [groups[0]]))
    assert isinstance(wrong[0], ModelError)
    np.testing.assert_allclose(wrong[1][0], model.score(prefixes[:1], groups[:1])[0], atol=1e-5)  # type: ignore[index]
    assert joined.architecture is model.architecture
    assert joined.next_token_logits([]).shape == (0, 400)
    with pytest.raises(ModelError, match="as many groups"):
        joined.score(prefixes, [])
    with pytest.raises(ModelError, match="one constraint or as many"):
        joined.generate(prefixes, max_new_tokens=1, constraint=[trie])
    joined.close()
    with pytest.raises(ModelError, match="closed"):
        joined.score(prefixes, groups)


def test_a_joined_model_gives_up_in_time(causal: Causal) -> None:
    joined = JoinedCausal(causal("qwen3"), wait_ms=50)
    one = Prompt((np.array([5, 6]),))
    with pytest.raises(BudgetExceeded):
        joined.score([one], [[one]], deadline=time.monotonic() + 0.001)
    joined.close()


def test_who_gave_up_leaves_the_queue() -> None:
    work = Doubling()
    work.gate.clear()
    batcher = Batcher(work, wait_ms=0, waiting=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher, [1])
        time.sleep(0.05)
        for k in (2, 3):
            with pytest.raises(BudgetExceeded, match="before the model answered"):
                batcher([k], key=k, deadline=time.monotonic() + 0.03)
        last = pool.submit(batcher, [4], deadline=time.monotonic() + 30)
        work.gate.set()
        assert (first.result(5), last.result(5)) == ([2], [8])
    assert work.batches == [[1], [4]]
    batcher.close()


def test_work_that_ends_by_itself_is_waited_for_once_it_has_begun() -> None:
    work = Doubling()
    work.gate.clear()
    batcher = Batcher(work, wait_ms=0)
    with ThreadPoolExecutor(2) as pool:
        begun = pool.submit(batcher, [1], deadline=time.monotonic() + 0.05, ends_itself=True)
        time.sleep(0.02)
        with pytest.raises(BudgetExceeded):
            batcher([2], deadline=time.monotonic() + 0.05, ends_itself=True)
        work.gate.set()
        assert begun.result(5) == [2]
    assert work.batches == [[1]]
    batcher.close()


class Gated:
    """A body that waits, before every call, until it may go on."""

    def __init__(self, inner: Session) -> None:
        self.inner, self.reached, self.open = inner, Event(), Event()

    @property
    def spec(self) -> SessionSpec:
        return self.inner.spec

    def run(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None) -> dict[str, Any]:
        self.reached.set()
        assert self.open.wait(10)
        return self.inner.run(inputs, outputs)


def test_a_joined_text_waits_no_longer_than_its_deadline(causal: Causal) -> None:
    model = copy.copy(causal("qwen3"))
    body = model._body = Gated(model._body)
    joined = JoinedCausal(model, wait_ms=0)
    one, trie = Prompt((np.array([5, 6]),)), Trie([np.array([7, 9])])
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(joined.generate, [one], max_new_tokens=3)
        assert body.reached.wait(5)
        begin = time.monotonic()
        replies = joined.generate([one, one], max_new_tokens=4, constraint=[None, trie], deadline=begin + 0.05)
        assert [(r.reason, r.tokens_in, r.complete) for r in replies] == [("deadline", 0, True), ("deadline", 0, False)]
        body.open.set()
        assert slow.result(5)[0].tokens_in == 2
        # One that has begun gives what there is: here nothing but that the prompt was read.
        body.reached.clear()
        body.open.clear()
        begun = pool.submit(joined.generate, [one], max_new_tokens=3, deadline=time.monotonic() + 0.2)
        assert body.reached.wait(5)
        time.sleep(0.25)
        body.open.set()
        reply = begun.result(5)[0]
        assert (reply.reason, reply.tokens_in) == ("deadline", 2)
    joined.close()


def test_what_is_forgotten_while_it_waits_is_not_kept(causal: Causal) -> None:
    model = copy.copy(causal("qwen3"))
    cache = model._prefixes = PrefixCache(1 << 20)
    body = model._body = Gated(model._body)
    joined = JoinedCausal(model, wait_ms=0)
    bob, eve, one = (Prompt((np.arange(4, 9),), tag) for tag in ("bob", "eve", ""))
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(joined.hidden, [one], [[one]])
        assert body.reached.wait(5)
        calls = [pool.submit(joined.score, [p], [[one]]) for p in (bob, eve)]
        while len(joined._batcher._queue) < 2:
            time.sleep(0.001)
        assert joined.forget("bob") == 0
        body.open.set()
        assert first.result(5)
        np.testing.assert_allclose(calls[0].result(5), calls[1].result(5), atol=1e-5)
    assert (len(cache), cache.get(bob)) == (1, None)
    joined.score([bob], [[one]])
    assert len(cache) == 2
    joined.close()
