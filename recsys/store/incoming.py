"""What is checked of all that comes into a store, whatever the store is made of, and how it is told to its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np

from recsys.dataset import ItemTable
from recsys.errors import DataError
from recsys.ids import Vocabulary, check_id
from recsys.store.records import event_records, review_record
from recsys.types import Event, Events, ItemRows, Review

V = TypeVar("V", Event, Review)


def fresh(values: Iterable[V], own_id: str, known: Callable[[str], bool]) -> list[V]:
    """Return the events or reviews without an id of their own, and the first of each id that is not ``known``.

    ``own_id`` names the field of it, "event_id" or "review_id".

    Raises:
        DataError: an id, or a user_id, that is none.
    """
    out: list[V] = []
    seen: set[str] = set()
    for value in values:
        check_id(value.user_id, "user_id")
        name = getattr(value, own_id)
        if name:
            check_id(name, own_id)
            if known(name) or name in seen:
                continue
            seen.add(name)
        out.append(value)
    return out


def rows_of_known(vocabulary: Vocabulary, item_ids: Sequence[str]) -> ItemRows:
    """Return the rows (n,) of items.

    Raises:
        DataError: an unknown item_id.
    """
    rows = vocabulary.rows(item_ids)
    if (rows < 0).any():
        raise DataError(f"unknown item_id {item_ids[int(np.argmax(rows < 0))]!r}: add the item first")
    return rows


def check_limit(limit: int | None) -> None:
    """Check how many events are asked for.

    Raises:
        DataError: fewer than none.
    """
    if limit is not None and limit < 0:
        raise DataError(f"limit must not be negative, got {limit}")


def exported(user: str, history: Events, items: ItemTable, reviews: Iterable[Review]) -> list[dict[str, Any]]:
    """Return events and reviews of one shopper as plain dicts ready for JSON, events oldest first."""
    found = [("event", record) for record in event_records(user, history, items)]
    found += [("review", review_record(r)) for r in reviews]
    return [{"type": kind, **record, "time": _iso(record["time"])} for kind, record in found]


def _iso(second: int | None) -> str | None:
    return None if second is None else datetime.fromtimestamp(second, UTC).isoformat()
