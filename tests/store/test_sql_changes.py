"""What other processes write is taken in once, whole, and never twice."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engine_toys import FUSED, NOW, SHOPPERS
from engine_toys import event as bought
from store_toys import ITEMS, event

from recsys.engine import Engine
from recsys.store.sql import Database, SqlStore
from recsys.store.sql import changes as limits
from recsys.store.sql.core import Own
from recsys.testing.kits.base import Make
from recsys.testing.worlds import small_shop
from recsys.types import Event, Item, Review


@pytest.fixture
def pair(component: Make) -> tuple[Any, Any]:
    """Two stores of one tenant, as two processes have them."""
    ours = component()
    ours.put_items(ITEMS)
    ours.put_events([event("ann", 0, 10, kind="purchase")])
    return ours, SqlStore(ours.database, ours.tenant)


def said(store: Any) -> tuple[Any, ...]:
    found = store.changes()
    kinds = (found.items, found.events.rows, found.taken.rows)
    return *(sorted(rows.tolist()) for rows in kinds), found.people, found.reviews, found.more


NOTHING = ([], [], [], False, False, False)


def test_nothing_of_ones_own_is_a_change(pair: tuple[Any, Any]) -> None:
    ours, _ = pair
    ours.put_events([event("ann", 1, 20, "a"), event("bob", 2, 5)])
    ours.put_items([Item(item_id="more")])
    ours.withdraw(["i3"])
    ours.put_reviews([Review(user_id="ann", item_id="i0", text="x")])
    ours.merge("bob", "ann")
    ours.erase("ann")
    assert said(ours) == NOTHING
    assert said(ours) == NOTHING


def test_items_of_others(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    table = ours.items()
    theirs.put_items([Item(item_id="i2", title="Changed"), Item(item_id="new")])
    theirs.withdraw(["i4"])
    assert ours.items() is table
    assert said(ours) == ([2, 4, 6], *NOTHING[1:])
    assert ours.items().ids == theirs.items().ids
    assert ours.items().titles[2] == "Changed"
    assert not ours.items().available[4]
    assert said(ours) == NOTHING


def test_rows_never_clash(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    assert theirs.put_items([Item(item_id="a"), Item(item_id="b")]).tolist() == [6, 7]
    assert ours.put_items([Item(item_id="c"), Item(item_id="a", title="ours")]).tolist() == [8, 6]
    assert theirs.put_items([Item(item_id="c")]).tolist() == [8]
    assert said(ours) == ([7, 8], *NOTHING[1:])  # 6 was theirs, then ours: we know it as it is
    assert ours.items().ids == theirs.items().ids == [*(i.item_id for i in ITEMS), "a", "b", "c"]


def test_events_of_others_and_what_they_take_back(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    theirs.put_events([event("ann", 0, 30, kind="return"), event("bob", 1, 5), event("ann", 2, 4, "late")])
    ours.put_events([event("bob", 3, 6)])
    found = ours.changes()
    assert sorted(zip(found.events.rows.tolist(), found.events.weights.tolist(), strict=True)) == [
        (0, -1), (1, 1), (2, 1)
    ]  # fmt: skip
    assert (found.taken.rows.tolist(), found.taken.weights.tolist()) == ([0], [1])
    assert found.events.ids == () == found.taken.ids
    assert said(ours) == NOTHING
    assert said(theirs) == ([], [3], [], False, False, False)


def test_a_merge_is_no_new_event(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    theirs.put_events([event("guest", 1, 5)])
    assert said(ours) == ([], [1], [], False, False, False)
    theirs.merge("guest", "ann")
    assert said(ours) == ([], [], [], True, False, False)


def test_erasures_and_reviews_of_others(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    assert ours.reviews() == ()
    theirs.put_reviews([Review(user_id="ann", item_id="i0", text="x", review_id="r")])
    assert said(ours) == ([], [], [], False, True, False)
    assert [r.review_id for r in ours.reviews()] == ["r"]
    assert ours.reviews() is ours.reviews()
    ours.erase("nobody")
    theirs.erase("ann")
    ours.erase("nobody else")
    found = ours.changes()
    assert found.people
    assert ours.reviews() == ()
    theirs.set_consent("bob", False)
    assert ours.changes().people


def test_an_event_on_an_item_that_another_process_added(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    theirs.put_items([Item(item_id="new")])
    theirs.put_events([event("ann", 1, 40), event("ann", 2, 50)])
    theirs.put_events([event("eve", 0, 7)])
    with theirs.database.begin() as connection:
        connection.exec_driver_sql("UPDATE events SET row = 6 WHERE time = 50 AND tenant = '" + theirs.tenant + "'")
    assert ours.history("ann").rows.tolist() == [0, 1]  # what is not on the shelf yet is not there yet
    assert ours.put_events([event("ann", 3, 60), event("ann", 4, 70)]) == 2
    assert len(ours.items()) == 6
    news = [event("eve", 1, 80), event("eve", 2, 90)]
    assert ours.put_events([*news, replace(news[0], item_id="new")]) == 3  # named here: looked up
    assert ours.history("ann").rows.tolist() == [0, 1, 6, 3, 4]
    assert said(ours)[:2] == ([6], [0, 1, 6])


def test_a_look_is_bounded(pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_EVENTS", 4)
    ours, theirs = pair
    theirs.put_events([event(f"u{n % 3}", n % 6, n) for n in range(6)])
    ours.put_events([event("u0", 5, 100)])
    theirs.put_events([event("u1", 4, 200)])
    seen, looks = [], 0
    more = True
    while more:
        found = ours.changes()
        seen += found.events.rows.tolist()
        more, looks = found.more, looks + 1
    assert sorted(seen) == [0, 1, 2, 3, 4, 4, 5]
    assert looks == 3  # nine events are looked at, the two of its own among them
    assert said(ours) == NOTHING


def test_tenants_know_nothing_of_one_another(component: Make) -> None:
    ours, theirs = component(), component()
    for store, title in ((ours, "ours"), (theirs, "theirs")):
        store.put_items([Item(item_id="i0", title=title)])
        store.put_events([event("ann", 0, 10, "same id")])
        store.put_reviews([Review(user_id="ann", item_id="i0", text=title, review_id="same")])
        store.edits.edit("ann", "line", title)
    assert said(ours) == NOTHING
    assert ours.erase("ann") == 1
    assert [r["type"] for r in theirs.export("ann")] == ["event", "review", "profile-edit"]
    assert theirs.items().titles == ["theirs"]
    assert theirs.reviews()[0].text == "theirs"


def test_own_numbers_are_few_ranges() -> None:
    own = Own()
    for first, last in ((1, 3), (4, 4), (9, 12), (13, 13)):
        own.add(first, last)
    assert [n for n in range(15) if n in own] == [1, 2, 3, 4, 9, 10, 11, 12, 13]
    own.forget(10)
    assert [n for n in range(15) if n in own] == [11, 12, 13]


def test_takings_add_up_however_writers_and_looks_take_turns(component: Make) -> None:
    """Each engine counts what its own events do, and learns of the other's at any time: both end with one count."""
    rng = np.random.default_rng(5)
    first = component()
    engines = [Engine(FUSED, first).fit(small_shop())]
    engines.append(Engine(FUSED, SqlStore(first.database, first.tenant)).fit())
    alone = Engine(FUSED).fit(small_shop())
    kinds = ["purchase", "purchase", "return", "dislike", "forget"]
    for step in range(60):
        user, row, kind = f"v{rng.integers(3)}", int(rng.integers(4)), kinds[rng.integers(len(kinds))]
        events = [bought(user, row, kind, NOW + step)]
        engines[rng.integers(2)].add_events(events)
        alone.add_events(events)
        if rng.random() < 0.2:
            engines[rng.integers(2)].refresh()
    for engine in engines:
        engine.refresh()
    scores = [
        {r.item_id: r.score for r in e.recommend(None, k=40, variant="popular", now=NOW + 99)}
        for e in (alone, *engines)
    ]
    for found in scores[1:]:
        assert found == pytest.approx(scores[0], rel=1e-5)  # sums of float32 in another order


WRITER = """
from recsys.store.sql import Database, SqlStore
from recsys.types import Event, Item
store = SqlStore(Database.open({url!r}), {tenant!r})
store.put_items([Item(item_id="from there", title="red kettle", brand="Hearthly", price=5.0)])
store.put_events([Event(user_id=f"v{{n}}", item_id="from there", kind="purchase", time={now}) for n in range(30)])
store.put_events([Event(user_id={user!r}, item_id="SKU-017", kind="return", time={now})])
"""


def test_an_engine_takes_in_what_another_process_did(url: str, tenant: str) -> None:
    database = Database.open(url)
    engine = Engine(FUSED, SqlStore(database, tenant)).fit(small_shop())
    assert engine.refresh() == 0
    script = WRITER.format(url=url, tenant=tenant, now=NOW, user=SHOPPERS[2])
    subprocess.run([sys.executable, "-c", script], check=True)
    assert engine.refresh() > 0
    assert engine.refresh() == 0
    assert engine.recommend(None, k=3, variant="popular", now=NOW + 1)[0].item_id == "from there"
    # The engine that did it all itself says the same.
    alone = Engine(FUSED).fit(small_shop())
    alone.add_items([Item(item_id="from there", title="red kettle", brand="Hearthly", price=5.0)])
    alone.add_events([Event(user_id=f"v{n}", item_id="from there", kind="purchase", time=NOW) for n in range(30)])
    alone.add_events([Event(user_id=SHOPPERS[2], item_id="SKU-017", kind="return", time=NOW)])
    for user in (*SHOPPERS[:6], "v3", None):
        for variant in ("fused", "popular"):
            got, expected = (e.recommend(user, k=8, variant=variant, now=NOW + 1) for e in (engine, alone))
            assert [(r.item_id, pytest.approx(r.score)) for r in got] == [(r.item_id, r.score) for r in expected]
    database.close()
