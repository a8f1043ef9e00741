"""The reranker `bi-encoder`: one vector an item, one a shopper, their cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.embed.cache import embed_items
from recsys.embed.vectors import unit
from recsys.history import profile
from recsys.protocols import Embedder
from recsys.types import Request, Scores, Slates
from recsys_zero_shot.encoded import Encoded
from recsys_zero_shot.kept import Kept

# From so many texts on, vectors are looked up in, and added to, the cache on disk.
ON_DISK = 64


class BiEncoder(Encoded):
    """Cosine of the candidate's vector and the shopper's: the decayed sum of the history's, dislikes subtracted.

    In a search the query's vector is mixed in. Any embedder will do; with MiniLM nothing is trained and torch is not
    needed (Reimers & Gurevych 2019, arXiv 1908.10084).
    """

    class Config(Encoded.Config):
        """``max_bytes``: item vectors that are held in memory."""

        max_bytes: int = Field(128 << 20, ge=0)

    cheap: ClassVar[bool] = True

    def __init__(self, config: Any, items: ItemTable, embedder: Embedder) -> None:
        super().__init__(config, items, embedder)
        self._vectors = Kept(self._embed, config.max_bytes)

    def _embed(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        if len(texts) < ON_DISK:
            return list(self.embedder.embed(texts, "item"))
        # A row alone must not keep the whole matrix in memory.
        return [row.copy() for row in embed_items(self.embedder, texts)]

    def similarity(self, requests: Sequence[Request], slates: Slates) -> Scores:
        """Return the cosines; NaN for a shopper or an item without a vector."""
        n = len(self.items)
        taste = profile(requests, n, self.config.decay, self.config.limit)
        known = (slates.items >= 0) & (slates.items < n)
        needed = np.union1d(slates.items[known], taste.indices)
        vectors = np.array(self._vectors.get(self.texts(needed)), np.float32).reshape(len(needed), -1)
        out = np.full(len(slates.items), np.nan, np.float32)
        if not len(needed):
            return out
        users = self._users(requests, unit(taste[:, needed] @ vectors))
        owner, place = slates.request_index[known], np.searchsorted(needed, slates.items[known])
        cosine = np.einsum("ij,ij->i", users[owner], vectors[place])
        both = (users != 0).any(axis=1)[owner] & (vectors != 0).any(axis=1)[place]
        out[known] = np.where(both, cosine, np.nan)
        return out

    def _users(self, requests: Sequence[Request], tastes: NDArray[np.float32]) -> NDArray[np.float32]:
        asking = [i for i, r in enumerate(requests) if self.query(r)]
        if not asking:
            return tastes
        queries = self.embedder.embed([self.query(requests[i]) for i in asking], "query")
        weight = np.float32(self.config.query_weight)
        out = tastes.copy()
        out[asking] = unit(weight * queries + (1 - weight) * tastes[asking])
        return out
