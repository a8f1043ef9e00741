"""The reranker `cross-encoder`: one pass over each pair of what is wanted and what is offered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.errors import ConfigError
from recsys.protocols import Deps
from recsys.rerank.base import Judgement, Reranker
from recsys.rerank.mixing import mixed, place_prior
from recsys.rerank.prompt import ItemField, item_text
from recsys.rerank.prompted import check_clock, earliest, named_model
from recsys.rerank.request import schema_of
from recsys.runtime.pairs import CrossEncoder
from recsys.types import NO_ROWS, Notes, Request, Scores, Slates

# Logits are compared in steps: what other lengths beside a pair change in the sixth digit must not be blown up.
STEP = 1e-4
Pair = tuple[str, str]


class CrossEncoded(Reranker):
    """How well each candidate's text answers the query or the history, mixed with the order that came in.

    Any BERT-type cross-encoder that `recsys export --task cross-encoder` wrote will do (Nogueira & Cho 2019, arXiv
    1901.04085), as it was downloaded or trained by ``recsys_fine_tuned.crossencoder``. Its first text is the query of
    a search; else titles: of the page or the cart, then of what was liked, the latest first, so that what does not
    fit is the oldest. What is disliked is not said: a pair has no word for it.

    A list with nothing to say (no query, no known item liked) keeps its order, and so does one whose items are unknown.
    """

    class Config(Reranker.Config):
        """Settings.

        Attributes:
            model: the name of a model in ``[models]``.
            fields: what is read of a candidate. said: what is read of a liked item.
            history: liked items that are said, at most. max_tokens: of a pair; the longer text is cut first.
            weight: how much the model counts against the incoming order.
            scale: "list" standardises both by list, for a model that never saw these lists; "logit" adds the logit as
                it is to minus the logarithm of the place, for a model trained so (weight 0.5).
            chunk: lists that are judged between two looks at the clock.
        """

        model: str = ""
        fields: tuple[ItemField, ...] = Field(("title", "brand", "category"), min_length=1)
        said: tuple[ItemField, ...] = Field(("title",), min_length=1)
        history: int = Field(8, ge=1, le=50)
        max_tokens: int = Field(48, ge=8, le=512)
        weight: float = Field(0.2, ge=0, le=1)
        scale: Literal["list", "logit"] = "list"
        chunk: int = Field(32, ge=1)

    reads_queries: ClassVar[bool] = True

    def __init__(self, config: Any, items: ItemTable, model: CrossEncoder) -> None:
        super().__init__(config, items)
        self.model = model

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings; the model is opened, or shared with whoever opened it before.

        Raises:
            ConfigError: no catalogue, no such model, or one of another task.
        """
        if deps.items is None:
            raise ConfigError("the reranker cross-encoder needs the catalogue (deps.items)")
        return cls(config, deps.items, named_model(config.model, deps, CrossEncoder, "cross-encoder"))

    def judge(self, requests: Sequence[Request], slates: Slates) -> Judgement:
        """Return the mixed scores of every list; notes count the pairs that were read."""
        fit = np.full(len(slates.items), np.nan, np.float32)
        for first in range(0, len(requests), self.config.chunk):
            part = slice(first, min(first + self.config.chunk, len(requests)))
            deadline = earliest(r.deadline for r in requests[part])
            check_clock(deadline)
            lo, hi = int(slates.offsets[part.start]), int(slates.offsets[part.stop])
            fit[lo:hi] = self._scores(requests[part], slates.part(part.start, part.stop), deadline)
        read = np.bincount(slates.request_index[~np.isnan(fit)], minlength=len(slates))
        notes = tuple(Notes(counts={"pairs": int(n)}) for n in read)
        return Judgement(self.with_prior(fit, slates), notes)

    def with_prior(self, fit: Scores, slates: Slates) -> Scores:
        """Return (m,) what the model said, NaN = nothing, mixed with the incoming order as the settings say."""
        if self.config.scale == "list":
            return mixed(fit, slates, self.config.weight)
        weight = self.config.weight
        both: Scores = (weight * fit + (1 - weight) * place_prior(slates)).astype(np.float32)
        return both

    def _scores(self, requests: Sequence[Request], slates: Slates, deadline: float | None) -> Scores:
        out = np.full(len(slates.items), np.nan, np.float32)
        places, pairs = pairs_of(self.config, self.items, requests, slates)
        # Shoppers without a history of their own ask the same: each pair is read once.
        distinct = {pair: k for k, pair in enumerate(dict.fromkeys(pairs))}
        if distinct:
            found = self.model.score(list(distinct), deadline=deadline, max_tokens=self.config.max_tokens)
            out[places] = (np.round(found / STEP) * STEP)[[distinct[pair] for pair in pairs]]
        return out


def pairs_of(
    config: CrossEncoded.Config, items: ItemTable, requests: Sequence[Request], slates: Slates
) -> tuple[NDArray[np.int64], list[Pair]]:
    """Return the places (p,) of a batch about which there is something to ask, and their p pairs of texts."""
    wanted = [wanted_text(config, items, r) for r in requests]
    owner = slates.request_index
    asked = np.array([bool(text) for text in wanted], np.bool_)[owner] if len(owner) else np.empty(0, np.bool_)
    places = np.flatnonzero(asked & (slates.items >= 0) & (slates.items < len(items)))
    offered = {int(row): item_text(items, int(row), config.fields) for row in np.unique(slates.items[places])}
    return places, [(wanted[owner[k]], offered[int(slates.items[k])]) for k in places]


def wanted_text(config: CrossEncoded.Config, items: ItemTable, request: Request) -> str:
    """Return the first text of a request's pairs; "" when nothing is known of what is wanted."""
    schema = schema_of(request, items, NO_ROWS, "pointwise")
    if schema.query:
        return schema.query
    rows = dict.fromkeys([*schema.seeds, *schema.liked[::-1]])
    return "; ".join(item_text(items, row, config.said) for row in list(rows)[: config.history])
