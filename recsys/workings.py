"""How one item came to its place: what each stage said of it, in values that every border can carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

TOP_FEATURES = 8


@dataclass(frozen=True, slots=True)
class Source:
    """What one generator said: ``rank`` from 1 among all candidates, its own ``score``, and ``share``.

    ``share`` is the score as a part of the best candidate's, 0 to 1: what the fused score is made of, times the weight
    of the generator. ``found`` tells whether its own list held the item; else it was only asked what it thinks of it.
    """

    rank: int
    score: float
    share: float
    found: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """A place from 1 in the list that a stage gave, and the score of that stage, None where it gives none.

    ``name`` is that of the component in the settings.
    """

    rank: int
    score: float | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of the ranker: its ``name``, what that is in words, and the ``value`` that was read, None = unknown.

    ``contribution`` is by how much it raised the score of this item, or lowered it.
    """

    name: str
    label: str
    value: float | None
    contribution: float


@dataclass(frozen=True, slots=True)
class Preranked:
    """What the ranker said; ``features`` are those of the largest contributions, `TOP_FEATURES` at most.

    ``score`` = ``expected`` (of an item that nothing is known of) + all contributions of ``features`` + ``rest``, those
    of the features that are not shown. A ranker that does not say what its score is made of has no features.
    """

    rank: int
    score: float | None
    name: str = ""
    expected: float | None = None
    features: tuple[Feature, ...] = ()
    rest: float | None = None


@dataclass(frozen=True, slots=True)
class Workings:
    """The way of one listed item through the stages of its call.

    Attributes:
        sources: generator -> what it said; one that could not score the item is missing.
        fused: in the united lists; None where a rule brought the item in, or where the shopper chose the order.
        prerank: None without a ranker, or where it failed.
        rerank: None without a reranker, where it failed, and for items below those that it read.
        rules: the rules that are about the item in this list, as `recsys.result.Trace.applied_rules` calls them.
        moves: stage -> how many places up it moved the item (down: negative), counted in the items that were there
            before; stages that did not run, and those before the item came in, are missing. "refound": items that were
            chosen for the same search before go first; "fold": variants of a product became one entry.
    """

    sources: Mapping[str, Source] = field(default_factory=dict)
    fused: Placed | None = None
    prerank: Preranked | None = None
    rerank: Placed | None = None
    rules: tuple[str, ...] = ()
    moves: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        out = asdict(self)
        out["rules"] = list(self.rules)
        if self.prerank is not None:
            out["prerank"]["features"] = list(out["prerank"]["features"])
        return out

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Return what `to_dict` made plain."""
        prerank = plain["prerank"]
        if prerank is not None:
            features = tuple(Feature(**one) for one in prerank["features"])
            prerank = Preranked(**{**prerank, "features": features})
        return cls(
            {name: Source(**one) for name, one in plain["sources"].items()},
            None if plain["fused"] is None else Placed(**plain["fused"]),
            prerank,
            None if plain["rerank"] is None else Placed(**plain["rerank"]),
            tuple(plain["rules"]),
            dict(plain["moves"]),
        )
