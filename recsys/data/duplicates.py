"""Events that were logged twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# Each policy drops all that the one before it drops, and more.
DuplicatePolicy = Literal["keep", "exact", "moment", "pair"]
POLICIES: tuple[DuplicatePolicy, ...] = ("keep", "exact", "moment", "pair")


def repeats(columns: Sequence[NDArray[Any]], among: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of ``among`` whose values in all ``columns`` (n,) occurred earlier in ``among``."""
    keys = [column[among] for column in columns]
    order = np.lexsort(keys[::-1])  # stable: of equal ones the earliest comes first
    same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for key in keys:
        ordered = key[order]
        same &= ordered[1:] == ordered[:-1]
    return np.sort(among[order[1:][same]])
