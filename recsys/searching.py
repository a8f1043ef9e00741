"""One search: what matches the words, what means the same, and what of it this shopper would want."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.fuse import FOUND, FUSED, Fusion, places, score_all, union
from recsys.config import EngineConfig, SearchSettings
from recsys.dataset import ItemTable
from recsys.errors import NotFittedError, StageError
from recsys.fitting import Fitted
from recsys.funnel import Funnel, Guarded, Stopwatch
from recsys.rank.features.query import with_features
from recsys.result import StageTrace
from recsys.search.fold import Parents, first_products
from recsys.search.matches import Matches
from recsys.search.sort import Order
from recsys.types import ItemRows, Notes, Request, Slates

PERSONAL = "personal"
TEXT = "text"


@dataclass(frozen=True, slots=True, eq=False)
class SearchPlan:
    """What answers a search: ``finders`` by name, the funnel of `recommend` for the personal side, a ranker or None.

    ``complete`` asks for the columns of the personal side where neither a weight nor a ranker does.
    """

    settings: SearchSettings
    finders: Mapping[str, Any]
    sizes: Mapping[str, int]
    personal: Funnel
    ranker: Any = None
    complete: bool = False

    @property
    def strict(self) -> bool:
        """Whether a stage that fails raises: the funnel of the call says so."""
        return self.personal.strict

    def check(self) -> None:
        """Raise `NotFittedError` if there is no text index."""
        if TEXT not in self.finders:
            raise NotFittedError("there is no text index: set [search.candidates.text] and fit again")


def search_plan(config: EngineConfig, fitted: Fitted, personal: Funnel) -> SearchPlan:
    """Return the plan of searches of one variant, whose funnel is ``personal``."""
    settings = config.search
    # A ranker reads the columns of the default variant's generators: a variant that lacks one does without the ranker.
    needed = config.variants[config.variant].candidates or tuple(config.candidates)
    ranker = fitted.rankers.get(settings.rank or "") if set(needed) <= set(personal.plan.generators) else None
    names = [*settings.candidates, *(n for n in settings.also if n in personal.plan.generators)]
    return SearchPlan(
        settings,
        {n: fitted.generators[n] for n in names if n in fitted.generators},
        {n: config.stages[n].n for n in names},
        personal,
        ranker,
    )


def find(plan: SearchPlan, requests: Sequence[Request], found: Mapping[str, Slates], watch: Stopwatch) -> Slates:
    """Return what the finders list for each request's text, with complete columns, in fused order.

    ``found`` are lists that are known already, by finder. Columns: those of `recsys.candidates.fuse`, and
    "personal_score", the fused score that the plan of `recommend` gives the same items without the text. A finder that
    fails lists nothing, and is noted.

    Raises:
        StageError: the text index failed, or any finder where the plan is strict.
    """
    lists, degraded = dict(found), []
    for name, finder in plan.finders.items():
        if name in found:
            continue
        try:
            size = plan.sizes[name]
            lists[name] = watch.time("candidates", name, len(requests), partial(finder.generate, requests, size))
        except Exception as error:  # as in `Funnel.generate`: what matches the words is a good answer too
            if plan.strict or name == TEXT:
                raise StageError("candidates", name, str(error)) from error
            lists[name] = Slates.of([[] for _ in requests])
            degraded.append(f"candidates:{name}:{type(error).__name__}")
    # In the order of the plan: the place is the finder's bit in the column "found".
    slates = union({name: lists[name] for name in plan.finders}, len(requests))
    return scored(plan, requests, _noted(slates, degraded), watch, plan.settings.n)


def scored(
    plan: SearchPlan, requests: Sequence[Request], slates: Slates, watch: Stopwatch, n: int | None = None
) -> Slates:
    """Return given items with complete columns, in fused order, cut to ``n``; what fails scores NaN and is noted."""
    names, failed = ", ".join(plan.finders), dict[str, Exception]()
    finders = {f: Guarded(f, inner, failed, plan.strict or f == TEXT) for f, inner in plan.finders.items()}
    found = watch.time("score", names, len(slates.items), lambda: score_all(requests, slates, finders))
    found = _noted(found, [f"score:{name}:{type(error).__name__}" for name, error in failed.items()])
    more, degraded = _personal(plan, requests, slates, watch)
    columns = {**found.columns, **more}
    found = _noted(Slates(found.items, found.scores, found.offsets, columns, found.notes), degraded)
    fusion = Fusion(plan.settings.weights, default=0.0)
    watch.keep("scored", found)
    parts = [name for name in (*plan.finders, PERSONAL) if f"{name}_score" in columns]
    return watch.time("fuse", "fusion", len(slates.items), lambda: fusion.fuse(found, parts, n))


def _noted(slates: Slates, degraded: Sequence[str]) -> Slates:
    return slates.note(Notes(degraded=tuple(degraded))) if degraded else slates


def _personal(
    plan: SearchPlan, requests: Sequence[Request], slates: Slates, watch: Stopwatch
) -> tuple[dict[str, np.ndarray[Any, Any]], list[str]]:
    """Return the columns of the shopper's side, in the order of ``slates``, and what of it failed; that is all NaN.

    The finders keep the columns that they have.
    """
    if not (plan.complete or plan.settings.weights.get(PERSONAL) or plan.ranker is not None):
        return {}, []
    try:
        columns, degraded = _judged(plan, requests, slates, watch)
    except Exception as error:  # a search for nobody in particular is a good answer too
        if plan.strict:
            raise
        names = (*plan.personal.plan.generators, PERSONAL)
        unknown = np.full(len(slates.items), np.nan, dtype=np.float32)
        columns = {f"{name}_{what}": unknown.copy() for name in names for what in ("score", "rank")}
        degraded = [f"{PERSONAL}:{', '.join(plan.personal.plan.generators)}:{type(error).__name__}"]
    taken = {f"{name}_{what}" for name in plan.finders for what in ("score", "rank")}
    return {n: c for n, c in columns.items() if n not in taken}, degraded


def _judged(
    plan: SearchPlan, requests: Sequence[Request], slates: Slates, watch: Stopwatch
) -> tuple[dict[str, np.ndarray[Any, Any]], list[str]]:
    silent = [replace(r, text=None) for r in requests]
    place = np.arange(len(slates.items))
    # Bare items: what is scored anew, for the causal drop, has columns of these names already.
    bare = Slates(slates.items, slates.scores, slates.offsets, {"place": place})
    judged = plan.personal.score_given(silent, bare, watch)
    back = np.argsort(judged.columns["place"])
    columns = {n: c[back] for n, c in judged.columns.items() if n != "place"}
    columns[f"{PERSONAL}_score"] = fused = columns.pop(FUSED)
    columns[f"{PERSONAL}_rank"] = places(fused, slates.request_index, slates)
    # The generators judged all requests in one call: what failed failed for each of them.
    return columns, list(dict.fromkeys(name for note in judged.notes for name in note.degraded))


def order(plan: SearchPlan, requests: Sequence[Request], slates: Slates, watch: Stopwatch) -> Slates:
    """Return all that was found, by the search ranker where there is one, else in fused order; nothing is reranked."""
    if plan.ranker is None:
        return slates.ordered(slates.scores)
    name, most = plan.settings.rank or "", len(slates.items)
    try:
        described = watch.time("features", TEXT, most, lambda: with_features(requests, slates, plan.finders))
        return watch.time("rank", name, most, lambda: plan.ranker.rank(requests, described, most))
    except Exception as error:  # as in `Funnel.rank`: the fused order is a good answer too
        if plan.strict:
            raise StageError("rank", name, str(error)) from error
        return _noted(slates.ordered(slates.scores), [f"rank:{name}:{type(error).__name__}"])


def reranked(plan: SearchPlan, requests: Sequence[Request], slates: Slates, watch: Stopwatch) -> Slates:
    """Return lists after the variant's reranker; one that does not read queries has no say in searches."""
    if getattr(plan.personal.plan.reranker, "reads_queries", False):
        return plan.personal.rerank(requests, slates, watch)
    return slates


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How an answer is wanted: ``sort`` other than "relevance" lists what matches all words by price, date or sales.

    ``popularity`` (n_items,) is for sorting by it; ``refound`` are ids that this shopper chose for this query before.
    """

    k: int
    sort: Order = "relevance"
    folded: bool = True
    facets: bool = False
    popularity: NDArray[np.float32] | None = None
    refound: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one search gives: the list, what is folded under its rows, and what the words matched.

    ``refound`` are the listed rows that the shopper chose for this query before: they come first. ``ranked`` is all
    that was found, with its final scores. With ``parents`` the list is to show one variant of each product, and is not
    folded yet; ``below`` names the others once it is.
    """

    slates: Slates
    ranked: Slates
    matches: Matches
    refound: tuple[int, ...] = ()
    parents: Parents | None = None
    below: Mapping[int, ItemRows] = field(default_factory=dict)


def rescorer(plan: SearchPlan) -> Callable[[Sequence[Request], Slates], Slates]:
    """Return what gives given items the final scores of a search; nothing is cut."""

    def rescore(requests: Sequence[Request], slates: Slates) -> Slates:
        # Nothing of what was known before the change may be read again: the items alone come along.
        kept = {n: c for n, c in slates.columns.items() if n == FOUND}
        bare = Slates(slates.items, slates.scores, slates.offsets, kept, slates.notes)
        return order(plan, requests, scored(plan, requests, bare, Stopwatch()), Stopwatch())

    return rescore


def search(plan: SearchPlan, request: Request, items: ItemTable, asked: Asked, watch: Stopwatch) -> Answer:
    """Answer one search, ``request.text``: find, order, put what was chosen before first, cut.

    Where variants are folded all variants of the first ``asked.k`` products come: which of them is shown is for rules
    to say.
    """
    plan.check()
    text, sorted_ = plan.finders[TEXT], asked.sort != "relevance"
    n = len(items) if sorted_ else plan.sizes[TEXT]
    begin = time.perf_counter()
    matches = text.match(
        [request.text], request.allowed, n=n, sort=asked.sort, popularity=asked.popularity, facets=asked.facets
    )
    watch.stages.append(
        StageTrace("candidates", TEXT, (time.perf_counter() - begin) * 1000, 1, len(matches.slates.items))
    )
    back: tuple[int, ...] = ()
    if sorted_:
        slates = ranked = matches.slates
    else:
        ranked = order(plan, [request], find(plan, [request], {TEXT: matches.slates}, watch), watch)
        slates, back = _refound_first(reranked(plan, [request], ranked, watch), items, request, asked.refound)
        if back:
            watch.keep("refound", slates)
    parents = text.parents if asked.folded else None
    slates = slates.head(asked.k) if parents is None else first_products(slates, parents, asked.k)
    there = set(slates.items.tolist())
    return Answer(slates, ranked, matches, tuple(r for r in back if r in there), parents)


def _refound_first(
    slates: Slates, items: ItemTable, request: Request, ids: Sequence[str]
) -> tuple[Slates, tuple[int, ...]]:
    """Return the list with what was chosen for the same query before in front, the latest choice first."""
    rows = [r for r in items.vocabulary.rows(ids).tolist() if r >= 0]
    rows = [r for r in rows if r in set(slates.items.tolist()) and (request.allowed is None or request.allowed[r])]
    if not rows:
        return slates, ()
    place = {row: i for i, row in enumerate(rows)}
    rank = np.array([place.get(row, len(rows)) for row in slates.items.tolist()])
    by = np.lexsort((np.arange(len(rank)), rank))
    columns = {name: c[by] for name, c in slates.columns.items()}
    # Best first, whoever sorts the list again: what is in front scores no less than what comes after it.
    scores = np.fmax.accumulate(slates.scores[by][::-1])[::-1].copy()
    return Slates(slates.items[by], scores, slates.offsets, columns, slates.notes), tuple(rows)
