"""Items, events, reviews, searches and profile edits as plain JSON records, and back, without loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from functools import cache
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from recsys.dataset import Dataset, ItemTable
from recsys.errors import DataError
from recsys.store.edits import Edit
from recsys.types import KINDS, Event, Events, Item, Review, Search, utc

PARTS: dict[str, type[Any]] = {"items": Item, "events": Event, "reviews": Review, "searches": Search, "edits": Edit}


def records(data: Dataset, part: str, edits: Iterable[Edit] = ()) -> Iterator[dict[str, Any]]:
    """Yield one record each of a part of `PARTS`; fields that hold their default are left out.

    ``edits`` of profiles are no part of a data set: nothing is learned from them.
    """
    makers = {"items": _items, "events": _events, "reviews": _reviews, "searches": _searches}
    for record in (asdict(edit) for edit in edits) if part == "edits" else makers[part](data):
        yield without_defaults(part, record)


def event_records(user: str, events: Events, items: ItemTable) -> Iterator[dict[str, Any]]:
    """Yield one record an event, oldest first; times are epoch seconds, None is what was not logged."""
    for i, item_id in enumerate(items.vocabulary.ids(events.rows)):
        yield {
            "user_id": user,
            "item_id": item_id,
            "kind": KINDS[events.kinds[i]],
            "value": _decimal(events.values[i]),
            "time": int(events.times[i]),
            "event_id": (events.ids[i] or None) if events.ids else None,
            "position": int(events.positions[i]) or None,
        }


def item_record(item: Item) -> dict[str, Any]:
    """Return one item as a record, all fields of it."""
    return {
        "item_id": item.item_id,
        "title": item.title,
        "text": item.text,
        "brand": item.brand,
        "categories": item.categories,
        "price": item.price,
        "stock": item.stock,
        "parent_id": item.parent_id,
        "created": None if item.created is None else item.created.isoformat(),
        "attributes": {name: _to_plain(value) for name, value in item.attributes.items()},
    }


def without_defaults(part: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of a part of `PARTS` without the fields that hold their default."""
    return {name: value for name, value in record.items() if value != _defaults(part).get(name, _NEVER)}


def review_record(review: Review) -> dict[str, Any]:
    """Return one review as a record."""
    return {f.name: getattr(review, f.name) for f in fields(Review)}


def parse(part: str, record: Any) -> tuple[Any, bool]:
    """Return the value of a record, of the class that `PARTS` names, and whether it is available (not withdrawn).

    Raises:
        DataError: not an object, an unknown field, a missing one or one of the wrong type.
    """
    if not isinstance(record, dict):
        raise DataError(f"expected a JSON object, got {type(record).__name__}")
    rest = dict(record)
    available = rest.pop("available", True) if part == "items" else True
    # Attributes come back as they were, int or float, and not as what a union of types would make of them.
    attributes = rest.pop("attributes", None) if part == "items" else None
    unknown = rest.keys() - {f.name for f in fields(PARTS[part])}
    if unknown:
        raise DataError(f"unknown field {min(unknown)!r}")
    if not isinstance(available, bool) or not isinstance(attributes, dict | None):
        raise DataError("available must be true or false, attributes an object")
    if attributes:
        rest["attributes"] = {}
    try:
        value = _adapter(part).validate_python(rest)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(p) for p in first["loc"])
        raise DataError(f"{where}: {first['msg']}" if where else first["msg"]) from error
    if attributes:
        value.attributes.update({name: _from_plain(v) for name, v in attributes.items()})
    return value, available


def _items(data: Dataset) -> Iterator[dict[str, Any]]:
    for row in range(len(data.items)):
        yield item_record(data.items.item(row)) | {"available": bool(data.items.available[row])}


def _events(data: Dataset) -> Iterator[dict[str, Any]]:
    for group, user in enumerate(data.log.users):
        yield from event_records(user, data.log.history(group), data.items)


def _reviews(data: Dataset) -> Iterator[dict[str, Any]]:
    return map(review_record, data.reviews)


def _searches(data: Dataset) -> Iterator[dict[str, Any]]:
    for one in data.searches:
        time = None if one.time is None else utc(one.time)
        yield {name: getattr(one, name) for name in ("user_id", "text", "chosen", "search_id")} | {"time": time}


_NEVER = object()
_LARGEST = float(np.finfo(np.float32).max)


@cache
def _defaults(part: str) -> dict[str, Any]:
    return {f.name: f.default for f in fields(PARTS[part])} | {"attributes": {}, "available": True}


@cache
def _adapter(part: str) -> TypeAdapter[Any]:
    return TypeAdapter(PARTS[part])


def _decimal(value: np.float32) -> float:
    """Return the shortest decimal that means this float32; that of the largest one would be beyond float32."""
    short = float(str(value))
    return float(value) if abs(short) > _LARGEST else short


def _to_plain(value: Any) -> Any:
    """Return a value that JSON can hold: it has no NaN and no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return [_to_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _from_plain(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"float"}:
        return float(value["float"])
    return tuple(_from_plain(v) for v in value) if isinstance(value, list) else value
