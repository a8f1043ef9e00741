"""What the shopper chose before: buy-it-again, and the control for data with repeat targets."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.artifacts import read_json, write_json
from recsys.candidates.item_matrix import ItemMatrix
from recsys.dataset import Dataset
from recsys.protocols import Deps, FitOptions


class OwnHistory(ItemMatrix):
    """Decayed count of each item in the shopper's own history: the identity as item-to-item matrix.

    Gives nothing where seen items are masked.
    """

    class Config(BaseModel):
        """``decay`` per place, ``limit`` latest events that count."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        decay: float = Field(0.9, gt=0, le=1)
        limit: int = Field(200, ge=1)

    SPACE = {"decay": [0.5, 0.7, 0.8, 0.9, 0.95, 0.99]}

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Take the size of the catalogue: there is nothing else to learn."""
        self.matrix = sparse.eye_array(len(data.items), dtype=np.float32, format="csr")
        return self

    def save(self, folder: Path) -> None:
        """Write the settings and the size."""
        self.fitted()
        write_json(folder / "config.json", {"config": self.config.model_dump(), "n_items": self.n_items})

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        saved = read_json(folder / "config.json")
        out = cls(cls.Config.model_validate(saved["config"]))
        out.matrix = sparse.eye_array(int(saved["n_items"]), dtype=np.float32, format="csr")
        return out
