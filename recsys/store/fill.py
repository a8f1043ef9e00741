"""A data set into an empty store, whatever the store is made of."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.store.searches import SearchLog
from recsys.types import KINDS, Event

BATCH = 50_000


def fill(store: Any, data: Dataset, searches: SearchLog | None = None) -> None:
    """Put everything of ``data`` into ``store``; nothing is done where the store holds that very data already.

    ``searches`` takes the searches of ``data``; None is the search log of the store.

    Raises:
        DataError: the store holds something else, or an event_id of ``data`` occurs twice; then nothing is put.
    """
    held: Dataset = store.dataset()
    if len(held.items) or len(held.log):
        if same(held, data):
            return
        raise DataError(
            f"the store holds {len(held.items):,} items and {len(held.log.events):,} events that are not those of the "
            "data: call fit() without data to learn from the store, or give an empty one"
        )
    named = [i for i in data.log.events.ids if i]
    if len(set(named)) < len(named):
        raise DataError("an event_id of the data occurs twice: de-duplicate the events first")
    store.put_items([data.items.item(row) for row in range(len(data.items))])
    gone = np.flatnonzero(~data.items.available).astype(np.int32)
    if len(gone):
        store.withdraw(data.items.vocabulary.ids(gone))
    events = _events(data)
    while batch := list(islice(events, BATCH)):
        store.put_events(batch)
    if data.reviews:
        store.put_reviews(list(data.reviews))
    if data.searches:
        (store.searches if searches is None else searches).put(list(data.searches), as_they_are=True)


def same(held: Dataset, data: Dataset) -> bool:
    """Return whether two data sets have the same items in the same rows and the same events, whatever they weigh."""
    if held.items is not data.items and held.items.ids != data.items.ids:
        return False
    a, b = held.log, data.log
    return a.users == b.users and all(
        np.array_equal(getattr(a.events, name), getattr(b.events, name)) for name in ("rows", "times", "kinds")
    )


def _events(data: Dataset) -> Iterator[Event]:
    for group, user in enumerate(data.log.users):
        theirs = data.log.history(group)
        for i, item_id in enumerate(data.items.vocabulary.ids(theirs.rows)):
            yield Event(
                user_id=user, item_id=item_id, kind=KINDS[int(theirs.kinds[i])], value=float(theirs.values[i]),
                time=int(theirs.times[i]), event_id=(theirs.ids[i] or None) if theirs.ids else None,
                position=int(theirs.positions[i]) or None,
            )  # fmt: skip
