"""What features read of the shop: the catalogue in codes, and how popular each item is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.dataset import ItemTable
from recsys.protocols import Delta
from recsys.types import ItemRows


@dataclass(frozen=True, eq=False)
class Facts:
    """One snapshot: ``popularity`` (n,) float32 counts liked events in the fit, 0 for items that came later."""

    items: ItemTable
    popularity: NDArray[np.float32]
    numbers: dict[str, NDArray[np.float32]] = field(default_factory=dict)  # numeric attributes, as they are asked for

    def after(self, delta: Delta) -> Self:
        """Return the facts of the shop as it is now; what the change has left as it was is not made again."""
        counts = np.zeros(len(delta.items), dtype=np.float32)
        counts[: len(self.popularity)] = self.popularity
        np.add.at(counts, delta.events.rows[delta.events.weights > 0], 1)
        np.subtract.at(counts, delta.taken.rows, 1)
        out = type(self)(delta.items, np.maximum(counts, 0))
        old, new = self.items, delta.items
        # Lists of one shop that differ hold the same texts elsewhere: they are compared by identity, in no time.
        same = {
            "brands": new.brands == old.brands, "categories": new.categories == old.categories,
            "log_prices": new.prices is old.prices,
        }  # fmt: skip
        out.__dict__.update({name: self.__dict__[name] for name in same if same[name] and name in self.__dict__})
        if new.attributes == old.attributes:
            out.__dict__["numbers"] = self.numbers
        return out

    def level(self, rows: ItemRows) -> NDArray[np.float32]:
        """Return (len(rows),) the share of items that are less popular: the same scale however long the log is."""
        return (np.searchsorted(self._order, self.popularity[rows]) / max(1, len(self._order))).astype(np.float32)

    @cached_property
    def _order(self) -> NDArray[np.float32]:
        return np.sort(self.popularity)

    @cached_property
    def brands(self) -> NDArray[np.int32]:
        """(n,) brand code, -1 = none."""
        codes: dict[str, int] = {}
        return np.array([codes.setdefault(b, len(codes)) if b else -1 for b in self.items.brands], dtype=np.int32)

    @cached_property
    def categories(self) -> sparse.csr_array:
        """(n, n_categories) float32, idf-weighted, rows of unit length: a rare shared category says more."""
        codes: dict[str, int] = {}
        lists = [[codes.setdefault(c, len(codes)) for c in dict.fromkeys(cs)] for cs in self.items.categories]
        indptr = np.concatenate([[0], np.cumsum([len(x) for x in lists])]).astype(np.int64)
        columns = np.fromiter((c for x in lists for c in x), dtype=np.int32, count=int(indptr[-1]))
        frequency = np.maximum(np.bincount(columns, minlength=len(codes)), 1)
        values = np.log((1 + len(lists)) / frequency)[columns].astype(np.float32)
        owner = np.repeat(np.arange(len(lists)), np.diff(indptr))
        norm = np.sqrt(np.bincount(owner, weights=values**2, minlength=len(lists)))
        values /= np.maximum(norm[owner], 1e-9).astype(np.float32)
        return sparse.csr_array((values, columns, indptr), shape=(len(lists), max(1, len(codes))))

    @cached_property
    def log_prices(self) -> NDArray[np.float32]:
        """(n,) natural log of 1 + price, NaN = unknown."""
        return np.log1p(self.items.prices).astype(np.float32)
