"""What the generators said: raw score, share of the best, place, whether their own list held the item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.rank.features.facts import Facts
from recsys.types import Request, Slates


class Sources:
    """Reads the columns that fusion made; ``generators`` fixes their order."""

    def __init__(self, generators: Sequence[str]) -> None:
        self.generators = tuple(generators)

    @property
    def names(self) -> list[str]:
        """Feature names in column order."""
        each = [f"{g}_{kind}" for g in self.generators for kind in ("score", "share", "place")]
        return [*each, "fused", "fused_share", "fused_place", "n_found"]

    def compute(self, requests: Sequence[Request], slates: Slates, facts: Facts) -> list[NDArray[Any]]:
        """Return one (m,) array a name. Places are logarithms; an unscored item has share 0 and the last place."""
        out: list[NDArray[Any]] = []
        for g in self.generators:
            scores = slates.columns[f"{g}_score"]
            out += [np.nan_to_num(scores, nan=-1.0), _share(scores, slates), np.log(slates.columns[f"{g}_rank"])]
        fused = slates.columns["fused_score"]
        place = slates.places + 1
        out += [fused, _share(fused, slates), np.log(place), _bits(slates.columns["found"])]
        return out


def _share(scores: NDArray[np.float32], slates: Slates) -> NDArray[np.float32]:
    clean = np.nan_to_num(scores, nan=0.0)
    best = np.ones(len(slates), dtype=np.float32)
    filled = slates.lengths > 0
    if filled.any():
        best[filled] = np.maximum.reduceat(clean, slates.offsets[:-1][filled])
    share: NDArray[np.float32] = clean / np.repeat(np.where(best > 0, best, np.float32(1)), slates.lengths)
    return share


def _bits(mask: NDArray[np.uint64]) -> NDArray[np.float32]:
    return np.bitwise_count(mask).astype(np.float32)
