from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import ItemTable
from recsys.errors import ConfigError
from recsys.filters import Exclusions
from recsys.filters.exclusions import CHOICES, REFUSED, with_variants
from recsys.requests import seen
from recsys.testing.strategies import events
from recsys.types import KIND_CODES, KINDS, NO_EVENTS, Events, Item

DAY = 86_400
CATEGORIES = [("Coffee", "Kitchen"), ("Kitchen",), ("Shirts",), ("Shirts",), ("Coffee",), ()]
TABLE = ItemTable.of(
    Item(item_id=name, categories=CATEGORIES[row], parent_id="shirt" if row in (2, 3) else None)
    for row, name in enumerate("abcdef")
)


def history(*listed: tuple[str, str, float]) -> Events:
    """Events of (item, kind, day), in order of time."""
    listed = sorted(listed, key=lambda e: e[2])
    return Events.of(
        ["abcdef".index(item) for item, _, _ in listed],
        times=[int(day * DAY) for _, _, day in listed],
        kinds=[KIND_CODES[kind] for _, kind, _ in listed],
    )


def hidden(rule: Exclusions, past: Events, day: float) -> str:
    rows = rule.hidden(TABLE, past, int(day * DAY))
    assert rows.dtype == np.int32
    return "".join("abcdef"[row] for row in rows)


@settings(deadline=None)
@given(events(6, unknown=True), st.integers(0, 2**34))
def test_without_settings_what_was_chosen_is_hidden_for_ever(past, now):
    rows = seen(past)
    assert set(Exclusions().hidden(TABLE, past, now).tolist()) == {r for r in rows.tolist() if 0 <= r < 6}


def test_bought_items_come_back_after_the_wait_of_their_category():
    past = history(("a", "purchase", 0), ("b", "purchase", 0), ("c", "purchase", 0), ("f", "purchase", 0))
    rule = Exclusions(repurchase_days={"Coffee": 20, "Kitchen": 100}, default_days=365)
    assert hidden(rule, past, 0) == "abcf"
    assert hidden(rule, past, 19.9) == "abcf"
    assert hidden(rule, past, 20) == "bcf"  # the shortest wait among its categories
    assert hidden(rule, past, 100) == "cf"
    assert hidden(rule, past, 365) == ""
    assert hidden(Exclusions(repurchase_days={"Coffee": 20}), past, 10_000) == "bcf"
    assert hidden(Exclusions(repurchase_days={"Coffee": 0}), past, 0) == "bcf"


def test_the_wait_starts_with_the_latest_purchase_and_not_with_an_opinion_about_it():
    rule = Exclusions(repurchase_days={"Coffee": 20})
    assert hidden(rule, history(("a", "purchase", 0), ("a", "purchase", 15)), 30) == "a"
    assert hidden(rule, history(("a", "purchase", 0), ("a", "rating", 15)), 30) == ""
    assert hidden(rule, history(("a", "rating", 15)), 30) == "a"  # all that is known of this choice
    assert hidden(rule, history(("a", "rating", 15)), 35) == ""


def test_refusals_hide_for_ever():
    rule = Exclusions(default_days=1)
    for kind in REFUSED:
        assert hidden(rule, history(("a", "purchase", 0), ("a", kind, 1)), 1000) == "a"
    assert hidden(Exclusions(default_days=1, kind_days={"dislike": 30}), history(("a", "dislike", 0)), 30) == ""


def test_kinds_are_chosen_and_may_have_a_wait_of_their_own():
    past = history(("a", "purchase", 0), ("b", "impression", 9), ("c", "view", 9), ("d", "impression", 3))
    rule = Exclusions(event_kinds=("purchase", "impression"), kind_days={"impression": 5})
    assert hidden(rule, past, 10) == "ab"
    assert hidden(rule, past, 14) == "a"
    assert hidden(Exclusions(event_kinds=()), past, 10) == ""


def test_variants_are_hidden_together():
    past = history(("c", "purchase", 0))
    assert hidden(Exclusions(), past, 1) == "c"
    assert hidden(Exclusions(hide_variants=True), past, 1) == "cd"
    assert hidden(Exclusions(hide_variants=True, item_ids=("d", "a")), NO_EVENTS, 1) == "acd"
    assert with_variants(TABLE, np.array([0, 5], dtype=np.int32)).tolist() == [0, 5]


def test_named_items_are_hidden_and_unknown_ones_are_no_error():
    assert hidden(Exclusions(item_ids=("b", "zz")), NO_EVENTS, 0) == "b"


def test_one_catalogue_many_histories():
    hider = Exclusions(repurchase_days={"Coffee": 20}).over(TABLE)
    assert hider.rows(history(("a", "purchase", 0)), 30 * DAY).tolist() == []
    assert hider.rows(history(("b", "purchase", 0)), 30 * DAY).tolist() == [1]
    assert hider.rows(Events.of([99, -1, 1]), 30 * DAY).tolist() == [1]  # an item newer than the catalogue in use


waits = st.none() | st.integers(0, 40)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(KINDS), st.integers(0, 60)), max_size=12),
    st.dictionaries(st.sampled_from(["Coffee", "Kitchen", "Shirts"]), st.integers(0, 40)),
    waits, st.booleans(), st.integers(60, 120),
)  # fmt: skip
def test_nothing_comes_back_early_and_nothing_stays_away_too_long(listed, days, default, variants, now):
    rule = Exclusions(repurchase_days=days, default_days=default, hide_variants=variants)
    expected = set()
    for row, name in enumerate("abcdef"):
        mine = [(kind, day) for item, kind, day in listed if item == name and kind in CHOICES]
        waits = [days[c] for c in CATEGORIES[row] if c in days] or ([] if default is None else [default])
        bought = [day for kind, day in mine if kind in ("purchase", "interaction")]
        dated = bought or [day for kind, day in mine if kind in ("rating", "like")]
        refused = any(kind in REFUSED for kind, _ in mine)
        if refused or (dated and (not waits or now < max(dated) + min(waits))):
            expected |= {name} | ({"c", "d"} if variants and name in "cd" else set())
    assert hidden(rule, history(*listed), now) == "".join(sorted(expected))


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"exclusions\.event_kinds: .*no event kind 'buy'"):
        Exclusions.of({"event_kinds": ["buy"]})
    with pytest.raises(ConfigError, match=r"exclusions\.repurchase_days: .*not negative: Coffee"):
        Exclusions.of({"repurchase_days": {"Coffee": -1}})
    with pytest.raises(ConfigError, match=r"exclusions\.days: Extra inputs"):
        Exclusions.of({"days": 3})
    assert Exclusions.of({"repurchase_days": {"Coffee": 21}, "default_days": 365}).default_days == 365
