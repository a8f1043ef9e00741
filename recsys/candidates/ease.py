"""EASE: a linear item-to-item autoencoder in closed form."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recsys.artifacts import read_array, read_json, write_array, write_json
from recsys.candidates.item_matrix import ItemMatrix
from recsys.candidates.matrix import user_items
from recsys.dataset import Dataset
from recsys.errors import ConfigError
from recsys.protocols import Deps, FitOptions


class EASE(ItemMatrix):
    """``B = I - P / diag(P)`` with ``P = (X'X + regularisation I)^-1`` (Steck 2019, arXiv 1905.03375).

    float32 and in place: one matrix of ``n_items ** 2 * 4`` bytes is all that is ever held.
    """

    class Config(BaseModel):
        """``max_items`` refuses catalogues whose dense matrix would not fit; ``decay`` per place of the history."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        regularisation: float = Field(100.0, gt=0)
        decay: float = Field(0.7, gt=0, le=1)
        limit: int = Field(50, ge=1)
        max_items: int = Field(25_000, ge=1)

    SPACE = {"decay": [0.4, 0.5, 0.6, 0.7, 0.8, 0.9]}

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Invert the regularised Gram matrix by Cholesky, overwriting it.

        Raises:
            ConfigError: the catalogue is larger than ``max_items``.
        """
        from scipy.linalg.lapack import spotrf, spotri

        n = len(data.items)
        if n > self.config.max_items:
            raise ConfigError(
                f"candidates.ease: {n} items need {n * n * 4 / 2**30:.1f} GiB; raise max_items (now "
                f"{self.config.max_items}) or leave ease out"
            )
        x = user_items(data)
        # Fortran order lets LAPACK work on this very buffer.
        gram = np.zeros((n, n), dtype=np.float32, order="F")
        product = (x.T @ x).tocoo()
        gram[product.row, product.col] = product.data
        gram.flat[:: n + 1] += self.config.regularisation
        gram, failed = spotrf(gram, lower=1, overwrite_a=1, clean=0)
        if not failed:
            gram, failed = spotri(gram, lower=1, overwrite_c=1)
        if failed:
            raise ConfigError(
                f"candidates.ease.regularisation: {self.config.regularisation} leaves the matrix singular"
            )
        # Both triangles from the lower one, a stripe at a time: a whole copy would double the memory.
        for begin in range(0, n, 1024):
            end = min(begin + 1024, n)
            gram[begin:end, end:] = gram[end:, begin:end].T
            square = gram[begin:end, begin:end]
            square[:] = np.tril(square) + np.tril(square, -1).T
        diagonal = np.diagonal(gram).copy()
        # P is symmetric, so dividing rows of the transpose equals dividing columns: the result is C-ordered.
        matrix = gram.T
        matrix /= -diagonal[None, :]
        np.fill_diagonal(matrix, 0.0)
        self.matrix = matrix
        return self

    def save(self, folder: Path) -> None:
        """Write the matrix, to be memory-mapped."""
        write_array(folder / "ease.npy", self.fitted())
        write_json(folder / "config.json", self.config.model_dump())

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        out = cls(cls.Config.model_validate(read_json(folder / "config.json")))
        out.matrix = read_array(folder / "ease.npy")
        return out
