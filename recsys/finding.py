"""What shoppers type: searches, completions, and what may be asked next."""

from __future__ import annotations

import weakref
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.answers import results, with_matches, with_reasons, with_workings
from recsys.asking import Asking, deadline_of
from recsys.candidates.popularity import DecayedCounts, Popularity
from recsys.dataset import ItemTable
from recsys.erasing import watched
from recsys.errors import DataError
from recsys.filters.exclusions import refused
from recsys.filters.where import Where
from recsys.funnel import Stopwatch
from recsys.result import Result
from recsys.rules import Page, Rules
from recsys.search.fold import below
from recsys.search.prices import Priced, priced
from recsys.search.sort import Order
from recsys.searching import TEXT, Asked, SearchPlan, rescorer, search
from recsys.showing import Show
from recsys.snapshot import Snapshot
from recsys.suggest.keeper import Keeper
from recsys.suggest.suggester import Suggester, Suggestion
from recsys.types import NO_EVENTS, NO_ROWS, Events


class Finding(Asking):
    """The side of `recsys.engine.Engine` that answers texts; each search works on one snapshot."""

    _suggests: Keeper | None

    @watched
    def search(
        self, text: str, user: str | None = None, k: int = 10, *, where: Where = None, sort: Order = "relevance",
        fold: bool = True, facets: bool = False, rules: Rules | None = None, page: Page | None = None,
        explain: bool | str = False, variant: str | None = None, now: Any = None, budget_ms: float | None = None,
        strict: bool = False, workings: bool = False,
    ) -> Result:  # fmt: skip
        """Return the ``k`` items that answer ``text`` best, in the order in which ``user`` would want them.

        What the shopper chose for the same query before comes first, unless they refused or returned it since, and
        nothing is hidden because it was bought: people search for what they know. ``fold`` shows one variant of each
        product, the pinned or most boosted one where rules speak of variants, and names the others, ``facets`` counts
        what matches by brand, category, attribute and price. Misspelt words are read as what they were meant to be, and
        where nothing has all the words, `Result.relaxed` says what was given up. "under 50" and the like are bounds of
        the price, named in `Result.price`. ``workings`` as in `recommend`.

        Raises:
            DataError: an empty text. ConfigError: an unknown order. NotFittedError: nothing was fitted that finds
                words.
        """
        if not text.strip():
            raise DataError("text must not be empty: recommend() answers without one")
        deadline = deadline_of(budget_ms)
        snapshot, items = self._pinned()
        funnel = self._funnel(snapshot, variant, strict)
        ruled = self._merged(rules)
        # The funnel of this call: strict where the call is.
        plan, watch = (
            replace(snapshot.searches[variant or self.config.variant], personal=funnel),
            Stopwatch.keeping(workings),
        )
        base = self._base(items, where, ruled, self._now(now), text)
        read = self._priced(plan, text)
        request = self._request(snapshot, user, base & read.mask(items.prices) if read else base, NO_ROWS, k, now)
        request = replace(request, text=read.text, deadline=deadline)
        asked = Asked(
            k=self._pool(ruled, k, page), sort=sort, folded=fold, facets=facets,
            refound=self._chosen_before(snapshot, items, user, text, now),
            popularity=self._sold(snapshot, items, now) if sort == "popularity" else None,
        )  # fmt: skip
        found = search(plan, request, items, asked, watch)
        if read and not found.matches.totals[0]:  # at any price, rather than nothing
            watch.kept = {} if workings else None
            request = replace(self._request(snapshot, user, base, NO_ROWS, k, now), text=text, deadline=deadline)
            found, read = search(plan, request, items, asked, watch), Priced(text)
        by_relevance = sort == "relevance"
        slates = self._ruled(
            ruled, found.slates, [request], items, k, page, watch, in_order=not by_relevance, snapshot=snapshot,
            parents=found.parents,
        )  # fmt: skip
        if found.parents is not None:
            found = replace(found, below=below(slates.items, found.slates.items, found.parents))
        said = None
        if explain:
            words = plan.finders[TEXT].matched_words
            # No history has a part in a list by price: nothing is measured, and no event is a reason there.
            said = self._explained(
                snapshot, [request], slates, found.ranked if by_relevance else slates, rescorer(plan), watch, words,
                explain, personal=by_relevance, plan=funnel.plan, strict=strict,
            )  # fmt: skip
        listed = replace(funnel.plan, generators=plan.finders)
        result = with_matches(results(slates, items, listed, watch, snapshot.bundle_id)[0], found, items, read.said)
        if workings:
            ways = Show.of_search(plan).workings([request], slates, watch, strict)
            result = with_workings([result], *ways)[0]
        return result if said is None else with_reasons([result], said)[0]

    def suggest(self, typed: str = "", user: str | None = None, k: int = 8) -> list[Suggestion]:
        """Return queries that go on from what is being typed; nothing that would find nothing is suggested.

        In a shop of more than a thousand products the words of new ones are suggested once a twentieth has changed.
        """
        snapshot = self._current()
        return self._suggester(snapshot).complete(typed, k, user=user, history=self._told(snapshot, user))

    def suggest_next(self, text: str, user: str | None = None, k: int = 6) -> list[Suggestion]:
        """Return queries that may follow ``text``, for this shopper."""
        snapshot = self._current()
        return self._suggester(snapshot).next(text, k, user=user, history=self._told(snapshot, user))

    @staticmethod
    def _priced(plan: SearchPlan, text: str) -> Priced:
        plan.check()
        return priced(text, plan.finders[TEXT].config.language)

    def _chosen_before(
        self, snapshot: Snapshot, items: ItemTable, user: str | None, text: str, now: Any
    ) -> tuple[str, ...]:
        """Return what was chosen for the same query before ``now`` and not refused, returned or forgotten since."""
        before = None if now is None else self._now(now)
        ids = self.searches.refound(user, text, before=before)
        if user is None or not ids:
            return ids
        history = snapshot.store.history(user, before)
        away = refused(history)
        rows = items.vocabulary.rows(ids).tolist()
        return tuple(item_id for item_id, row in zip(ids, rows, strict=True) if row not in away)

    def _sold(self, snapshot: Snapshot, items: ItemTable, now: Any) -> NDArray[np.float32]:
        """Return (n_items,) how many events before ``now`` speak for each item, older ones counting for less.

        The counts of the moment are those of the generator "popularity", where there is one: no event is read.
        """
        kept = snapshot.fitted.generators.get("popularity")
        half_life = (kept.config if isinstance(kept, Popularity) else Popularity.Config()).half_life_days
        if now is None and isinstance(kept, Popularity):
            return kept.item_scores()
        log = snapshot.store.log()
        if now is not None:
            log = log.as_of(log.events.times < self._now(now))
        return DecayedCounts.of(log.events, len(items), half_life).counts

    def _told(self, snapshot: Snapshot, user: str | None) -> Events:
        if user is None:
            return NO_EVENTS
        history: Events = snapshot.store.history(user, limit=self.config.events.history_limit)
        return history

    def _suggester(self, snapshot: Snapshot) -> Suggester:
        """Return the suggester of the shop as it is now; see `Keeper` for when its phrases are made anew."""
        keeper = self._suggests
        if keeper is None:
            with self._lock:
                keeper = self._suggests = self._suggests or Keeper()
        items, now = snapshot.store.items(), self._now(None)
        plan, rules = snapshot.searches[self.config.variant], self.rules
        hidden = tuple(rule.holds_at(now) for rule in rules.hide)
        by_query = rules.model_copy(update={"hide": tuple(rule for rule in rules.hide if rule.query)})
        base = cache(lambda: self._base(items, None, rules, now))

        def total(text: str) -> int:
            """How much the text would find if it were searched: within the price that it names, too."""
            read, seen = self._priced(plan, text), by_query.visible(items, now, text)
            mask = base() if seen is None else base() & seen
            mask = mask & read.mask(items.prices) if read else mask
            return int(plan.finders[TEXT].match([read.text], mask, n=1).totals[0])

        # A reference that holds nothing: after a fit the old index must not live on for its counts.
        state = (weakref.ref(plan.finders[TEXT]) if TEXT in plan.finders else None, items, hidden)
        return keeper.get(items, self.searches, lambda texts: [total(text) for text in texts], state)
