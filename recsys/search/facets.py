"""How many of the matching products have which brand, category, attribute and price."""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.filters.fields import ATTRIBUTES, NO, YES
from recsys.search.lexicon import Ragged
from recsys.types import ItemRows, offsets_of

MAX_VALUE = 100  # characters of a value that is worth a line of its own
MAX_VALUES = 100  # of one field of one product
SPARE = 10_000  # values that may be of no product any more, whatever the size of the catalogue
# An attribute with more values than this, most of them of one product alone, sorts nothing: an article number, say.
MANY, ALONE = 50, 0.5
STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value and how many matching products have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Matching products with ``low <= price < high``; the last range of a facet includes its ``high``."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """A field: "brand", "categories" or "attributes.NAME"; its values, commonest first; how many more.

    Field and value are those of a filter that finds these products: ``{"eq": [field, value]}``.
    """

    field: str
    values: tuple[FacetValue, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Facets:
    """The counts of one match set: brand and categories first, then the attributes that most products have."""

    total: int
    fields: tuple[Facet, ...] = ()
    prices: tuple[PriceRange, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "total": self.total,
            "fields": {f.field: {v.value: v.count for v in f.values} for f in self.fields},
            "prices": [{"low": p.low, "high": p.high, "count": p.count} for p in self.prices],
        }


class _Table:
    """Numbers of (field, value) pairs and of fields. They are only ever added, so snapshots of a catalogue share it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.codes: dict[tuple[str, str], int] = {}
        self.names: list[tuple[str, str]] = []
        self.fields: dict[str, int] = {"brand": 0, "categories": 1}
        self.field_names = list(self.fields)
        self.field_of = array("q")

    def code(self, pair: tuple[str, str]) -> int:
        """Return the number of a pair, a new one where there is none."""
        code = self.codes.get(pair)
        if code is None:
            field = self.fields.setdefault(pair[0], len(self.fields))
            if field == len(self.field_names):
                self.field_names.append(pair[0])
            code = self.codes[pair] = len(self.names)
            self.names.append(pair)
            self.field_of.append(field)
        return code

    def coded(self, items: ItemTable, rows: Sequence[int]) -> Ragged:
        """Return the codes of each row, each once."""
        flat: list[int] = []
        lengths = np.zeros(len(rows), np.int64)
        for at, row in enumerate(rows):
            before = len(flat)
            flat += dict.fromkeys(map(self.code, _values(items, row)))
            lengths[at] = len(flat) - before
        return Ragged(np.array(flat, np.int32), offsets_of(lengths))


class FacetIndex:
    """The values of every product as codes, made once per catalogue; a change costs what it changes and a copy.

    Where most values are of no product any more, all is read anew: a date that changes every day must not fill the
    memory.
    """

    def __init__(self, table: _Table, codes: Ragged, prices: NDArray[np.float32]) -> None:
        self._table, self._codes, self._prices = table, codes, prices
        # Others may add to the table later: what is beyond these sizes is not ours.
        self._field_of = np.array(table.field_of, np.int64)
        n = int(self._field_of.max(initial=1)) + 1
        said = np.bincount(codes.codes, minlength=len(self._field_of))
        self._in_use = int(np.count_nonzero(said))
        alone = np.bincount(self._field_of, weights=said == 1, minlength=n)
        many = np.bincount(self._field_of, weights=said > 0, minlength=n)
        self._useful = (many <= MANY) | (alone <= ALONE * many)
        self._useful[:2] = True

    @classmethod
    def of(cls, items: ItemTable) -> Self:
        """Read a catalogue."""
        table = _Table()
        return cls(table, table.coded(items, range(len(items))), items.prices)

    def put(self, items: ItemTable, changed: ItemRows) -> Self:
        """Return the values of ``items``, of which ``changed`` rows are new or changed."""
        if len(self._field_of) > SPARE + 2 * self._in_use:
            return type(self).of(items)
        rows = np.unique(changed).astype(np.int64)
        with self._table.lock:
            lists = self._table.coded(items, rows.tolist())
            return type(self)(self._table, self._codes.put(rows, lists, len(items)), items.prices)

    def count(self, rows: ItemRows, n_fields: int = 12, n_values: int = 10, n_prices: int = 5) -> Facets:
        """Return the counts over ``rows``: the commonest values of brand, categories and the commonest attributes."""
        rows = rows[rows < len(self._prices)]
        counts = np.bincount(self._gathered(rows), minlength=len(self._field_of))
        present = np.flatnonzero(counts)
        present = present[np.lexsort((present, -counts[present], self._field_of[present]))]
        n, names = len(self._useful), self._table.names
        bounds = np.searchsorted(self._field_of[present], np.arange(n + 1)).tolist()
        said = np.bincount(self._field_of[present], weights=counts[present], minlength=n).astype(float)
        said[:2] = np.inf  # brand and categories come first whatever their counts
        chosen = [f for f in np.argsort(-said, kind="stable").tolist() if self._useful[f] and bounds[f] < bounds[f + 1]]
        fields = []
        for f in chosen[:n_fields]:
            codes = present[bounds[f] : bounds[f + 1]].tolist()
            values = tuple(FacetValue(names[c][1], int(counts[c])) for c in codes[:n_values])
            fields.append(Facet(self._table.field_names[f], values, max(0, len(codes) - n_values)))
        return Facets(len(rows), tuple(fields), price_ranges(self._prices[rows], n_prices))

    def _gathered(self, rows: ItemRows) -> NDArray[np.int32]:
        offsets = self._codes.offsets
        starts, lengths = offsets[rows], offsets[rows + 1] - offsets[rows]
        ends = offsets_of(lengths)
        out: NDArray[np.int32] = self._codes.codes[np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)]
        return out


def _values(items: ItemTable, row: int) -> Iterator[tuple[str, str]]:
    """Yield (field, value) of one product as a filter would name them.

    Numbers, nested values, long texts and those with signs that no reader sees are no facets.
    """
    return (pair for pair in _raw(items, row) if all(0 < len(t) <= MAX_VALUE and _visible(t) for t in pair))


def _visible(text: str) -> bool:
    return text.isprintable() or all(c.isprintable() or unicodedata.category(c) == "Zs" for c in text)


def _raw(items: ItemTable, row: int) -> Iterator[tuple[str, str]]:
    yield "brand", items.brands[row]
    for category in items.categories[row][:MAX_VALUES]:
        yield "categories", category
    for name, value in items.attributes[row].items():
        field = f"{ATTRIBUTES}{name}"
        if isinstance(value, bool):
            yield field, YES if value else NO
        elif isinstance(value, str):
            yield field, value
        elif isinstance(value, tuple):
            yield from ((field, v) for v in value[:MAX_VALUES] if isinstance(v, str))


def price_ranges(prices: NDArray[np.float32], n: int) -> tuple[PriceRange, ...]:
    """Return at most ``n`` ranges with round bounds that hold about as many prices each; none without prices."""
    known = np.sort(prices[~np.isnan(prices)].astype(np.float64))
    if not len(known) or n < 1:
        return ()
    inner = [_round(float(q)) for q in np.quantile(known, np.arange(1, n) / n)]
    low, high = float(np.floor(known[0])), float(np.ceil(known[-1]))
    bounds = [low, *sorted({b for b in inner if low < b < high}), max(high, low)]
    places = np.searchsorted(known, bounds[1:-1], side="left")
    counts = np.diff(np.concatenate([[0], places, [len(known)]]))
    return tuple(PriceRange(a, b, int(c)) for (a, b), c in zip(pairwise(bounds), counts) if c)


def _round(value: float) -> float:
    """Return the nearest of 1, 2, 2.5, 5 times a power of ten."""
    if value <= 0:
        return 0.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(min((step * power for step in STEPS), key=lambda bound: abs(bound - value)))
