"""NDCG at the bottom of all: what a place is worth, and lists by it (Järvelin & Kekäläinen 2002).

`recsys.eval.metrics` measures lists against targets by it; whatever trains, bounds or quantises a model measures here.
Places count from 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.types import Slates

Floats = NDArray[np.float64]
DEPTH = 10


def worth(places: NDArray[Any], k: int = DEPTH, gains: NDArray[Any] | float = 1.0) -> Floats:
    """Return gain / log2(place + 2), float64 in the shape of ``places``; 0 from place ``k`` on, and at inf.

    Summed over a list it is its DCG@k; with one thing to be found, whose place is given, it is NDCG@k itself.
    """
    return np.where(places < k, gains / np.log2(places + 2.0), 0.0)


def discounts(n: int) -> Floats:
    """Return (n,) what each of the first ``n`` places is worth, 1 at the top."""
    return worth(np.arange(n), n)


def scored(scores: NDArray[Any], gains: NDArray[Any], k: int = DEPTH) -> Floats:
    """Return (l,) NDCG@k of lists (l, w) in the order of their scores; ties stand in their given order.

    Every list has a gain above 0; a place without an entry has the lowest score and no gain.
    """
    best, weights = np.argsort(-scores, axis=1, kind="stable")[:, :k], discounts(min(k, scores.shape[1]))
    reached = (np.take_along_axis(gains, best, axis=1) * weights).sum(axis=1)
    ideal = (np.sort(gains, axis=1)[:, ::-1][:, :k] * weights).sum(axis=1)
    found: Floats = reached / ideal
    return found


def labelled(slates: Slates, labels: NDArray[Any], places: NDArray[np.int64] | None = None, k: int = DEPTH) -> Floats:
    """Return (b,) NDCG@k of lists with binary ``labels`` (m,); a list without one counts 0.

    ``places`` (m,) are where the entries stand, None = as the lists are.
    """
    gain = worth(slates.places if places is None else places, k) * (labels > 0)
    reached = np.bincount(slates.request_index, weights=gain, minlength=len(slates))
    hits = np.bincount(slates.request_index, weights=labels > 0, minlength=len(slates)).astype(np.int64)
    ideal = np.concatenate([[1.0], np.cumsum(discounts(k))])
    found: Floats = reached / ideal[np.minimum(hits, k)]
    return found
