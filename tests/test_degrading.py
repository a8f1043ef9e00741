import pytest
from degrading_toys import ASKED, LISTS, Clock, FakeRunner, Turned, assert_kept, degraded, guard
from hypothesis import given
from hypothesis import strategies as st

from recsys.breaker import Breaker
from recsys.degrading import Cost, Guard
from recsys.errors import BudgetExceeded, ModelError, StageError
from recsys.rank.identity import Identity
from recsys.testing.kits import RankerTests
from recsys.types import Notes, Request, Slates


class Cold(Turned):
    """Its first call takes 900 s more, unless it was warmed up."""

    warm = False

    def warm_up(self):
        if not self.warm:
            self.clock.now += 900
            self.warm = True

    def rank(self, requests, slates, n):
        self.warm_up()
        return super().rank(requests, slates, n)


class TestGuard(RankerTests):
    @pytest.fixture
    def component(self):
        return lambda: Guard(Identity(), "identity", 10_000)


class TestGuardWithoutBudget(RankerTests):
    @pytest.fixture
    def component(self):
        return lambda: Guard(Turned(), "turned")


class TestGuardOfABrokenOne(RankerTests):
    @pytest.fixture
    def component(self):
        return lambda: Guard(Turned(error=ModelError("no")), "broken", 10_000)


def test_in_time_the_reranker_decides():
    clock = Clock()
    got = guard(Turned(clock, 0.001), clock).rank(ASKED, LISTS, 9)
    assert got.items.tolist() == [8, 7, 6, 5, 1, 2, 3]
    assert got.scores.tolist() == LISTS.scores.tolist()
    assert not any(note.degraded for note in got.notes)


def test_too_late_the_order_stays():
    clock = Clock()
    got = guard(Turned(clock, 0.1), clock).rank(ASKED, LISTS, 9)
    assert_kept(got, LISTS)
    assert degraded(got) == {("rerank:r:timeout",)}
    assert clock.now == pytest.approx(100.4)  # four requests
    assert_kept(guard(Turned(clock, 0.1), clock).rank(ASKED[:1], LISTS[0], 9), LISTS[0])
    assert clock.now == pytest.approx(100.5)


@pytest.mark.parametrize(
    ("error", "note"),
    [(ModelError("no"), "ModelError"), (BudgetExceeded("late"), "timeout"), (KeyError(3), "KeyError")],
)
def test_an_error_leaves_the_order(error, note):
    clock = Clock()
    got = guard(Turned(clock, 0, error), clock).rank(ASKED, LISTS, 2)
    assert_kept(got, LISTS.head(2))
    assert degraded(got) == {(f"rerank:r:{note}",)}


def test_a_reranker_that_loses_items_is_an_error():
    class Loses:
        def rank(self, requests, slates, n):
            return slates.head(1)

    got = Guard(Loses(), "r").rank(ASKED, LISTS, 9)
    assert_kept(got, LISTS)
    assert degraded(got) == {("rerank:r:ContractError",)}


def test_the_earlier_of_budget_and_deadline_is_what_the_reranker_is_told():
    clock = Clock()
    inner = Turned(clock)
    made = guard(inner, clock, 100)
    made.rank([Request(deadline=100.05), Request(), Request(), Request(deadline=200.0)], LISTS, 9)
    made.rank(ASKED, LISTS, 9)
    assert inner.deadlines[0] == [pytest.approx(100.05)] * 4
    assert inner.deadlines[1] == [pytest.approx(100.4)] * 4
    Guard(inner, "r", clock=clock).rank(ASKED, LISTS, 9)
    assert inner.deadlines[2] == [None] * 4


def test_a_deadline_that_has_passed_asks_nobody():
    clock = Clock()
    inner = Turned(clock)
    made = guard(inner, clock, None)
    for _ in range(5):
        got = made.rank([Request(deadline=99.0)], LISTS[0], 9)
        assert degraded(got) == {("rerank:r:timeout",)}
    assert inner.calls == []
    assert made.breaker.state == "closed"


def test_three_failures_open_it_and_a_trial_closes_it():
    clock = Clock()
    inner = Turned(clock, 0, ModelError("no"))
    made = guard(inner, clock)
    for _ in range(5):
        got = made.rank(ASKED, LISTS, 9)
        assert_kept(got, LISTS)
    assert len(inner.calls) == 3
    assert degraded(got) == {("rerank:r:open",)}
    inner.error = None
    clock.now += 31
    assert made.rank(ASKED, LISTS, 9).items[0] == 8
    assert made.rank(ASKED, LISTS, 9).items[0] == 8


def test_what_it_cost_decides_how_many_are_asked_about():
    clock = Clock()
    inner = Turned(clock, 0.010)
    made = guard(inner, clock, 10_000)
    one, lists = [Request()], Slates.of([range(20)])
    made.rank(one, lists, 20)
    made.budget_ms = 150
    got = made.rank(one, lists, 20)
    assert inner.calls == [20, 10]
    assert got.items.tolist() == [*range(10)[::-1], *range(10, 20)]
    assert degraded(got) == {("rerank:r:half",)}
    made.budget_ms = 50
    assert degraded(made.rank(one, lists, 20)) == {("rerank:r:slow",)}
    assert len(inner.calls) == 2
    assert made.breaker.state == "closed"


def test_a_slow_one_is_tried_again_in_time():
    clock = Clock()
    inner = Turned(clock, 0.050)
    made = guard(inner, clock, 10_000)
    one, lists = [Request()], Slates.of([range(20)])
    made.rank(one, lists, 20)
    made.budget_ms, inner.cost = 100, 0.001
    notes = [degraded(made.rank(one, lists, 20)) for _ in range(20)]
    assert notes[0] == {("rerank:r:slow",)}
    assert notes[-1] == set()


def test_deadlines_that_are_too_short_say_nothing_about_the_reranker():
    clock = Clock()
    inner = Turned(clock, 0.010)
    made = guard(inner, clock, 1_000)
    lists = Slates.of([range(20)])
    for _ in range(9):
        got = made.rank([Request(deadline=clock.now + 0.001)], lists, 20)
        assert_kept(got, lists)
    assert made.breaker.state == "closed"
    made.rank([Request()], lists, 20)
    for _ in range(30):  # by what it costs most are not begun; what is forgotten of that lets some through
        made.rank([Request(deadline=clock.now + 0.150)], lists, 20)
    assert len(inner.calls) > 5
    assert made.breaker.state == "closed"


@pytest.mark.parametrize(
    ("budget_ms", "left", "state"),
    [(500, 0.5, "open"), (500, 9.0, "open"), (500, 0.4, "closed"), (None, 1.0, "open"), (None, 0.9, "closed")],
)
def test_a_late_call_counts_if_it_had_the_time(budget_ms, left, state):
    clock = Clock()
    made = guard(Turned(clock, 99.0), clock, budget_ms, breaker=Breaker(1, clock=clock))
    made.rank([Request(deadline=clock.now + left)], Slates.of([range(20)]), 20)
    assert made.breaker.state == state


def test_what_calls_cost_is_enough_time_too():
    clock = Clock()
    inner = Turned(clock, 0.010)
    made = guard(inner, clock, None, breaker=Breaker(1, clock=clock))
    lists = Slates.of([range(20)])
    made.rank([Request()], lists, 20)
    inner.cost = 99.0
    made.rank([Request(deadline=clock.now + 0.25)], lists, 20)
    assert made.breaker.state == "open"


def test_busy_workers_are_no_failure():
    clock = Clock()

    class Busy:
        def run(self, work, seconds):
            clock.now += seconds
            raise TimeoutError("all 4 workers are busy")

    made = Guard(Turned(clock), "r", 100, clock=clock, runner=Busy())
    for _ in range(9):
        assert degraded(made.rank(ASKED, LISTS, 9)) == {("rerank:r:timeout",)}
    assert made.breaker.state == "closed"


def test_one_that_gives_up_in_time_teaches_what_it_costs_at_least():
    clock = Clock()

    class GivesUp(Turned):
        def rank(self, requests, slates, n):
            self.calls.append(len(slates.items))
            clock.now = max(clock.now, requests[0].deadline)
            raise BudgetExceeded("late")

    inner = GivesUp()
    made = guard(inner, clock, 100, breaker=Breaker(1000, clock=clock))
    one, lists = [Request()], Slates.of([range(20)])
    notes = [degraded(made.rank(one, lists, 20)) for _ in range(10)]
    assert notes[0] == {("rerank:r:timeout",)}
    assert {("rerank:r:slow",)} in notes
    assert inner.calls[:2] == [20, 10]
    assert made.cost.per_item * 20 > 0.1


def test_strict_mode_raises():
    clock = Clock()
    with pytest.raises(BudgetExceeded):
        guard(Turned(clock, 1), clock, strict=True).rank(ASKED, LISTS, 9)
    broken = guard(Turned(clock, 0, ModelError("why")), clock, strict=True)
    for _ in range(3):
        with pytest.raises(StageError, match="why") as caught:
            broken.rank(ASKED, LISTS, 9)
        assert isinstance(caught.value.__cause__, ModelError)
    with pytest.raises(StageError, match="open"):
        broken.rank(ASKED, LISTS, 9)


class Noting:
    """A reranker that keeps everything and notes what a remote one would."""

    def __init__(self, *degraded):
        self.degraded = degraded

    def rank(self, requests, slates, n):
        notes = tuple(Notes(degraded=d) for d in self.degraded)
        return Slates(slates.items, slates.scores, slates.offsets, slates.columns, notes)


def test_what_the_reranker_notes_itself_counts():
    clock = Clock()
    lists, bad = Slates.of([[1, 2], [3, 4]]), ("rerank:remote:TimedOut",)
    some, every = guard(Noting(bad, ()), clock), guard(Noting(bad, bad), clock)
    for _ in range(3):
        assert some.rank(ASKED[:2], lists, 2).notes[0].degraded == bad
        every.rank(ASKED[:2], lists, 2)
    assert (some.breaker.state, every.breaker.state) == ("closed", "open")
    with pytest.raises(StageError, match="TimedOut"):
        guard(Noting(bad, ()), clock, strict=True).rank(ASKED[:2], lists, 2)


def test_a_new_snapshot_keeps_the_record():
    clock = Clock()
    made = guard(Turned(clock, 0, ModelError("no")), clock)
    for _ in range(3):
        made.rank(ASKED, LISTS, 9)
    twin = made.over(Turned(clock))
    assert degraded(twin.rank(ASKED, LISTS, 9)) == {("rerank:r:open",)}
    assert twin.cost is made.cost
    assert twin.cheap


def test_nothing_to_rank_asks_nobody():
    inner = Turned()
    assert len(Guard(inner, "r", 10).rank(ASKED[:1], Slates.of([[]]), 5)) == 1
    assert inner.calls == []


@given(
    st.lists(
        st.tuples(
            st.floats(0, 0.05), st.sampled_from([None, ModelError("no"), BudgetExceeded("late")]), st.floats(0, 20),
            st.integers(1, 400), st.none() | st.floats(-0.1, 0.5), st.lists(st.integers(0, 12), min_size=1, max_size=4),
        ),
        max_size=25,
    )
)  # fmt: skip
def test_never_longer_than_the_budget_and_never_another_order(steps):
    clock = Clock()
    inner = Turned(clock)
    made = guard(inner, clock)
    for cost, error, pause, budget_ms, deadline, lengths in steps:
        clock.now += pause
        inner.cost, inner.error, made.budget_ms = cost, error, budget_ms
        lists = Slates.of([range(n) for n in lengths])
        until = None if deadline is None else clock.now + deadline
        before, calls = clock.now, len(inner.calls)
        got = made.rank([Request(deadline=until) for _ in lengths], lists, 20)
        budget = len(lengths) * budget_ms / 1000
        bound = budget if deadline is None else min(budget, max(deadline, 0))
        assert clock.now - before <= bound + 1e-9
        notes = degraded(got) - {()}
        assert got.offsets.tolist() == lists.offsets.tolist()
        assert [sorted(one.items.tolist()) for one in got] == [one.items.tolist() for one in lists]
        assert got.scores.tolist() == lists.scores.tolist()
        if notes - {("rerank:r:half",)}:
            assert_kept(got, lists)
        if len(inner.calls) == calls and len(lists.items):
            assert notes & {("rerank:r:open",), ("rerank:r:slow",), ("rerank:r:timeout",)}


def test_cost_is_a_moving_mean():
    cost = Cost()
    lists = Slates.of([range(10), range(4)])
    assert cost.width(lists, 0.0) == 10
    cost.add(1.4, 14)
    assert cost.per_item == pytest.approx(0.1)
    assert cost.width(lists, 1.7) == 10
    assert cost.width(lists, 1.1) == 5
    cost.add(2.8, 14)
    assert cost.per_item == pytest.approx(0.13)


def test_what_a_first_call_sets_up_is_not_on_the_budget():
    clock = Clock()
    one = guard(Cold(clock), clock)
    for _ in range(2):
        got = one.rank(ASKED, LISTS, 9)
        assert got.items.tolist() == [8, 7, 6, 5, 1, 2, 3]
        assert not any(note.degraded for note in got.notes)
    assert clock.now == 1000
    # The request's own deadline holds all the same, and tells nothing about the reranker.
    one = guard(Cold(clock), clock, breaker=Breaker(failures=1, clock=clock))
    begin = clock.now
    asked = [Request(deadline=begin + 5) for _ in range(4)]
    got = one.rank(asked, LISTS, 9)
    assert_kept(got, LISTS)
    assert degraded(got) == {("rerank:r:timeout",)}
    assert clock.now == begin + 5
    assert one.over(one.reranker).rank(ASKED, LISTS, 9).items.tolist() == [8, 7, 6, 5, 1, 2, 3]


def test_an_error_while_it_is_set_up_costs_no_list():
    class NoMore(FakeRunner):
        def run(self, work, seconds):
            raise RuntimeError("no more threads")

    clock = Clock()
    one = Guard(Cold(clock), "r", 100, clock=clock, runner=NoMore(clock))
    got = one.rank([Request(deadline=clock.now + 5)] * 4, LISTS, 9)
    assert_kept(got, LISTS)
    assert degraded(got) == {("rerank:r:RuntimeError",)}


def test_who_cannot_be_warmed_up_is_asked_all_the_same():
    clock = Clock()
    cold = Cold(clock)
    cold.clock = None  # so that warm_up raises, and rank with it
    got = guard(cold, clock).rank(ASKED, LISTS, 9)
    assert degraded(got) == {("rerank:r:AttributeError",)}
