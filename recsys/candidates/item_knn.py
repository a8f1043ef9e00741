"""Item-to-item neighbours by co-occurrence, through `implicit`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.artifacts import read_json, read_sparse, write_json, write_sparse
from recsys.candidates.item_matrix import ItemMatrix
from recsys.candidates.matrix import user_items
from recsys.dataset import Dataset
from recsys.protocols import Deps, FitOptions


class ItemKNN(ItemMatrix):
    """Cosine, TF-IDF or BM25 weighted neighbours (library: implicit), recency-weighted at serving time."""

    class Config(BaseModel):
        """``neighbours`` kept per item; ``decay`` per place of the history."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        weighting: Literal["cosine", "tfidf", "bm25"] = "cosine"
        neighbours: int = Field(200, ge=1)
        decay: float = Field(0.6, gt=0, le=1)
        limit: int = Field(50, ge=1)

    SPACE = {
        "weighting": ["cosine", "tfidf", "bm25"],
        "decay": [0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
        "neighbours": [100, 200, 500],
    }

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Find each item's neighbours among liked co-occurrences."""
        from implicit.nearest_neighbours import ItemItemRecommender, bm25_weight, normalize, tfidf_weight

        items = sparse.csr_matrix(user_items(data)).T
        weightings: dict[str, Callable[[], Any]] = {
            "cosine": lambda: normalize(items),
            "tfidf": lambda: normalize(tfidf_weight(items)),
            "bm25": lambda: bm25_weight(items),
        }
        # One more than asked for: an item is always its own nearest neighbour, and that one is dropped.
        model = ItemItemRecommender(K=self.config.neighbours + 1, num_threads=options.threads)
        # implicit's CosineRecommender and its kin do the same, but warn that their own matrix is not CSR.
        model.fit(sparse.csr_matrix(weightings[self.config.weighting]().T), show_progress=False)
        # similarity[i] holds the neighbours that vote for i; a source row has to hold whom it votes for.
        matrix = sparse.csr_array(model.similarity.T.astype(np.float32))
        matrix.setdiag(0)
        matrix.eliminate_zeros()
        self.matrix = matrix
        return self

    def save(self, folder: Path) -> None:
        """Write the neighbours and the settings."""
        write_sparse(folder, "neighbours", self.fitted())
        write_json(folder / "config.json", self.config.model_dump())

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        out = cls(cls.Config.model_validate(read_json(folder / "config.json")))
        out.matrix = read_sparse(folder, "neighbours")
        return out
