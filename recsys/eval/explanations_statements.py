"""Is what is shown true? Every statement is held against the shop itself, not against the evidence that it came with.

A statement counts as right when the checker finds it supported and it rests on something, all of which is so in the
records:
the shopper did that to that item at that time, the item has that value, the review says these very words and is not
the shopper's own, the word is in query and item, at least so many shoppers chose it, it came at that time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import Dataset
from recsys.explain.check import check
from recsys.explain.facts import shoppers_per_item
from recsys.explain.facts_text import clean
from recsys.explanation import Evidence
from recsys.types import KINDS, Review

_ANY = 100_000  # characters: nothing is cut


class Statement(NamedTuple):
    """One claim of a text, whether the checker supports it, and the evidence that it was matched with."""

    text: str
    supported: bool
    evidence: Sequence[Evidence]


class Shown(NamedTuple):
    """A reason as it was shown to ``user`` under the item called ``title``, at ``now``, perhaps for a ``query``.

    Variants may share a title: ``item_id`` tells them apart.
    """

    user: str
    text: str
    evidence: Sequence[Evidence]
    title: str = ""
    now: int | None = None
    query: str | None = None
    item_id: str | None = None


def claims(shown: Shown) -> list[Statement]:
    """Return what a text claims, as the checker of the engine takes it apart; what claims nothing is left out."""
    checked = check(shown.text, shown.evidence, shown.title, now=shown.now, item_id=shown.item_id)
    return [
        Statement(s.text, s.supported, [checked.evidence[place] for place in s.evidence]) for s in checked.claims
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class StatementFigures:
    """Over all statements shown.

    Attributes:
        statement_precision: the share that is supported and true. supported, true: each alone.
        claims_per_text: statements a text. texts: how many texts said anything. coverage: their share of all.
    """

    statement_precision: float
    supported: float
    true: float
    claims_per_text: float
    texts: int
    coverage: float


def statement_figures(
    data: Dataset, shown: Sequence[Shown], split: Callable[[Shown], Sequence[Statement]] = claims
) -> StatementFigures:  # fmt: skip
    """Return how much of what was shown is supported and true; all 0 if nothing was said."""
    ledger = Ledger(data)
    supported: list[bool] = []
    true: list[bool] = []
    said = [s for s in shown if s.text]
    for one in said:
        for statement in split(one):
            supported.append(statement.supported)
            true.append(
                bool(statement.evidence) and all(ledger.holds(one.user, e, one.query) for e in statement.evidence)
            )
    both = [a and b for a, b in zip(supported, true, strict=True)]

    def mean(values: Sequence[bool]) -> float:
        return round(sum(values) / len(values), 4) if values else 0.0

    claims = round(len(supported) / len(said), 4) if said else 0.0
    coverage = round(len(said) / len(shown), 4) if shown else 0.0
    return StatementFigures(mean(both), mean(supported), mean(true), claims, len(said), coverage)


class Ledger:
    """The records of a shop, for looking evidence up."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self._groups = {user: i for i, user in enumerate(data.log.users)}

    @cached_property
    def _shoppers(self) -> NDArray[np.int64]:
        return shoppers_per_item(self.data.log, len(self.data.items))

    @cached_property
    def _reviews(self) -> dict[str, Review]:
        return {r.review_id: r for r in self.data.reviews if r.review_id}

    def holds(self, user: str, evidence: Evidence, query: str | None = None) -> bool:
        """Return whether the records say what ``evidence`` says to ``user``."""
        row = self.data.items.vocabulary.row(evidence.item_id)
        return row >= 0 and bool(getattr(self, f"_{evidence.kind}")(user, row, evidence, query))

    def _event(self, user: str, row: int, evidence: Evidence, query: str | None) -> bool:
        if user not in self._groups:
            return False
        acts = self.data.log.history(self._groups[user])
        own = (acts.rows == row) & (acts.kinds == KINDS.index(evidence.event_kind or ""))
        return bool((own & (acts.times == evidence.time)).any() if evidence.time is not None else own.any())

    def _attribute(self, user: str, row: int, evidence: Evidence, query: str | None) -> bool:
        items, wanted = self.data.items, _folded(evidence.value)
        if evidence.field == "brand":
            return _folded(items.brands[row]) == wanted
        if evidence.field == "category":
            return wanted in map(_folded, items.categories[row])
        for field, value in items.attributes[row].items():
            values = value if isinstance(value, tuple) else ("yes" if value is True else value,)
            if clean(field, _ANY) == evidence.field and wanted in map(_folded, values):
                return True
        return False

    def _review(self, user: str, row: int, evidence: Evidence, query: str | None) -> bool:
        review = self._reviews.get(evidence.review_id or "")
        if review is None or review.item_id != evidence.item_id or review.user_id == user:
            return False
        return bool(evidence.quote) and review.text[evidence.start : evidence.end] == evidence.quote

    def _query(self, user: str, row: int, evidence: Evidence, query: str | None) -> bool:
        """The query may be misspelt and the word inflected; as it is written it must stand in the item."""
        written = _folded(evidence.quote or evidence.value)
        return query is not None and bool(written) and written in _folded(self.data.items.text(row))

    def _popularity(self, user: str, row: int, evidence: Evidence, query: str | None) -> bool:
        return int(self._shoppers[row]) >= (evidence.count or 0) > 0

    def _novelty(self, user: str, row: int, evidence: Evidence, query: str | None) -> bool:
        return int(self.data.items.created[row]) == evidence.time


def _folded(value: object) -> str:
    return clean(value, _ANY).casefold()
