"""A LightGBM model as its own text: for what its ONNX graph does not say."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Native:
    """A model; the library's object is made when first asked for, and serves any number of threads.

    Lists come from the ONNX graph: a process that only serves them never makes one.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def booster(self) -> Any:
        """The model, a `lightgbm.Booster`."""
        import lightgbm as lgb

        return lgb.Booster(model_str=self.text)

    def contributions(self, x: NDArray[np.float32], threads: int) -> NDArray[np.float64]:
        """Return ``(m, f + 1)``: what each feature adds to each score, and in the last column the expected score.

        Exact Shapley values of the trees (Lundberg et al. 2018, arXiv 1802.03888; LightGBM's ``pred_contrib``).
        """
        if not len(x):
            return np.zeros((0, x.shape[1] + 1))
        return np.asarray(self.booster.predict(x, pred_contrib=True, num_threads=threads), dtype=np.float64)
