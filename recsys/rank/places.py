"""Lists as padded pools and back: what every method needs that picks one item after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.ndcg import discounts
from recsys.types import ItemRows, Slates, offsets_of

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The best items of each list, side by side: ``entries`` (b, p) indexes the flat slates, -1 pads at the end."""

    slates: Slates
    entries: Places

    @property
    def rows(self) -> ItemRows:
        """(b, p) item rows, -1 = no item."""
        if not len(self.slates.items):
            return np.full(self.entries.shape, -1, dtype=np.int32)
        return np.where(self.entries >= 0, self.slates.items[self.entries], -1).astype(np.int32)

    @classmethod
    def of(cls, slates: Slates, size: int) -> Pool:
        """Cut the first ``size`` of every list; the lists are best first already."""
        width = int(min(size, slates.lengths.max(initial=0)))
        place = np.arange(width)
        inside = place < slates.lengths[:, None]
        return cls(slates, np.where(inside, slates.offsets[:-1, None] + place, -1))

    def order(self, picks: Places) -> Places:
        """Return (m,) entries of the slates, list by list: the picked ones first, then the others as they were.

        Args:
            picks: (b, t) places in the pool in their new order, -1 = no further pick.
        """
        key = np.arange(len(self.slates.items), dtype=np.int64)
        owner, turn = np.nonzero(picks >= 0)
        # Negative keys come before all that was not picked.
        key[self.entries[owner, picks[owner, turn]]] = turn - picks.shape[1]
        return np.lexsort((key, self.slates.request_index))

    def first(self, picks: Places, n: int) -> Slates:
        """Return lists of at most ``n`` in the order of `order`, best first (`arranged`)."""
        slates = self.slates
        place = slates.places
        return arranged(slates, self.order(picks)[place < n], np.minimum(slates.lengths, n))


def relevance(n: int) -> NDArray[np.float32]:
    """Return (n,) what a place is worth, 1 at the top: 1 / log2(1 + place), the discount of NDCG.

    Scores of rankers have no common scale and may be negative; places say the same for all of them.
    """
    return discounts(n).astype(np.float32)


def taken(slates: Slates, order: Places, lengths: NDArray[np.int64]) -> Slates:
    """Return lists of the entries ``order``, in that order, ``lengths`` (b,) each; scores stay with their items."""
    return Slates(
        slates.items[order], slates.scores[order], offsets_of(lengths),
        {name: values[order] for name, values in slates.columns.items()}, slates.notes,
    )  # fmt: skip


def arranged(slates: Slates, order: Places, lengths: NDArray[np.int64]) -> Slates:
    """Return `taken` with the scores of each list sorted, so that it stays best first.

    Where nothing moved, nothing changes.
    """
    out = taken(slates, order, lengths)
    missing = np.isnan(out.scores)
    by_score = np.lexsort((-np.where(missing, 0, out.scores), missing, out.request_index))
    return Slates(out.items, out.scores[by_score], out.offsets, out.columns, out.notes)
