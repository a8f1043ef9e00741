"""The reviews of a shop by item and by shopper, read with a lexicon when they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from recsys.aspects.lexicon import Lexicon, name_words
from recsys.aspects.screen import quotable
from recsys.dataset import ItemTable
from recsys.profile.sensitive import is_sensitive
from recsys.types import Review

MAX_REVIEWS = 60  # of one item: the latest ones, one a reviewer
KEPT_ITEMS = 20_000


@dataclass(frozen=True, slots=True)
class Said:
    """One aspect of one review of item ``item_id``.

    ``quote`` is ``text[start:end]`` of review ``review_id``, "" where no span may be shown. ``user_id`` is there to
    leave out the asking shopper's own words; it is never passed on.
    """

    aspect: int
    sentiment: float
    user_id: str
    item_id: str
    review_id: str
    start: int
    end: int
    quote: str


class ReviewIndex:
    """Reviews of one moment. It lives beside the store and is never saved: what the store forgets is forgotten here.

    Reading is lazy, by item, and kept for the items that were asked for last.
    """

    def __init__(self, lexicon: Lexicon, reviews: Sequence[Review], items: ItemTable | None = None) -> None:
        self.lexicon, self._catalogue = lexicon, items
        self._items: dict[str, list[Review]] = {}
        self._users: dict[str, list[Review]] = {}
        for review in reviews:
            self._items.setdefault(review.item_id, []).append(review)
            self._users.setdefault(review.user_id, []).append(review)
        self._read: OrderedDict[str, tuple[Said, ...]] = OrderedDict()
        self._lock = Lock()

    def of_user(self, user: str | None) -> list[Review]:
        """Return the reviews that a shopper wrote."""
        return [] if user is None else list(self._users.get(user, ()))

    def written(self, user: str | None) -> list[Said]:
        """Return what a shopper said in their own reviews, one place an aspect and review, oldest first."""
        return [s for r in self.of_user(user) for s in self._said(r)]

    def of_item(self, item_id: str) -> tuple[Said, ...]:
        """Return what the latest `MAX_REVIEWS` reviewers of an item say in their latest review, the latest first."""
        with self._lock:
            known = self._read.get(item_id)
            if known is not None:
                self._read.move_to_end(item_id)
                return known
        found = self._extract(item_id)
        with self._lock:
            self._read[item_id] = found
            while len(self._read) > KEPT_ITEMS:
                self._read.popitem(last=False)
        return found

    def warm(self) -> None:
        """Read the reviews of all items now, so that no call has to wait for it."""
        for item_id in list(self._items)[:KEPT_ITEMS]:
            self.of_item(item_id)

    def _extract(self, item_id: str) -> tuple[Said, ...]:
        latest = sorted(enumerate(self._items.get(item_id, ())), key=lambda e: (-(e[1].time or 0), -e[0]))
        # Who writes sixty reviews of a thing is one reviewer, and drowns nobody.
        by_user: dict[str, Review] = {}
        for _, review in latest:
            by_user.setdefault(review.user_id, review)
            if len(by_user) == MAX_REVIEWS:
                break
        return tuple(said for review in by_user.values() for said in self._said(review))

    def _said(self, review: Review) -> list[Said]:
        row = -1 if self._catalogue is None else self._catalogue.vocabulary.row(review.item_id)
        name = frozenset[str]() if self._catalogue is None or row < 0 else name_words(self._catalogue, row)
        # The clearest place of a review speaks for all of them: one reviewer has one vote.
        best: dict[int, Said] = {}
        for m in self.lexicon.mentions(review.text, name):
            start, end = m.quote or (0, 0)
            quote = review.text[start:end]
            shown = bool(quote) and review.review_id is not None and quotable(quote) and not is_sensitive(quote)
            one = Said(
                m.aspect, m.sentiment, review.user_id, review.item_id, review.review_id or "",
                start if shown else 0, end if shown else 0, quote if shown else "",
            )  # fmt: skip
            old = best.get(m.aspect)
            if old is None or (bool(one.quote), abs(one.sentiment)) > (bool(old.quote), abs(old.sentiment)):
                best[m.aspect] = one
        return list(best.values())
