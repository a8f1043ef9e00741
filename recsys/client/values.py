"""What only a service gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class EventResult:
    """What became of one event of a batch.

    Attributes:
        index: its place in the batch, from 0.
        status: "accepted": it is stored for good. "duplicate": it was before. "rejected": see ``field`` and ``error``.
        event_id: its own, or the one that it was given.
    """

    index: int
    status: Literal["accepted", "duplicate", "rejected"]
    event_id: str | None
    field: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Reranked:
    """One text of `Client.rerank`: its place in the request, from 0, and how well it answers, higher is better."""

    index: int
    score: float
