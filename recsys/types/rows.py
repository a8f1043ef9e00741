"""Rows and flat arrays: what ids are inside the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ItemRows = NDArray[np.int32]  # (n,) row in the catalogue; -1 = padding or unknown
Scores = NDArray[np.float32]  # (n,) higher is better; NaN = could not score, sorts last
Vectors = NDArray[np.float32]  # (n, dim), unit length, C-contiguous
RowMask = NDArray[np.bool_]  # (n_items,) True = may be shown
Offsets = NDArray[np.int64]  # (b + 1,) start of each part of a flat array, and its end
UserKey = str


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, read-only from now on."""
    array.flags.writeable = False
    return array


NO_ROWS: ItemRows = frozen(np.empty(0, dtype=np.int32))


def offsets_of(lengths: NDArray[np.integer[Any]]) -> Offsets:
    """Return ``(b + 1,)`` offsets of parts with these ``(b,)`` lengths."""
    out = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=out[1:])
    return out
