"""What an explainer is asked for, collected from the lists of an engine: the same cases for whoever is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from recsys.engine import Engine
from recsys.explanation import Case, Explanation
from recsys.protocols import Deps
from recsys.registry import Registry

NAME = "collecting"
BATCH = 50  # lists that are made together
LISTED, FOUND = 10, 6


def collected(
    engine: Engine, users: Sequence[str], now: int, searches: Sequence[tuple[str, str]] = (), variant: str | None = None
) -> list[Case]:
    """Return the cases of the lists of ``users``, and of what ``searches`` (user, text) find.

    Raises:
        StageError: facts could not be gathered.
    """

    class Collecting:
        """Says nothing and keeps what it was asked."""

        class Config(BaseModel):
            """No settings."""

            model_config = ConfigDict(frozen=True, extra="forbid")

        @classmethod
        def from_config(cls, config: Any, deps: Deps) -> Self:
            return cls()

        def explain(self, cases: Sequence[Case]) -> list[Explanation]:
            seen.extend(cases)
            return [Explanation() for _ in cases]

    seen: list[Case] = []
    twin = asking_alone(engine)
    twin.registry.register("explainers", NAME, Collecting)
    for at in range(0, len(users), BATCH):
        twin.recommend_batch(
            list(users[at : at + BATCH]), LISTED, now=now, explain=NAME, variant=variant, strict=True
        )  # fmt: skip
    for user, text in searches:
        twin.search(text, user, FOUND, now=now, explain=NAME, variant=variant, strict=True)
    return seen


def asking_alone(engine: Engine) -> Engine:
    """Return an engine over the same parts and store with a registry of its own: what is kept for it goes with it."""
    twin = Engine(engine.config, engine.store, Registry())
    twin._snapshot = engine._snapshot
    return twin
