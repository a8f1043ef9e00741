"""How what a model says is weighed against the order that came in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.types import Scores, Slates


def mixed(similar: Scores, slates: Slates, weight: float) -> Scores:
    """Return (m,) ``weight`` x similarity + (1 - ``weight``) x prior, both standardised by list; NaN where all are."""
    owner, b = slates.request_index, len(slates)
    prior = standardised(place_prior(slates), owner, b)
    some = np.bincount(owner[~np.isnan(similar)], minlength=b) > 0
    out = weight * standardised(similar, owner, b) + (1 - weight) * prior
    return np.where(some[owner], out, np.nan).astype(np.float32)


def place_prior(slates: Slates) -> NDArray[np.float64]:
    """Return (m,) what falls with the logarithm of the place in a list, best first: 0, -0.69, -1.10..."""
    place = slates.places
    return -np.log1p(place)


def standardised(values: NDArray[Any], owner: NDArray[np.int64], b: int) -> NDArray[np.float64]:
    """Return values with mean 0 and deviation 1 within each of ``b`` owners; NaN, and what never varies, becomes 0."""
    known = ~np.isnan(values)
    held = np.where(known, values, 0).astype(np.float64)
    n = np.maximum(np.bincount(owner, known, b), 1)
    centred = np.where(known, held - (np.bincount(owner, held, b) / n)[owner], 0)
    spread = np.sqrt(np.bincount(owner, centred**2, b) / n)[owner]
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-6)
