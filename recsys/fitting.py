"""From settings and a log to fitted components: generators, then a ranker trained on the generators' own candidates."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recsys.candidates.fuse import Fusion
from recsys.config import EngineConfig, Variant
from recsys.data.splits import Fold
from recsys.dataset import Dataset, EventLog
from recsys.errors import DataError
from recsys.funnel import Funnel, Plan
from recsys.protocols import Deps, FitOptions
from recsys.rank.lightgbm import POSITION
from recsys.registry import Registry
from recsys.requests import fold_requests, labels_of
from recsys.types import NO_ROWS, Request, Slates, offsets_of

Progress = Callable[[str], None]


def silent(message: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Everything that was learned, by name, and how long each part took in seconds."""

    generators: Mapping[str, Any]
    rankers: Mapping[str, Any]
    fit_s: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    rerankers: Mapping[str, Any] = field(default_factory=dict)


def deps_for(
    data: Dataset, registry: Registry, log: EventLog | None = None, config: EngineConfig | None = None
) -> Deps:
    """Return what components may ask for, over one catalogue and one log; models are those of ``config``."""
    events = (log or data.log).events
    counts = np.bincount(events.rows[events.weights > 0], minlength=len(data.items)).astype(np.float32)
    base = Deps(items=data.items, popularity=counts, models={} if config is None else config.models)
    return replace(base, build=lambda kind, options: registry.build(kind, options, base))


def build_generators(config: EngineConfig, registry: Registry, deps: Deps, names: Any = None) -> dict[str, Any]:
    """Return the configured generators, unfitted."""
    wanted = config.candidates if names is None else names
    return {
        name: registry.build("candidates", config.stages[name].options, deps, f"candidates.{name}") for name in wanted
    }


def fit_generators(
    config: EngineConfig, registry: Registry, data: Dataset, log: EventLog, options: FitOptions,
    progress: Progress = silent, names: Any = None,
) -> tuple[dict[str, Any], dict[str, float]]:  # fmt: skip
    """Fit every generator on ``log``; return them and the seconds each took."""
    fold = data.with_log(log)
    fitted, seconds = {}, {}
    for name, generator in build_generators(config, registry, deps_for(data, registry, log), names).items():
        progress(f"fitting {name}")
        begin = time.perf_counter()
        fitted[name] = generator.fit(fold, options)
        seconds[name] = time.perf_counter() - begin
    return fitted, seconds


def plan_for(config: EngineConfig, fitted: Fitted, variant: Variant) -> Plan:
    """Return the plan of a variant over fitted components."""
    names = variant.candidates or tuple(config.candidates)
    ranker = fitted.rankers.get(variant.rank) if variant.rank else None
    return Plan(
        {n: fitted.generators[n] for n in names},
        {n: config.candidates[n].n for n in names},
        Fusion(config.fusion.weights, config.fusion.default),
        config.fusion.n,
        ranker,
        variant.rank if ranker is not None and variant.rank else "",
        **_reranked(config, fitted, variant),
        explain=variant.explain or "",
    )


def _reranked(config: EngineConfig, fitted: Fitted, variant: Variant) -> dict[str, Any]:
    """Return the part of a plan that reranks; nothing where the variant has no reranker, or it was not fitted."""
    name = variant.rerank
    if name is None or name not in fitted.rerankers:
        return {}
    return {"reranker": fitted.rerankers[name], "reranker_name": name, "top": config.rerank[name].top}


def training_slates(
    funnel: Funnel, fold: Fold, n_items: int, hide_seen: bool
) -> tuple[list[Request], Slates, np.ndarray[Any, np.dtype[np.float32]]]:
    """Return the requests of a fold that have a hit among their candidates, these candidates, and labels.

    The other requests teach a ranker nothing, and leaving them out early keeps the memory small.
    """
    requests: list[Request] = []
    parts: list[Slates] = []
    labels = []
    for part, chunk in fold_requests(fold, n_items, hide_seen):
        slates = funnel.candidates(chunk)
        y = labels_of(slates.items, slates.request_index, fold, part)
        hit = np.bincount(slates.request_index, weights=y, minlength=len(slates)) > 0
        keep = hit[slates.request_index]
        # Masks are not needed any more, and thousands of them would fill the memory.
        requests += [
            Request(user=r.user, history=r.history, now=r.now, k=r.k) for r, h in zip(chunk, hit, strict=True) if h
        ]
        columns = {name: values[keep] for name, values in slates.columns.items()}
        if fold.shown is not None:
            columns[POSITION] = _positions(slates, fold, part)[keep]
        parts.append(Slates(slates.items[keep], slates.scores[keep], offsets_of(slates.lengths[hit]), columns))
        labels.append(y[keep])
    if not requests:
        raise DataError("no candidate list holds what its shopper chose next: too few events to train a ranker")
    return requests, Slates.joined(parts), np.concatenate(labels)


def _positions(slates: Slates, fold: Fold, part: slice) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Return (m,) where each candidate was last shown on the way to its request's target, 0 = it was not."""
    out = np.zeros(len(slates.items), dtype=np.int32)
    assert fold.shown is not None
    parts = [fold.shown.history(int(u)) for u in fold.users[part]]
    owner = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    rows = np.concatenate([NO_ROWS, *(p.rows for p in parts)])
    places = np.concatenate([np.empty(0, np.int16), *(p.positions for p in parts)])
    if len(rows):
        width = np.int64(max(rows.max(), slates.items.max(initial=0))) + 1
        # The last of equal keys counts: unique() of the reversed array gives the first of those.
        keys, last = np.unique((owner * width + rows)[::-1], return_index=True)
        wanted = slates.request_index * width + slates.items
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found = keys[at] == wanted
        out[found] = places[::-1][last[at[found]]]
    return out


def fit_ranker(
    config: EngineConfig, registry: Registry, data: Dataset, fold: Fold, name: str, options: FitOptions,
    progress: Progress = silent, generators: Mapping[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Return the ranker ``name`` trained on candidates of generators that were fitted on ``fold.fit`` alone."""
    variant = next((v for v in config.variants.values() if v.rank == name), Variant())
    if generators is None:
        generators, _ = fit_generators(config, registry, data, fold.fit, options, progress, variant.candidates)
    funnel = Funnel(plan_for(config, Fitted(generators, {}), Variant(candidates=variant.candidates)), strict=True)
    progress("collecting candidates for the ranker")
    some = fold.sample(config.rank_requests, options.seed)
    requests, slates, labels = training_slates(funnel, some, len(data.items), config.hide_seen)
    ranker = registry.build("rankers", config.rank[name].options, deps_for(data, registry, fold.fit), f"rank.{name}")
    progress(f"fitting {name} on {len(requests)} requests")
    return ranker.fit(requests, slates, labels, options)


def fit_all(
    config: EngineConfig, registry: Registry, data: Dataset, rank_fold: Fold | None, log: EventLog, options: FitOptions,
    progress: Progress = silent, given: Mapping[str, Any] | None = None,
) -> Fitted:  # fmt: skip
    """Fit rankers on ``rank_fold`` and generators on ``log``: two fits of the generators, so that no label leaks."""
    rankers: dict[str, Any] = dict(given or {})
    seconds: dict[str, float] = {}
    warnings: list[str] = []
    listed = {variant.rank for variant in config.variants.values()}
    for name, stage in config.rank.items():
        if name in rankers:
            continue
        if not hasattr(registry.get("rankers", stage.use), "fit"):
            rankers[name] = registry.build("rankers", stage.options, deps_for(data, registry), f"rank.{name}")
        elif rank_fold is not None and (name in listed or name != config.search.rank):
            # A ranker of searches alone learns from searches, see `recsys.fitting_search`.
            begin = time.perf_counter()
            try:
                rankers[name] = fit_ranker(config, registry, data, rank_fold, name, options, progress)
            except DataError as error:
                warnings.append(f"{name} was not fitted: {error}")
                progress(warnings[-1])
            seconds[name] = time.perf_counter() - begin
    generators, more = fit_generators(config, registry, data, log, options, progress)
    final = deps_for(data, registry, log)
    rankers = {name: on_final(ranker, final) for name, ranker in rankers.items()}
    rerankers = build_rerankers(config, registry, replace(final, models=config.models))
    return Fitted(generators, rankers, {**seconds, **more}, tuple(warnings), rerankers)


def build_rerankers(config: EngineConfig, registry: Registry, deps: Deps) -> dict[str, Any]:
    """Return the configured rerankers by name."""
    return {
        name: registry.build("rerankers", stage.options, deps, f"rerank.{name}")
        for name, stage in config.rerank.items()
    }


def on_final(ranker: Any, deps: Deps) -> Any:
    """Return a ranker over the catalogue and the popularity of the final fit."""
    return ranker.on_snapshot(deps) if hasattr(ranker, "on_snapshot") else ranker
