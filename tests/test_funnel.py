from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.candidates.attributes import Attributes
from recsys.candidates.fuse import FOUND, Fusion
from recsys.candidates.popularity import Popularity
from recsys.candidates.transitions import Transitions
from recsys.errors import NotFittedError, StageError
from recsys.funnel import Funnel, Plan, Stopwatch, updated
from recsys.protocols import Delta, FitOptions
from recsys.rank.identity import Identity
from recsys.rank.shuffle import Shuffle
from recsys.testing.fakes import Failing, Recording
from recsys.testing.kits.base import assert_best_first, assert_dtypes, assert_no_duplicates
from recsys.testing.kits.compare import assert_same
from recsys.testing.worlds import requests_of, small_shop
from recsys.types import NO_EVENTS, Item, Slates

SHOP = small_shop()
REQUESTS = requests_of(SHOP, hide_seen=True)
PARTS = {
    name: made.fit(SHOP, FitOptions())
    for name, made in {"transitions": Transitions(), "attributes": Attributes(), "popularity": Popularity()}.items()
}


def plan(ranker=None, **changed) -> Plan:
    parts = {**PARTS, **changed}
    return Plan(parts, dict.fromkeys(parts, 12), Fusion({"popularity": 0.1}), 20, ranker, "judge" if ranker else "")


class FailsToScore(Failing):
    """Finds candidates but cannot score."""

    def generate(self, requests, n):
        return PARTS["attributes"].generate(requests, n)


def assert_in_order(got: Slates, n: int, full: bool = True) -> None:
    """The contract of a list, whatever happened on the way to it; ``full``: some generator knows enough items."""
    assert_dtypes(got)
    assert_no_duplicates(got)
    assert_best_first(got)
    assert len(got) == len(REQUESTS)
    for one, request in zip(got, REQUESTS, strict=True):
        assert request.allowed[one.items].all()
        assert len(one.items) <= n
        assert len(one.items) == n or not full
    assert got.lengths.sum() > 0


def test_united_lists_have_complete_columns():
    got = Funnel(plan()).candidates(REQUESTS)
    assert (got.lengths <= 20).all()
    assert {f"{n}_{c}" for n in PARTS for c in ("score", "rank")} | {FOUND, "fused_score"} == set(got.columns)
    assert_best_first(got)
    for name, part in PARTS.items():
        assert np.array_equal(got.columns[f"{name}_score"], part.score(REQUESTS, got).scores, equal_nan=True)
    assert (np.isfinite(got.columns["popularity_score"])).all()
    assert got.notes == ()


def test_found_bits_are_the_generators_own_lists():
    funnel = Funnel(plan())
    found, degraded = funnel.generate(REQUESTS)
    assert degraded == ()
    got = funnel.unite(REQUESTS, found, n=100)
    for bit, name in enumerate(PARTS):
        held = got.columns[FOUND] >> np.uint64(bit) & np.uint64(1) == 1
        for r, one in enumerate(found[name]):
            mine = got.items[got.offsets[r] : got.offsets[r + 1]][held[got.offsets[r] : got.offsets[r + 1]]]
            assert sorted(mine.tolist()) == sorted(one.items.tolist())


def test_lists_are_long_enough_for_a_large_k():
    recorded = Recording(PARTS["popularity"])
    Funnel(plan(popularity=recorded)).generate([replace(REQUESTS[0], k=3), replace(REQUESTS[1], k=25)])
    assert [args[1] for name, args in recorded.calls if name == "generate"] == [25]


def test_without_a_ranker_the_fused_order_is_served():
    funnel = Funnel(plan())
    assert_same(funnel.run(REQUESTS, 5), funnel.candidates(REQUESTS).ordered(funnel.candidates(REQUESTS).scores, 5))
    assert_in_order(funnel.run(REQUESTS, 5), 5)


def test_the_ranker_has_the_last_word():
    ranked = Funnel(plan(Shuffle())).run(REQUESTS, 5)
    candidates = Funnel(plan()).candidates(REQUESTS)
    assert_same(ranked, Shuffle().rank(REQUESTS, candidates, 5))
    assert "attributes_rank" in ranked.columns


@pytest.mark.parametrize("name", list(PARTS))
@pytest.mark.parametrize("broken", [Failing(), FailsToScore(), Failing(KeyError("x")), Failing(MemoryError())])
def test_a_generator_that_fails_is_left_out_and_noted(name, broken):
    got = Funnel(plan(Identity(), **{name: broken})).run(REQUESTS, 5)
    assert_in_order(got, 5, full=name != "popularity")  # the other two need a history that leads somewhere
    stage = "score" if isinstance(broken, FailsToScore) else "candidates"
    assert {n.degraded for n in got.notes} == {(f"{stage}:{name}:{type(broken.error).__name__}",)}
    assert np.isnan(got.columns[f"{name}_score"]).all()  # the columns stay complete: a ranker reads them all
    bit = np.uint64(1) << np.uint64(list(PARTS).index(name))
    if stage == "candidates":
        assert not (got.columns[FOUND] & bit).any()
        others = {n: g for n, g in PARTS.items() if n != name}
        without = Funnel(Plan(others, dict.fromkeys(others, 12), Fusion({"popularity": 0.1}), 20))
        assert_same(got, without.run(REQUESTS, 5), "with a broken generator and without it")


def test_sources_of_the_others_keep_their_bits():
    got = Funnel(plan(transitions=Failing())).candidates(REQUESTS)
    found = PARTS["attributes"].generate(REQUESTS, 12)
    for r, one in enumerate(got):
        held = one.columns[FOUND] >> np.uint64(1) & np.uint64(1) == 1
        assert set(one.items[held].tolist()) <= set(found[r].items.tolist())


def test_two_may_fail_but_not_all():
    one_left = plan(transitions=Failing(), attributes=Failing(ValueError("no")))
    got = Funnel(one_left).run(REQUESTS, 5)
    assert_in_order(got, 5)
    assert got.notes[0].degraded == ("candidates:transitions:RecsysError", "candidates:attributes:ValueError")
    for broken in (Failing(), FailsToScore()):
        with pytest.raises(StageError, match="every generator failed") as caught:
            Funnel(plan(**dict.fromkeys(PARTS, broken))).run(REQUESTS, 5)
        assert caught.value.__cause__ is broken.error


@pytest.mark.parametrize("broken", [Failing(), FailsToScore()])
def test_strict_raises_at_the_first(broken):
    with pytest.raises(StageError, match="'attributes' failed: made to fail") as caught:
        Funnel(plan(attributes=broken), strict=True).run(REQUESTS, 5)
    assert (caught.value.plugin, caught.value.__cause__) == ("attributes", broken.error)


def test_a_ranker_that_fails_keeps_the_fused_order():
    broken = Failing(RuntimeError("model gone"))
    got = Funnel(plan(broken)).run(REQUESTS, 5)
    assert broken.calls == ["rank"]
    assert_in_order(got, 5)
    assert {n.degraded for n in got.notes} == {("rank:judge:RuntimeError",)}
    assert_same(got, Funnel(plan()).run(REQUESTS, 5))
    with pytest.raises(StageError, match="rank 'judge' failed: model gone") as caught:
        Funnel(plan(broken), strict=True).run(REQUESTS, 5)
    assert caught.value.__cause__ is broken.error


def test_both_failures_are_noted_in_order():
    got = Funnel(plan(Failing(), popularity=Failing())).run(REQUESTS, 5)
    assert got.notes[0].degraded == ("candidates:popularity:RecsysError", "rank:judge:RecsysError")


@pytest.mark.parametrize("ranker", [None, Identity(), Shuffle()])
def test_single_equals_batch(ranker):
    funnel = Funnel(plan(ranker))
    batch = funnel.run(REQUESTS, 5)
    for i, request in enumerate(REQUESTS):
        assert_same(funnel.run([request], 5), batch[i], f"request {i} alone and in a batch")


def test_an_empty_batch():
    assert len(Funnel(plan(Identity())).run([], 5)) == 0


def test_nothing_allowed_is_an_empty_list():
    nobody = [replace(r, allowed=np.zeros(len(SHOP.items), dtype=np.bool_)) for r in REQUESTS[:3]]
    assert Funnel(plan(Identity())).run(nobody, 5).lengths.tolist() == [0, 0, 0]


def test_given_items_are_scored_and_none_is_lost():
    given = Slates.of([[3, 39, 17], [], [0]])
    zeros = np.zeros(4, dtype=np.uint64)
    slates = Slates(given.items, given.scores, given.offsets, {FOUND: zeros})
    got = Funnel(plan()).score_given(REQUESTS[:3], slates)
    assert [sorted(one.items.tolist()) for one in got] == [[3, 17, 39], [], [0]]
    assert_best_first(got)
    broken = Funnel(plan(attributes=Failing())).score_given(REQUESTS[:3], slates)
    assert [sorted(one.items.tolist()) for one in broken] == [[3, 17, 39], [], [0]]
    assert broken.notes[0].degraded == ("score:attributes:RecsysError",)


def test_the_stopwatch_lists_every_stage():
    watch = Stopwatch()
    got = Funnel(plan(Identity())).run(REQUESTS, 5, watch)
    assert [(s.stage, s.plugin) for s in watch.stages] == [
        *(("candidates", n) for n in PARTS), ("score", ", ".join(PARTS)), ("fuse", "fusion"), ("rank", "judge"),
    ]  # fmt: skip
    assert all(s.took_ms >= 0 for s in watch.stages)
    assert watch.stages[0].n_in == len(REQUESTS)
    assert watch.stages[-1].n_out == len(got.items)
    assert watch.stages[-2].n_out == watch.stages[-1].n_in


def test_a_plan_needs_a_generator():
    with pytest.raises(NotFittedError, match="at least one generator"):
        Funnel(Plan({}, {}, Fusion(), 10))


def test_only_live_components_take_changes_in():
    row = len(SHOP.items)
    items = SHOP.items.put([Item(item_id="new", title="copper kettle", categories=("Home", "Kitchen"))])
    delta = Delta(items=items, changed=np.array([row], dtype=np.int32), events=NO_EVENTS)
    stiff = object()
    after = updated({**PARTS, "stiff": stiff}, delta)
    assert after["stiff"] is stiff
    assert after["attributes"] is not PARTS["attributes"]
    assert after["attributes"].n_items == row + 1
    assert PARTS["attributes"].n_items == row
