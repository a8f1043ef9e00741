"""Arithmetic on rows of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# A sum of unit vectors this short is rounding left over from vectors that cancel: it has no direction.
SHORTEST = 1e-6


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return ``rows`` (n, dim) as float32 of length 1, C-contiguous; rows without a direction become zeros."""
    rows = np.asarray(rows, dtype=np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return np.ascontiguousarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > SHORTEST))
