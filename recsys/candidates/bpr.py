"""Bayesian personalised ranking through `implicit`; users are always folded in from their history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.candidates.factors import Factors
from recsys.candidates.matrix import user_items
from recsys.dataset import Dataset
from recsys.history import profile
from recsys.protocols import FitOptions
from recsys.types import Request


class BPR(Factors):
    """Pairwise matrix factorisation (Rendle et al. 2009; library: implicit).

    BPR has no closed-form fold-in: a user is the decayed mean of the factors of what they chose, with 1 in the
    place that meets the item bias.
    """

    class Config(BaseModel):
        """``decay`` per place of the history that is folded in."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        factors: int = Field(64, ge=1)
        learning_rate: float = Field(0.05, gt=0)
        regularisation: float = Field(0.01, ge=0)
        iterations: int = Field(100, ge=1)
        decay: float = Field(0.8, gt=0, le=1)
        limit: int = Field(100, ge=1)

    SPACE = {"decay": [0.6, 0.8, 1.0], "regularisation": [0.001, 0.01, 0.05]}

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Sample pairs on one thread: implicit's parallel updates race, and the same seed must give the same model."""
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        c = self.config
        model = BayesianPersonalizedRanking(
            factors=c.factors, learning_rate=c.learning_rate, regularization=c.regularisation,
            iterations=c.iterations, random_state=options.seed, num_threads=1,
        )  # fmt: skip
        model.fit(sparse.csr_matrix(user_items(data)), show_progress=False)
        self.learned(model.item_factors, data)
        return self

    def user_factors(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return the decayed mean of the history's factors; the last place is 1, it meets the item bias."""
        history = profile(requests, self.n_items, self.config.decay, self.config.limit, normalise=True)
        users = np.asarray(history @ self.fitted(), dtype=np.float32)
        users[:, -1] = np.diff(history.indptr) > 0
        return users
