from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import ItemTable
from recsys.errors import ConfigError
from recsys.protocols import Delta, Deps
from recsys.rank.calibrate import Calibrated
from recsys.rank.diversify import MMR, varied
from recsys.testing.kits import RankerTests
from recsys.testing.strategies import slates as any_slates
from recsys.testing.worlds import small_shop
from recsys.types import NO_EVENTS, Events, Item, Request, Slates

SHOP = small_shop().items


class TestMMR(RankerTests):
    @pytest.fixture(params=[0.0, 0.3, 1.0])
    def component(self, request):
        return partial(MMR.from_config, MMR.Config(strength=request.param, pool=9), Deps(items=SHOP))


class TestCalibrated(RankerTests):
    @pytest.fixture(params=[0.0, 0.3, 1.0])
    def component(self, request):
        return partial(Calibrated.from_config, Calibrated.Config(strength=request.param, pool=9), Deps(items=SHOP))


def shelf(*kinds: str) -> ItemTable:
    """One item a kind: "a" to "z" are categories; an upper-case letter is a variant of one product."""
    return ItemTable.of(
        Item(item_id=str(row), categories=(kind.lower(),), brand=None, parent_id=kind if kind.isupper() else None)
        for row, kind in enumerate(kinds)
    )


def ranked(ranker, items, order, history=NO_EVENTS, n=10):
    return ranker.rank([Request(history=history)], Slates.of([order]), n).items.tolist()


@pytest.mark.parametrize("ranker", [MMR, Calibrated])
def test_without_strength_nothing_changes(ranker):
    items = shelf(*"aaabbc")
    order = [4, 2, 0, 5, 1, 3]
    assert ranked(ranker(ranker.Config(strength=0), items), items, order, Events.of([5])) == order


def test_likeness_alone_takes_turns():
    items = shelf(*"aaabbc")
    ranker = MMR(MMR.Config(strength=1), items)
    assert ranked(ranker, items, range(6))[:3] == [0, 3, 5]


def test_more_strength_more_kinds():
    items = shelf(*"aaaaabbbccd")
    kinds = np.array(list("aaaaabbbccd"))
    counts = [
        len(set(kinds[ranked(MMR(MMR.Config(strength=s), items), items, range(11), n=4)])) for s in (0, 0.3, 0.6, 1)
    ]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] == 4


def test_the_best_item_stays_and_variants_part():
    items = shelf("S", "S", "S", "t", "u")
    got = ranked(MMR(MMR.Config(strength=0.5), items), items, range(5))
    assert got == [0, 3, 4, 1, 2]


def test_a_rare_category_says_more_than_a_common_one():
    items = ItemTable.of(
        Item(item_id=str(row), categories=("Everything", kind)) for row, kind in enumerate(["x", "x", "y", *"zzzzzzz"])
    )
    picks = varied(items, np.array([[0, 1, 2]], dtype=np.int32), 0.5, 3)
    assert picks.tolist() == [[0, 2, 1]]


def test_vectors_speak_instead_of_labels():
    items = shelf(*"aaa")
    vectors = np.array([[1, 0], [0.99, 0.14], [0, 1]], dtype=np.float32)
    rows = np.array([[0, 1, 2]], dtype=np.int32)
    assert varied(items, rows, 0.6, 3).tolist() == [[0, 1, 2]]
    assert varied(items, rows, 0.6, 3, vectors).tolist() == [[0, 2, 1]]
    assert varied(items, np.array([[0, 1, -1]], dtype=np.int32), 0.6, 3, vectors[:1]).tolist() == [[0, 1, -1]]


def test_negative_scores_and_their_scale_do_not_matter():
    items, order = shelf(*"aaabbc"), list(range(6))
    ranker = MMR(MMR.Config(strength=0.5), items)
    results = [
        ranker.rank([Request()], Slates.of([order], [scores]), 6)
        for scores in ([5, 4, 3, 2, 1, 0], [-1, -2, -3, -40, -500, -6000])
    ]
    assert results[0].items.tolist() == results[1].items.tolist()
    assert results[1].scores.tolist() == [-1, -2, -3, -40, -500, -6000]
    assert results[1].columns["prior_score"].tolist() == results[1].scores[results[1].items].tolist()


def test_only_the_pool_is_rearranged():
    items = shelf(*"aaaaaab")
    ranker = MMR(MMR.Config(strength=1, pool=4), items)
    assert ranked(ranker, items, range(7)) == list(range(7))


def test_a_list_is_as_mixed_as_the_history():
    items = shelf(*"aaaaaaaabbbb", *"cccc")
    history = Events.of([0, 1, 8, 9])  # half a, half b
    ranker = Calibrated(Calibrated.Config(strength=0.9, decay=1), items)
    order = [*range(2, 8), 10, 11, *range(12, 16)]
    got = ranked(ranker, items, order, history, n=4)
    assert sorted(np.array(list("aaaaaaaabbbbcccc"))[got]) == ["a", "a", "b", "b"]
    assert got[0] == 2  # the best of either
    assert ranked(ranker, items, order, NO_EVENTS, n=4) == order[:4]
    assert ranked(ranker, items, order, Events.of([0, 8], weights=[-1, -1]), n=4) == order[:4]
    assert ranked(ranker, items, [12, 13, 14], history, n=3) == [12, 13, 14]  # nothing of what they like is there


def test_divergence_falls_with_strength():
    rng = np.random.default_rng(0)
    names = np.array(list("abcde"))
    kinds = rng.choice(names, 200, p=[0.5, 0.2, 0.1, 0.1, 0.1])
    items = shelf(*kinds)
    history = np.flatnonzero(np.isin(kinds, ["b", "c"]))[:20]
    wanted = np.array([np.mean(kinds[history] == n) for n in names])

    def divergence(strength):
        out = []
        for seed in range(20):
            order = np.random.default_rng(seed).permutation(200)[:80]
            ranker = Calibrated(Calibrated.Config(strength=strength, decay=1), items)
            listed = kinds[ranked(ranker, items, order, Events.of(history), n=10)]
            mix = 0.99 * np.array([np.mean(listed == n) for n in names]) + 0.01 * wanted
            out.append(sum(p * np.log(p / q) for p, q in zip(wanted, mix, strict=True) if p))
        return np.mean(out)

    values = [divergence(s) for s in (0, 0.2, 0.5, 1)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.05 < values[0]


def test_a_new_item_is_known_after_apply():
    grown = SHOP.put([Item(item_id="new", categories=("Home", "Kitchen"))])
    delta = Delta(items=grown, changed=np.array([len(SHOP)], dtype=np.int32), events=NO_EVENTS)
    for ranker in (MMR(MMR.Config(), SHOP), Calibrated(Calibrated.Config(), SHOP)):
        assert ranker.apply(delta).items is grown
        # Also before it is known, it is listed.
        assert set(ranked(ranker, SHOP, [0, 1, len(SHOP)], Events.of([0]))) == {0, 1, len(SHOP)}


@pytest.mark.parametrize("ranker", [MMR, Calibrated])
def test_the_catalogue_is_needed(ranker):
    with pytest.raises(ConfigError, match="needs the catalogue"):
        ranker.from_config(ranker.Config(), Deps())


def test_an_item_of_a_thousand_categories_breaks_nothing():
    items = ItemTable.of(
        Item(item_id=str(row), categories=tuple(f"c{row}-{n}" for n in range(1_000))) for row in range(20)
    )
    for ranker in (MMR(MMR.Config(), items), Calibrated(Calibrated.Config(), items)):
        assert sorted(ranked(ranker, items, range(20), Events.of([3]), n=20)) == list(range(20))


@settings(max_examples=100, deadline=None)
@given(any_slates(40, odd=True), st.floats(0, 1), st.integers(0, 12), st.integers(1, 12))
def test_whatever_comes_in_comes_out_in_a_new_order(given_slates, strength, n, pool):
    requests = [Request(history=Events.of([3, 9])) for _ in range(len(given_slates))]
    for ranker in (
        MMR(MMR.Config(strength=strength, pool=pool), SHOP),
        Calibrated(Calibrated.Config(strength=strength, pool=pool), SHOP),
    ):
        got = ranker.rank(requests, given_slates, n)
        best = given_slates.ordered(given_slates.scores)
        for one, before, sorted_before in zip(got, given_slates, best, strict=True):
            rows = one.items.tolist()
            assert len(rows) == len(set(rows)) == min(n, len(before.items))
            assert set(rows) <= set(sorted_before.items[: max(n, pool)].tolist())
            if rows:
                assert rows[0] == sorted_before.items[0] or isinstance(ranker, Calibrated)
