"""The control that changes nothing: the incoming order is the ranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict

from recsys.protocols import Deps
from recsys.types import Request, Slates


class Identity:
    """Keeps the incoming scores."""

    class Config(BaseModel):
        """No settings."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def rank(self, requests: Sequence[Request], slates: Slates, n: int) -> Slates:
        """Return the first ``n`` by incoming score."""
        return slates.ordered(slates.scores, n)
