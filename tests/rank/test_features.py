from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import ItemTable
from recsys.protocols import Delta
from recsys.rank.features import builder as builder_module
from recsys.rank.features.builder import MISSING, FeatureBuilder
from recsys.rank.features.facts import Facts
from recsys.rank.features.pair import LIMIT
from recsys.rank.features.query import numbers_of
from recsys.testing import strategies
from recsys.testing.worlds import requests_of, small_shop
from recsys.types import Events, Item, Request, Slates

DAY = 86_400
T = 1_700_000_000
CREATED = datetime.fromtimestamp(T - 10 * DAY, UTC)
TABLE = ItemTable.of(
    [
        Item(item_id="a", brand="Oak", categories=("Home", "Chairs"), price=np.e - 1, created=CREATED),
        Item(item_id="b", brand="Oak", categories=("Home", "Tables"), price=np.e**2 - 1),
        Item(item_id="c", brand="Elm", categories=("Garden",), price=np.e**3 - 1),
        Item(item_id="d"),
        Item(item_id="e", brand="Elm", categories=("Home",)),
    ]
)
FACTS = Facts(TABLE, np.array([5, 2, 2, 0, 9], dtype=np.float32))
SHOP = small_shop()
SHOP_FACTS = Facts(SHOP.items, np.arange(40, dtype=np.float32))


def slates_of(lists, n: int = 40) -> Slates:
    """Lists with the columns of two generators; the second cannot score odd rows."""
    plain = lists if isinstance(lists, Slates) else Slates.of(lists)
    rows = plain.items
    columns = {
        "one_score": (rows / 2).astype(np.float32), "one_rank": np.arange(1, len(rows) + 1, dtype=np.float32),
        "two_score": np.where(rows % 2, np.nan, rows).astype(np.float32),
        "two_rank": np.full(len(rows), 3, np.float32), "fused_score": (rows / 4).astype(np.float32),
        "found": (rows % 4).astype(np.uint64),
    }  # fmt: skip
    return Slates(rows, plain.scores, plain.offsets, columns)


def table_of(requests, lists, facts: Facts = FACTS) -> dict[str, list[float]]:
    builder = FeatureBuilder(["one", "two"])
    matrix = builder.compute(requests, slates_of(lists), facts)
    return {name: matrix[:, i].tolist() for i, name in enumerate(builder.names)}


def test_names_and_columns_fit():
    builder = FeatureBuilder(["one", "two"])
    matrix = builder.compute(requests_of(SHOP)[:3], slates_of([[1, 2], [3], [4, 5, 6]]), SHOP_FACTS)
    assert matrix.shape == (6, len(builder.names))
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    assert len(set(builder.names)) == len(builder.names)
    assert builder.names[:6] == ["one_score", "one_share", "one_place", "two_score", "two_share", "two_place"]
    assert len(FeatureBuilder(["one"]).names) == len(builder.names) - 3


def test_what_the_generators_said():
    got = table_of([Request(), Request()], [[4, 2, 3], [0]])
    assert got["one_score"] == [2, 1, 1.5, 0]
    assert got["one_share"] == pytest.approx([1, 0.5, 0.75, 0])
    assert got["one_place"] == pytest.approx(np.log([1, 2, 3, 4]).tolist())
    assert got["two_score"] == [4, 2, -1, 0]
    assert got["two_share"] == pytest.approx([1, 0.5, 0, 0])
    assert got["fused"] == [1, 0.5, 0.75, 0]
    assert got["fused_place"] == pytest.approx(np.log([1, 2, 3, 1]).tolist())
    assert got["n_found"] == [0, 1, 2, 0]


def test_what_an_item_is():
    got = table_of([Request(now=T)], [[0, 1, 2, 3, 4]])
    assert got["item_popularity"] == pytest.approx([0.6, 0.2, 0.2, 0, 0.8])
    assert got["item_age_days"] == [10, *[MISSING] * 4]
    assert got["item_log_price"] == pytest.approx([1, 2, 3, MISSING, MISSING], abs=1e-5)
    assert got["item_n_categories"] == [2, 2, 1, 0, 1]


def test_who_asks():
    history = Events.of([0, 2, 1], times=[T - 9 * DAY, T - 5 * DAY, T - 2 * DAY], weights=[1, -1, 0.3])
    got = table_of([Request(history=history, now=T), Request(now=T)], [[3, 4], [4]])
    assert got["user_n_events"] == [3, 3, 0]
    assert got["user_dislikes"] == pytest.approx([1 / 3, 1 / 3, MISSING])
    assert got["user_days_idle"] == [2, 2, MISSING]
    assert got["user_popularity"] == pytest.approx([1 / 3, 1 / 3, MISSING])
    assert got["user_last_popularity"] == pytest.approx([0.2, 0.2, MISSING])


def test_how_an_item_meets_the_history():
    history = Events.of([2, 0, 3], weights=[1, 1, -1])  # liked c, then a; a dislike is nothing to be like
    got = table_of([Request(history=history), Request()], [[1, 4, 3], [1]])
    assert got["same_brand_as_last"] == [1, 0, 0, MISSING]
    assert got["brand_share"] == [0.5, 0.5, 0, MISSING]
    home, rare = np.log(6 / 3), np.log(6 / 1)
    like_b, like_e = home**2 / (home**2 + rare**2), home / np.hypot(home, rare)
    assert got["category_like_last"] == pytest.approx([like_b, like_e, 0, MISSING], abs=1e-5)
    assert got["category_like_history"] == pytest.approx([like_b / 2, like_e / 2, 0, MISSING], abs=1e-5)
    assert got["category_best"] == pytest.approx([like_b, like_e, 0, MISSING], abs=1e-5)
    assert got["price_step"] == pytest.approx([(2 - 1 + 2 - 3) / 2, MISSING, MISSING, MISSING], abs=1e-5)
    assert got["price_step_last"] == pytest.approx([1, MISSING, MISSING, MISSING], abs=1e-5)


def test_only_the_latest_events_are_met():
    long = Events.of([2] * LIMIT + [0] * LIMIT)
    assert table_of([Request(history=long)], [[1, 4]])["brand_share"] == [1, 0]


def test_empty_slates_and_batches():
    builder = FeatureBuilder(["one", "two"])
    for requests, lists in (([], []), ([Request()], [[]]), (requests_of(SHOP)[:2], [[], []])):
        assert builder.compute(requests, slates_of(lists), SHOP_FACTS).shape == (0, len(builder.names))
    some = table_of([Request(now=T), Request(now=T), Request(now=T)], [[], [1], []])
    assert all(len(values) == 1 for values in some.values())


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_nan_and_no_neighbours_influence(data):
    requests = data.draw(st.lists(strategies.requests(40, unknown=True), min_size=1, max_size=4))
    slates = slates_of(data.draw(strategies.slates(40, size=len(requests), odd=True, columns=False)))
    builder = FeatureBuilder(["one", "two"])
    matrix = builder.compute(requests, slates, SHOP_FACTS)
    assert np.isfinite(matrix).all()
    # The same code fits (many requests at once) and serves (one): the same rows come out.
    for i, request in enumerate(requests):
        alone = builder.compute([request], slates[i], SHOP_FACTS)
        np.testing.assert_allclose(alone, matrix[slates.offsets[i] : slates.offsets[i + 1]], rtol=1e-5, atol=1e-5)


def test_facts_are_the_same_in_any_order_of_a_set():
    weights = FACTS.categories.toarray()
    assert np.linalg.norm(weights, axis=1).tolist() == pytest.approx([1, 1, 1, 0, 1])
    assert FACTS.brands.tolist() == [0, 0, 1, -1, 1]
    twice = ItemTable.of([Item(item_id="a", categories=("x", "y", "x")), Item(item_id="b")])
    assert Facts(twice, np.zeros(2, np.float32)).categories[[0]].nnz == 2


def test_facts_of_an_empty_shop():
    facts = Facts(ItemTable.of([]), np.empty(0, np.float32))
    assert facts.categories.shape == (0, 1)
    assert facts.level(facts.items.vocabulary.rows([])).shape == (0,)


def changed(items: ItemTable, more: list[Item], rows=(), taken=()) -> Delta:
    after = items.put(more)
    new = Events.of(np.array(rows, np.int32))
    return Delta(items=after, changed=np.empty(0, np.int32), events=new, taken=Events.of(np.array(taken, np.int32)))


def seen(facts: Facts) -> dict[str, np.ndarray]:
    every = np.arange(len(facts.items), dtype=np.int32)
    return {
        "level": facts.level(every), "brands": facts.brands, "categories": facts.categories.toarray(),
        "prices": facts.log_prices, "votes": numbers_of(facts, "votes"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        [],
        [Item(item_id="c", brand="Ash", categories=("Garden",), price=2.0)],
        [Item(item_id="c", brand="Elm", categories=("Home", "Pots"))],
        [Item(item_id="b", brand="Oak", categories=("Home", "Tables"), attributes={"votes": 3})],
        [Item(item_id="new", brand="Oak", categories=("Chairs",), price=7.0)],
    ],
)
def test_facts_after_a_change_are_those_made_anew(more):
    before = Facts(TABLE, np.array([5, 2, 2, 0, 9], dtype=np.float32))
    seen(before)
    delta = changed(TABLE, more, rows=[3, 3, 0], taken=[1, 1, 1])
    counts = np.zeros(len(delta.items), np.float32)
    counts[:5] = [6, 0, 2, 2, 9]
    after, anew = before.after(delta), Facts(delta.items, counts)
    for name, values in seen(anew).items():
        np.testing.assert_array_equal(seen(after)[name], values, err_msg=name)
    np.testing.assert_array_equal(before.popularity, [5, 2, 2, 0, 9])


def test_an_event_leaves_what_is_known_of_the_catalogue_as_it_is():
    before = Facts(TABLE, np.zeros(5, np.float32))
    seen(before)
    event = Delta(items=TABLE, changed=np.empty(0, np.int32), events=Events.of([2]))
    after = before.after(event)
    assert after.categories is before.categories
    assert after.brands is before.brands
    assert after.log_prices is before.log_prices
    assert after.numbers is before.numbers
    dearer = before.after(changed(TABLE, [replace(TABLE.item(0), price=99.0)]))
    assert dearer.categories is before.categories
    assert dearer.log_prices[0] == pytest.approx(np.log1p(99))


def many(count: int, seed: int = 0) -> tuple[list[Request], Slates]:
    """Requests of the shop, some without history or candidates, with lists of up to a dozen random items."""
    rng = np.random.default_rng(seed)
    asked = [*requests_of(SHOP), Request(history=Events.of([]))]
    requests = [asked[i] for i in rng.integers(len(asked), size=count)]
    return requests, slates_of([rng.permutation(40)[: rng.integers(13)] for _ in range(count)])


def test_few_requests_at_a_time_have_the_features_of_all_at_once(monkeypatch):
    requests, slates = many(70)
    made = FeatureBuilder(["one", "two"])
    every = made.compute(requests, slates, SHOP_FACTS)
    for together in (1, 7, 69, 70):
        monkeypatch.setattr(builder_module, "TOGETHER", together)
        np.testing.assert_array_equal(made.compute(requests, slates, SHOP_FACTS), every)
    assert made.compute([], slates_of([]), SHOP_FACTS).shape == (0, len(made.names))


def test_memory_does_not_grow_with_the_requests_of_a_fit(monkeypatch):
    monkeypatch.setattr(builder_module, "TOGETHER", 50)
    made = FeatureBuilder(["one", "two"])

    def beside_the_matrix(count: int) -> float:
        requests, slates = many(count)
        made.compute(requests, slates, SHOP_FACTS)  # what is compiled or kept is there now
        tracemalloc.start()
        matrix = made.compute(requests, slates, SHOP_FACTS)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak - matrix.nbytes

    assert beside_the_matrix(800) < 2 * beside_the_matrix(100)
