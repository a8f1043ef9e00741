"""Checks for `recsys.protocols.Store`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import pytest

from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.protocols import Store
from recsys.testing.kits.base import Kit, Make
from recsys.testing.kits.compare import in_threads
from recsys.testing.worlds import START
from recsys.types import KINDS, Event, Item

ITEMS = [Item(item_id=f"item-{n}", title=f"Item {n}", price=float(n)) for n in range(5)]


def events_of(data: Dataset) -> list[Event]:
    """Return the log of ``data`` as public events, in the order of the log."""
    log, ids = data.log, data.items.ids
    return [
        Event(
            user_id=log.users[int(owner)], item_id=ids[int(e.rows[i])], kind=KINDS[int(e.kinds[i])],
            value=float(e.values[i]), time=int(e.times[i]), event_id=e.ids[i] or None if e.ids else None,
            position=int(e.positions[i]) or None,
        )
        for e in [log.events] for i, owner in enumerate(log.owner)
    ]  # fmt: skip


class StoreTests(Kit):
    """Items and events of one shop. The fixture ``component`` returns a callable that makes an empty store."""

    def filled(self, component: Make) -> Any:
        """Return a store with five items and two shoppers: "anna" has four events, "guest" two."""
        store = component()
        store.put_items(ITEMS)
        store.put_events(
            [
                Event(user_id="anna", item_id="item-2", time=START + 20, event_id="e2"),
                Event(user_id="guest", item_id="item-4", time=START + 25, event_id="g1"),
                Event(user_id="anna", item_id="item-1", time=START + 10, event_id="e1", kind="view"),
                Event(user_id="anna", item_id="item-3", time=START + 30, event_id="e3", kind="dislike"),
                Event(user_id="anna", item_id="item-1", time=START + 40, event_id="e4", kind="purchase"),
                Event(user_id="guest", item_id="item-0", time=START + 35, event_id="g2"),
            ]
        )
        return store

    def test_store_has_its_protocol(self, component: Make) -> None:
        """The methods are there."""
        assert isinstance(component(), Store)

    def test_store_starts_empty(self, component: Make) -> None:
        """No item, no event, and asking is no error."""
        store = component()
        assert len(store.items()) == 0
        assert len(store.history("anna")) == 0

    def test_put_items_gives_rows_in_order(self, component: Make) -> None:
        """The n-th new item has row n - 1, int32."""
        store = component()
        rows = store.put_items(ITEMS[:3])
        assert rows.dtype == np.int32
        assert rows.tolist() == [0, 1, 2]
        assert store.put_items(ITEMS[3:]).tolist() == [3, 4]
        assert store.items().ids == [i.item_id for i in ITEMS]

    def test_put_items_changes_in_place(self, component: Make) -> None:
        """A known id keeps its row and takes the new values."""
        store = component()
        store.put_items(ITEMS)
        assert store.put_items([replace(ITEMS[2], title="Changed", price=7.5)]).tolist() == [2]
        table = store.items()
        assert len(table) == 5
        assert table.titles[2] == "Changed"
        assert table.prices[2] == np.float32(7.5)

    def test_items_are_a_snapshot(self, component: Make) -> None:
        """Later changes do not show in a table that was handed out."""
        store = component()
        store.put_items(ITEMS[:2])
        before = store.items()
        store.put_items([replace(ITEMS[0], title="Changed"), ITEMS[2]])
        assert len(before) == 2
        assert before.titles == ["Item 0", "Item 1"]
        assert list(before.vocabulary) == ["item-0", "item-1"]

    def test_history_is_in_time_order(self, component: Make) -> None:
        """Oldest first, whatever the order of arrival; dislikes included, of one shopper only."""
        history = self.filled(component).history("anna")
        assert history.rows.tolist() == [1, 2, 3, 1]
        assert history.times.tolist() == [START + 10, START + 20, START + 30, START + 40]
        assert [KINDS[k] for k in history.kinds] == ["view", "interaction", "dislike", "purchase"]
        assert (np.sign(history.weights) == [1, 1, -1, 1]).all()

    def test_history_before_and_limit(self, component: Make) -> None:
        """``before`` is exclusive, ``limit`` keeps the latest."""
        store = self.filled(component)
        assert store.history("anna", before=START + 30).times.tolist() == [START + 10, START + 20]
        assert store.history("anna", limit=2).times.tolist() == [START + 30, START + 40]
        assert store.history("anna", before=START + 40, limit=1).times.tolist() == [START + 30]
        assert len(store.history("anna", limit=0)) == 0

    def test_history_of_a_stranger_is_empty(self, component: Make) -> None:
        """An unknown shopper has done nothing."""
        assert len(self.filled(component).history("nobody")) == 0

    def test_history_equals_the_log(self, component: Make, world: Dataset) -> None:
        """A store that was fed the events of a data set gives its histories: kinds, values, weights, ids and all."""
        store = component()
        store.put_items([world.items.item(row) for row in range(len(world.items))])
        assert store.put_events(events_of(world)) == len(world.log)
        for u, user in enumerate(world.log.users):
            got, expected = store.history(user), world.log.history(u)
            for name in ("rows", "times", "kinds", "values", "weights", "positions"):
                assert np.array_equal(getattr(got, name), getattr(expected, name)), f"{user}: {name}"
            assert got.ids == expected.ids

    def test_history_survives_later_events(self, component: Make) -> None:
        """A history that was handed out does not change."""
        store = self.filled(component)
        before = store.history("anna")
        store.put_events([Event(user_id="anna", item_id="item-0", time=START + 50)])
        assert len(store.history("anna")) == 5
        assert before.rows.tolist() == [1, 2, 3, 1]

    def test_events_are_idempotent_by_id(self, component: Make) -> None:
        """A known ``event_id`` is skipped, in one batch and across batches; events without one always count."""
        store = component()
        store.put_items(ITEMS)
        event = Event(user_id="anna", item_id="item-0", time=START, event_id="same")
        assert store.put_events([event, event]) == 1
        assert store.put_events([event]) == 0
        anonymous = replace(event, event_id=None)
        assert store.put_events([anonymous, anonymous]) == 2
        assert len(store.history("anna")) == 3

    def test_unknown_events_are_those_that_count(self, component: Make) -> None:
        """`unknown` returns what `put_events` would add, in order, and adds nothing."""
        store = self.filled(component)
        old = Event(user_id="anna", item_id="item-0", time=START, event_id="e1")
        new, nameless = replace(old, event_id="new"), replace(old, event_id=None)
        assert store.unknown([old, new, nameless, new, nameless]) == [new, nameless, nameless]
        assert len(store.history("anna")) == 4
        assert store.put_events([old, new, nameless, new, nameless]) == 3

    def test_events_of_equal_time_keep_their_order(self, component: Make) -> None:
        """The order of arrival breaks ties."""
        store = component()
        store.put_items(ITEMS)
        store.put_events([Event(user_id="anna", item_id=f"item-{n}", time=START) for n in (3, 1, 2)])
        assert store.history("anna").rows.tolist() == [3, 1, 2]

    def test_event_times_are_utc(self, component: Make) -> None:
        """An aware datetime becomes epoch seconds."""
        store = component()
        store.put_items(ITEMS)
        store.put_events([Event(user_id="anna", item_id="item-0", time=datetime(2024, 2, 29, 12, tzinfo=UTC))])
        assert store.history("anna").times.tolist() == [1_709_208_000]

    def test_event_of_an_unknown_item_is_refused(self, component: Make) -> None:
        """The error names the item, and nothing of the batch is kept."""
        store = self.filled(component)
        good = Event(user_id="anna", item_id="item-0", time=START + 60)
        with pytest.raises(DataError, match="no-such-item"):
            store.put_events([good, replace(good, item_id="no-such-item")])
        assert len(store.history("anna")) == 4

    def test_merge_moves_a_guest(self, component: Make) -> None:
        """The guest's events are the customer's now, in time order."""
        store = self.filled(component)
        assert store.merge("guest", "anna") == 2
        assert store.history("anna").rows.tolist() == [1, 2, 4, 3, 0, 1]
        assert len(store.history("guest")) == 0
        assert store.merge("guest", "anna") == 0

    def test_merge_keeps_event_ids_known(self, component: Make) -> None:
        """What the guest sent is not counted again when it is sent once more."""
        store = self.filled(component)
        store.merge("guest", "anna")
        again = Event(user_id="guest", item_id="item-4", time=START + 25, event_id="g1")
        assert store.put_events([again]) == 0

    def test_erase_forgets_one_shopper(self, component: Make) -> None:
        """All events of one shopper are gone, those of others are not, and erasing twice is no error."""
        store = self.filled(component)
        assert store.erase("anna") == 4
        assert len(store.history("anna")) == 0
        assert len(store.history("guest")) == 2
        assert store.erase("anna") == 0

    def test_puts_in_two_threads(self, component: Make) -> None:
        """Nothing is lost or counted twice when two threads write at a time."""
        store = component()
        store.put_items(ITEMS)
        batches = [
            [Event(user_id=user, item_id=f"item-{n % 5}", time=START + n, event_id=f"{user}-{n}") for n in range(50)]
            for user in ("anna", "ben")
        ]
        rounds = in_threads([partial(store.put_events, batch) for batch in batches], rounds=2)
        assert rounds == [[50, 50], [0, 0]]
        assert len(store.history("anna")) == len(store.history("ben")) == 50
