"""Reasons in the background: nobody waits, nothing grows without bound, nobody's text outlives them."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace
from threading import Event, Thread

import pytest

from recsys.breaker import Breaker
from recsys.errors import ConfigError
from recsys.explanation import Case, Evidence, Explanation, Fact
from recsys.writing import DAY, Desk, key_of

NOW = 1_779_400_000


def case(user: str | None = "ann", item: str = "a", strength: float = 0.8, review: str = "v1", **more: object) -> Case:
    said = Evidence(kind="review", item_id=item, review_id=review, quote="so light", start=0, end=8)
    facts = (Fact(kind="aspect", strength=strength, evidence=(said,), aspect="weight", sentiment=0.9),)
    return Case(**{"item_id": item, "title": "Lamp", "facts": facts, "user": user, "now": NOW, **more})  # type: ignore[arg-type]


def worded(cases: Sequence[Case]) -> list[Explanation]:
    return [Explanation(text=f"{c.user}: {c.item_id}", kind="generated", evidence=c.facts[0].evidence) for c in cases]


class Slow:
    """Words cases once ``go`` is set, and remembers them."""

    def __init__(self) -> None:
        self.go, self.began, self.seen = Event(), Event(), []

    def __call__(self, cases: Sequence[Case]) -> list[Explanation]:
        self.seen.append(list(cases))
        self.began.set()
        assert self.go.wait(10)
        return worded(cases)


@pytest.fixture
def desks():
    made: list[Desk] = []

    def make(word=worded, **more):
        made.append(Desk(word, "model", **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_first_time_is_pending_the_second_is_there(desks) -> None:
    desk = desks()
    assert desk.ask([case(), case(item="b")]) == [None, None]
    assert desk.wait(10)
    assert [one.text for one in desk.ask([case(), case(item="b")])] == ["ann: a", "ann: b"]
    assert desk.counts == {"queued": 2, "worded": 2}
    assert (desk.pending(), len(desk)) == (0, 2)


def test_asking_never_waits_and_the_queue_is_bounded(desks) -> None:
    slow = Slow()
    desk = desks(slow, queue=3, batch=1)
    desk.ask([case(item="first")])
    assert slow.began.wait(10)
    begin = time.perf_counter()
    assert desk.ask([case(item=str(i)) for i in range(50)]) == [None] * 50
    assert time.perf_counter() - begin < 1.0
    assert desk.counts["full"] == 47
    assert (desk.pending(), desk.pending("ann"), desk.pending("bob")) == (4, 4, 0)
    slow.go.set()
    assert desk.wait(10)
    assert desk.ready([case(item=i) for i in "012"]) == worded([case(item=i) for i in "012"])


def test_cases_are_worded_together_and_once(desks) -> None:
    slow = Slow()
    desk = desks(slow, batch=8)
    desk.ask([case(item="first")])
    assert slow.began.wait(10)
    for _ in range(3):
        desk.ask([case(item=str(i)) for i in range(8)])
    slow.go.set()
    assert desk.wait(10)
    assert [len(batch) for batch in slow.seen] == [1, 8]


def test_what_is_kept_is_bounded(desks) -> None:
    desk = desks(kept=5)
    desk.ask([case(item=str(i)) for i in range(12)])
    assert desk.wait(10)
    assert len(desk) == 5


def test_who_is_forgotten_leaves_nothing_behind(desks) -> None:
    slow = Slow()
    desk = desks(slow, batch=1)
    slow.go.set()
    desk.ask([case(), case("bob")])
    assert desk.wait(10)
    slow.go.clear()
    slow.began.clear()
    desk.ask([case(item="running"), case(item="waiting"), case("bob", "waiting")])
    assert slow.began.wait(10)
    assert desk.forget("ann") == 3
    assert desk.pending("ann") == 0
    slow.go.set()
    assert desk.wait(10)
    assert desk.ready([case(), case(item="running"), case(item="waiting")]) == [None] * 3
    assert all(desk.ready([case("bob"), case("bob", "waiting")]))


def test_texts_that_quote_a_forgotten_review_go(desks) -> None:
    desk = desks()
    desk.ask([case(), case("bob", review="v2")])
    assert desk.wait(10)
    assert desk.forget("carol", reviews=["v2"]) == 1
    assert desk.ready([case("bob", review="v2")]) == [None]
    assert all(desk.ready([case()]))


def test_who_waited_too_long_is_dropped(desks) -> None:
    clock = [0.0]
    slow = Slow()
    desk = desks(slow, batch=1, patience_s=5.0, clock=lambda: clock[0])
    desk.ask([case(item="first")])
    assert slow.began.wait(10)
    desk.ask([case(item="late")])
    clock[0] = 4.0
    desk.ask([case(item="in time")])
    clock[0] = 6.0
    slow.go.set()
    assert desk.wait(10)
    assert desk.counts["late"] == 1
    assert desk.ready([case(item="late")]) == [None]
    assert all(desk.ready([case(item="in time")]))


def test_errors_are_counted_and_the_worker_rests(desks) -> None:
    clock = [0.0]
    calls: list[int] = []

    def failing(cases: Sequence[Case]) -> list[Explanation]:
        calls.append(len(cases))
        if len(calls) <= 2:
            raise ValueError("made to fail")
        return worded(cases)

    desk = desks(failing, breaker=Breaker(failures=2, clock=lambda: clock[0]))
    for item in "abc":
        desk.ask([case(item=item)])
        assert desk.wait(10)
    assert desk.counts == {"queued": 2, "error:ValueError": 2, "resting": 1}
    assert [answer.why for answer in desk.take([case(item="c")])] == ["resting"]
    clock[0] = 31.0
    desk.ask([case(item="c")])
    assert desk.wait(10)
    assert all(desk.ready([case(item="c")]))


def test_an_explainer_that_owes_some_is_an_error(desks) -> None:
    desk = desks(lambda cases: worded(cases)[1:])
    desk.ask([case(), case(item="b")])
    assert desk.wait(10)
    assert desk.counts["error:ContractError"] == 2
    assert len(desk) == 0


def test_closed_it_takes_nothing_more(desks) -> None:
    desk = desks()
    desk.ask([case()])
    assert desk.wait(10)
    desk.close()
    assert [one and one.text for one in desk.ask([case(), case(item="b")])] == ["ann: a", None]
    assert desk.counts["closed"] == 1
    assert desk.wait(0.1)


def test_it_tells_what_is_pending_from_what_was_dropped(desks) -> None:
    slow = Slow()
    desk = desks(slow, queue=2, batch=1)

    def whys(items: str) -> list[str]:
        return [answer.why for answer in desk.take([case(item=i) for i in items])]

    assert whys("a") == ["pending"]
    assert slow.began.wait(10)
    assert whys("abcd") == ["pending", "pending", "pending", "full"]
    assert [a.why for a in desk.take([case(item="c"), case(item="x", facts=())])] == ["pending", "no facts"]
    assert desk.pending() == 3
    slow.go.set()
    assert desk.wait(10)
    assert [(a.ready is not None, a.why) for a in desk.take([case(item=i) for i in "abc"])] == [(True, "")] * 3
    desk.close()
    assert whys("ae") == ["", "closed"]


def test_an_idle_worker_ends_and_holds_nothing(desks) -> None:
    class Owner:
        def word(self, cases: Sequence[Case]) -> list[Explanation]:
            return worded(cases)

    owner, others = Owner(), set(threading.enumerate())
    desk = Desk(lambda cases, owner=owner: owner.word(cases), "model", idle_s=0.05)
    gone = weakref.ref(owner)
    for item in "ab":
        desk.ask([case(item=item)])
        assert desk.wait(10)
        for worker in set(threading.enumerate()) - others:
            worker.join(10)
            assert not worker.is_alive()
    assert len(desk) == 2
    del owner, desk
    gc.collect()
    assert gone() is None


def test_many_threads_ask_at_a_time(desks) -> None:
    desk = desks(queue=10_000)
    threads = [Thread(target=lambda u=u: [desk.ask([case(str(u), str(i))]) for i in range(40)]) for u in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.wait(20)
    assert len(desk) == desk.counts["worded"] == 240


def test_a_case_without_facts_is_not_queued(desks) -> None:
    desk = desks()
    assert desk.ask([case(facts=())]) == [None]
    assert desk.pending() == 0
    assert desk.counts == {}


def test_keys_tell_apart_what_the_words_tell_apart() -> None:
    one = key_of(case(), "m")
    assert one == key_of(case(strength=0.81), "m") == key_of(case(seed=7), "m") == key_of(case(now=NOW + 60), "m")
    others = [
        case("bob"), case(item="b"), case(strength=0.3), case(review="v2"), case(now=NOW + DAY), case(register="brief"),
        case(locale="de"), case(title="Lampe"), case(query="light"),
        replace(case(), facts=(replace(case().facts[0], causal_drop=0.5),)),
    ]  # fmt: skip
    keys = {key_of(c, "m") for c in others} | {key_of(case(), "other")}
    assert len(keys) == len(others) + 1
    assert one not in keys


@pytest.mark.parametrize("wrong", [{"queue": 0}, {"kept": 0}, {"batch": 0}, {"patience_s": 0.0}])
def test_bounds_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Desk(worded, "m", **wrong)  # type: ignore[arg-type]
