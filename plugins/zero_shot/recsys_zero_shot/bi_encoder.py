"""The reranker `bi-encoder`: one vector an item, and their cosines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.embed.cache import embed_items
from recsys.history import stack
from recsys.protocols import Embedder
from recsys.rerank.mixing import standardised
from recsys.types import Request, Scores, Slates
from recsys_zero_shot.encoded import Encoded
from recsys_zero_shot.lexical import Rarity, shared

# From so many texts on, vectors are looked up in, and added to, the cache on disk.
ON_DISK = 64
COUNTED = 20_000  # items, at most, whose words say how rare a word is


class BiEncoder(Encoded):
    """Cosines of the candidate's vector with those of the history items, and of the query in a search.

    Any embedder will do; with MiniLM nothing is trained and torch is not needed (Reimers & Gurevych 2019, arXiv
    1908.10084).
    """

    embedder: Embedder

    class Config(Encoded.Config):
        """``words``: the share of words in common in a recommendation's similarity, rare words counting more."""

        words: float = Field(0.0, ge=0, le=1)

    def __init__(self, config: Any, items: ItemTable, embedder: Embedder) -> None:
        super().__init__(config, items, embedder)
        self._rarity: list[Rarity] = []  # shared with the twins over later catalogues

    def encode(self, texts: Sequence[str], query: bool = False) -> list[NDArray[np.float32]]:
        """Return (1, d) for each text, (0, d) for one without any known word."""
        if query or len(texts) < ON_DISK:
            found = self.embedder.embed(texts, "query" if query else "item")
        else:
            found = embed_items(self.embedder, texts)
        return [row[None][: int(row.any())] for row in found]

    def similarity(self, requests: Sequence[Request], slates: Slates) -> Scores:
        """Return the cosines, mixed with words in common, both standardised by list; NaN where there is neither."""
        meant = super().similarity(requests, slates)
        share = self.config.words
        silent = np.array([not r.text for r in requests], np.bool_)[slates.request_index]
        if not share or not silent.any():
            return meant
        said = np.where(silent, self._shared(requests, slates), np.nan)
        owner, b = slates.request_index, len(slates)
        both = (1 - share) * standardised(meant, owner, b) + share * standardised(said, owner, b)
        return np.where(silent, np.where(np.isnan(meant) & np.isnan(said), np.nan, both), meant).astype(np.float32)

    def _shared(self, requests: Sequence[Request], slates: Slates) -> Scores:
        n = len(self.items)
        with self._lock:
            if not self._rarity:
                rows = np.unique(np.linspace(0, max(n - 1, 0), min(n, COUNTED)).astype(np.int64))
                self._rarity.append(Rarity(self.texts(rows) if n else []))
        known = (slates.items >= 0) & (slates.items < n)
        history = stack(requests, self.config.limit, n).rows
        needed = np.union1d(slates.items[known], history)
        said = self._rarity[0].vectors(self.texts(needed))
        out = np.full(len(slates.items), np.nan, np.float32)
        at = np.searchsorted(needed, slates.items[known]).astype(np.int64)
        out[known] = shared(
            requests, slates.request_index[known], at, needed, said, n_items=n, decay=self.config.decay,
            limit=self.config.limit,
        )  # fmt: skip
        return out
