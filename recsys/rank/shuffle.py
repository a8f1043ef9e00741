"""The control that knows nothing: a random order of the same candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from recsys.protocols import Deps
from recsys.types import Request, Slates


class Shuffle:
    """Orders by a hash of seed, item and latest event, so that a request gets the same list alone and in a batch."""

    class Config(BaseModel):
        """``seed`` of the order."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        seed: int = 0

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def rank(self, requests: Sequence[Request], slates: Slates, n: int) -> Slates:
        """Return ``n`` of the items in an order that has nothing to do with them."""
        lasts = np.array([int(r.history.rows[-1]) if len(r.history) else -1 for r in requests], dtype=np.int64)
        key = slates.items.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        if len(requests):
            key ^= lasts.astype(np.uint64)[slates.request_index] * np.uint64(0xC2B2AE3D27D4EB4F)
        key ^= np.uint64(self.config.seed) * np.uint64(0x165667B19E3779F9)
        # splitmix64's finaliser: neighbouring keys end up far apart.
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            key = (key ^ (key >> np.uint64(shift))) * np.uint64(factor)
        scores = ((key ^ (key >> np.uint64(31))) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
        return slates.ordered(scores, n, prior_score=slates.scores.copy())
