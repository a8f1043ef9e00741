"""How many of the matching products have which brand, category, attribute and price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.data.text import clean_text
from recsys.dataset import ItemTable
from recsys.search.lexicon import Ragged
from recsys.types import ItemRows, offsets_of

MAX_VALUE = 100  # characters of a value that is worth a line of its own
MAX_VALUES = 100  # of one field of one product
# An attribute with more values than this, most of them of one product alone, sorts nothing: an article number, say.
MANY, ALONE = 50, 0.5
STEPS = (1, 2, 2.5, 5, 10)
_GROWING = Lock()


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
    """A field: "brand", "categories" or the name of an attribute; its values, commonest first; how many more."""

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


class FacetIndex:
    """The values of every product as codes, made once per catalogue; a change costs what it changes and a copy."""

    def __init__(self, table: dict[tuple[str, str], int], codes: Ragged, prices: NDArray[np.float32]) -> None:
        # Codes are only ever added, so that the snapshots of a live catalogue share the table.
        self._table, self._codes, self._prices = table, codes, prices
        self._names = list(table)
        numbers: dict[str, int] = {"brand": 0, "categories": 1}
        self._field_of = np.array([numbers.setdefault(field, len(numbers)) for field, _ in self._names], np.int64)
        self._fields = tuple(numbers)
        said = np.bincount(codes.codes, minlength=len(self._names))
        alone = np.bincount(self._field_of, weights=said == 1, minlength=len(numbers))
        many = np.bincount(self._field_of, weights=said > 0, minlength=len(numbers))
        self._useful = (many <= MANY) | (alone <= ALONE * many)
        self._useful[:2] = True

    @classmethod
    def of(cls, items: ItemTable) -> Self:
        """Read a catalogue."""
        table: dict[tuple[str, str], int] = {}
        return cls(table, _coded(table, items, range(len(items))), items.prices)

    def put(self, items: ItemTable, changed: ItemRows) -> Self:
        """Return the values of ``items``, of which ``changed`` rows are new or changed."""
        rows = np.unique(changed).astype(np.int64)
        with _GROWING:
            lists = _coded(self._table, items, rows.tolist())
            return type(self)(self._table, self._codes.put(rows, lists, len(items)), items.prices)

    def count(self, rows: ItemRows, n_fields: int = 12, n_values: int = 10, n_prices: int = 5) -> Facets:
        """Return the counts over ``rows``: the commonest values of brand, categories and the commonest attributes."""
        rows = rows[rows < len(self._prices)]
        counts = np.bincount(self._gathered(rows), minlength=len(self._names))
        present = np.flatnonzero(counts)
        present = present[np.lexsort((present, -counts[present], self._field_of[present]))]
        bounds = np.searchsorted(self._field_of[present], np.arange(len(self._fields) + 1)).tolist()
        said = np.bincount(self._field_of[present], weights=counts[present], minlength=len(self._fields)).astype(float)
        said[:2] = np.inf  # brand and categories come first whatever their counts
        chosen = [f for f in np.argsort(-said, kind="stable").tolist() if self._useful[f] and bounds[f] < bounds[f + 1]]
        fields = []
        for f in chosen[:n_fields]:
            codes = present[bounds[f] : bounds[f + 1]].tolist()
            values = tuple(FacetValue(self._names[c][1], int(counts[c])) for c in codes[:n_values])
            fields.append(Facet(self._fields[f], values, max(0, len(codes) - n_values)))
        return Facets(len(rows), tuple(fields), price_ranges(self._prices[rows], n_prices))

    def _gathered(self, rows: ItemRows) -> NDArray[np.int32]:
        offsets = self._codes.offsets
        starts, lengths = offsets[rows], offsets[rows + 1] - offsets[rows]
        ends = offsets_of(lengths)
        out: NDArray[np.int32] = self._codes.codes[np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)]
        return out


def _coded(table: dict[tuple[str, str], int], items: ItemTable, rows: Sequence[int]) -> Ragged:
    """Return the codes of each row, each once; new values are added to the table."""
    flat: list[int] = []
    lengths = np.zeros(len(rows), np.int64)
    for at, row in enumerate(rows):
        before = len(flat)
        flat += dict.fromkeys(table.setdefault(pair, len(table)) for pair in _values(items, row))
        lengths[at] = len(flat) - before
    return Ragged(np.array(flat, np.int32), offsets_of(lengths))


def _values(items: ItemTable, row: int) -> Iterator[tuple[str, str]]:
    """Yield (field, value) of one product; numbers, long texts and nested values are no facets."""
    return ((_shown(field), text) for field, value in _raw(items, row) if (text := _shown(value)))


def _shown(value: str) -> str:
    """Return a value as it is, but one with signs that no reader sees without them."""
    return value if value.isprintable() else clean_text(value, MAX_VALUE)


def _raw(items: ItemTable, row: int) -> Iterator[tuple[str, str]]:
    if items.brands[row]:
        yield "brand", items.brands[row][:MAX_VALUE]
    for category in items.categories[row][:MAX_VALUES]:
        yield "categories", category[:MAX_VALUE]
    for name, value in items.attributes[row].items():
        field = f"attributes.{name}"
        if isinstance(value, bool):
            yield field, "yes" if value else "no"
        elif isinstance(value, str):
            if 0 < len(value) <= MAX_VALUE:
                yield field, value
        elif isinstance(value, tuple):
            yield from ((field, v) for v in value[:MAX_VALUES] if isinstance(v, str) and 0 < len(v) <= MAX_VALUE)


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
