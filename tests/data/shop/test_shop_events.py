from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import recsys.data.shop
from recsys.data.shop import CAUSES, Shop, make_shop
from recsys.data.shop.lists import LIST_LENGTH, examination
from recsys.errors import ConfigError
from recsys.types import KIND_CODES, KINDS

SHOWN = KIND_CODES["impression"]


def is_kind(shop: Shop, *names: str) -> NDArray[np.bool_]:
    return np.isin(shop.dataset.log.events.kinds, [KIND_CODES[n] for n in names])


def test_a_year_of_5000_shoppers(shop: Shop) -> None:
    log = shop.dataset.log
    assert log.n_users == 5000
    assert log.users[0] == "shopper-00000"
    assert log.users == tuple(sorted(log.users))
    assert 300_000 < len(log) < 1_000_000
    assert log.events.times.min() >= datetime(2025, 11, 1, tzinfo=UTC).timestamp()
    last = datetime.fromtimestamp(int(log.events.times.max()), UTC)
    assert (last.year, last.month, last.day) == (2026, 10, 31)
    for name in ("view", "click", "cart", "purchase", "rating", "return", "dislike", "not-interested"):
        assert is_kind(shop, name).sum() > 100, name
    assert not is_kind(shop, "interaction", "like").any()


def test_the_same_seed_makes_the_same_shop_and_another_seed_another() -> None:
    a, b, c = make_shop(3, 60), make_shop(3, 60), make_shop(4, 60)
    for name in ("rows", "times", "kinds", "values", "weights", "positions"):
        assert np.array_equal(getattr(a.dataset.log.events, name), getattr(b.dataset.log.events, name))
    assert a.dataset.items.titles == b.dataset.items.titles
    assert a.dataset.reviews == b.dataset.reviews
    assert np.array_equal(a.truth.causes.codes, b.truth.causes.codes)
    assert [q.text for q in a.queries] == [q.text for q in b.queries]
    assert a.dataset.items.titles != c.dataset.items.titles
    assert a.dataset.log.n_users == c.dataset.log.n_users == 60


def test_the_catalogue_does_not_depend_on_the_number_of_shoppers() -> None:
    a, b = make_shop(3, 1), make_shop(3, 40)
    assert a.dataset.items.titles == b.dataset.items.titles
    assert np.array_equal(a.truth.axes, b.truth.axes)
    assert a.dataset.log.n_users == 1


@pytest.mark.parametrize(("seed", "shoppers"), [(-1, 10), (0, 0), (0, 100_001)])
def test_numbers_out_of_bounds_are_refused(seed: int, shoppers: int) -> None:
    with pytest.raises(ConfigError, match=r"seed must|shoppers must"):
        make_shop(seed, shoppers)


def test_lists_have_ten_distinct_items_in_order(shop: Shop) -> None:
    log, shown = shop.dataset.log, is_kind(shop, "impression")
    positions = log.events.positions[shown].reshape(-1, LIST_LENGTH)
    rows = log.events.rows[shown].reshape(-1, LIST_LENGTH)
    times = log.events.times[shown].reshape(-1, LIST_LENGTH)
    assert (positions == np.arange(1, LIST_LENGTH + 1)).all()
    assert (times == times[:, :1]).all()
    assert (np.diff(np.sort(rows, axis=1), axis=1) > 0).all()
    assert (log.events.positions[is_kind(shop, "view", "rating", "return", "dislike")] == 0).all()
    assert (log.events.positions[is_kind(shop, "click", "not-interested")] > 0).all()


def test_clicks_fall_with_position_as_examination_does(shop: Shop) -> None:
    positions = shop.dataset.log.events.positions
    clicks = np.bincount(positions[is_kind(shop, "click")], minlength=LIST_LENGTH + 1)[1:]
    rate = clicks / np.bincount(positions[is_kind(shop, "impression")])[1:]
    assert (rate[:5] > rate[5:]).all()
    expected = examination(np.arange(1, LIST_LENGTH + 1))
    # Popular items come first and the fourth click is never made, so the curve is near, not equal.
    assert np.allclose(rate / rate[0], expected / expected[0], atol=0.12)
    assert rate[9] < 0.5 * rate[0]


def test_nothing_happens_to_an_item_before_it_exists(shop: Shop) -> None:
    events = shop.dataset.log.events
    assert (events.times >= shop.dataset.items.created[events.rows]).all()


def test_every_purchase_begins_with_a_look(shop: Shop) -> None:
    log = shop.dataset.log
    key = log.owner * len(shop.dataset.items) + log.events.rows
    looks = is_kind(shop, "view", "click")
    assert len(np.unique(key[looks])) == looks.sum(), "an item is looked at once by a shopper"
    first = dict(zip(key[looks].tolist(), log.events.times[looks].tolist(), strict=True))
    for name in ("cart", "purchase", "return", "rating", "dislike"):
        own = is_kind(shop, name)
        assert all(first[k] < t for k, t in zip(key[own].tolist(), log.events.times[own].tolist(), strict=True)), name
    returned, bought = key[is_kind(shop, "return")], key[is_kind(shop, "purchase")]
    assert np.isin(returned, bought).all()


def test_causes_are_all_there_and_a_quarter_has_none(shop: Shop) -> None:
    causes, acted = shop.truth.causes, ~is_kind(shop, "impression")
    assert CAUSES == ("shown", "taste", "complement", "aspect", "brand loyalty", "trend", "none")
    assert np.array_equal(causes.where("shown"), ~acted)
    assert causes.names[:3] == [CAUSES[c] for c in causes.codes[:3]]
    share = {name: float(causes.where(name)[acted].mean()) for name in CAUSES}
    assert share["none"] >= 0.25
    assert share["taste"] < 0.45
    for name in ("complement", "aspect", "brand loyalty", "trend"):
        assert share[name] > 0.03, name


def test_complements_follow_the_purchase_that_caused_them(shop: Shop) -> None:
    causes, log = shop.truth.causes, shop.dataset.log
    own = np.flatnonzero(causes.where("complement"))
    source = causes.events[own]
    assert (source >= 0).all()
    assert (causes.events[causes.codes != CAUSES.index("complement")] == -1).all()
    assert (causes.items[causes.events < 0] == -1).all()
    assert np.array_equal(causes.items[own], log.events.rows[source])
    assert (log.owner[source] == log.owner[own]).all()
    assert (source < own).all()
    assert {KINDS[k] for k in np.unique(log.events.kinds[source])} == {"purchase"}
    fits = shop.truth.complements[causes.items[own]] == log.events.rows[own][:, None]
    assert fits.any(axis=1).all()


def test_complements_obey_the_hand_written_table(shop: Shop) -> None:
    items = shop.dataset.items
    tents = [i for i, c in enumerate(items.categories) if c[2] == "Tent"]
    beside = {items.categories[r][2] for r in shop.truth.complements[tents].ravel()}
    assert beside <= {"Sleeping Mat", "Sleeping Bag", "Headlamp", "Camp Stove"}
    assert "Sleeping Mat" in beside


def test_loyalty_stays_with_few_brands(shop: Shop) -> None:
    log, items = shop.dataset.log, shop.dataset.items
    own = np.flatnonzero(shop.truth.causes.where("brand loyalty"))
    brands: dict[int, set[str]] = {}
    for user, row in zip(log.owner[own].tolist(), log.events.rows[own].tolist(), strict=True):
        brands.setdefault(user, set()).add(items.brands[row])
    assert max(len(b) for b in brands.values()) <= 3


def test_trends_come_and_go(shop: Shop) -> None:
    log, trend = shop.dataset.log, shop.truth.causes.where("trend")
    rows, counts = np.unique(log.events.rows[trend], return_counts=True)
    busiest = rows[np.argsort(counts)[-10:]]
    for row in busiest:
        times = log.events.times[trend & (log.events.rows == row)]
        assert times.max() - times.min() < 7 * 7 * 86_400 + 22 * 86_400  # a rating may come three weeks later


def test_departments_have_seasons(shop: Shop) -> None:
    log, items = shop.dataset.log, shop.dataset.items
    garden = np.array([c[0] == "Garden" for c in items.categories])
    looks = is_kind(shop, "view")
    month = np.array(log.events.times[looks], dtype="datetime64[s]").astype("datetime64[M]").astype(int) % 12 + 1
    share = [garden[log.events.rows[looks]][month == m].mean() for m in (5, 11)]
    assert share[0] > 1.5 * share[1]


def test_the_simulator_shares_no_code_with_what_it_tests() -> None:
    folder = Path(recsys.data.shop.__file__).parent
    sources = {p.name: p.read_text("utf-8") for p in folder.glob("*.py")}
    assert len(sources) > 10
    used = {m for text in sources.values() for m in re.findall(r"^\s*(?:from|import) (recsys[\w.]*)", text, re.M)}
    outside = {m for m in used if not m.startswith("recsys.data.shop")}
    assert outside <= {"recsys.dataset", "recsys.errors", "recsys.protocols", "recsys.types"}
