"""The frozen values that cross a stage border, and the public values of a shop.

Inside the engine everything is rows and flat arrays; external ids are ``str`` and live in
`Item`, `Event` and `Result` only. Times are aware datetimes outside, int64 epoch seconds inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ContractError, DataError

ItemRows = NDArray[np.int32]  # (n,) row in the catalogue; -1 = padding or unknown
Scores = NDArray[np.float32]  # (n,) higher is better; NaN = could not score, sorts last
Vectors = NDArray[np.float32]  # (n, dim), unit length, C-contiguous
RowMask = NDArray[np.bool_]  # (n_items,) True = may be shown
Offsets = NDArray[np.int64]  # (b + 1,) start of each part of a flat array, and its end
UserKey = str

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


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Aligned arrays of one or many histories, oldest first; dislikes included.

    Attributes:
        rows: (n,) item rows. times: (n,) epoch seconds. kinds: (n,) int8 codes of `KINDS`.
        values: (n,) as logged. weights: (n,) signed strength of preference: > 0 liked, < 0 disliked, 0 = no signal.
        positions: (n,) int16, where the item was shown, 0 = not logged. ids: event ids, or () when there are none.
    """

    rows: ItemRows
    times: NDArray[np.int64]
    kinds: NDArray[np.int8]
    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    positions: NDArray[np.int16]
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.rows)
        for name in ("times", "kinds", "values", "weights", "positions"):
            if len(getattr(self, name)) != n:
                raise ContractError(f"Events.{name} has {len(getattr(self, name))} entries, rows has {n}")
        if self.ids and len(self.ids) != n:
            raise ContractError(f"Events.ids has {len(self.ids)} entries, rows has {n}")

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: NDArray[Any] | slice) -> Events:
        """Return the events at ``index`` (a slice, a mask or positions)."""
        ids: tuple[str, ...] = ()
        if self.ids:
            # A slice must not cost a copy of every id: one history is cut out of a log of millions.
            if isinstance(index, slice):
                ids = self.ids[index]
            else:
                ids = tuple(np.asarray(self.ids, dtype=object)[index].tolist())
        return Events(
            self.rows[index], self.times[index], self.kinds[index],
            self.values[index], self.weights[index], self.positions[index], ids,
        )  # fmt: skip

    @classmethod
    def of(
        cls,
        rows: Iterable[int],
        *,
        times: Iterable[int] | None = None,
        kinds: Iterable[int] | None = None,
        values: Iterable[float] | None = None,
        weights: Iterable[float] | None = None,
        positions: Iterable[int] | None = None,
        ids: Sequence[str] = (),
    ) -> Events:
        """Build events from plain sequences; what is left out is filled (weights 1, times 0, 1, 2, ...)."""
        r = np.asarray(list(rows) if not isinstance(rows, np.ndarray) else rows, dtype=np.int32)
        n = len(r)

        def column(given: Iterable[float] | None, fill: float, dtype: type) -> NDArray[Any]:
            if given is None:
                return np.full(n, fill, dtype=dtype)
            return np.asarray(given if isinstance(given, np.ndarray) else list(given), dtype=dtype)

        t = np.arange(n, dtype=np.int64) if times is None else column(times, 0, np.int64)
        return cls(
            r, t, column(kinds, 0, np.int8), column(values, 1, np.float32),
            column(weights, 1, np.float32), column(positions, 0, np.int16), tuple(ids),
        )  # fmt: skip


NO_EVENTS = Events.of(())
NO_ROWS: ItemRows = _frozen(np.empty(0, dtype=np.int32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """Who asks, and for what, in rows; ``text=None`` means recommend, else search.

    ``allowed`` is compiled once by the engine from filters, stock and seen items, before any generator runs;
    None allows every item. ``context`` holds seed items, the cart or the page. ``deadline`` is a
    `time.monotonic` value or None.
    """

    user: UserKey | None = None
    text: str | None = None
    history: Events = field(default_factory=lambda: NO_EVENTS)
    context: ItemRows = field(default_factory=lambda: NO_ROWS)
    allowed: RowMask | None = None
    now: int = 0
    deadline: float | None = None
    k: int = 10


@dataclass(frozen=True, slots=True)
class Notes:
    """What happened to one request on its way: stages that fell back, warnings, rules applied.

    ``counts`` are sums by name: "tokens_in", "tokens_out", "repairs" of replies, ...
    """

    degraded: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    counts: Mapping[str, float] = field(default_factory=dict)

    def plus(self, other: Notes) -> Notes:
        """Return both, ``self`` first."""
        sums = {n: self.counts.get(n, 0) + other.counts.get(n, 0) for n in (*self.counts, *other.counts)}
        return Notes(self.degraded + other.degraded, self.warnings + other.warnings, self.applied + other.applied, sums)


@dataclass(frozen=True, slots=True, eq=False)
class Slates:
    """A ragged batch of item lists, flat: what every stage takes and gives. Arrays are read-only.

    Attributes:
        items: (m,) rows. scores: (m,). offsets: (b + 1,); list i is ``[offsets[i]:offsets[i + 1]]``.
        columns: further (m,) arrays by name, for example "bm25_rank" and "transitions_score".
        notes: one per request, or () when there is nothing to say.
    """

    items: ItemRows
    scores: Scores
    offsets: Offsets
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    notes: tuple[Notes, ...] = ()

    def __post_init__(self) -> None:
        m = len(self.items)
        if len(self.scores) != m or self.offsets[0] != 0 or self.offsets[-1] != m:
            raise ContractError(
                f"Slates: {m} items, {len(self.scores)} scores, offsets {self.offsets[:1]}..{self.offsets[-1:]}"
            )
        for name, values in self.columns.items():
            if len(values) != m:
                raise ContractError(f"Slates.columns[{name!r}] has {len(values)} entries, items has {m}")
            _frozen(values)
        if self.notes and len(self.notes) != len(self):
            raise ContractError(f"Slates.notes has {len(self.notes)} entries for {len(self)} requests")
        _frozen(self.items), _frozen(self.scores), _frozen(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> Slates:
        """Return list ``i`` as a batch of one; its arrays are views."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"list {i} of {len(self)}")
        i %= len(self)
        return self.part(i, i + 1)

    def part(self, start: int, stop: int) -> Slates:
        """Return lists ``start`` to ``stop``, that one excluded; its arrays are views."""
        offsets = self.offsets[start : max(stop, start) + 1]
        lo, hi = int(offsets[0]), int(offsets[-1])
        return Slates(
            self.items[lo:hi], self.scores[lo:hi], offsets - lo,
            {name: values[lo:hi] for name, values in self.columns.items()}, self.notes[start:stop],
        )  # fmt: skip

    def __iter__(self) -> Iterator[Slates]:
        return (self[i] for i in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(b,) how many items each list has."""
        return np.diff(self.offsets)

    @property
    def request_index(self) -> NDArray[np.int64]:
        """(m,) the request that each entry belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    @property
    def places(self) -> NDArray[np.int64]:
        """(m,) the place of each entry in its list, 0 = first."""
        return np.arange(len(self.items), dtype=np.int64) - np.repeat(self.offsets[:-1], self.lengths)

    def note(self, extra: Notes) -> Slates:
        """Return the same lists with ``extra`` noted on every request."""
        old = self.notes or (Notes(),) * len(self)
        return Slates(self.items, self.scores, self.offsets, self.columns, tuple(n.plus(extra) for n in old))

    def ordered(self, scores: Scores, n: int | None = None, **columns: NDArray[Any]) -> Slates:
        """Return every list sorted by new ``scores`` (m,), best first, NaN last, cut to ``n``.

        Equal scores keep their incoming order. ``columns`` are added, aligned with the incoming order.
        """
        request = self.request_index
        missing = np.isnan(scores)
        order = np.lexsort((-np.where(missing, 0, scores), missing, request))
        lengths = self.lengths
        if n is not None:
            place = np.arange(len(order)) - np.repeat(self.offsets[:-1], lengths)
            order = order[place < n]
            lengths = np.minimum(lengths, n)
        every = {**self.columns, **columns}
        return Slates(
            self.items[order], scores[order].astype(np.float32, copy=False), offsets_of(lengths),
            {name: values[order] for name, values in every.items()}, self.notes,
        )  # fmt: skip

    def head(self, n: int) -> Slates:
        """Return the first ``n`` entries of each list, in their order."""
        lengths = self.lengths
        keep = np.arange(len(self.items)) - np.repeat(self.offsets[:-1], lengths) < n
        return Slates(
            self.items[keep], self.scores[keep], offsets_of(np.minimum(lengths, n)),
            {name: values[keep] for name, values in self.columns.items()}, self.notes,
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Slates]) -> Slates:
        """Return the lists of all ``parts``, one after the other; no parts are a batch without lists.

        Raises:
            ContractError: the parts have different columns.
        """
        if not parts:
            return cls.of([])
        names = list(parts[0].columns)
        if any(set(p.columns) != set(names) for p in parts):
            raise ContractError("Slates.joined: the parts have different columns")
        notes: tuple[Notes, ...] = ()
        if any(p.notes for p in parts):
            notes = tuple(note for p in parts for note in (p.notes or (Notes(),) * len(p)))
        return cls(
            np.concatenate([p.items for p in parts]),
            np.concatenate([p.scores for p in parts]),
            offsets_of(np.concatenate([p.lengths for p in parts])),
            {name: np.concatenate([p.columns[name] for p in parts]) for name in names},
            notes,
        )

    @classmethod
    def of(cls, lists: Sequence[Iterable[int]], scores: Sequence[Iterable[float]] | None = None) -> Slates:
        """Build from one list of rows per request; without scores they are 1, 1/2, 1/3, ..."""
        parts = [np.asarray(list(rows), dtype=np.int32) for rows in lists]
        if scores is None:
            values = [1.0 / np.arange(1, len(p) + 1, dtype=np.float32) for p in parts]
        else:
            values = [np.asarray(list(s), dtype=np.float32) for s in scores]
        return cls(
            np.concatenate([*parts, np.empty(0, np.int32)]).astype(np.int32),
            np.concatenate([*values, np.empty(0, np.float32)]).astype(np.float32),
            offsets_of(np.array([len(p) for p in parts], dtype=np.int64)),
        )


def offsets_of(lengths: NDArray[np.integer[Any]]) -> Offsets:
    """Return ``(b + 1,)`` offsets of parts with these ``(b,)`` lengths."""
    out = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def now_seconds() -> int:
    """Return the current time as epoch seconds."""
    return int(datetime.now(UTC).timestamp())
