"""What the rerankers share that compare texts with an encoder: whose texts, how recent, how much the prior counts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.errors import ConfigError
from recsys.protocols import Deps, Embedder
from recsys.rerank.base import Judgement, Reranker
from recsys.rerank.foreign import clean
from recsys.rerank.prompt import ItemField, item_text
from recsys.rerank.prompted import check_clock, earliest
from recsys.types import Request, Scores, Slates

TEXT_CHARS = 400


@runtime_checkable
class TokenEncoder(Embedder, Protocol):
    """An embedder that also gives one vector a token."""

    def token_states(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return (t_i, dim) for each text."""
        ...


class Encoded(Reranker):
    """Base: a similarity of each candidate to the shopper's texts, mixed with the order that came in.

    Both parts are standardised within a list: ``weight`` x the similarity + (1 - ``weight``) x a value that falls with
    the logarithm of the incoming place. An item without similarity has the list's mean; a list without any keeps its
    order.
    """

    class Config(Reranker.Config):
        """Settings.

        Attributes:
            embedder, options: the encoder: a kind of embedder and its own settings.
            fields: what is read of an item.
            weight: how much the similarity counts against the incoming order; chosen, with ``decay``, on validation
                of the sample shop, where more of it only hurts a trained order.
            decay: what an event counts against the one after it. limit: latest events that count.
            query_weight: in a search, how much the query counts against the history.
            chunk: lists that are judged between two looks at the clock.
        """

        embedder: str = "minilm"
        options: dict[str, Any] = Field(default_factory=dict)
        fields: tuple[ItemField, ...] = Field(("title", "brand", "category"), min_length=1)
        weight: float = Field(0.1, ge=0, le=1)
        decay: float = Field(0.95, gt=0, le=1)
        limit: int = Field(20, ge=1, le=200)
        query_weight: float = Field(0.7, ge=0, le=1)
        chunk: int = Field(256, ge=1)

    reads_queries: ClassVar[bool] = True

    def __init__(self, config: Any, items: ItemTable, embedder: Any) -> None:
        super().__init__(config, items)
        self.embedder = embedder

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings; the encoder comes from the registry of ``deps``."""
        if deps.items is None or deps.build is None:
            raise ConfigError(
                f"the reranker {cls.__name__} needs the catalogue and a registry (deps.items, deps.build)"
            )
        return cls(config, deps.items, deps.build("embedders", {**config.options, "use": config.embedder}))

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

    @abstractmethod
    def similarity(self, requests: Sequence[Request], slates: Slates) -> Scores:
        """Return (m,) how well each item fits its request, NaN where there is nothing to compare."""

    def texts(self, rows: NDArray[Any]) -> list[str]:
        """Return what is read of items."""
        return [item_text(self.items, int(row), self.config.fields) for row in rows]

    def query(self, request: Request) -> str:
        """Return the query of a search, cleaned; "" for a recommendation."""
        return clean(request.text or "", TEXT_CHARS)


def mixed(similar: Scores, slates: Slates, weight: float) -> Scores:
    """Return (m,) ``weight`` x similarity + (1 - ``weight``) x prior, both standardised by list; NaN where all are."""
    owner, b = slates.request_index, len(slates)
    place = np.arange(len(slates.items)) - np.repeat(slates.offsets[:-1], slates.lengths)
    prior = standardised(-np.log1p(place), owner, b)
    some = np.bincount(owner[~np.isnan(similar)], minlength=b) > 0
    out = weight * standardised(similar, owner, b) + (1 - weight) * prior
    return np.where(some[owner], out, np.nan).astype(np.float32)


def standardised(values: NDArray[Any], owner: NDArray[np.int64], b: int) -> NDArray[np.float64]:
    """Return values with mean 0 and deviation 1 within each of ``b`` owners; NaN, and what never varies, becomes 0."""
    known = ~np.isnan(values)
    held = np.where(known, values, 0).astype(np.float64)
    n = np.maximum(np.bincount(owner, known, b), 1)
    centred = np.where(known, held - (np.bincount(owner, held, b) / n)[owner], 0)
    spread = np.sqrt(np.bincount(owner, centred**2, b) / n)[owner]
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-6)
