"""Item-to-item neighbours by co-occurrence, through `implicit`."""

from __future__ import annotations

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

    SPACE = {"weighting": ["cosine", "tfidf", "bm25"], "decay": [0.4, 0.5, 0.6, 0.7, 0.8, 0.9], "neighbours": [100, 200, 500]}

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or self.Config()

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    @property
    def decay(self) -> float:
        """Weight of an event relative to the one after it."""
        return self.config.decay

    @property
    def limit(self) -> int:
        """How many of the latest events count."""
        return self.config.limit

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Find each item's neighbours among liked co-occurrences."""
        from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender

        kinds: dict[str, Any] = {"cosine": CosineRecommender, "tfidf": TFIDFRecommender, "bm25": BM25Recommender}
        counts = user_items(data)
        # One more than asked for: an item is always its own nearest neighbour, and that one is dropped.
        model = kinds[self.config.weighting](K=self.config.neighbours + 1, num_threads=options.threads)
        model.fit(sparse.csr_matrix(counts), show_progress=False)
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
