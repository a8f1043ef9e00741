"""Exact nearest vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recsys.artifacts import read_array, write_array
from recsys.errors import NotFittedError, ShapeMismatch
from recsys.protocols import Deps
from recsys.topn import best
from recsys.types import RowMask, Scores, Vectors

# 16 M floats: 64 MB of scores at a time.
CHUNK_CELLS = 16_000_000


class Exact:
    """Inner products with every vector: exact, no parameters, quick enough up to some hundred thousand items.

    ``vectors`` (n, dim) float32, row = item row; a zero vector has inner product 0 with everything, so items
    without a vector are best masked. Equal scores are ordered by row.
    """

    class Config(BaseModel):
        """No settings."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, vectors: Vectors | None = None) -> None:
        self._vectors = vectors

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Return an index without vectors: `build` gives one that has them."""
        return cls()

    def build(self, vectors: Vectors) -> Self:
        """Return an index of these vectors; this one stays as it is."""
        return type(self)(vectors)

    def search(self, queries: Vectors, n: int, allowed: RowMask | None) -> tuple[NDArray[np.int32], Scores]:
        """Return rows and inner products, both ``(q, n)``, best first; -1 and -inf pad.

        ``allowed`` (n_items,) may be longer than the index: the catalogue has grown since.

        Raises:
            NotFittedError: the index has no vectors. ShapeMismatch: queries of another dimension.
        """
        if self._vectors is None:
            raise NotFittedError("the index holds no vectors: call build() or load() first")
        size, dim = self._vectors.shape
        if queries.ndim != 2 or queries.shape[1] != dim:
            raise ShapeMismatch(f"queries must have shape (q, {dim}), got {queries.shape}")
        rows = np.full((len(queries), n), -1, dtype=np.int32)
        scores = np.full((len(queries), n), -np.inf, dtype=np.float32)
        step = max(1, CHUNK_CELLS // max(1, size))
        for begin in range(0, len(queries), step):
            part = slice(begin, begin + step)
            products = queries[part] @ self._vectors.T
            if allowed is not None:
                products[:, ~allowed[:size]] = -np.inf
            columns, values = best(products, n)
            rows[part, : columns.shape[1]] = columns
            scores[part, : columns.shape[1]] = values
        return rows, scores

    def save(self, folder: Path) -> None:
        """Write the vectors."""
        if self._vectors is None:
            raise NotFittedError("the index holds no vectors: call build() or load() first")
        write_array(folder / "vectors.npy", self._vectors)

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote; large vectors are memory-mapped."""
        return cls(read_array(folder / "vectors.npy"))
