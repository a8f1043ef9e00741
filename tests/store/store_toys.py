"""Events and comparisons that tests of stores share."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.dataset import EventLog
from recsys.types import Event, Events, Item

NOW = 1_700_000_000
ITEMS = [Item(item_id=f"i{n}", title=f"Item {n}") for n in range(6)]


COLUMNS = ("rows", "times", "kinds", "values", "weights", "positions")


def event(user: str, item: int, time: int | None, event_id: str | None = None, **more: Any) -> Event:
    return Event(user_id=user, item_id=f"i{item}", time=time, event_id=event_id, **more)


def assert_same(got: Events, expected: Events) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)
    none = ("",) * len(got)
    assert (got.ids or none) == (expected.ids or none)


def assert_same_log(got: EventLog, expected: EventLog) -> None:
    assert got.users == expected.users
    np.testing.assert_array_equal(got.offsets, expected.offsets)
    assert_same(got.events, expected.events)
