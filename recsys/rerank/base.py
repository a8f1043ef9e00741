"""What all rerankers share: a judgement of each list becomes an order, within bounds, on the old scale of scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys.dataset import ItemTable
from recsys.errors import ConfigError, ContractError
from recsys.protocols import Delta, Deps
from recsys.rerank.moves import placed
from recsys.types import Notes, Request, Scores, Slates

# Scores are compared in steps: matrix products of other batch sizes differ in the seventh digit, orders must not.
STEP = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What a model says of the items of a batch.

    Attributes:
        scores: (m,) float32 aligned with the items, higher is better, NaN = could not score.
        notes: one per request, or () when there is nothing to say.
    """

    scores: Scores
    notes: tuple[Notes, ...] = ()


class Reranker(ABC):
    """Orders all that it is given; a subclass judges.

    The lists are sorted by their incoming scores first. ``rank`` then puts each list into the order of the judgement,
    moves nothing further than ``config.max_move`` places and deals the incoming scores out in the new order: the scale
    stays, so that rules, diversification and reasons work as before. Columns: "rerank_score" (m,) what the model said,
    "rerank_prior" the item's incoming score, "rerank_move" how many places it went up.
    """

    class Config(BaseModel):
        """``max_move``: so many places up or down at most; None = as far as the model likes, 0 = not at all."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        max_move: int | None = Field(None, ge=0)

    # Declared: so fast that it also answers what a list would be without an event of the history.
    cheap: ClassVar[bool] = False
    # Declared: `Request.text` is read, so that it orders searches too.
    reads_queries: ClassVar[bool] = False

    def __init__(self, config: Any, items: ItemTable) -> None:
        self.config = config
        self.items = items

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings. Raises `ConfigError` without a catalogue."""
        if deps.items is None:
            raise ConfigError(f"the reranker {cls.__name__} needs the catalogue (deps.items)")
        return cls(config, deps.items)

    def apply(self, delta: Delta) -> Self:
        """Return one that knows the changed catalogue; all else is shared."""
        return self._with(items=delta.items)

    def on_snapshot(self, deps: Deps) -> Self:
        """Return one over the catalogue of the final fit."""
        return self if deps.items is None else self._with(items=deps.items)

    def bounded(self, most: int | None) -> Self:
        """Return the same reranker with another ``max_move``."""
        return self._with(config=self.config.model_copy(update={"max_move": most}))

    def _with(self, **changed: Any) -> Self:
        """Return a twin of which only the named attributes are others."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update({**self.__dict__, **changed})
        return twin

    def rank(self, requests: Sequence[Request], slates: Slates, n: int) -> Slates:
        """Return at most ``n`` items of each list in their new order.

        Raises:
            BudgetExceeded: the deadline of a request has passed.
        """
        before = slates.ordered(slates.scores)
        if not len(before.items):
            return before
        if self.config.max_move == 0:  # validation, or who wrote the settings, wants no move: the model is not asked
            nothing = Judgement(np.full(len(before.items), np.nan, dtype=np.float32))
            return dealt(before, before.places, nothing).head(n)
        said = self.judge(requests, before)
        if said.scores.shape != before.items.shape:
            raise ContractError(f"{type(self).__name__}: {said.scores.shape} scores for {len(before.items)} items")
        places = placed(before, stepped(said.scores), self.config.max_move)
        return dealt(before, places, said).head(n)

    @abstractmethod
    def judge(self, requests: Sequence[Request], slates: Slates) -> Judgement:
        """Return what the model says of ``slates``, whose lists are best first; nobody's answer depends on others'."""


def stepped(scores: Scores) -> NDArray[np.float64]:
    """Return the scores in whole steps of `STEP`; NaN stays."""
    return np.round(scores.astype(np.float64) / STEP)


def dealt(before: Slates, places: NDArray[np.int64], said: Judgement) -> Slates:
    """Return the lists in a new order: ``places`` (m,) within each list; scores stay where they were in the list."""
    old = before.places
    order = np.lexsort((places, before.request_index))
    columns = {
        **before.columns,
        "rerank_score": said.scores.astype(np.float32),
        "rerank_prior": before.scores,
        "rerank_move": (old - places).astype(np.float32),
    }
    notes = before.notes
    if said.notes:
        notes = tuple(a.plus(b) for a, b in zip(notes or (Notes(),) * len(before), said.notes, strict=True))
    return Slates(
        before.items[order], before.scores, before.offsets, {n: values[order] for n, values in columns.items()}, notes
    )
