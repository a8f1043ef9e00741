"""What a shop has, as columns: the catalogue, the event log, the reviews."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.ids import Vocabulary, check_id
from recsys.signal import preference, take_back
from recsys.types import KIND_CODES, Event, Events, Item, ItemRows, Offsets, Review, offsets_of, utc


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
        """Build from items, in their order; an id that occurs twice is a `DataError`."""
        listed = list(items)
        return cls(
            Vocabulary(check_id(i.item_id, "item_id") for i in listed),
            [i.title for i in listed],
            [i.text for i in listed],
            [i.brand or "" for i in listed],
            [tuple(i.categories) for i in listed],
            np.array([np.nan if i.price is None else i.price for i in listed], dtype=np.float32),
            np.array([-1 if i.stock is None else i.stock for i in listed], dtype=np.int32),
            np.array([0 if i.created is None else utc(i.created) for i in listed], dtype=np.int64),
            [i.parent_id or "" for i in listed],
            [dict(i.attributes) for i in listed],
            np.ones(len(listed), dtype=np.bool_),
        )

    def put(self, items: Iterable[Item]) -> ItemTable:
        """Return a new table with ``items`` changed in place or appended; this one stays as it is."""
        vocabulary = Vocabulary(self.vocabulary)
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

    def without(self, rows: ItemRows) -> ItemTable:
        """Return a table in which ``rows`` are withdrawn: they keep their row but are never shown."""
        available = self.available.copy()
        available[rows] = False
        return replace(self, available=available)

    def item(self, row: int) -> Item:
        """Return one row as an `Item`."""
        from datetime import UTC, datetime

        price, stock, created = float(self.prices[row]), int(self.stock[row]), int(self.created[row])
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


@dataclass(frozen=True, slots=True, eq=False)
class EventLog:
    """All events, grouped by shopper and in time order within each; flat with offsets.

    ``users`` names the groups. It is needed to serve and to evaluate, never to fit: nothing of it reaches a bundle.
    """

    events: Events
    offsets: Offsets
    users: tuple[str, ...]

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
        return EventLog(self.events.take(mask), offsets_of(lengths), self.users)

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
        weights = preference(events.kinds, events.values, event_weights or {})
        weights = take_back(owner, events.rows, weights)
        return cls(
            replace(events, weights=weights), offsets_of(np.bincount(owner, minlength=len(names))), tuple(names)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Items, events and reviews: what `Trainable.fit` takes."""

    items: ItemTable
    log: EventLog
    reviews: Sequence[Review] = ()
    name: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)

    def with_log(self, log: EventLog) -> Dataset:
        """Return the same data with another log: a fold of a split, say."""
        return replace(self, log=log)

    @classmethod
    def of(
        cls,
        items: Iterable[Item],
        events: Iterable[Event],
        reviews: Iterable[Review] = (),
        *,
        name: str = "",
        event_weights: Mapping[str, float] | None = None,
    ) -> Dataset:
        """Build from public values.

        Raises:
            DataError: an event names an item that is not in ``items``, or has no time.
        """
        table = ItemTable.of(items)
        listed = list(events)
        rows = table.vocabulary.rows([e.item_id for e in listed])
        if (rows < 0).any():
            missing = listed[int(np.argmax(rows < 0))]
            raise DataError(f"event of user {missing.user_id!r} names unknown item_id {missing.item_id!r}: add the item first")
        for e in listed:
            if e.time is None:
                raise DataError(f"event of user {e.user_id!r} on item {e.item_id!r} has no time")
        columns = Events.of(
            rows,
            times=[utc(e.time) for e in listed if e.time is not None],
            kinds=[KIND_CODES[e.kind] for e in listed],
            values=[e.value for e in listed],
            positions=[e.position or 0 for e in listed],
            ids=[e.event_id or "" for e in listed] if any(e.event_id for e in listed) else (),
        )
        log = EventLog.of([e.user_id for e in listed], columns, event_weights=event_weights)
        return cls(table, log, tuple(reviews), name)
