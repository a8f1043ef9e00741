"""Base of factor models: a vector per item, a user's vector folded in from history, score = inner product."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recsys.artifacts import read_array, read_json, write_array, write_json
from recsys.candidates.scoring import WholeCatalogue
from recsys.dataset import Dataset
from recsys.errors import NotFittedError
from recsys.protocols import Deps
from recsys.types import Request, Slates


class Factors(WholeCatalogue):
    """Item factors ``(n_items, f)`` float32; items without any event in the fit cannot be scored (NaN)."""

    Config: ClassVar[type[Any]]

    def __init__(self, config: Any = None) -> None:
        self.config = config or self.Config()
        self.item_factors: NDArray[np.float32] | None = None
        self.known: NDArray[np.bool_] | None = None

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    @abstractmethod
    def user_factors(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return ``(b, f)``, zeros for a history that says nothing."""

    def learned(self, item_factors: Any, data: Dataset) -> None:
        """Keep what a fit produced."""
        self.item_factors = np.ascontiguousarray(item_factors, dtype=np.float32)
        liked = data.log.liked().events.rows
        self.known = np.bincount(liked, minlength=len(data.items)) > 0

    def fitted(self) -> NDArray[np.float32]:
        """Return the item factors. Raises `NotFittedError`."""
        if self.item_factors is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit() or load() first")
        return self.item_factors

    @property
    def n_items(self) -> int:
        """How many rows have factors."""
        return len(self.fitted())

    def catalogue_scores(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return ``(b, n_items)``; NaN for unknown items and for requests without a usable history."""
        users = self.user_factors(requests)
        scores = users @ self.fitted().T
        scores[:, ~np.asarray(self.known)] = np.nan
        scores[~users.any(axis=1)] = np.nan
        return scores

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return inner products with the given rows; a pass over the catalogue only where that is less work."""
        if len(slates.items) > self.n_items:
            return super().score(requests, slates)
        factors, known = self.fitted(), np.asarray(self.known)
        users = self.user_factors(requests)
        owner = slates.request_index
        usable = (slates.items >= 0) & (slates.items < len(factors))
        usable &= np.take(known, np.where(usable, slates.items, 0))
        says = np.asarray(users.any(axis=1))
        usable &= says[owner]
        out = np.full(len(slates.items), np.nan, dtype=np.float32)
        out[usable] = np.einsum("mf,mf->m", users[owner[usable]], factors[slates.items[usable]])
        return Slates(slates.items, out, slates.offsets, slates.columns, slates.notes)

    def save(self, folder: Path) -> None:
        """Write the item factors: no user has any."""
        write_array(folder / "item_factors.npy", self.fitted())
        write_array(folder / "known.npy", np.asarray(self.known))
        write_json(folder / "config.json", self.config.model_dump())

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        out = cls(cls.Config.model_validate(read_json(folder / "config.json")))
        out.item_factors = read_array(folder / "item_factors.npy")
        out.known = read_array(folder / "known.npy")
        return out
