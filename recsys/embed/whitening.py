"""Vectors turned to their main directions, each less stretched than it was: what a trained model reads of texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def whitening(
    vectors: NDArray[np.float32], width: int, weights: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean (d,) and a projection (d, <= width) to main directions, half whitened, of unit spread.

    Directions in which all ``vectors`` (n, d) differ a lot are damped, rare ones raised (Su et al. 2021,
    arXiv 2103.15316). ``weights`` (d,) say how much each number counts, 1 by default.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    weight = np.ones(vectors.shape[1]) if weights is None else weights
    x = (vectors - mean) * weight
    values, directions = np.linalg.eigh(x.T @ x / max(1, len(x)))
    order = np.argsort(-values)[:width]
    order = order[values[order] > 1e-9] if (values > 1e-9).any() else order[:1]
    directions = directions[:, order] * np.sign(directions[np.abs(directions[:, order]).argmax(axis=0), order])
    made = directions / np.maximum(values[order], 1e-9) ** 0.25
    spread = float(np.sqrt(np.mean((x @ made) ** 2)))
    return mean.astype(np.float32), (weight[:, None] * made / max(spread, 1e-6)).astype(np.float32)
