"""Latent semantic analysis: the embedder that needs no pretrained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.artifacts import read_array, read_json, write_array, write_json
from recsys.dataset import Dataset
from recsys.embed.vectors import unit
from recsys.embed.words import Terms, count
from recsys.errors import NotFittedError, ShapeMismatch
from recsys.protocols import Deps, FitOptions
from recsys.types import Vectors


class LSA:
    """TF-IDF (log term frequency, smoothed idf, unit rows) projected on its leading right singular vectors.

    Fitted on ``data.items.text(row)`` with scikit-learn's randomised SVD; serving needs numpy and scipy alone.
    Vectors always have ``dim`` components: a catalogue of lower rank leaves the last ones 0. Words that were not
    seen at the fit count for nothing (Deerwester et al. 1990).
    """

    class Config(BaseModel):
        """``dim`` components over the ``max_terms`` commonest words that occur in at least ``min_items`` items."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        dim: int = Field(128, ge=1, le=4096)
        min_items: int = Field(2, ge=1)
        max_terms: int = Field(50_000, ge=1)

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self._columns: dict[str, int] | None = None
        self._idf: NDArray[np.float32] = np.empty(0, np.float32)
        self._components: NDArray[np.float32] = np.empty((self.config.dim, 0), np.float32)

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.config.dim

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Learn words, idf and components from the item texts."""
        terms = Terms.of([data.items.text(row) for row in range(len(data.items))])
        items_with = terms.frequencies
        # Ties in frequency fall by column, so the same catalogue keeps the same words.
        kept = np.argsort(-items_with, kind="stable")[: self.config.max_terms]
        kept = np.sort(kept[items_with[kept] >= self.config.min_items])
        self._columns = {terms.names[c]: i for i, c in enumerate(kept.tolist())}
        n = len(data.items)
        self._idf = (np.log((1 + n) / (1 + items_with[kept])) + 1).astype(np.float32)
        self._components = np.zeros((self.config.dim, len(kept)), dtype=np.float32)
        rank = min(self.config.dim, n, len(kept))
        if rank:
            from sklearn.utils.extmath import randomized_svd

            weighted = self._weighted(sparse.csr_array(terms.counts[:, kept]))
            self._components[:rank] = randomized_svd(weighted, n_components=rank, random_state=options.seed)[2]
        return self

    def _weighted(self, counts: sparse.csr_array) -> sparse.csr_array:
        out = sparse.csr_array(counts, dtype=np.float32, copy=True)
        out.data = (1 + np.log(out.data)) * self._idf[out.indices]
        squares = np.bincount(np.repeat(np.arange(out.shape[0]), np.diff(out.indptr)), out.data**2, out.shape[0])
        length = np.sqrt(squares, dtype=np.float64).astype(np.float32)
        out.data /= np.repeat(length, np.diff(out.indptr))
        return out

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Vectors:
        """Return ``(len(texts), dim)`` unit vectors; zeros for a text without any known word.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        if self._columns is None:
            raise NotFittedError("LSA is not fitted: call fit() or load() first")
        return unit(self._weighted(count(texts, self._columns)) @ self._components.T)

    def save(self, folder: Path) -> None:
        """Write words, idf, components and settings."""
        if self._columns is None:
            raise NotFittedError("LSA is not fitted: call fit() or load() first")
        write_json(folder / "config.json", self.config.model_dump())
        write_json(folder / "words.json", list(self._columns))
        write_array(folder / "idf.npy", self._idf)
        write_array(folder / "components.npy", self._components)

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote.

        Raises:
            ShapeMismatch: words, idf and components do not belong together.
        """
        out = cls(cls.Config.model_validate(read_json(folder / "config.json")))
        names = read_json(folder / "words.json")
        out._columns = {word: i for i, word in enumerate(names)}
        out._idf, out._components = read_array(folder / "idf.npy"), read_array(folder / "components.npy")
        if out._idf.shape != (len(names),) or out._components.shape != (out.dim, len(names)):
            raise ShapeMismatch(
                f"{folder}: {len(names)} words, idf {out._idf.shape}, components {out._components.shape}"
            )
        return out
