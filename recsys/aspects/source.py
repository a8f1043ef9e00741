"""Facts of the kind "aspect": what reviewers say of an item about something that this shopper cares about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.aspects.lexicon import NEUTRAL
from recsys.aspects.reviews import ReviewIndex, Said
from recsys.aspects.table import AspectTable
from recsys.dataset import ItemTable
from recsys.explanation import Evidence, Fact
from recsys.profile.lines import line_id
from recsys.profile.sensitive import SensitiveWords
from recsys.store.edits import Edits
from recsys.types import Request, Slates

MAX_FACTS = 3
MAX_QUOTES = 2
MIN_LIFT = 1.2  # to care is to care clearly more than somebody with the average item in their history
DOUBT = 2.0  # pseudo-reviewers without an opinion
MIN_SENTIMENT = 0.2  # reviewers who disagree prove nothing


class AspectSource:
    """Finds aspects that both sides care about, with the words of reviewers as evidence.

    Every quote is a span of a review of that very item, by somebody else than the asking shopper: for a pair of
    shopper and item, their own review of it is never read. Aspects that a shopper had forgotten (``edits`` of their
    profile) are never spoken of, and what a shopper wrote about a sensitive thing (``words``) is not read.
    """

    def __init__(
        self, table: AspectTable, reviews: ReviewIndex, edits: Edits | None = None, words: SensitiveWords | None = None
    ) -> None:
        self.table, self.reviews, self.edits = table, reviews, edits
        self.words = words or SensitiveWords()
        self._private: dict[str, bool] = {}  # of the items that shoppers wrote about
        self._typical = table.typical
        self._lines = {line_id("aspect", name): number for number, name in enumerate(table.aspects)}

    def facts(
        self, requests: Sequence[Request], slates: Slates, items: ItemTable, max_facts: int = MAX_FACTS
    ) -> list[list[Fact]]:
        """Return one list of facts for each entry of ``slates.items``, the strongest first; often empty."""
        cares = self.cares(requests, slates, items)
        lift = cares / self._typical
        out: list[list[Fact]] = []
        for owner, row in zip(slates.request_index.tolist(), slates.items.tolist(), strict=True):
            if not 0 <= row < len(items):
                out.append([])
                continue
            item_id = items.vocabulary.ids(np.array([row], dtype=np.int32))[0]
            others = [s for s in self.reviews.of_item(item_id) if s.user_id != requests[owner].user]
            out.append(self._facts(others, lift[owner], item_id, items.titles[row], max_facts))
        return out

    def cares(self, requests: Sequence[Request], slates: Slates, items: ItemTable) -> NDArray[np.float32]:
        """Return ``(b, n_aspects)``: what each shopper cares about, from history and from their own reviews.

        Their reviews of items of their own list are left out: what is said of a pair is predicted, not looked up.
        """
        own = []
        for request, one in zip(requests, slates, strict=True):
            written = self.reviews.of_user(request.user)
            listed = set(one.items.tolist()) if written else set()
            rows = [items.vocabulary.row(r.item_id) for r in written]
            pairs = zip(written, rows, strict=True)
            own.append([r for r, row in pairs if row not in listed and not self._hushed(items, row)])
        cares = self.table.cares(requests, own, items)
        for i, request in enumerate(requests):
            cares[i, self._forgotten(request.user)] = 0
        return cares

    def _hushed(self, items: ItemTable, row: int) -> bool:
        """Return whether an item touches a sensitive matter; False for one that the catalogue does not hold."""
        if row < 0:
            return False
        key = items.vocabulary.id(row)
        if key not in self._private:
            self._private[key] = self.words.in_item(
                items.titles[row], items.brands[row], items.categories[row], items.attributes[row]
            )
        return self._private[key]

    def _forgotten(self, user: str | None) -> list[int]:
        if self.edits is None or user is None:
            return []
        hidden = (edit.line_id for edit in self.edits.of_user(user).values() if edit.text is None)
        return [self._lines[line] for line in hidden if line in self._lines]

    def _facts(
        self, said: Sequence[Said], lift: NDArray[np.float32], item_id: str, title: str, max_facts: int
    ) -> list[Fact]:
        by_aspect: dict[int, list[Said]] = {}
        for one in said:
            if lift[one.aspect] >= MIN_LIFT:
                by_aspect.setdefault(one.aspect, []).append(one)
        found = []
        for aspect, voices in by_aspect.items():
            fact = self._fact(aspect, voices, float(lift[aspect]), item_id, title)
            if fact is not None:
                found.append(fact)
        found.sort(key=lambda f: (-f.strength, f.aspect or ""))
        return found[:max_facts]

    def _fact(self, aspect: int, voices: Sequence[Said], lift: float, item_id: str, title: str) -> Fact | None:
        sides = [0 if abs(v.sentiment) < NEUTRAL else 1 if v.sentiment > 0 else -1 for v in voices]
        sentiment = sum(sides) / (len(voices) + 0.5 * DOUBT)
        if abs(sentiment) < MIN_SENTIMENT:
            return None
        agree = [v for v, side in zip(voices, sides, strict=True) if side * sentiment > 0 and v.quote]
        if not agree:
            return None
        # Clear words first; of equally clear ones the shorter.
        agree.sort(key=lambda v: (-round(abs(v.sentiment), 1), len(v.quote), v.review_id))
        strength = lift / (lift + 2.0) * len(voices) / (len(voices) + DOUBT) * (0.5 + 0.5 * abs(sentiment))
        evidence = tuple(
            Evidence(
                kind="review",
                item_id=item_id,
                title=title,
                review_id=v.review_id,
                start=v.start,
                end=v.end,
                quote=v.quote,
            )
            for v in _distinct(agree)
        )
        return Fact(
            kind="aspect", strength=round(min(1.0, strength), 4), evidence=evidence,
            aspect=self.table.aspects[aspect], sentiment=round(sentiment, 4),
        )  # fmt: skip


def _distinct(voices: Sequence[Said]) -> list[Said]:
    """Return the first `MAX_QUOTES` of different reviewers with different words."""
    out: list[Said] = []
    for v in voices:
        if all(v.user_id != o.user_id and v.quote.casefold() != o.quote.casefold() for o in out):
            out.append(v)
        if len(out) == MAX_QUOTES:
            break
    return out
