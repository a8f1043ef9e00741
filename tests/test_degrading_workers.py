"""Real workers: calls that never end, that end late, that raise."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from degrading_toys import ASKED, LISTS, assert_kept, degraded

from recsys.breaker import Breaker
from recsys.degrading import Guard, Workers


class Stuck:
    def __init__(self):
        self.go_on = threading.Event()
        self.calls = 0

    def rank(self, requests, slates, n):
        self.calls += 1
        self.go_on.wait(20)
        return slates.head(n)


def rerank_threads():
    return [t for t in threading.enumerate() if t.name == "rerank"]


def test_stuck_calls_hold_so_many_workers_and_no_more():
    inner = Stuck()
    made = Guard(inner, "r", 30, breaker=Breaker(1000), runner=Workers(2))
    begin = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: made.rank(ASKED, LISTS, 9), range(12)))
    assert time.monotonic() - begin < 2
    assert inner.calls == 2
    assert len(rerank_threads()) == 2
    for got in answers:
        assert_kept(got, LISTS)
        assert degraded(got) == {("rerank:r:timeout",)}
    inner.go_on.set()
    for thread in rerank_threads():
        thread.join(5)
    assert rerank_threads() == []
    made.budget_ms = 5_000
    assert made.rank(ASKED, LISTS, 9).items.tolist() == LISTS.items.tolist()
    assert inner.calls == 3


def test_real_time_is_kept_too():
    inner = Stuck()
    made = Guard(inner, "r", 50)
    begin = time.monotonic()
    got = made.rank(ASKED, LISTS, 9)
    took = time.monotonic() - begin
    inner.go_on.set()
    assert 0.05 <= took < 0.5
    assert degraded(got) == {("rerank:r:timeout",)}


def test_a_late_answer_teaches_what_it_costs():
    inner = Stuck()
    made = Guard(inner, "r", 20)
    made.rank(ASKED, LISTS, 9)
    assert made.cost.per_item is None
    inner.go_on.set()
    for thread in rerank_threads():
        thread.join(5)
    assert made.cost.per_item > 0


def test_an_interrupt_is_no_failure_and_is_passed_on():
    class Interrupted:
        def rank(self, requests, slates, n):
            raise KeyboardInterrupt

    made = Guard(Interrupted(), "r", 5_000, breaker=Breaker(1))
    with pytest.raises(KeyboardInterrupt):
        made.rank(ASKED, LISTS, 9)
    assert made.breaker.state == "closed"


def test_errors_of_the_worker_come_back():
    with pytest.raises(ZeroDivisionError):
        Workers().run(lambda: 1 // 0, 5)
    assert Workers().run(lambda: 7, 5) == 7
