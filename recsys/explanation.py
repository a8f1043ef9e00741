"""What may be said about one recommended item, what is said, and what each statement rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from recsys.errors import ContractError
from recsys.types import UserKey

EvidenceKind = Literal["event", "attribute", "review", "query", "popularity", "novelty"]
FactKind = Literal["event", "attribute", "aspect", "query", "popularity", "novelty"]
Confidence = Literal["strong", "moderate", "weak"]
# What evidence of a kind cannot do without.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "event": ("event_kind",), "attribute": ("field", "value"), "review": ("review_id", "quote", "start", "end"),
    "query": ("field", "value"), "popularity": ("count",), "novelty": ("time",),
}  # fmt: skip
LOCALES = ("en", "de")  # the languages that reasons are worded and checked in


def language_of(locale: str) -> str:
    """Return the language of a locale: "de" of "de-AT"."""
    return locale.replace("_", "-").partition("-")[0].lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that a reader can look up. What a kind does not need stays None.

    Attributes:
        kind: "event": this shopper's act on ``item_id``. "attribute": ``item_id`` has ``value`` in ``field``.
            "review": ``quote`` is ``text[start:end]`` of review ``review_id`` of ``item_id``. "query": ``value`` is a
            word of the query, found in ``field`` of ``item_id``. "popularity": ``count`` shoppers, never few enough
            to tell who; a round number (10, 300) is a floor: "at least so many".
            "novelty": ``item_id`` came at ``time``.
        item_id: the item that the evidence is about: the history item of an event, else the recommended one.
        title: the title of that item.
        time: epoch seconds.
    """

    kind: EvidenceKind
    item_id: str
    title: str = ""
    event_id: str | None = None
    event_kind: str | None = None
    time: int | None = None
    field: str | None = None
    value: str | None = None
    review_id: str | None = None
    start: int | None = None
    end: int | None = None
    quote: str | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if missing := [name for name in _NEEDED[self.kind] if getattr(self, name) is None]:
            raise ContractError(f"Evidence of kind {self.kind!r} needs {', '.join(missing)}")

    def to_dict(self) -> dict[str, Any]:
        """Return what is known, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None and value != ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that may be said about a recommended item, and the evidence for it.

    Attributes:
        kind: "attribute" is a value that the item shares with items of the history, "aspect" something that
            reviewers say and this shopper cares about; the others are as in `Evidence`.
        strength: in [0, 1], comparable within a case.
        evidence: at least one; for a shared attribute the item's value first, then the history items' events.
        aspect, sentiment: of an "aspect": its name, and in [-1, 1] how reviewers judge it.
        shares: of an "event": its exact share of the item's score, by generator.
        causal_drop: of an "event": by which part the item's final score falls when the event is taken out of the
            history, candidates fixed; None where that was not measured.
    """

    kind: FactKind
    strength: float
    evidence: tuple[Evidence, ...]
    aspect: str | None = None
    sentiment: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    causal_drop: float | None = None

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ContractError(f"a Fact of kind {self.kind!r} needs evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What an explainer works on: one recommended item and the facts about it, strongest first.

    ``register`` picks the tone ("plain", "friendly", "brief"), ``seed`` varies the wording; the same case always
    gives the same text. ``now``, epoch seconds, is when the text is read: without it all dates have their year.
    """

    item_id: str
    title: str
    facts: tuple[Fact, ...] = ()
    user: UserKey | None = None
    query: str | None = None
    locale: str = "en"
    register: str = "plain"
    seed: int = 0
    now: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The reason under one item.

    Attributes:
        text: every statement in it has passed the check against ``evidence``; "" when there is nothing to say.
        kind: who wrote it: "template", "extract", "generated", or "none".
        evidence: what the statements rest on.
        causal_drop: of the cited event: see `Fact`; None when no event is cited or nothing was measured.
        confidence: how strong the facts are.
        removed: statements that a check took out.
    """

    text: str = ""
    kind: str = "none"
    evidence: tuple[Evidence, ...] = ()
    causal_drop: float | None = None
    confidence: Confidence = "weak"
    removed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dict, ready for JSON."""
        return {
            "text": self.text, "kind": self.kind, "confidence": self.confidence, "causal_drop": self.causal_drop,
            "evidence": [e.to_dict() for e in self.evidence],
        }  # fmt: skip
