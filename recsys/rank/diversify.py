"""Fewer of a kind in one list: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.filters.columns import columns_of
from recsys.rank.likeness import Likeness, chunks
from recsys.rank.places import Places, relevance
from recsys.rank.rearranger import Rearranger
from recsys.types import ItemRows, Request, Vectors


class MMR(Rearranger):
    """Picks one item after the other: ``(1 - strength) * relevance - strength * likeness`` to the nearest picked one.

    Relevance is that of the incoming place, so it takes the scores of any ranker; two items are alike by their
    categories (rare ones say more), brand and parent. The item at the top stays there. Scores are those of the
    listed items, sorted; the column "prior_score" holds each item's own.
    """

    def picks(self, requests: Sequence[Request], rows: ItemRows, n: int) -> Places:
        """Return the places of items that are good and not all alike."""
        return varied(self.items, rows, self.config.strength, n)


def varied(items: ItemTable, rows: ItemRows, strength: float, n: int, vectors: Vectors | None = None) -> Places:
    """Return (b, min(n, p)) places of the pool ``rows`` (b, p) in their new order; -1 where a pool has no more.

    Args:
        items: the catalogue.
        rows: best first, -1 pads at the end.
        strength: 0 to 1.
        n: how many to pick.
        vectors: (n_items, d) what likeness is measured by instead of the catalogue's labels.
    """
    b, width = rows.shape
    picks = np.full((b, min(n, width)), -1, dtype=np.int64)
    if strength == 0:
        picks[:] = np.arange(picks.shape[1])
        return np.where(np.take_along_axis(rows, picks, axis=1) >= 0, picks, -1)
    columns = columns_of(items)
    labels = [columns.categories, columns.brands] if vectors is None else []
    for part in chunks(rows, labels, 0 if vectors is None else vectors.shape[1]):
        picks[part] = _mmr(Likeness.of(items, rows[part], vectors), rows[part] >= 0, strength, picks.shape[1])
    return picks


def _mmr(likeness: Likeness, free: NDArray[np.bool_], strength: float, n: int) -> Places:
    b, width = free.shape
    each, left = np.arange(b), free.copy()
    worth = (1 - np.float32(strength)) * relevance(width)
    nearest = np.zeros((b, width), dtype=np.float32)
    picks = np.full((b, n), -1, dtype=np.int64)
    for turn in range(n):
        # argmax takes the first of equals, so ties keep the incoming order.
        picked = np.argmax(np.where(left, worth - np.float32(strength) * nearest, -np.inf), axis=1)
        more = left[each, picked]
        if not more.any():
            break
        picks[more, turn] = picked[more]
        left[each, picked] = False
        np.maximum(nearest, likeness.to(picked), out=nearest)
    return picks
