"""Lists as padded pools and back: what every method needs that picks one item after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

    def first(self, picks: Places, n: int) -> Slates:
        """Return lists of at most ``n``: the picked ones first, then the others as they were.

        Args:
            picks: (b, t) places in the pool in their new order, -1 = no further pick.
            n: how long a list may be.
        """
        slates = self.slates
        key = np.arange(len(slates.items), dtype=np.int64)
        owner, turn = np.nonzero(picks >= 0)
        # Negative keys come before all that was not picked.
        key[self.entries[owner, picks[owner, turn]]] = turn - picks.shape[1]
        order = np.lexsort((key, slates.request_index))
        place = np.arange(len(order)) - np.repeat(slates.offsets[:-1], slates.lengths)
        return arranged(slates, order[place < n], np.minimum(slates.lengths, n))


def relevance(n: int) -> NDArray[np.float32]:
    """Return (n,) what a place is worth, 1 at the top: 1 / log2(1 + place), the discount of NDCG.

    Scores of rankers have no common scale and may be negative; places say the same for all of them.
    """
    return (1 / np.log2(np.arange(2, n + 2))).astype(np.float32)


def arranged(slates: Slates, order: Places, lengths: NDArray[np.int64]) -> Slates:
    """Return lists made of the entries ``order``, in that order, ``lengths`` (b,) each.

    The list stays best first: its scores are those of its items, sorted. Where nothing moved, nothing changes.
    """
    owner = np.repeat(np.arange(len(lengths)), lengths)
    scores = slates.scores[order]
    missing = np.isnan(scores)
    scores = scores[np.lexsort((-np.where(missing, 0, scores), missing, owner))]
    return Slates(
        slates.items[order], scores, offsets_of(lengths),
        {name: values[order] for name, values in slates.columns.items()}, slates.notes,
    )  # fmt: skip
