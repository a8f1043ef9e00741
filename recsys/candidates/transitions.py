"""Directed item-to-item counts over short windows: training-free, and hard to beat on sparse sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.artifacts import read_json, read_sparse, write_json, write_sparse
from recsys.candidates.item_matrix import ItemMatrix
from recsys.dataset import Dataset, EventLog
from recsys.protocols import Deps, FitOptions


class Transitions(ItemMatrix):
    """Sequential rules: ``M[i, j]`` sums 1 / gap over every j that follows i within ``window`` places.

    The reverse direction adds ``reverse`` / gap. Rows and columns are scaled by popularity to the powers
    ``-source_power`` and ``-target_power``. A user's score is the sum over the history of
    ``decay ** age * M[item, :]`` (sequential rules after Ludewig & Jannach 2018, arXiv 1803.09587).
    """

    class Config(BaseModel):
        """``window`` in places, ``decay`` per place, ``limit`` latest events that count."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        window: int = Field(8, ge=1, le=100)
        reverse: float = Field(0.5, ge=0, le=2)
        gap_power: float = Field(1.0, ge=0, le=3)
        source_power: float = Field(0.25, ge=0, le=1)
        target_power: float = Field(0.25, ge=0, le=1)
        decay: float = Field(0.7, gt=0, le=1)
        limit: int = Field(50, ge=1)

    SPACE: ClassVar[dict[str, list[Any]]] = {
        "decay": [0.5, 0.6, 0.7, 0.8, 0.9],
        "target_power": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
        "source_power": [0.0, 0.15, 0.3, 0.45, 0.6],
        "window": [3, 5, 8, 12, 20],
        "reverse": [0.2, 0.5, 0.8, 1.0],
        "gap_power": [0.5, 0.75, 1.0, 1.5],
    }

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Count the transitions of liked items."""
        self.matrix = self._count(data.log.liked(), len(data.items))
        return self

    def _count(self, log: EventLog, n_items: int) -> sparse.csr_array:
        c = self.config
        rows, owner = log.events.rows, log.owner
        total = sparse.csr_array((n_items, n_items), dtype=np.float32)
        for gap in range(1, c.window + 1):
            same = owner[gap:] == owner[:-gap]
            if not same.any():
                break
            before, after = rows[:-gap][same], rows[gap:][same]
            weight = np.full(len(before), gap**-c.gap_power, dtype=np.float32)
            differ = before != after
            before, after, weight = before[differ], after[differ], weight[differ]
            total = total + sparse.csr_array((weight, (before, after)), shape=(n_items, n_items))
            if c.reverse:
                total = total + sparse.csr_array((weight * c.reverse, (after, before)), shape=(n_items, n_items))
        popularity = np.maximum(np.bincount(rows, minlength=n_items), 1).astype(np.float32)
        return _scaled(total, popularity**-c.source_power, popularity**-c.target_power)

    def save(self, folder: Path) -> None:
        """Write the matrix and the settings."""
        write_sparse(folder, "transitions", self.fitted())
        write_json(folder / "config.json", self.config.model_dump())

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        out = cls(cls.Config.model_validate(read_json(folder / "config.json")))
        out.matrix = read_sparse(folder, "transitions")
        return out


def _scaled(matrix: sparse.csr_array, left: NDArray[Any], right: NDArray[Any]) -> sparse.csr_array:
    out = sparse.csr_array(matrix, dtype=np.float32)
    out.data *= np.repeat(left, np.diff(out.indptr)).astype(np.float32) * right[out.indices].astype(np.float32)
    out.sort_indices()
    return out
