"""Implicit-feedback ALS through `implicit`; users are always folded in from their history."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.artifacts import unlocked
from recsys.candidates.factors import Factors
from recsys.candidates.matrix import user_items
from recsys.dataset import Dataset
from recsys.history import profile
from recsys.protocols import FitOptions
from recsys.types import Request


class ALS(Factors):
    """Alternating least squares (Hu, Koren & Volinsky 2008; library: implicit).

    A dislike folds in as confidence in a preference of 0, which is what implicit makes of a negative value.
    """

    class Config(BaseModel):
        """``alpha`` scales confidence; ``decay`` per place of the history that is folded in."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        factors: int = Field(128, ge=1)
        regularisation: float = Field(0.05, ge=0)
        alpha: float = Field(10.0, gt=0)
        iterations: int = Field(15, ge=1)
        decay: float = Field(0.8, gt=0, le=1)
        limit: int = Field(100, ge=1)

    SPACE = {
        "decay": [0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        "alpha": [3.0, 30.0],
        "regularisation": [0.2, 2.0],
    }

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._model: Any = None

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Factorise the liked matrix."""
        from threadpoolctl import threadpool_limits

        model = self._new_model(options.seed, options.threads)
        with threadpool_limits(1, "blas"):
            model.fit(sparse.csr_matrix(user_items(data, binary=False)), show_progress=False)
        self.learned(model.item_factors, data)
        self._model = None
        return self

    def _new_model(self, seed: int, threads: int) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        c = self.config
        # implicit looks at BLAS when a model is made, and warns of a pool. The import above may load a BLAS of its
        # own, which a limit set before it would miss.
        with threadpool_limits(1, "blas"):
            return AlternatingLeastSquares(
                factors=c.factors, regularization=c.regularisation, alpha=c.alpha, iterations=c.iterations,
                random_state=seed, num_threads=threads,
            )  # fmt: skip

    def user_factors(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Solve for the users of this batch with the item factors held fixed."""
        factors = self.fitted()
        if self._model is None:
            model = self._new_model(0, 1)
            model.item_factors = unlocked(factors)
            # implicit caches Y'Y on first use: fill the cache here so that threads only read it.
            _ = model.YtY
            self._model = model
        history = profile(requests, self.n_items, self.config.decay, self.config.limit)
        # implicit's own BLAS calls are tiny: more than one BLAS thread makes them seven times slower.
        with _pools().limit(limits=1, user_api="blas"):
            users = self._model.recalculate_user(np.arange(len(requests)), sparse.csr_matrix(history))
        out = np.ascontiguousarray(users, dtype=np.float32)
        out[np.diff(history.indptr) == 0] = 0.0
        return out


@cache
def _pools() -> Any:
    """Return the thread pools of this process, looked up once: the search takes longer than a fold-in."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
