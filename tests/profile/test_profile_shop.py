"""Profiles of the shoppers of the sample shop: nothing in them is made up, and they tell shoppers apart."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from recsys.aspects import AspectTable
from recsys.data.shop import Shop, make_shop
from recsys.profile.builder import Profiler
from recsys.profile.lines import Profile
from recsys.protocols import FitOptions
from recsys.store.memory import MemoryStore
from recsys.types import KINDS


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(seed=1, n_shoppers=500)


@pytest.fixture(scope="module")
def store(shop) -> MemoryStore:
    return MemoryStore.of(shop.dataset)


@pytest.fixture(scope="module")
def profiles(shop, store) -> list[Profile]:
    data = shop.dataset
    table = AspectTable().fit(data, FitOptions())
    profiler = Profiler(data.items, table=table).over(data.items, data.reviews)
    now = int(data.log.events.times.max()) + 1
    return [profiler.view(user, store.history(user), now) for user in data.log.users]


def test_every_piece_of_evidence_is_real(shop, store, profiles):
    reviews = {r.review_id: r for r in shop.dataset.reviews}
    kinds = Counter(one.kind for profile in profiles for one in profile)
    assert {"journey", "category", "brand", "price", "aspect"} <= set(kinds)
    for profile in profiles:
        history = store.history(profile.user)
        ids = store.items().vocabulary.ids(history.rows)
        names = [KINDS[k] for k in history.kinds.tolist()]
        event_ids = history.ids or ("",) * len(ids)
        happened = set(zip([i or None for i in event_ids], ids, names, history.times.tolist(), strict=True))
        for line in profile:
            assert line.evidence
            for e in line.evidence:
                assert e.item_id in line.item_ids
                assert e.title == store.items().titles[store.items().vocabulary.row(e.item_id)]
                if e.kind == "event":
                    assert (e.event_id, e.item_id, e.event_kind, e.time) in happened
                else:
                    review = reviews[e.review_id]
                    assert (e.kind, review.user_id, review.item_id) == ("review", profile.user, e.item_id)
                    assert review.text[e.start : e.end] == e.quote != ""


def test_the_numbers_are_those_of_the_history(store, profiles):
    items = store.items()
    for profile in profiles:
        for line in profile:
            rows = items.vocabulary.rows(line.item_ids).tolist()
            products = {items.parents[row] or str(row) for row in rows}
            counted = re.search(r": (?:you chose it for |you chose .+ for )?(\d+) (?:of|products)", line.text)
            if counted and line.kind != "aspect":
                assert int(counted[1]) == len(products), line.text
            if line.kind == "brand":
                assert len({items.brands[row] for row in rows}) == 1


def test_lines_are_sentences_and_most_shoppers_have_some(profiles):
    texts = [one.text for profile in profiles for one in profile]
    assert all(re.fullmatch(r"[A-Z][^<>\n]{10,180}\.", text) for text in texts)
    assert sum(len(profile) >= 3 for profile in profiles) > 0.6 * len(profiles)
    assert len(set(texts)) > 0.5 * len(texts)


def test_brands_that_are_told_are_those_that_shoppers_are_loyal_to(shop, profiles):
    """By chance one in twenty would be."""
    world = shop.truth._world
    loyal = {
        user: {world.catalogue.brands[b] for b in world.shoppers.loyal[n].tolist()}
        for n, user in enumerate(shop.dataset.log.users)
    }
    told = [
        shop.dataset.items.brands[shop.dataset.items.vocabulary.row(one.item_ids[0])] in loyal[profile.user]
        for profile in profiles
        for one in profile
        if one.kind == "brand"
    ]
    assert len(told) > 100
    assert sum(told) / len(told) > 0.3
