"""Of a shopper without consent nothing reaches the database, and their visit still counts for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from store_toys import ITEMS, NOW, event

from recsys.store.sql import Lists, ServedList, SqlStore
from recsys.store.sql.schema import PERSONAL
from recsys.store.sql.sessions import Sessions
from recsys.testing.kits.base import Make
from recsys.types import Events, Review, Search


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(component: Make, clock: Clock) -> Any:
    made = component(clock=clock)
    made.put_items(ITEMS)
    return made


def everything(store: SqlStore) -> str:
    """All rows of the tenant that are about people, as text."""
    with store.database.read() as connection:
        rows = [
            connection.execute(text(f"SELECT * FROM {table.name} WHERE tenant = :t"), {"t": store.tenant}).all()
            for table in PERSONAL
        ]
    return repr(rows)


def act(store: Any, user: str, n: int = 0) -> None:
    store.put_events([event(user, 1 + n, NOW - 9 + n, f"{user}-e{n}"), event(user, 2 + n, NOW - 8 + n)])
    store.put_reviews([Review(user_id=user, item_id="i1", text="fine", review_id=f"{user}-r{n}")])
    store.searches.put([Search(user_id=user, text="red kettle", chosen=("i3",), search_id=f"{user}-s{n}")])
    store.edits.edit(user, f"{user}-l{n}", "mine")


def test_who_was_never_asked_is_as_the_shop_says(component: Make) -> None:
    for default in (True, False):
        store = component(consent_default=default)
        store.put_items(ITEMS)
        assert store.consent("ann") is default
        act(store, "ann")
        assert ("ann" in everything(store)) is default
        assert store.history("ann").rows.tolist() == [1, 2]
        assert len(store.log()) == (2 if default else 0)


def test_without_consent_what_was_stored_goes(store: Any) -> None:
    act(store, "ann")
    Lists(store.database, store.tenant).put_many(
        [ServedList(list_id="l", created_at=1, kind="k", bundle_id="b", variant="v", record={}, user_id="ann")]
    )
    act(store, "bob")
    assert store.counts("ann") == {"events": 2, "reviews": 1, "searches": 1, "edits": 1, "lists": 1, "users": 0}
    assert store.set_consent("ann", False) == 2
    assert store.consent("ann") is False
    assert store.counts("ann") == {"events": 0, "reviews": 0, "searches": 0, "edits": 0, "lists": 0, "users": 1}
    assert [r["type"] for r in store.export("ann")] == ["user"]
    assert [r.user_id for r in store.reviews()] == ["bob"]
    assert len(store.searches) == 1
    assert len(store.history("bob")) == 2


def test_a_visit_is_kept_in_memory_alone(store: Any) -> None:
    store.set_consent("ann", False)
    said = everything(store)
    act(store, "ann")
    assert everything(store) == said
    history = store.history("ann")
    assert history.rows.tolist() == [1, 2]
    assert history.ids == ("ann-e0", "")
    assert store.history("ann", before=NOW - 8).rows.tolist() == [1]
    assert store.history("ann", limit=1).rows.tolist() == [2]
    assert store.put_events([event("ann", 1, NOW - 9, "ann-e0")]) == 0
    assert store.unknown([event("ann", 1, NOW - 9, "ann-e0"), event("ann", 1, 5, "new")]) == [event("ann", 1, 5, "new")]
    assert store.searches.refound("ann", "kettle red") == ("i3",)
    assert [s.text for s in store.searches.of_user("ann")] == ["red kettle"]
    assert store.edits.of_user("ann")["ann-l0"].text == "mine"
    assert store.reviews() == ()
    assert [r["type"] for r in store.export("ann")] == ["event", "event", "search", "profile-edit", "user"]
    another_process = SqlStore(store.database, store.tenant, clock=lambda: NOW)
    assert len(another_process.history("ann")) == 0
    assert not another_process.consent("ann")


def test_a_visit_takes_back_and_weighs_like_any_history(store: Any) -> None:
    store.set_consent("ann", False)
    store.put_events([event("ann", 1, NOW), event("ann", 1, NOW + 1, kind="return")])
    assert store.history("ann").weights.tolist() == [0, -1]


def test_a_visit_ends(store: Any, clock: Clock) -> None:
    store.set_consent("ann", False)
    act(store, "ann")
    clock.now += 1801
    assert len(store.history("ann")) == 0
    assert store.searches.of_user("ann") == ()
    assert store.put_events([event("ann", 1, NOW - 9, "ann-e0")]) == 1


def test_erasing_ends_a_visit_and_forgets_the_answer(store: Any) -> None:
    store.set_consent("ann", False)
    act(store, "ann")
    assert store.erase("ann") == 2
    assert store.export("ann") == []
    assert "ann" not in everything(store)
    assert store.consent("ann") is True


def test_consent_given_later_stores_what_comes_later(store: Any) -> None:
    store.set_consent("ann", False)
    act(store, "ann")
    store.set_consent("ann", True)
    store.put_events([event("ann", 5, NOW)])
    assert store.history("ann").rows.tolist() == [1, 2, 5]  # the visit goes on
    assert SqlStore(store.database, store.tenant).history("ann").rows.tolist() == [5]


@pytest.mark.parametrize("customer_says", [True, False])
def test_a_visit_goes_over_to_the_customer(store: Any, customer_says: bool) -> None:
    store.set_consent("guest", False)
    store.set_consent("ann", customer_says)
    act(store, "guest")
    before = everything(store).replace("guest", "")
    assert store.merge("guest", "ann") == 2
    assert store.history("ann").rows.tolist() == [1, 2]
    assert store.searches.refound("ann", "red kettle") == ("i3",)
    assert len(store.history("guest")) == 0
    assert len(everything(store)) <= len(before)


def test_what_is_stored_of_a_guest_does_not_stay_with_a_customer_without_consent(store: Any) -> None:
    store.set_consent("ann", False)
    act(store, "guest")
    assert store.merge("guest", "ann") == 2
    assert store.history("ann").rows.tolist() == [1, 2]
    assert "'guest'" not in everything(store)
    assert len(store.log()) == 0
    assert len(store.searches) == 0


def test_one_batch_of_many(store: Any) -> None:
    store.set_consent("ann", False)
    assert store.put_events([event("ann", 1, NOW), event("bob", 2, NOW), event("ann", 3, NOW, "x")]) == 3
    assert store.log().users == ("bob",)
    assert store.history("ann").rows.tolist() == [1, 3]


def test_visits_are_bounded() -> None:
    clock = Clock()
    sessions = Sessions(clock, max_sessions=3, max_events=4, ttl_s=10)
    for n in range(5):
        sessions.add(f"u{n}", Events.of([n], times=[n], ids=[f"e{n}"]))
    assert [len(sessions.of(f"u{n}")) for n in range(5)] == [0, 0, 1, 1, 1]
    assert [sessions.knows(f"e{n}") for n in range(5)] == [False, False, True, True, True]
    sessions.add("u3", Events.of(np.arange(9), times=np.arange(9, 0, -1), ids=[f"f{n}" for n in range(9)]))
    assert sessions.of("u3").times.tolist() == [6, 7, 8, 9]
    assert not sessions.knows("f8")
    clock.now += 11
    sessions.touch("u9")
    assert len(sessions) == 1
    assert not sessions.knows("f0")
