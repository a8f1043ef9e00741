"""What a shop knows and tells: items, events, reviews, searches, filters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from recsys.errors import DataError

# The closed list of event kinds; a code is an index into it, so it may only grow at the end.
KINDS = (
    "interaction", "view", "click", "cart", "purchase", "rating", "like",
    "dislike", "return", "not-interested", "remove-from-cart", "impression", "forget",
)  # fmt: skip
KIND_CODES: Mapping[str, int] = {name: code for code, name in enumerate(KINDS)}


def utc(value: datetime | int | float, field_name: str = "time") -> int:
    """Return int64 epoch seconds of an aware datetime or of epoch seconds.

    Raises:
        DataError: a naive datetime, or a number that is not finite.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise DataError(f"{field_name} must be an aware datetime (add tzinfo=UTC), got {value!r}")
        return int(value.timestamp())
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"{field_name} must be an aware datetime or epoch seconds, got {value!r}")
    return int(value)


def now_seconds() -> int:
    """Return the current time as epoch seconds."""
    return int(datetime.now(UTC).timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One product as the shop knows it.

    ``stock`` is a count (None = not tracked), ``price`` is in the shop's one currency,
    ``parent_id`` groups the variants of a product, ``attributes`` holds any further named values.
    """

    item_id: str
    title: str = ""
    text: str = ""
    brand: str | None = None
    categories: tuple[str, ...] = ()
    price: float | None = None
    stock: int | None = None
    parent_id: str | None = None
    created: datetime | None = None
    attributes: Mapping[str, str | float | bool | tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.item_id, str) or not self.item_id:
            raise DataError(f"item_id must be a non-empty string, got {self.item_id!r}")
        if isinstance(self.categories, str):
            raise DataError(f"categories must be a tuple of strings, got the string {self.categories!r}")
        price_ok = self.price is None or (math.isfinite(self.price) and self.price >= 0)
        if not price_ok:
            raise DataError(f"price must be finite and not negative, got {self.price!r} (item {self.item_id!r})")
        if self.stock is not None and self.stock < 0:
            raise DataError(f"stock must not be negative, got {self.stock!r} (item {self.item_id!r})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a shopper did with one item.

    ``kind`` is one of `KINDS`; ``value`` is a rating for "rating" and a quantity else; ``position`` is the
    1-based place at which the item was shown, where that was logged. Events are idempotent by ``event_id``.
    """

    user_id: str
    item_id: str
    kind: str = "interaction"
    value: float = 1.0
    time: datetime | int | None = None
    event_id: str | None = None
    position: int | None = None

    def __post_init__(self) -> None:
        for name in ("user_id", "item_id"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise DataError(f"{name} must be a non-empty string, got {getattr(self, name)!r}")
        if self.kind not in KIND_CODES:
            raise DataError(f"kind must be one of {', '.join(KINDS)}; got {self.kind!r}")
        if not math.isfinite(self.value):
            raise DataError(f"value must be finite, got {self.value!r}")
        if self.time is not None:
            utc(self.time)
        if self.position is not None and self.position < 1:
            raise DataError(f"position counts from 1, got {self.position!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One review text. ``user_id`` stays in the store: a bundle never holds it."""

    user_id: str
    item_id: str
    text: str
    summary: str = ""
    rating: float | None = None
    time: int | None = None
    review_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One query that a shopper typed, and the items that they chose from its list; idempotent by ``search_id``."""

    user_id: str
    text: str
    time: datetime | int | None = None
    chosen: tuple[str, ...] = ()
    search_id: str | None = None

    def __post_init__(self) -> None:
        for name in ("user_id", "text"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name).strip():
                raise DataError(f"{name} must be a non-empty string, got {getattr(self, name)!r}")
        if isinstance(self.chosen, str):
            raise DataError(f"chosen must be a tuple of item ids, got the string {self.chosen!r}")
        if self.time is not None:
            utc(self.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What may be shown in one call: every condition that is given must hold.

    ``brands`` and ``categories`` accept any of the named; prices are inclusive bounds, and an item without a
    price fails them; ``in_stock`` hides items whose tracked stock is 0.
    """

    brands: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    min_price: float | None = None
    max_price: float | None = None
    in_stock: bool = True
    exclude_item_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("brands", "categories", "exclude_item_ids"):
            if isinstance(getattr(self, name), str):
                raise DataError(f"where.{name} must be a tuple of strings, got the string {getattr(self, name)!r}")
