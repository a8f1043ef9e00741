"""One search: what matches the words, what means the same, and what of it this shopper would want."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recsys.candidates.fuse import FUSED, Fusion, score_all, union
from recsys.config import EngineConfig, SearchSettings
from recsys.dataset import Dataset
from recsys.errors import NotFittedError
from recsys.fitting import Fitted, Progress, fit_generators
from recsys.funnel import Funnel, Stopwatch
from recsys.protocols import FitOptions
from recsys.rank.features.query import with_features
from recsys.registry import Registry
from recsys.types import Request, Slates

PERSONAL = "personal"
TEXT = "text"


@dataclass(frozen=True, slots=True, eq=False)
class SearchPlan:
    """What answers a search: ``finders`` by name, the funnel of `recommend` for the personal side, a ranker or None."""

    settings: SearchSettings
    finders: Mapping[str, Any]
    sizes: Mapping[str, int]
    personal: Funnel
    ranker: Any = None

    def check(self) -> None:
        """Raise `NotFittedError` if there is no text index."""
        if TEXT not in self.finders:
            raise NotFittedError("there is no text index: set [search.candidates.text] and fit again")


def with_finders(
    config: EngineConfig, registry: Registry, data: Dataset, fitted: Fitted, options: FitOptions, progress: Progress
) -> Fitted:
    """Return what was fitted, and the generators that only searches use."""
    made, seconds = fit_generators(
        config, registry, data, data.log, options, progress, names=tuple(config.search.candidates)
    )
    return replace(fitted, generators={**fitted.generators, **made}, fit_s={**fitted.fit_s, **seconds})


def search_plan(config: EngineConfig, fitted: Fitted, personal: Funnel) -> SearchPlan:
    """Return the plan of searches of one variant, whose funnel is ``personal``."""
    settings = config.search
    names = [*settings.candidates, *(n for n in settings.also if n in personal.plan.generators)]
    return SearchPlan(
        settings,
        {n: fitted.generators[n] for n in names if n in fitted.generators},
        {n: config.stages[n].n for n in names},
        personal,
        fitted.rankers.get(settings.rank or ""),
    )


def find(plan: SearchPlan, requests: Sequence[Request], found: Mapping[str, Slates], watch: Stopwatch) -> Slates:
    """Return what the finders list for each request's text, with complete columns, in fused order.

    ``found`` are lists that are known already, by finder. Columns: those of `recsys.candidates.fuse`, and
    "personal_score", the fused score that the plan of `recommend` gives the same items without the text.
    """
    lists = {
        name: found[name]
        if name in found
        else watch.time("candidates", name, len(requests), lambda f=f, n=plan.sizes[name]: f.generate(requests, n))  # type: ignore[misc]
        for name, f in plan.finders.items()
    }
    slates = union(lists, len(requests))
    scored = watch.time("score", ", ".join(lists), len(slates.items), lambda: score_all(requests, slates, plan.finders))
    columns = {**scored.columns, **_personal(plan, requests, slates, watch)}
    scored = Slates(scored.items, scored.scores, scored.offsets, columns, scored.notes)
    weights = plan.settings.weights
    fusion = Fusion(weights, default=0.0)
    names = [n for n in (*lists, PERSONAL) if f"{n}_score" in columns]
    return watch.time("fuse", "fusion", len(slates.items), lambda: fusion.fuse(scored, names, plan.settings.n))


def _personal(
    plan: SearchPlan, requests: Sequence[Request], slates: Slates, watch: Stopwatch
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the columns of the shopper's side, in the order of ``slates``; finders keep theirs."""
    if not plan.settings.weights.get(PERSONAL) and plan.ranker is None:
        return {}
    silent = [replace(r, text=None) for r in requests]
    place = np.arange(len(slates.items))
    given = Slates(slates.items, slates.scores, slates.offsets, {**slates.columns, "place": place})
    scored = plan.personal.score_given(silent, given, watch)
    back = np.argsort(scored.columns["place"])
    columns = {n: c[back] for n, c in scored.columns.items() if n not in ("place", *slates.columns)}
    columns[f"{PERSONAL}_score"] = columns.pop(FUSED)
    taken = {f"{name}_{what}" for name in plan.finders for what in ("score", "rank")}
    return {n: c for n, c in columns.items() if n not in taken}


def order(plan: SearchPlan, requests: Sequence[Request], slates: Slates, n: int, watch: Stopwatch) -> Slates:
    """Return the best ``n``, by the search ranker where there is one, else in fused order."""
    if plan.ranker is None:
        return slates.ordered(slates.scores, n)
    slates = watch.time("features", TEXT, len(slates.items), lambda: with_features(requests, slates, plan.finders))
    return watch.time(
        "rank", plan.settings.rank or "", len(slates.items), lambda: plan.ranker.rank(requests, slates, n)
    )
