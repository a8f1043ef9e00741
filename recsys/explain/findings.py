"""What is found out about a text: claims, and the evidence for each or the reason against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from recsys.explain.known import Known
from recsys.explain.reading import Reading

ClaimKind = Literal["event", "attribute", "quote", "opinion", "count", "time", "comparison", "query", "filler"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out at token ``at``: a claim of a kind, and the evidence for it or the reason against it."""

    at: int
    kind: ClaimKind
    reason: str = ""
    evidence: tuple[int, ...] = ()


@dataclass(slots=True)
class Judge:
    """Judges one text; the findings are in no order."""

    known: Known
    reading: Reading
    now: int | None
    findings: list[Finding] = field(default_factory=list)
    explained: set[int] = field(default_factory=set)

    def no(self, at: int, kind: ClaimKind, reason: str) -> None:
        """Note a claim that nothing supports."""
        self.findings.append(Finding(at, kind, reason))

    def yes(self, at: int, kind: ClaimKind, evidence: Sequence[int] = ()) -> None:
        """Note a claim and what supports it."""
        self.findings.append(Finding(at, kind, "", tuple(evidence)))


def span(made: Judge, start: int, end: int) -> str:
    """Return the text from token ``start`` to token ``end`` (exclusive)."""
    found = made.reading.tokens
    return made.reading.text[found[start].start : found[end - 1].end]
