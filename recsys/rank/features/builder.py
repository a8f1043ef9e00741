"""One feature matrix for fit and serve: the same families, the same order, the same code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.rank.features.facts import Facts
from recsys.rank.features.item import Items
from recsys.rank.features.labels import label
from recsys.rank.features.pair import Pairs
from recsys.rank.features.query import Queries
from recsys.rank.features.sources import Sources
from recsys.rank.features.user import Users
from recsys.types import Request, Slates

# NaN is replaced before the model sees it: one missing-value rule that LightGBM and ONNX cannot read differently.
MISSING = -1000.0
# Requests that are looked at together: all pairs of candidates and events of a whole fit would fill the memory.
TOGETHER = 1024


class Family(Protocol):
    """A group of features with one subject."""

    @property
    def names(self) -> Sequence[str]:
        """Feature names in column order."""
        ...

    def compute(self, requests: Sequence[Request], slates: Slates, facts: Facts) -> list[NDArray[Any]]:
        """Return one (m,) array a name; NaN = unknown."""
        ...


class FeatureBuilder:
    """Features of every candidate, from the request, the slate's columns and one snapshot of facts."""

    def __init__(self, generators: Sequence[str], queries: Queries | None = None) -> None:
        """``queries`` is None where nothing is asked in words: recommendations have no use for its columns."""
        self.generators, self.queries = tuple(generators), queries
        base = (Sources(generators), Items(), Users(), Pairs())
        self.families: tuple[Family, ...] = base if queries is None else (*base, queries)

    @property
    def names(self) -> list[str]:
        """All feature names in column order."""
        return [name for family in self.families for name in family.names]

    @property
    def labels(self) -> list[str]:
        """What each of `names` is, in words."""
        return [label(name) for name in self.names]

    def compute(self, requests: Sequence[Request], slates: Slates, facts: Facts) -> NDArray[np.float32]:
        """Return ``(m, len(names))`` float32, C-contiguous, without NaN."""
        out = np.empty((len(slates.items), len(self.names)), dtype=np.float32)
        for begin in range(0, len(slates), TOGETHER):
            part = slates.part(begin, begin + TOGETHER)
            rows = out[int(slates.offsets[begin]) :][: len(part.items)]
            column = 0
            for family in self.families:
                for values in family.compute(requests[begin : begin + TOGETHER], part, facts):
                    rows[:, column] = values
                    column += 1
            np.nan_to_num(rows, copy=False, nan=MISSING, posinf=1e6, neginf=-1e6)
        return out
