"""What the rerankers share that compare texts with an encoder: whose texts, how recent, how much the prior counts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.embed.vectors import unit
from recsys.errors import ConfigError
from recsys.history import Histories, stack
from recsys.protocols import Deps
from recsys.rerank.base import Judgement, Reranker
from recsys.rerank.foreign import clean
from recsys.rerank.mixing import mixed
from recsys.rerank.prompt import ItemField, item_text
from recsys.rerank.prompted import check_clock, earliest
from recsys.types import Request, Scores, Slates
from recsys_zero_shot.kept import Kept

TEXT_CHARS = 400
# Items whose vectors make the centre, and the fewest that make one.
SAMPLE, FEWEST = 256, 20
Rows = NDArray[np.float32]


class Encoded(Reranker):
    """Base: how well each candidate fits the shopper's texts, mixed with the order that came in.

    Texts are sets of unit vectors, one a text or one a token; see `max_sim`. What all texts of a shop have in common
    tells no two items apart: their centre is subtracted (Mu & Viswanath 2018, arXiv 1702.01417). A candidate's
    similarities to the history items are pooled, later ones counting more and disliked ones against it.

    Both parts are standardised within a list: ``weight`` x the similarity + (1 - ``weight``) x a value that falls with
    the logarithm of the incoming place. An item without similarity has the list's mean; a list without any keeps its
    order.
    """

    class Config(Reranker.Config):
        """Settings.

        Attributes:
            embedder, options: the encoder: a kind of embedder and its own settings.
            fields: what is read of an item.
            weight: how much the similarity counts against the incoming order. Chosen, with ``decay``, ``pool`` and
                ``centre``, on validation of the sample shop, where more of it only hurts a trained order.
            decay: what an event counts against the one after it. limit: latest events that count.
            pool: the "mean" of the decayed similarities to the history items, or the "best" of them.
            centre: whether the centre of the catalogue is subtracted.
            query_weight: in a search, how much the query counts against the history.
            chunk: lists that are judged between two looks at the clock.
            max_bytes: vectors (16 bits a number) that are held in memory.
        """

        embedder: str = "minilm"
        options: dict[str, Any] = Field(default_factory=dict)
        fields: tuple[ItemField, ...] = Field(("title", "brand", "category"), min_length=1)
        weight: float = Field(0.2, ge=0, le=1)
        decay: float = Field(0.95, gt=0, le=1)
        limit: int = Field(20, ge=1, le=200)
        pool: Literal["mean", "best"] = "mean"
        centre: bool = True
        query_weight: float = Field(0.7, ge=0, le=1)
        chunk: int = Field(256, ge=1)
        max_bytes: int = Field(512 << 20, ge=0)

    cheap: ClassVar[bool] = True
    reads_queries: ClassVar[bool] = True

    def __init__(self, config: Any, items: ItemTable, embedder: Any) -> None:
        super().__init__(config, items)
        self.embedder = embedder
        # Never mixed: a shop that grows beyond a few items gets a centre while it is served.
        self._kept = {centred: Kept(partial(self._vectors, centred), config.max_bytes) for centred in (False, True)}
        self._middle: list[Rows] = []  # shared with the twins over later catalogues: the centre stays
        self._lock = Lock()

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings; the encoder comes from the registry of ``deps``."""
        if deps.items is None or deps.build is None:
            raise ConfigError(
                f"the reranker {cls.__name__} needs the catalogue and a registry (deps.items, deps.build)"
            )
        return cls(config, deps.items, deps.build("embedders", {**config.options, "use": config.embedder}))

    @abstractmethod
    def encode(self, texts: Sequence[str], query: bool = False) -> list[Rows]:
        """Return the vectors of each text as the encoder gives them, (t_i, d); none for a text that says nothing."""

    def alone(self) -> Self:
        """Return one that orders by similarity and by nothing else."""
        return self._with(config=self.config.model_copy(update={"weight": 1.0, "max_move": None}))

    def warm_up(self) -> None:
        """Make the centre of the catalogue, so that the first caller does not pay for it."""
        if self._centre() is None:
            self.encode(["one"])

    def judge(self, requests: Sequence[Request], slates: Slates) -> Judgement:
        """Return the mixed scores of every list."""
        similar = np.full(len(slates.items), np.nan, np.float32)
        for first in range(0, len(requests), self.config.chunk):
            part = slice(first, min(first + self.config.chunk, len(requests)))
            check_clock(earliest(r.deadline for r in requests[part]))
            lo, hi = slates.offsets[part.start], slates.offsets[part.stop]
            offsets = slates.offsets[part.start : part.stop + 1] - lo
            similar[lo:hi] = self.similarity(requests[part], Slates(slates.items[lo:hi], slates.scores[lo:hi], offsets))
        return Judgement(mixed(similar, slates, self.config.weight))

    def similarity(self, requests: Sequence[Request], slates: Slates) -> Scores:
        """Return (m,) how well each item fits its request, NaN where there is nothing to compare."""
        n = len(self.items)
        history = stack(requests, self.config.limit, n)
        known = (slates.items >= 0) & (slates.items < n)
        needed = np.union1d(slates.items[known], history.rows)
        centred = self._centre() is not None
        vectors = dict(zip(needed.tolist(), self._kept[centred].get(self.texts(needed)), strict=True))
        queries = self._queries(requests, centred)
        out = np.full(len(slates.items), np.nan, np.float32)
        # One product of matrices a request: its size, and so its rounding, depends on nobody else.
        for i in range(len(requests)):
            places = np.arange(slates.offsets[i], slates.offsets[i + 1])
            places = places[known[places]]
            if len(places):
                items = [vectors[row] for row in slates.items[places].tolist()]
                out[places] = self._fit(history, i, vectors, queries.get(i), items)
        return out

    def texts(self, rows: NDArray[Any]) -> list[str]:
        """Return what is read of items."""
        return [item_text(self.items, int(row), self.config.fields) for row in rows]

    def _centre(self) -> Rows | None:
        """Return the centre of the catalogue, made of some of its items at the first call; None for a tiny one."""
        with self._lock:
            if self.config.centre and not self._middle and len(self.items):
                rows = np.unique(np.linspace(0, len(self.items) - 1, SAMPLE).astype(np.int64))
                found = [v for v in self.encode(self.texts(rows)) if len(v)]
                if len(found) >= FEWEST:
                    self._middle.append(np.concatenate(found).mean(axis=0, dtype=np.float64).astype(np.float32))
                    self._kept[False].clear()  # nobody asks for vectors without it any more
        return self._middle[0] if self._middle else None

    def _vectors(self, centred: bool, texts: Sequence[str], query: bool = False) -> list[NDArray[Any]]:
        middle = self._middle[0] if centred else None
        found = self.encode(texts, query)
        return [unit(v if middle is None else v - middle).astype(np.float16) for v in found]

    def _queries(self, requests: Sequence[Request], centred: bool) -> dict[int, NDArray[Any]]:
        asking = {i: query for i, r in enumerate(requests) if (query := clean(r.text or "", TEXT_CHARS))}
        if not asking:
            return {}
        return dict(zip(asking, self._vectors(centred, list(asking.values()), query=True), strict=True))

    def _fit(
        self,
        history: Histories,
        i: int,
        vectors: Mapping[int, NDArray[Any]],
        query: NDArray[Any] | None,
        items: Sequence[NDArray[Any]],
    ) -> Rows:
        part = slice(int(history.offsets[i]), int(history.offsets[i + 1]))
        weights = history.weights[part] * np.float32(self.config.decay) ** history.age[part]
        said = [vectors[row] for row in history.rows[part].tolist()]
        taste = pooled(max_sim(said, items), weights, self.config.pool)
        if query is None or not len(query):
            return taste
        wanted: Rows = max_sim([query], items)[0]
        if np.isnan(taste).all():
            return wanted
        share = np.float32(self.config.query_weight)
        both: Rows = share * wanted + (1 - share) * np.nan_to_num(taste)
        return both


def pooled(similar: Rows, weights: Rows, pool: Literal["mean", "best"]) -> Rows:
    """Return (n,) of similarities (h, n) to history items of some weights (h,); NaN where nothing can be compared.

    Weights below 0 are of disliked items. "best" takes the largest weighted similarity to a liked item and the
    largest to a disliked one from it.
    """
    speaking = ~np.isnan(similar).all(axis=1) if similar.size else np.zeros(len(similar), np.bool_)
    if not speaking.any():
        return np.full(similar.shape[1], np.nan, np.float32)
    similar, weights = similar[speaking], weights[speaking]
    if pool == "mean":
        mean: Rows = (weights @ similar / np.abs(weights).sum()).astype(np.float32)
        return mean
    weighted = weights[:, None] * similar
    liked, against = weighted[weights > 0], weighted[weights < 0]
    out = liked.max(axis=0) if len(liked) else np.zeros(similar.shape[1], np.float32)
    return (out + against.min(axis=0) if len(against) else out).astype(np.float32)


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
