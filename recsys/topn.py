"""The best n of each row of a dense score matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def best(scores: NDArray[np.float32], n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return columns and scores, both ``(b, min(n, width))``, best first.

    Equal scores are ordered by column; NaN counts as -inf.
    """
    b, width = scores.shape
    n = min(n, width)
    if n == 0:
        return np.empty((b, 0), np.int64), np.empty((b, 0), np.float32)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    columns: NDArray[Any] = np.broadcast_to(np.arange(width), (b, width))
    if n < width:
        columns = np.argpartition(scores, width - n, axis=1)[:, width - n :]
    picked = np.take_along_axis(scores, columns, axis=1)
    order = np.lexsort((columns, -picked), axis=1)
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(picked, order, axis=1)
