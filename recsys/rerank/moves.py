"""How far a reranker may move an item: a new order that keeps within so many places of the old one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.types import Slates

Ranks = NDArray[np.int64]


def bounded(ranks: Ranks, most: int) -> Ranks:
    """Return the permutation closest to a wish in which nothing moves further than ``most`` places.

    Place after place takes the most wanted item that may come so early, unless one has to come now at the latest.
    ``most`` 0 keeps the old order, and one as large as the list grants the wish.

    Args:
        ranks: (b, w) wished place of the item at each old place, a permutation of 0..n-1 in each row of n items;
            -1 pads at the end.

    Returns:
        (b, w) the new place of the item at each old place, -1 where there is none.
    """
    b, w = ranks.shape
    out = np.full((b, w), -1, dtype=np.int64)
    if not ranks.size:
        return out
    lengths = (ranks >= 0).sum(axis=1)
    wish = np.where(ranks >= 0, ranks, w).astype(np.int64)
    line = np.arange(b)
    for place in range(w):
        early = np.where(np.arange(w) <= place + most, wish, w)
        pick = early.argmin(axis=1)
        if place >= most:  # who stood here ``most`` places ago waits no longer
            late = place - most
            pick = np.where(wish[:, late] < w, late, pick)
        here = place < lengths
        out[line[here], pick[here]] = place
        wish[line[here], pick[here]] = w
    return out


def placed(slates: Slates, scores: NDArray[np.floating[Any]], most: int | None = None) -> NDArray[np.int64]:
    """Return (m,) new places within each list: by ``scores`` (m,), best first, within ``most`` places of the old ones.

    Equal scores keep their order; so does what has no score (NaN), behind all that have one.
    """
    request, lengths = slates.request_index, slates.lengths
    old = slates.places
    missing = np.isnan(scores)
    order = np.lexsort((-np.where(missing, 0, scores), missing, request))
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = old
    if most is None or not len(order):
        return ranks
    wide = np.full((len(slates), int(lengths.max())), -1, dtype=np.int64)
    wide[request, old] = ranks
    return bounded(wide, most)[request, old]
