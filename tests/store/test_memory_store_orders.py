"""Writes in any order, from many threads or one by one, make the store that a sorted list would."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from store_toys import ITEMS, NOW, assert_same, assert_same_log, event

from recsys.dataset import Dataset, weighed
from recsys.store.memory import MemoryStore
from recsys.testing.kits.stores import events_of
from recsys.types import Event, Events, Item

USERS = ("u0", "u1", "u2")


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.lists(
                st.tuples(
                    st.sampled_from(USERS),
                    st.integers(0, 5),
                    st.integers(0, 6),
                    st.sampled_from(["interaction", "view", "return", "rating", "impression"]),
                    st.sampled_from([None, "e1", "e2", "e3"]),
                ),
                max_size=5,
            ),
        ),
        st.tuples(st.just("erase"), st.sampled_from(USERS)),
        st.tuples(st.just("merge"), st.sampled_from(USERS), st.sampled_from(USERS)),
        st.tuples(st.just("log")),
    ),
    max_size=12,
)


class Reference:
    """The same store, written to be obviously right: one list of events in the order of arrival."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def put(self, batch: list[Event]) -> int:
        before = len(self.events)
        for e in batch:
            if e.event_id is None or e.event_id not in {k.event_id for k in self.events}:
                self.events.append(e)
        return len(self.events) - before

    def erase(self, user: str) -> int:
        before = len(self.events)
        self.events = [e for e in self.events if e.user_id != user]
        return before - len(self.events)

    def merge(self, guest: str, customer: str) -> int:
        if guest == customer:
            return 0
        # The guest's events arrive at the customer in time order, at the moment of the merge.
        moved = sorted((e for e in self.events if e.user_id == guest), key=lambda e: e.time)  # type: ignore[arg-type,return-value]
        self.events = [e for e in self.events if e.user_id != guest] + [replace(e, user_id=customer) for e in moved]
        return len(moved)

    def history(self, user: str, before: int | None = None, limit: int | None = None) -> Events:
        mine = sorted((e for e in self.events if e.user_id == user), key=lambda e: e.time)  # type: ignore[arg-type,return-value]
        mine = [e for e in mine if before is None or e.time < before]  # type: ignore[operator]
        all_of_them = Dataset.of(ITEMS, mine).log.events
        return all_of_them.take(slice(len(mine) - min(len(mine), len(mine) if limit is None else limit), None))


@given(steps=STEPS, initial=st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_any_order_of_writes_equals_the_sorted_reference(steps: list[Any], initial: int) -> None:
    reference = Reference()
    start = [event(USERS[n % 3], n, 3 * n % 7, f"start-{n}") for n in range(initial)]
    reference.put(start)
    store = MemoryStore.of(Dataset.of(ITEMS, start))
    for name, *given_ in steps:
        if name == "put":
            batch = [event(u, i, t, e, kind=k, value=float(i)) for u, i, t, k, e in given_[0]]
            assert store.put_events(batch) == reference.put(batch)
        elif name == "log":
            log = store.log()
            assert_same(log.events, weighed(log.events, log.owner))
            assert set(log.users) == {e.user_id for e in reference.events}
        else:
            assert getattr(store, name)(*given_) == getattr(reference, name)(*given_)
        for user in USERS:
            for before, limit in ((None, None), (4, None), (None, 2), (5, 1)):
                assert_same(store.history(user, before, limit), reference.history(user, before, limit))
    log = store.log()
    for group, user in enumerate(log.users):
        assert_same(log.history(group), reference.history(user))


def test_readers_see_finished_states_while_others_write(small_shop: Dataset, race: Any) -> None:
    """Each writer's batch is one event on every item of its own shopper: a reader sees whole batches or none."""
    store = MemoryStore.of(small_shop)
    n, rounds = len(small_shop.items), 30
    users = ["w0", "w1"]

    def writer(user: str) -> None:
        for r in range(rounds):
            store.put_events(
                [Event(user_id=user, item_id=i, time=NOW + r, event_id=f"{user}-{r}-{i}") for i in small_shop.items.ids]
            )
            store.put_items([Item(item_id=f"{user}-{r}-{part}") for part in range(3)])
            store.log()

    def eraser() -> None:
        for user in small_shop.log.users[:20]:
            store.erase(user)
            store.merge(small_shop.log.users[30], small_shop.log.users[31])

    def reader(seen: dict[str, int]) -> None:
        for user in users:
            history = store.history(user)
            assert len(history) % n == 0
            assert len(history) >= seen[user]
            assert (np.diff(history.times) >= 0).all()
            seen[user] = len(history)
        table = store.items()
        assert len(table.vocabulary) == len(table.titles) == len(table.prices) == len(table.available)
        log = store.log()
        assert int(log.offsets[-1]) == len(log.events)
        assert len(log.offsets) == len(log.users) + 1

    readers = [partial(reader, dict.fromkeys(users, 0)) for _ in range(2)]
    race([*(partial(writer, user) for user in users), eraser], readers)
    assert [len(store.history(user)) for user in users] == [n * rounds] * 2
    assert len(store.items()) == n + 2 * 3 * rounds
    assert not set(small_shop.log.users[:20]) & set(store.log().users)


def test_events_fed_one_by_one_make_the_same_log(small_shop: Dataset) -> None:
    store = MemoryStore()
    store.put_items([small_shop.items.item(row) for row in range(len(small_shop.items))])
    for single in events_of(small_shop):
        store.put_events([single])
    assert_same_log(store.log(), small_shop.log)
