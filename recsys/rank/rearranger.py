"""What the rankers share that pick one item after the other from the top of a list, by what the catalogue says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from recsys.dataset import ItemTable
from recsys.errors import ConfigError
from recsys.protocols import Delta, Deps
from recsys.rank.places import Places, Pool
from recsys.types import ItemRows, Request, Slates


class Rearranger(ABC):
    """Holds settings and the catalogue; a subclass picks. The column "prior_score" holds each item's own score."""

    class Config(BaseModel):
        """``strength`` 0 changes nothing, 1 leaves relevance out; ``pool``: how many of the best it picks from."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        strength: float = Field(0.3, ge=0, le=1)
        pool: int = Field(100, ge=1, le=1_000)

    def __init__(self, config: Any, items: ItemTable) -> None:
        self.config = config
        self.items = items

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings. Raises `ConfigError` without a catalogue."""
        if deps.items is None:
            raise ConfigError(f"{cls.__name__.lower()} needs the catalogue (deps.items)")
        return cls(config, deps.items)

    def apply(self, delta: Delta) -> Self:
        """Return one that knows the changed catalogue."""
        return type(self)(self.config, delta.items)

    def rank(self, requests: Sequence[Request], slates: Slates, n: int) -> Slates:
        """Return ``n`` items, picked from the best of each list."""
        ordered = slates.ordered(slates.scores, prior_score=slates.scores.copy())
        pool = Pool.of(ordered, self.config.pool)
        return pool.first(self.picks(requests, pool.rows, n), n)

    @abstractmethod
    def picks(self, requests: Sequence[Request], rows: ItemRows, n: int) -> Places:
        """Return (b, min(n, p)) places of ``rows`` (b, p) in their new order; -1 where a list has no more."""
