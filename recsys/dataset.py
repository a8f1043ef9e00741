"""What a shop has, as columns: the catalogue, the event log, the reviews."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.ids import Vocabulary, check_id
from recsys.signal import forget, preference, take_back
from recsys.types import KIND_CODES, Event, Events, Item, ItemRows, Offsets, Review, Search, offsets_of, utc

_SURROGATE = re.compile("[\ud800-\udfff]")


def _whole(value: Any) -> Any:
    """Return a text, or a tuple of texts, without halves of characters; any other value as it is."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    return tuple(_whole(part) for part in value) if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True, eq=False)
class ItemTable:
    """The catalogue as columns; the place in every column is the item's row. Append-only.

    ``prices`` is NaN where unknown, ``stock`` -1 where not tracked, ``created`` 0 where unknown,
    ``available`` False for items that were withdrawn.
    """

    vocabulary: Vocabulary
    titles: list[str]
    texts: list[str]
    brands: list[str]
    categories: list[tuple[str, ...]]
    prices: NDArray[np.float32]
    stock: NDArray[np.int32]
    created: NDArray[np.int64]
    parents: list[str]
    attributes: list[Mapping[str, Any]]
    available: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.titles)

    @property
    def ids(self) -> list[str]:
        """External ids in row order."""
        return list(self.vocabulary)

    @classmethod
    def of(cls, items: Iterable[Item]) -> ItemTable:
        """Build from items, in their order; an id that occurs twice is a `DataError`.

        Lone surrogates in texts, which no file can hold, become U+FFFD.
        """
        listed = list(items)
        return cls(
            Vocabulary(check_id(i.item_id, "item_id") for i in listed),
            [_whole(i.title) for i in listed],
            [_whole(i.text) for i in listed],
            [_whole(i.brand or "") for i in listed],
            [tuple(_whole(c) for c in i.categories) for i in listed],
            np.array([np.nan if i.price is None else i.price for i in listed], dtype=np.float32),
            np.array([-1 if i.stock is None else i.stock for i in listed], dtype=np.int32),
            np.array([0 if i.created is None else utc(i.created) for i in listed], dtype=np.int64),
            [_whole(i.parent_id or "") for i in listed],
            [{_whole(name): _whole(value) for name, value in i.attributes.items()} for i in listed],
            np.ones(len(listed), dtype=np.bool_),
        )

    def put(self, items: Iterable[Item]) -> ItemTable:
        """Return a new table with ``items`` changed in place or appended; this one stays as it is."""
        vocabulary = self.vocabulary.copy()
        listed = {i.item_id: i for i in items}
        rows = [vocabulary.add(check_id(key, "item_id")) for key in listed]
        fresh = ItemTable.of(listed.values())
        n = len(vocabulary)

        def grown(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
            out = np.empty(n, dtype=old.dtype)
            out[: len(old)] = old
            out[rows] = new
            return out

        def listed_out(old: list[Any], new: list[Any]) -> list[Any]:
            out = old + [None] * (n - len(old))
            for row, value in zip(rows, new, strict=True):
                out[row] = value
            return out

        return ItemTable(
            vocabulary,
            listed_out(self.titles, fresh.titles),
            listed_out(self.texts, fresh.texts),
            listed_out(self.brands, fresh.brands),
            listed_out(self.categories, fresh.categories),
            grown(self.prices, fresh.prices),
            grown(self.stock, fresh.stock),
            grown(self.created, fresh.created),
            listed_out(self.parents, fresh.parents),
            listed_out(self.attributes, fresh.attributes),
            grown(self.available, fresh.available),
        )

    def described_anew(self, before: ItemTable, rows: ItemRows | None = None) -> ItemRows:
        """Return which of ``rows``, by default of all, ``before`` lacks or describes otherwise, ascending.

        A description is texts, brand, categories, parent and attributes: stock and prices change all day.
        """
        columns = ("titles", "texts", "brands", "categories", "parents", "attributes")
        pairs = [(getattr(self, name), getattr(before, name)) for name in columns]
        some = range(len(self)) if rows is None else np.unique(rows).tolist()
        other = [row for row in some if row >= len(before) or any(a[row] != b[row] for a, b in pairs)]
        return np.array(other, dtype=np.int32)

    def without(self, rows: ItemRows) -> ItemTable:
        """Return a table in which ``rows`` are withdrawn: they keep their row but are never shown."""
        available = self.available.copy()
        available[rows] = False
        return replace(self, available=available)

    def item(self, row: int) -> Item:
        """Return one row as an `Item`."""
        from datetime import UTC, datetime

        # str() of a float32 is the shortest decimal that means it: 9.99 comes back as 9.99, not 9.98999977.
        price, stock, created = float(str(self.prices[row])), int(self.stock[row]), int(self.created[row])
        return Item(
            item_id=self.vocabulary.ids(np.array([row], dtype=np.int32))[0],
            title=self.titles[row],
            text=self.texts[row],
            brand=self.brands[row] or None,
            categories=self.categories[row],
            price=None if np.isnan(price) else price,
            stock=None if stock < 0 else stock,
            parent_id=self.parents[row] or None,
            created=datetime.fromtimestamp(created, UTC) if created else None,
            attributes=self.attributes[row],
        )

    def text(self, row: int) -> str:
        """Return what a text model reads of an item: title, brand, categories, description, attribute words."""
        named = [
            " ".join(value) if isinstance(value, tuple) else value
            for value in self.attributes[row].values()
            if isinstance(value, str | tuple)
        ]
        parts = [self.titles[row], self.brands[row], " ".join(self.categories[row]), self.texts[row], *named]
        return ". ".join(p for p in parts if p)


FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, all that a datetime can say
MAX_POSITION = int(np.iinfo(np.int16).max)


def event_columns(events: Sequence[Event], vocabulary: Vocabulary, now: int | None = None) -> Events:
    """Return events as columns in the order given, weights 1; an event without a time happened at ``now``.

    Raises:
        DataError: an unknown item_id, a time outside the years 1 to 9999 (milliseconds, most often) or none at all
            while ``now`` is None, a value beyond float32, a position above 32767.
    """
    rows = vocabulary.rows([e.item_id for e in events])
    if (rows < 0).any():
        missing = events[int(np.argmax(rows < 0))]
        raise DataError(
            f"event of user {missing.user_id!r} names unknown item_id {missing.item_id!r}: add the item first"
        )
    times = [now if e.time is None else utc(e.time) for e in events]
    limit = float(np.finfo(np.float32).max)
    for e, time in zip(events, times, strict=True):
        where = f"event of user {e.user_id!r} on item {e.item_id!r}"
        if time is None:
            raise DataError(f"{where} has no time")
        if not FIRST_SECOND <= time <= LAST_SECOND:
            raise DataError(f"{where}: time {time} is not epoch seconds (milliseconds?)")
        if abs(e.value) > limit:
            raise DataError(f"{where}: value {e.value!r} is beyond float32")
        if e.position is not None and e.position > MAX_POSITION:
            raise DataError(f"{where}: position must be at most {MAX_POSITION}, got {e.position}")
    return Events.of(
        rows,
        times=[t for t in times if t is not None],
        kinds=[KIND_CODES[e.kind] for e in events],
        values=[e.value for e in events],
        positions=[e.position or 0 for e in events],
        ids=[e.event_id or "" for e in events] if any(e.event_id for e in events) else (),
    )


def weighed(events: Events, owner: NDArray[np.int64], event_weights: Mapping[str, float] | None = None) -> Events:
    """Return events with their signed weights; ``owner`` (n,) says whose each is, in time order within an owner."""
    weights = preference(events.kinds, events.values, event_weights or {})
    weights = take_back(owner, events.rows, weights)
    return replace(events, weights=forget(owner, events.rows, events.kinds, weights))


@dataclass(frozen=True, slots=True, eq=False)
class EventLog:
    """All events, grouped by shopper and in time order within each; flat with offsets.

    ``users`` names the groups. It is needed to serve and to evaluate, never to fit: nothing of it reaches a bundle.
    ``event_weights`` are what the events were weighed with, beside the defaults of `recsys.signal`.
    """

    events: Events
    offsets: Offsets
    users: tuple[str, ...]
    event_weights: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.events)

    @property
    def n_users(self) -> int:
        """How many shoppers there are."""
        return len(self.users)

    @property
    def owner(self) -> NDArray[np.int64]:
        """(n,) the group that each event belongs to."""
        return np.repeat(np.arange(self.n_users, dtype=np.int64), np.diff(self.offsets))

    def history(self, user: int) -> Events:
        """Return the events of one group."""
        return self.events.take(slice(int(self.offsets[user]), int(self.offsets[user + 1])))

    def where(self, mask: NDArray[np.bool_]) -> EventLog:
        """Return only the events of ``mask`` (n,); every shopper stays, perhaps with none."""
        lengths = np.bincount(self.owner[mask], minlength=self.n_users)
        return EventLog(self.events.take(mask), offsets_of(lengths), self.users, self.event_weights)

    def as_of(self, mask: NDArray[np.bool_]) -> EventLog:
        """Return the log as it stood when only the events of ``mask`` (n,) had happened.

        A purchase that was returned later was still a liked one then: weights are made anew from what is left.
        """
        out = self.where(mask)
        if not (self.events.weights < 0).any():
            return out
        return replace(out, events=weighed(out.events, out.owner, self.event_weights))

    def liked(self) -> EventLog:
        """Return the events that speak for an item: what collaborative counts are made of."""
        return self.where(self.events.weights > 0)

    @classmethod
    def of(
        cls,
        users: Sequence[str],
        columns: Events,
        *,
        event_weights: Mapping[str, float] | None = None,
    ) -> EventLog:
        """Sort by shopper and time (stable: equal times keep their order) and weigh each event.

        Shoppers are numbered in the order of their first event. ``columns.weights`` is computed here.
        """
        names: dict[str, int] = {}
        code = np.fromiter((names.setdefault(u, len(names)) for u in users), dtype=np.int64, count=len(users))
        order = np.lexsort((columns.times, code))
        events, owner = columns.take(order), code[order]
        lengths = np.bincount(owner, minlength=len(names))
        return cls(weighed(events, owner, event_weights), offsets_of(lengths), tuple(names), dict(event_weights or {}))


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Items, events, reviews and searches: what `Trainable.fit` takes."""

    items: ItemTable
    log: EventLog
    reviews: Sequence[Review] = ()
    name: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    searches: Sequence[Search] = ()

    def with_log(self, log: EventLog) -> Dataset:
        """Return the same data with another log of the same shoppers: a fold of a split, say.

        A review of a choice that the new log lacks goes with it, and so does one that is later than its last event,
        and a search that is later than its shopper's last event: what is to be foreseen must not be read in the words
        about it.
        """
        return replace(self, log=log, reviews=_reviews_of(self, log), searches=_searches_of(self, log))

    @classmethod
    def of(
        cls,
        items: Iterable[Item],
        events: Iterable[Event],
        reviews: Iterable[Review] = (),
        *,
        searches: Iterable[Search] = (),
        name: str = "",
        event_weights: Mapping[str, float] | None = None,
    ) -> Dataset:
        """Build from public values.

        Raises:
            DataError: an event names an item that is not in ``items``, or has no time.
        """
        table = ItemTable.of(items)
        listed = list(events)
        columns = event_columns(listed, table.vocabulary)
        log = EventLog.of([e.user_id for e in listed], columns, event_weights=event_weights)
        return cls(table, log, tuple(reviews), name, searches=tuple(searches))


def _reviews_of(data: Dataset, log: EventLog) -> Sequence[Review]:
    if not data.reviews or log is data.log:
        return data.reviews
    width = np.int64(len(data.items) + 1)
    groups = {user: g for g, user in enumerate(data.log.users)}
    owner = np.array([groups.get(r.user_id, -1) for r in data.reviews], dtype=np.int64)
    key = owner * width + data.items.vocabulary.rows([r.item_id for r in data.reviews])
    had, has = (one.owner * width + one.events.rows for one in (data.log, log))
    gone = np.isin(key, np.setdiff1d(had, has)) & (owner >= 0)
    end = int(log.events.times.max(initial=0))
    return tuple(
        r for r, g in zip(data.reviews, gone.tolist(), strict=True) if not g and (r.time is None or r.time <= end)
    )


def _searches_of(data: Dataset, log: EventLog) -> Sequence[Search]:
    if not data.searches or log is data.log:
        return data.searches
    times, ends = log.events.times, log.offsets[1:]
    last = np.where(np.diff(log.offsets) > 0, times[np.maximum(ends - 1, 0)] if len(times) else 0, FIRST_SECOND)
    known = dict(zip(log.users, last.tolist(), strict=True))
    end = int(times.max(initial=FIRST_SECOND))
    return tuple(s for s in data.searches if s.time is not None and utc(s.time) <= known.get(s.user_id, end))
