"""What a shopper said about like items, and lately: weighted means of the residuals of their ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.rate.ratings import Floats, Groups, Ints
from recsys.topn import compiled


def by_vectors(
    shown: Groups, met: Ints, residuals: Floats, users: Ints, items: Ints, vectors: NDArray[np.float32], power: float,
    damping: float,
) -> Floats:  # fmt: skip
    """Return (m, 2): damped mean of the residuals of what the shopper rated, by likeness; and the sum of weights.

    ``met`` and ``residuals`` (n,) are the items ``shown`` and what they got beyond expectation; likeness is the
    positive cosine of unit ``vectors`` (n_items, d) to the ``power``. Item-kNN without a cut at k.
    """
    out = np.zeros((len(users), 2))
    compiled(_dense)(
        shown.offsets, met[shown.order], residuals[shown.order], users, items, vectors, power, damping, out
    )
    return out


def by_time(
    shown: Groups, times: Ints, residuals: Floats, users: Ints, at: Ints, days: float, damping: float
) -> Floats:
    """Return (m, 2): damped mean of the residuals by nearness in time, exp(-days apart / ``days``), and the weights."""
    out = np.zeros((len(users), 2))
    compiled(_timely)(
        shown.offsets, times[shown.order], residuals[shown.order], users, at, days * 86400.0, damping, out
    )
    return out


def _dense(
    offsets: Ints, met: Ints, residuals: Floats, users: Ints, items: Ints, vectors: NDArray[np.float32], power: float,
    damping: float, out: NDArray[Any],
) -> None:  # fmt: skip
    for m in range(len(users)):
        total, weight = 0.0, 0.0
        for t in range(offsets[users[m]], offsets[users[m] + 1]):
            cosine = 0.0
            for f in range(vectors.shape[1]):
                cosine += vectors[items[m], f] * vectors[met[t], f]
            if cosine > 0:
                w = cosine**power
                total += w * residuals[t]
                weight += w
        out[m, 0], out[m, 1] = total / (weight + damping), weight


def _timely(
    offsets: Ints, times: Ints, residuals: Floats, users: Ints, at: Ints, seconds: float, damping: float,
    out: NDArray[Any],
) -> None:  # fmt: skip
    for m in range(len(users)):
        total, weight = 0.0, 0.0
        for t in range(offsets[users[m]], offsets[users[m] + 1]):
            w = np.exp(-abs(at[m] - times[t]) / seconds)
            total += w * residuals[t]
            weight += w
        out[m, 0], out[m, 1] = total / (weight + damping), weight
