"""What is usual in the catalogue: what a habit of one shopper is held against."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.profile.lines import LineKind

Key = tuple[LineKind, str, str]  # kind, field, value: what a line may be about
MIN_SHELF = 5  # items with a price


def names(items: ItemTable, row: int) -> Iterator[Key]:
    """Yield all of an item that a line may be about."""
    for category in dict.fromkeys(items.categories[row]):
        yield "category", "category", category
    if items.brands[row]:
        yield "brand", "brand", items.brands[row]
    for key, value in items.attributes[row].items():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str) and one:
                yield "value", key, one


def shelf(items: ItemTable, row: int) -> str:
    """Return the narrowest category of an item, "" without one."""
    return items.categories[row][-1] if items.categories[row] else ""


@dataclass(slots=True, eq=False)
class Usual:
    """How often each value occurs in the catalogue and on each shelf, and what things on a shelf cost."""

    n_items: int
    whole: Counter[Key] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    on_shelf: dict[str, Counter[Key]] = field(default_factory=dict)
    prices: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    spread: float = 0.0  # log of the price that a tenth exceeds over the one that a tenth is below

    @classmethod
    def of(cls, items: ItemTable) -> Usual:
        """Count a catalogue."""
        out = cls(len(items))
        priced: dict[str, list[float]] = {}
        for row in range(len(items)):
            place, keys = shelf(items, row), list(names(items, row))
            out.whole.update(keys)
            out.sizes[place] += 1
            out.on_shelf.setdefault(place, Counter()).update(keys)
            if items.prices[row] > 0:
                priced.setdefault(place, []).append(float(items.prices[row]))
        out.prices = {p: np.sort(np.array(v, dtype=np.float32)) for p, v in priced.items() if len(v) >= MIN_SHELF}
        every = np.array([x for v in priced.values() for x in v])
        if len(every):
            low, high = np.quantile(every, [0.1, 0.9]).tolist()
            out.spread = math.log(high / low)
        return out

    def share(self, key: Key) -> float:
        """Return the share of the catalogue that has a value; 1 for one that was never seen."""
        return self.whole[key] / self.n_items if self.whole[key] else 1.0

    def expected(self, items: ItemTable, rows: Sequence[int], key: Key) -> float:
        """Return how many of these items would have a value if each were any item of its shelf."""
        total = 0.0
        for row in rows:
            place = shelf(items, row)
            counts = self.on_shelf.get(place)
            total += 1.0 if counts is None else counts[key] / self.sizes[place]
        return total

    def price_place(self, items: ItemTable, row: int) -> float:
        """Return the share of its shelf that is cheaper than an item, halves for equals; NaN where that says little."""
        known = self.prices.get(shelf(items, row))
        if known is None or not items.prices[row] > 0 or known[0] == known[-1]:
            return math.nan
        below, upto = (
            np.searchsorted(known, items.prices[row], "left"),
            np.searchsorted(known, items.prices[row], "right"),
        )
        return float(below + upto) / (2 * len(known))


def chance(n: int, expected: float) -> float:
    """Return the chance of ``n`` or more where ``expected`` are to be expected (Poisson)."""
    term = total = math.exp(-expected)
    for k in range(1, n):
        term *= expected / k
        total += term
    return 1.0 - total if n > 0 else 1.0
