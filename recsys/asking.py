"""What a shop asks of a fitted engine: lists for shoppers, what goes with an item, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from recsys import explaining
from recsys.answers import results, with_reasons, with_workings
from recsys.candidates.fuse import FOUND
from recsys.dataset import ItemTable
from recsys.erasing import watched
from recsys.errors import ConfigError, DataError
from recsys.explanation import Explanation
from recsys.filters import Exclusions
from recsys.filters.exclusions import Hider
from recsys.filters.where import Where
from recsys.funnel import Funnel, Stopwatch
from recsys.reasoning import Reasoning
from recsys.requests import compile_filter, without
from recsys.result import Result
from recsys.rules import Page, Rules, apply
from recsys.rules.trace import with_shown
from recsys.search.fold import Parents, fold
from recsys.showing import Show
from recsys.snapshot import Snapshot
from recsys.store.histories import join
from recsys.store.searches import SearchLog
from recsys.types import NO_ROWS, Events, ItemRows, Request, RowMask, Slates, offsets_of, utc


class Asking(Reasoning):
    """The asking side of `recsys.engine.Engine`: every call works on one snapshot from beginning to end."""

    store: Any
    searches: SearchLog
    rules: Rules

    def _pinned(self) -> tuple[Snapshot, ItemTable]:
        """Return the snapshot of a call, and its catalogue with stock and prices of the moment."""
        snapshot = self._current()
        return snapshot, snapshot.store.items()

    def recommend(
        self, user: str | None = None, k: int = 10, *, where: Where = None, context: Sequence[str] = (),
        exclude: Exclusions | None = None, rules: Rules | None = None, page: Page | None = None,
        explain: bool | str = False, variant: str | None = None, now: Any = None, budget_ms: float | None = None,
        strict: bool = False, workings: bool = False,
    ) -> Result:  # fmt: skip
        """Return the ``k`` items that ``user`` is most likely to want next; a stranger or None gets what is popular.

        Args:
            user: the shopper.
            k: length of the list.
            where: a `Filter`, a filter's text (``price <= 80 AND brand = "Acme"``), its JSON or its tree.
            context: items of the page or cart: they count like fresh looks, and are not recommended.
            exclude: what this shopper is not shown, instead of what [exclusions] in the settings say of histories, and
                also where ``hide_seen`` is false. Items that the settings exclude by id stay out of every list.
            rules: of the merchant, after those of [rules] in the settings.
            page: what the page shows already: it is not repeated, and this list is added to it.
            explain: whether each item gets a checked reason, or the name of the explainer that words it, "extract" say;
                what the score would lose without an event costs one more ranking of the list.
            variant: the plan, None = that of the settings.
            now: of the request, an aware datetime or epoch seconds; None is now.
            budget_ms: how long the list may take; a reranker that would take longer is left out, and the trace says so.
            strict: whether a stage that fails raises, instead of being left out and named in the trace.
            workings: whether each item tells how it came to its place: `recsys.workings.Workings`.
        """
        return self.recommend_batch(
            [user], k, where=where, context=context, exclude=exclude, rules=rules, page=page, explain=explain,
            variant=variant, now=now, budget_ms=budget_ms, strict=strict, workings=workings,
        )[0]  # fmt: skip

    @watched
    def recommend_batch(
        self, users: Sequence[str | None], k: int = 10, *, where: Where = None, context: Sequence[str] = (),
        exclude: Exclusions | None = None, rules: Rules | None = None, page: Page | None = None,
        explain: bool | str = False, variant: str | None = None, now: Any = None, budget_ms: float | None = None,
        strict: bool = False, workings: bool = False,
    ) -> list[Result]:  # fmt: skip
        """Return one list per user; the same answers as one by one, in less time. ``budget_ms`` is of the whole batch.

        Raises:
            ConfigError: a page and more than one user: a page is one shopper's.
        """
        if page is not None and len(users) != 1:
            raise ConfigError("a page belongs to one shopper: give one user with it")
        deadline = deadline_of(budget_ms)
        snapshot, items = self._pinned()
        asked = self._merged(rules)
        base = self._base(items, where, asked, self._now(now))
        # What the page shows is taken out before anything is found, so that a list is full however long the page is.
        shown = NO_ROWS if page is None else page.hides(asked, items, base)
        base = without(base, shown)
        seeds = self._rows(snapshot, items, context)
        if exclude is None and self.config.hide_seen:
            exclude = self.config.exclusions
        hider = None if exclude is None else exclude.over(items)
        requests = [self._request(snapshot, user, base, seeds, k, now, hider, deadline) for user in users]
        funnel = self._funnel(snapshot, variant, strict)
        watch = Stopwatch.keeping(workings)
        if not explain:
            ranked = funnel.run(requests, asked.pool(k), watch)
            slates = with_shown(
                self._ruled(asked, ranked, requests, items, k, page, watch, snapshot=snapshot), len(shown)
            )
            return self._listed(slates, requests, items, funnel, watch, snapshot)
        # The reasons are measured against all candidates, so that none is cut away yet.
        candidates = funnel.candidates(requests, watch)
        preranked = funnel.prerank(requests, candidates, max(1, len(candidates.items)), watch)
        ranked = funnel.rerank(requests, preranked, watch)
        measured, best = funnel.measured(ranked), ranked.head(asked.pool(k))
        # A model that is too slow to be asked again leaves the causes to the ranker before it.
        ranked = ranked if measured.plan.reranker is not None else preranked
        slates = with_shown(self._ruled(asked, best, requests, items, k, page, watch, snapshot=snapshot), len(shown))
        said = self._explained(
            snapshot, requests, slates, ranked, explaining.rescorer(measured), watch, use=explain,
            plan=funnel.plan, strict=strict,
        )  # fmt: skip
        return with_reasons(self._listed(slates, requests, items, funnel, watch, snapshot), said)

    @staticmethod
    def _listed(
        slates: Slates, requests: Sequence[Request], items: ItemTable, funnel: Funnel, watch: Stopwatch,
        snapshot: Snapshot,
    ) -> list[Result]:  # fmt: skip
        """Return the lists as results, with the workings where ``watch`` kept what they are made of."""
        found = results(slates, items, funnel.plan, watch, snapshot.bundle_id)
        if watch.kept is None:
            return found
        return with_workings(found, *Show.of(funnel.plan).workings(requests, slates, watch, funnel.strict))

    @watched
    def explain(
        self, user: str | None, item_ids: Sequence[str], *, variant: str | None = None, now: Any = None,
        strict: bool = False,
    ) -> list[Explanation]:  # fmt: skip
        """Return why ``user`` would want each of the given items, in their order; "" where there is nothing to say.

        Raises:
            DataError: an unknown item, or one that is named twice.
        """
        snapshot, items = self._pinned()
        rows = self._distinct(snapshot, items, item_ids)
        base = self._base(items, None, self.rules, self._now(now))
        request = self._request(snapshot, user, base, NO_ROWS, max(1, len(rows)), now)
        funnel, watch = self._funnel(snapshot, variant, strict).measured(), Stopwatch()
        found = funnel.candidates([request], watch).items
        everything = np.union1d(found, rows).astype(np.int32)
        rescore = explaining.rescorer(funnel)
        ranked = rescore([request], _unfound(everything))
        place = {row: i for i, row in enumerate(ranked.items.tolist())}
        at = np.array([place[row] for row in rows.tolist()], dtype=np.int64)
        listed = Slates(
            ranked.items[at], ranked.scores[at], np.array([0, len(at)]), {n: c[at] for n, c in ranked.columns.items()}
        )
        said = self._explained(snapshot, [request], listed, ranked, rescore, watch, plan=funnel.plan, strict=strict)
        return said.explanations

    def _merged(self, rules: Rules | None) -> Rules:
        return self.rules if rules is None else self.rules.plus(rules)

    def _base(self, items: ItemTable, where: Where, rules: Rules, now: int, text: str | None = None) -> RowMask:
        """Return what may be shown to anybody: stock, filter, what the merchant hides and excludes by id."""
        base, visible = compile_filter(items, where), rules.visible(items, now, text)
        base = base if visible is None else base & visible
        never = self.config.exclusions.never(items)
        return without(base, never) if len(never) else base

    @staticmethod
    def _pool(rules: Rules, k: int, page: Page | None) -> int:
        """Return how many ranked items a list of ``k`` needs, of which rules and the page may take some out."""
        return rules.pool(k) + (0 if page is None else len(page))

    def _ruled(
        self, rules: Rules, slates: Slates, requests: Sequence[Request], items: ItemTable, k: int, page: Page | None,
        watch: Stopwatch, *, snapshot: Snapshot, in_order: bool = False, parents: Parents | None = None,
    ) -> Slates:  # fmt: skip
        """Return lists of ``k`` that obey the rules; nothing is done where there are none.

        ``in_order`` keeps the order of the lists: rules then leave out, and neither move nor bring in. ``snapshot`` is
        that of the call. With ``parents`` a list shows one variant of each product.
        """
        if rules.idle and page is None:
            if parents is not None:
                slates = fold(slates, parents)[0]
                watch.keep("fold", slates)
            return slates.head(k)
        dense = snapshot.fitted.generators.get("dense")
        vectors = dense.vectors if rules.diversity and dense is not None else None
        out = watch.time(
            "rules", "rules", len(slates.items),
            lambda: apply(
                rules, slates, requests, items, k, page=page, vectors=vectors, in_order=in_order, parents=parents,
                named=watch.kept is not None,
            ),
        )  # fmt: skip
        if page is not None:
            page.add(items.vocabulary.ids(out.items))
        return out

    def similar_items(
        self, item_id: str, k: int = 10, *, where: Where = None, rules: Rules | None = None, page: Page | None = None,
        now: Any = None, strict: bool = False,
    ) -> Result:  # fmt: skip
        """Return items like ``item_id``: what goes with it by behaviour, attributes and text, popularity apart.

        The rules of the settings hold but for their pins, new items and calibration: what these bring in is like
        nothing here. ``rules`` of the call hold whole; the other arguments are those of `recommend`.

        Raises:
            DataError: an unknown item, or ``k`` below 1.
        """
        snapshot, items = self._pinned()
        row, moment = self._rows(snapshot, items, [item_id]), self._now(now)
        asked = self.rules.model_copy(update={"pin": (), "explore": None, "calibration": 0.0})
        asked = asked if rules is None else asked.plus(rules)
        base = self._base(items, where, asked, moment)
        shown = NO_ROWS if page is None else page.hides(asked, items, base)
        allowed = without(base, np.concatenate([row, shown]))
        allowed[len(snapshot.items) :] = False  # as in `_request`
        request = Request(history=Events.of(row), allowed=allowed, now=moment, k=_checked(k))
        plan = self._funnel(snapshot, None, strict).plan
        # A ranker knows shoppers, not pairs, and what is popular is like nothing in particular.
        pairs = {n: g for n, g in plan.generators.items() if getattr(g, "uses_history", True)}
        bare = replace(plan, generators=pairs, ranker=None, reranker=None, reranker_name="")
        funnel, watch = Funnel(bare, strict), Stopwatch()
        slates = self._ruled(
            asked, funnel.run([request], asked.pool(k), watch), [request], items, k, page, watch, snapshot=snapshot
        )  # fmt: skip
        return results(with_shown(slates, len(shown)), items, funnel.plan, watch, snapshot.bundle_id)[0]

    @watched
    def rank(
        self, user: str | None, item_ids: Sequence[str], k: int | None = None, *, variant: str | None = None,
        now: Any = None, budget_ms: float | None = None, strict: bool = False, workings: bool = False,
    ) -> Result:  # fmt: skip
        """Return the given items in the order in which ``user`` would want them; none is added, filtered or lost.

        ``workings`` as in `recommend`.

        Raises:
            DataError: an unknown item, or one that is named twice.
        """
        snapshot, items = self._pinned()
        rows = self._distinct(snapshot, items, item_ids)
        everything = np.ones(len(items), dtype=np.bool_)
        size, deadline = max(1, len(rows)) if k is None else k, deadline_of(budget_ms)
        request = self._request(snapshot, user, everything, NO_ROWS, size, now, deadline=deadline)
        given = _unfound(rows)
        funnel = self._funnel(snapshot, variant, strict)
        watch = Stopwatch.keeping(workings)
        scored = funnel.score_given([request], given, watch)
        ranked = funnel.rank([request], scored, request.k, watch)
        return self._listed(ranked, [request], items, funnel, watch, snapshot)[0]

    def _distinct(self, snapshot: Snapshot, items: ItemTable, item_ids: Sequence[str]) -> ItemRows:
        rows = self._rows(snapshot, items, item_ids)
        if len(np.unique(rows)) != len(rows):
            raise DataError("item_ids names an item twice")
        return rows

    def _funnel(self, snapshot: Snapshot, variant: str | None, strict: bool) -> Funnel:
        name = variant or self.config.variant
        if name not in snapshot.funnels:
            raise ConfigError(f"variant must be one of {', '.join(snapshot.funnels)}; got {name!r}")
        if not strict:
            return snapshot.funnels[name]
        plan = snapshot.funnels[name].plan
        if plan.reranker is not None:
            plan = replace(plan, reranker=plan.reranker.strictly())
        return Funnel(plan, strict=True)

    def _request(
        self, snapshot: Snapshot, user: str | None, base: RowMask, page: ItemRows, k: int, now: Any,
        hider: Hider | None = None, deadline: float | None = None,
    ) -> Request:  # fmt: skip
        moment = self._now(now)
        history = Events.of(())
        if user is not None:
            history = snapshot.store.history(user, None if now is None else moment)
        hidden = hider.rows(history, moment) if hider is not None else NO_ROWS
        # What was bought long ago stays hidden; only what speaks of taste, and lately, is worth carrying further.
        history = history.take(np.flatnonzero(history.weights)[-self.config.events.history_limit :])
        if len(page):
            looks = Events.of(page, times=[moment] * len(page), weights=[0.5] * len(page))
            history = join([replace(history, ids=()), looks])
        allowed = without(base, np.concatenate([hidden, page]))
        allowed[len(snapshot.items) :] = False  # what came since is unknown to the parts of this snapshot
        return Request(
            user=user, history=history, context=page, allowed=allowed,
            now=moment, deadline=deadline, k=_checked(k),
        )  # fmt: skip

    @staticmethod
    def _now(now: Any) -> int:
        return int(time.time()) if now is None else utc(now, "now")

    @staticmethod
    def _rows(snapshot: Snapshot, items: ItemTable, item_ids: Sequence[str]) -> ItemRows:
        rows = items.vocabulary.rows(item_ids)
        unknown = (rows < 0) | (rows >= len(snapshot.items))  # what came since is unknown to the parts of this snapshot
        if unknown.any():
            raise DataError(f"unknown item_id {item_ids[int(np.argmax(unknown))]!r}")
        return rows


def deadline_of(budget_ms: float | None) -> float | None:
    """Return when a call that begins now has to be done, of `time.monotonic`."""
    if budget_ms is not None and not budget_ms > 0:
        raise ConfigError(f"budget_ms must be above 0, got {budget_ms}")
    return None if budget_ms is None else time.monotonic() + budget_ms / 1000


def _checked(k: int) -> int:
    if k < 1:
        raise DataError(f"k must be at least 1, got {k}")
    return k


def _unfound(rows: ItemRows) -> Slates:
    """Return one list of given rows that no generator has found."""
    lengths = np.array([len(rows)])
    return Slates(rows, np.zeros(len(rows), np.float32), offsets_of(lengths), {FOUND: np.zeros(len(rows), np.uint64)})
