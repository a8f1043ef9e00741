"""Whatever is done to it, a store in a database says what the one in memory says; and so does an engine over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_toys import ITEMS, NOW, assert_same, assert_same_log, event
from test_dump import assert_same_store, rich_store

from recsys.config import EngineConfig
from recsys.dataset import Dataset
from recsys.engine import Engine
from recsys.errors import DataError
from recsys.store.dump import dump, restore
from recsys.store.memory import MemoryStore
from recsys.store.sql import Logged, SqlStore
from recsys.testing.kits.base import Make
from recsys.testing.worlds import DAY, checkerboard, small_shop
from recsys.types import Event, Item, Review, Search

USERS = ("u0", "u1", "u2")
user, time = st.sampled_from(USERS), st.integers(0, 6)
own_id = st.sampled_from([None, "e1", "e2", "e3"])
text = st.sampled_from(["red kettle", "Kettles red", "pan", "<b></b>", "blue  pan"])
line = st.sampled_from(["l1", "l2", "l3"])

EVENT = st.builds(
    lambda u, n, t, e, k: event(u, n, t, e, kind=k, value=n / 3, position=n or None),
    user, st.integers(0, 5), time, own_id,
    st.sampled_from(["interaction", "view", "return", "rating", "impression", "forget"]),
)  # fmt: skip
REVIEW = st.builds(
    lambda u, n, r, words: Review(user_id=u, item_id=f"i{n}", text=words, review_id=r, rating=n / 2, time=n),
    user, st.integers(0, 5), own_id, st.text(max_size=4),
)  # fmt: skip
SEARCH = st.builds(
    lambda u, t, words, s, n: Search(user_id=u, text=words, time=t, search_id=s, chosen=tuple(f"i{n}" for n in n)),
    user, time, text, own_id, st.lists(st.integers(0, 5), max_size=2),
)  # fmt: skip
ITEM = st.builds(
    lambda n, title, stock: Item(item_id=f"i{n}", title=title, stock=stock, price=stock and stock * 1.1),
    st.integers(0, 8), st.text(max_size=5), st.one_of(st.none(), st.integers(0, 3)),
)  # fmt: skip

# (what to call on a store, its arguments)
STEP = st.one_of(
    st.tuples(st.just("put_events"), st.tuples(st.lists(EVENT, max_size=5))),
    st.tuples(st.just("put_events"), st.tuples(st.lists(EVENT, max_size=5))),
    st.tuples(st.just("put_items"), st.tuples(st.lists(ITEM, max_size=3))),
    st.tuples(st.just("withdraw"), st.tuples(st.lists(st.sampled_from(["i0", "i3"]), max_size=2))),
    st.tuples(st.just("put_reviews"), st.tuples(st.lists(REVIEW, max_size=3))),
    st.tuples(st.just("searches.put"), st.tuples(st.lists(SEARCH, max_size=4))),
    st.tuples(st.just("searches.forget"), st.tuples(user, text)),
    st.tuples(st.just("edits.edit"), st.tuples(user, line, st.sampled_from(["mine", " so  it is "]))),
    st.tuples(st.just("edits.hide"), st.tuples(user, line)),
    st.tuples(st.just("edits.restore"), st.tuples(user, line)),
    st.tuples(st.just("erase"), st.tuples(user)),
    st.tuples(st.just("merge"), st.tuples(user, user)),
)


def called(store: Any, name: str, given_: tuple[Any, ...]) -> Any:
    for part in name.split("."):
        store = getattr(store, part)
    out = store(*given_)
    return out.tolist() if hasattr(out, "tolist") else out


def assert_says_the_same(got: Any, expected: Any) -> None:
    for one in USERS:
        for before, limit in ((None, None), (4, None), (None, 2), (5, 1), (None, 0)):
            assert_same(got.history(one, before, limit), expected.history(one, before, limit))
        assert got.export(one) == expected.export(one)
        assert got.searches.of_user(one) == expected.searches.of_user(one)
        for words in ("kettle red", "pan"):
            for before in (None, 3):
                assert got.searches.refound(one, words, 3, before) == expected.searches.refound(one, words, 3, before)
        assert list(got.edits.of_user(one).items()) == list(expected.edits.of_user(one).items())
    assert got.searches.by_user() == expected.searches.by_user()
    assert len(got.searches) == len(expected.searches)
    assert {e.user_id: e for e in got.edits} == {e.user_id: e for e in expected.edits}
    assert len(got.edits) == len(expected.edits)
    assert got.reviews() == expected.reviews()
    ours, theirs = got.log(), expected.log()
    assert set(ours.users) == set(theirs.users)
    for group, one in enumerate(ours.users):
        assert_same(ours.history(group), theirs.history(theirs.users.index(one)))
    assert got.items().ids == expected.items().ids
    assert got.items().titles == expected.items().titles
    assert got.items().available.tolist() == expected.items().available.tolist()
    assert got.items().prices.tolist() == pytest.approx(expected.items().prices.tolist(), nan_ok=True, rel=0, abs=0)


@given(steps=st.lists(STEP, max_size=10))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_writes_leave_what_memory_would_hold(component: Make, steps: list[Any]) -> None:
    store, expected = component(clock=lambda: NOW), MemoryStore(clock=lambda: NOW)
    for one in (store, expected):
        one.put_items(ITEMS)
    for name, arguments in steps:
        assert called(store, name, arguments) == called(expected, name, arguments), name
    assert_says_the_same(store, expected)
    # and a store that is opened later reads the same from the tables alone
    assert_says_the_same(SqlStore(store.database, store.tenant), expected)


def test_events_come_in_the_order_of_the_data(component: Make, small_shop: Dataset) -> None:
    store = component()
    Engine(EngineConfig(), store)._filled(small_shop)
    assert_same_log(store.log(), small_shop.log)
    got, expected = store.since(NOW + 30 * DAY), MemoryStore.of(small_shop).since(NOW + 30 * DAY)
    assert len(got) > 10
    assert_same(got, expected)


def test_a_dump_goes_in_and_out_unchanged(component: Make, tmp_path: Path) -> None:
    expected = rich_store()
    dump(expected, tmp_path / "one.jsonl.gz")
    store = component()
    counts = restore(store, tmp_path / "one.jsonl.gz")
    assert_same_store(store, expected)
    assert dump(store, tmp_path / "two.jsonl.gz") == counts
    back = MemoryStore()
    restore(back, tmp_path / "two.jsonl.gz")
    assert_same_store(back, expected)
    with pytest.raises(DataError, match="into an empty store"):
        restore(store, tmp_path / "one.jsonl.gz")


def test_what_a_service_adds_to_events_is_kept(component: Make) -> None:
    store = component()
    store.put_items(ITEMS)
    extra = {"page": "home", "odd": ["\0", {"n": 1.5}]}
    sent = Logged(user_id="ann", item_id="i1", time=10, event_id="a", list_id="list-1", extra=extra)
    store.put_events([replace(sent, time=None), event("ann", 2, 5)])
    found = [r for r in store.export("ann") if r["type"] == "event"]
    assert [(r["item_id"], r.get("list_id"), r.get("extra")) for r in found] == [
        ("i2", None, None), ("i1", "list-1", extra)
    ]  # fmt: skip
    store.merge("ann", "bob")
    assert [r.get("list_id") for r in store.export("bob")] == [None, "list-1"]


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda s: s.put_events([Event(user_id="a\0", item_id="i1", time=1)]), "user_id"),
        (lambda s: s.put_events([Event(user_id="a", item_id="i1", time=1, event_id="\ud800")]), "event_id"),
        (lambda s: s.put_events([Logged(user_id="a", item_id="i1", time=1, list_id="l" * 300)]), "list_id"),
        (lambda s: s.put_items([Item(item_id="\0")]), "item_id"),
        (lambda s: s.put_reviews([Review(user_id="\ud800", item_id="i1", text="")]), "user_id"),
        (lambda s: s.searches.put([Search(user_id="a", text="x", search_id="\0")]), "search_id"),
        (lambda s: s.edits.hide("a", "\0"), "line_id"),
        (lambda s: s.merge("guest", "\0"), "user_id"),
        (lambda s: s.set_consent("\0", True), "user_id"),
        (lambda s: SqlStore(s.database, ""), "tenant"),
    ],
)
def test_ids_that_no_database_keeps_are_refused(component: Make, call: Callable[[Any], Any], field: str) -> None:
    store = component()
    store.put_items(ITEMS)
    with pytest.raises(DataError, match=field):
        call(store)
    assert len(store.items()) == len(ITEMS)
    assert store.export("a") == []


@pytest.mark.parametrize("odd", ["\0", "\ud800", "u" * 5000])
def test_nobody_has_an_id_that_cannot_be(component: Make, odd: str) -> None:
    store = component()
    for ask in (store.history, store.export, store.searches.of_user, store.edits.of_user, store.consent):
        try:
            assert not ask(odd) or ask == store.consent
        except DataError:
            assert len(odd) == 1


def test_times_beyond_every_clock(component: Make) -> None:
    store = component()
    with pytest.raises(DataError, match="database cannot hold"):
        store.history("ann", before=10**30)


LIGHTGBM = {"max_rounds": 8, "min_data_in_leaf": 5, "num_leaves": 4, "folds": 2}
CONFIG = EngineConfig.of(
    {
        "candidates": {"transitions": {}, "attributes": {}, "popularity": {}, "item-knn": {}, "own-history": {}},
        "rank": {"lightgbm": LIGHTGBM}, "variants": {"no-llm": {"rank": "lightgbm"}}, "variant": "no-llm",
        "events": {"weights": {"view": 0.5}},
    }
)  # fmt: skip


def answers(engine: Engine, users: tuple[str, ...], now: int) -> list[Any]:
    out: list[Any] = []
    for one in users:
        lists = [engine.recommend(one, k=6, now=now), engine.search("kettle red", user=one, k=5, now=now)]
        out += [[(r.item_id, r.score) for r in found] for found in lists]
        out.append([line.text for line in engine.profile(one, now).lines])
        out.append(engine.export(one))
        chosen = [r.item_id for r in lists[0]][:3]
        out.append([e.text for e in engine.explain(one, chosen, now=now)])
    return out


@pytest.mark.parametrize("world", [small_shop(), checkerboard()], ids=["small shop", "checkerboard"])
def test_an_engine_gives_the_same_over_either_store(component: Make, world: Dataset) -> None:
    now = int(world.log.events.times.max()) + DAY
    users = (*world.log.users[::7], "new", "nobody")
    ids = world.items.ids
    asked = zip(world.log.users[:15], world.items.titles, ids, strict=False)
    log = [Search(user_id=u, text=title, time=now - DAY, chosen=(i,), search_id=f"s-{i}") for u, title, i in asked]
    data = replace(world, searches=tuple(log))
    over = [
        Engine(CONFIG, store).fit(data)
        for store in (component(weights=CONFIG.events.weights), MemoryStore(weights=CONFIG.events.weights))
    ]
    said = [answers(engine, users, now) for engine in over]
    assert said[0] == said[1]
    for engine in over:
        engine.add_items([Item(item_id="fresh", title="red kettle of steel", brand="Hearthly", price=5.0)])
        news = [Event(user_id="new", item_id=i, kind="purchase", time=now, event_id=f"n{i}") for i in ids[:4]]
        assert engine.add_events([*news, Event(user_id=users[0], item_id="fresh", time=now)]) == 5
        engine.add_events([Event(user_id="new", item_id=ids[1], kind="return", time=now + 5)])
        engine.not_interested(users[1], ids[2], now)
        engine.add_searches([Search(user_id="new", text="red kettle", time=now, chosen=("fresh",))])
        engine.withdraw([ids[3]])
        engine.merge(users[2], "new")
        engine.erase(users[1])
    later = [answers(engine, users, now + 10) for engine in over]
    assert later[0] == later[1]
    assert later[0] != said[0]
