"""The benchmark of reasons: a larger sample shop is made of small ones, and its lines hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import explain
from benchmarks.copies import copied_shop
from recsys.data.shop import make_shop


@pytest.fixture(scope="module")
def doubled():
    return copied_shop(2, 60)


def test_two_copies_are_two_shops_side_by_side(doubled):
    first, second = (make_shop(seed, 30).dataset for seed in (0, 1))
    n = len(first.items)
    assert len(doubled.items) == n + len(second.items)
    assert len(set(doubled.items.ids)) == len(doubled.items)
    assert doubled.items.titles[:n] == first.items.titles
    assert not set(doubled.items.brands[:n]) & set(doubled.items.brands[n:])
    assert all(
        title.startswith(brand)
        for title, old, brand in zip(
            doubled.items.titles[n:], second.items.titles, doubled.items.brands[n:], strict=True
        )
        if old.startswith(second.items.brands[second.items.titles.index(old)])
    )
    assert doubled.items.attributes[n:] == second.items.attributes
    assert doubled.log.n_users == len(set(doubled.log.users)) == 60
    assert np.array_equal(doubled.log.history(3).rows, first.log.history(3).rows)
    assert np.array_equal(doubled.log.history(33).rows, second.log.history(3).rows + n)
    assert len(set(doubled.log.events.ids)) == len(doubled.log.events.ids)


def test_reviews_stay_with_their_item_and_shopper(doubled):
    users = {name: place >= 30 for place, name in enumerate(doubled.log.users)}
    n = len(make_shop(0, 30).dataset.items)
    items = {name: row >= n for row, name in enumerate(doubled.items.ids)}
    copies = {(users[r.user_id], items[r.item_id]) for r in doubled.reviews}
    assert copies == {(False, False), (True, True)}
    assert len({r.review_id for r in doubled.reviews}) == len(doubled.reviews)


def test_parts_and_whole_lists_are_measured(tmp_path, monkeypatch):
    light = {"transitions": {}, "item-knn": {}, "popularity": {}}
    options = {"candidates": light, "rank": {"lightgbm": {"max_rounds": 5, "patience": 5}}}
    monkeypatch.setattr(explain, "config", lambda copies: explain.EngineConfig.of(options))
    monkeypatch.setattr(explain, "LISTS", 6)
    monkeypatch.setattr(explain, "WARM", 2)
    lines = {line["name"]: line for line in explain.run({"copies": 1, "shoppers": 150}, tmp_path)}
    assert list(lines) == ["whole list", "parts"]
    whole, parts = (line["figures"] for line in lines.values())
    assert 0 < whole["plain_p50_ms"] < whole["explained_p50_ms"]
    assert whole["with_reason"] > 0.5
    assert parts["reruns_per_list"] > 0
    assert parts["causal_ms_list"] > 0
    assert parts["explanation_ms_item"] > max(parts[f"{name}_ms_item"] for name in ("facts", "text", "check"))
    assert lines["parts"]["parameters"]["items"] > 2_000
