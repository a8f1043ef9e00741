"""The reranker `late-interaction`: each token of what was chosen looks for its nearest token of the candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.embed.vectors import unit
from recsys.history import Histories, stack
from recsys.types import Request, Scores, Slates
from recsys_zero_shot.encoded import Encoded, TokenEncoder
from recsys_zero_shot.kept import Kept

Rows = NDArray[np.float32]


class LateInteraction(Encoded):
    """ColBERT's MaxSim (Khattab & Zaharia 2020, arXiv 2004.12832) between history items, the query and each candidate.

    The similarity of two texts is the mean, over the tokens of the first, of the largest cosine with a token of the
    second. A candidate's score pools its similarities to the history items, later ones counting more and disliked ones
    against it. Token vectors of an item are computed once and kept by content hash.
    """

    class Config(Encoded.Config):
        """Settings.

        Attributes:
            pool: "mean" of the decayed similarities, or the "best" of them.
            tokens: read of an item. max_bytes: token vectors (16 bits a number) that are held in memory.
        """

        pool: Literal["mean", "best"] = "mean"
        tokens: int = Field(24, ge=1, le=128)
        max_bytes: int = Field(512 << 20, ge=0)

    cheap: ClassVar[bool] = True

    def __init__(self, config: Any, items: ItemTable, embedder: TokenEncoder) -> None:
        super().__init__(config, items, embedder)
        self._states = Kept(self._encode, config.max_bytes)

    def _encode(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        return [unit(s[: self.config.tokens]).astype(np.float16) for s in self.embedder.token_states(texts)]

    def similarity(self, requests: Sequence[Request], slates: Slates) -> Scores:
        """Return the pooled similarities; NaN where either side has no token."""
        n = len(self.items)
        history = stack(requests, self.config.limit, n)
        known = (slates.items >= 0) & (slates.items < n)
        needed = np.union1d(slates.items[known], history.rows)
        states = dict(zip(needed.tolist(), self._states.get(self.texts(needed)), strict=True))
        queries = self._queries(requests)
        out = np.full(len(slates.items), np.nan, np.float32)
        # One product of matrices a request: its size, and so its rounding, depends on nobody else.
        for i in range(len(requests)):
            places = np.arange(slates.offsets[i], slates.offsets[i + 1])
            places = places[known[places]]
            if len(places):
                items = [states[row] for row in slates.items[places].tolist()]
                out[places] = self._fit(history, i, states, queries.get(i), items)
        return out

    def _queries(self, requests: Sequence[Request]) -> dict[int, Rows]:
        asking = {i: query for i, r in enumerate(requests) if (query := self.query(r))}
        if not asking:
            return {}
        found = self.embedder.token_states(list(asking.values()))
        return {i: unit(s[: self.config.tokens]) for i, s in zip(asking, found, strict=True)}

    def _fit(
        self, history: Histories, i: int, states: dict[int, NDArray[Any]], query: Rows | None, items: Sequence[Any]
    ) -> Rows:
        part = slice(int(history.offsets[i]), int(history.offsets[i + 1]))
        weights = history.weights[part] * np.float32(self.config.decay) ** history.age[part]
        said = [states[row] for row in history.rows[part].tolist()]
        taste = self._pooled(max_sim(said, items), weights)
        if query is None or not len(query):
            return taste
        wanted: Rows = max_sim([query], items)[0]
        if np.isnan(taste).all():
            return wanted
        share = np.float32(self.config.query_weight)
        both: Rows = share * wanted + (1 - share) * np.nan_to_num(taste)
        return both

    def _pooled(self, similar: Rows, weights: Rows) -> Rows:
        """Return (n,) of similarities (h, n): NaN where no history item can be compared."""
        speaking = ~np.isnan(similar).all(axis=1) if similar.size else np.zeros(len(similar), np.bool_)
        if not speaking.any():
            return np.full(similar.shape[1], np.nan, np.float32)
        similar, weights = similar[speaking], weights[speaking]
        if self.config.pool == "mean":
            mean: Rows = (weights @ similar / np.abs(weights).sum()).astype(np.float32)
            return mean
        liked = np.where(weights[:, None] > 0, weights[:, None] * similar, -np.inf).max(axis=0)
        against = np.where(weights[:, None] < 0, weights[:, None] * similar, np.inf).min(axis=0)
        out = np.where(np.isfinite(liked), liked, 0) + np.where(np.isfinite(against), against, 0)
        return np.where(np.isnan(similar[0]), np.nan, out).astype(np.float32)


def max_sim(texts: Sequence[NDArray[Any]], items: Sequence[NDArray[Any]]) -> Rows:
    """Return (h, n): how much of each text each item holds; NaN where either has no token.

    ``texts`` and ``items`` are unit token vectors (t_i, d); the mean over a text's tokens of the largest cosine.
    """
    out = np.full((len(texts), len(items)), np.nan, np.float32)
    some_t = [k for k, t in enumerate(texts) if len(t)]
    some_i = [k for k, t in enumerate(items) if len(t)]
    if not some_t or not some_i:
        return out
    left = np.concatenate([texts[k] for k in some_t]).astype(np.float32)
    right = np.concatenate([items[k] for k in some_i]).astype(np.float32)
    best = np.maximum.reduceat(left @ right.T, _starts([items[k] for k in some_i]), axis=1)
    sums = np.add.reduceat(best, _starts([texts[k] for k in some_t]), axis=0)
    out[np.ix_(some_t, some_i)] = sums / np.array([len(texts[k]) for k in some_t], np.float32)[:, None]
    return out


def _starts(parts: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    return np.cumsum([0, *(len(p) for p in parts[:-1])]).astype(np.int64)
