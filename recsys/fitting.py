"""From settings and a log to fitted components: generators, then a ranker trained on the generators' own candidates."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.fuse import Fusion
from recsys.config import EngineConfig, Variant
from recsys.data.splits import Fold
from recsys.dataset import Dataset, EventLog
from recsys.errors import DataError
from recsys.funnel import Funnel, Plan
from recsys.kept import fit_or_read
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
    """Everything that was learned, by name, and how long each part took in seconds.

    ``made`` is what each ranker learned from, kept for rerankers that are still to learn; ``calibrations`` says what
    validation found of each reranker (`recsys.calibrating.Calibration`).
    """

    generators: Mapping[str, Any]
    rankers: Mapping[str, Any]
    fit_s: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    rerankers: Mapping[str, Any] = field(default_factory=dict)
    made: Mapping[str, RankingData] = field(default_factory=dict)
    calibrations: Mapping[str, Any] = field(default_factory=dict)


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
    fold, deps = data.with_log(log), deps_for(data, registry, log)
    generators, seconds = {}, {}
    for name, generator in build_generators(config, registry, deps, names).items():
        progress(f"fitting {name}")
        generators[name], seconds[name] = fit_or_read(generator, fold, options, deps)
    return generators, seconds


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


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Requests with their candidates, ``labels`` (m,) of these, and whose they are: ``users`` (b,) of the log."""

    requests: list[Request]
    slates: Slates
    labels: NDArray[np.float32]
    users: NDArray[np.int64]


def training_slates(
    funnel: Funnel, fold: Fold, n_items: int, hide_seen: bool
) -> tuple[list[Request], Slates, NDArray[np.float32]]:
    """Return requests, candidates and labels of `labelled`."""
    found = labelled(funnel, fold, n_items, hide_seen)
    return found.requests, found.slates, found.labels


def labelled(funnel: Funnel, fold: Fold, n_items: int, hide_seen: bool) -> Labelled:
    """Return the requests of a fold that have a hit among their candidates, these candidates, and labels.

    The other requests teach a ranker nothing, and leaving them out early keeps the memory small.

    Raises:
        DataError: no request has a hit.
    """
    requests: list[Request] = []
    parts: list[Slates] = []
    labels, users = [], []
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
        users.append(fold.users[part][hit])
    if not requests:
        raise DataError("no candidate list holds what its shopper chose next: too few events to train a ranker")
    return Labelled(requests, Slates.joined(parts), np.concatenate(labels), np.concatenate(users))


def _positions(slates: Slates, fold: Fold, part: slice) -> NDArray[np.int32]:
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


@dataclass(frozen=True, slots=True, eq=False)
class RankingData:
    """What a ranker learned from: ``lists`` of generators that were fitted on ``fold.fit``, the base of ``deps``."""

    fold: Fold
    generators: Mapping[str, Any]
    variant: Variant
    lists: Labelled
    deps: Deps


def ranking_data(
    config: EngineConfig, registry: Registry, data: Dataset, fold: Fold, name: str, options: FitOptions,
    progress: Progress = silent, generators: Mapping[str, Any] | None = None,
) -> RankingData:  # fmt: skip
    """Return what the ranker ``name`` learns from; ``generators`` are fitted on ``fold.fit``, None = fit them."""
    variant = next((v for v in config.variants.values() if v.rank == name), Variant())
    if generators is None:
        generators, _ = fit_generators(config, registry, data, fold.fit, options, progress, variant.candidates)
    funnel = Funnel(plan_for(config, Fitted(generators, {}), Variant(candidates=variant.candidates)), strict=True)
    progress("collecting candidates for the ranker")
    some = fold.sample(config.rank_requests, options.seed)
    lists = labelled(funnel, some, len(data.items), config.hide_seen)
    return RankingData(fold, generators, variant, lists, deps_for(data, registry, fold.fit, config))


def fit_ranker(
    config: EngineConfig, registry: Registry, made: RankingData, name: str, options: FitOptions,
    progress: Progress = silent,
) -> Any:  # fmt: skip
    """Return the ranker ``name`` trained on the candidates of ``made``."""
    ranker = registry.build("rankers", config.rank[name].options, made.deps, f"rank.{name}")
    progress(f"fitting {name} on {len(made.lists.requests)} requests")
    return ranker.fit(made.lists.requests, made.lists.slates, made.lists.labels, options)


def fit_all(
    config: EngineConfig, registry: Registry, data: Dataset, rank_fold: Fold | None, log: EventLog, options: FitOptions,
    progress: Progress = silent, given: Mapping[str, Any] | None = None,
) -> Fitted:  # fmt: skip
    """Fit rankers on ``rank_fold`` and generators on ``log``: two fits of the generators, so that no label leaks.

    Rerankers are built, not fitted: see `recsys.fitting_rerank.with_rerankers`, for which the data of the rankers are
    kept where there is one to fit. One that cannot learn here, for want of torch say, raises in its ``can_learn``
    before anything is fitted.
    """
    rankers: dict[str, Any] = dict(given or {})
    seconds: dict[str, float] = {}
    warnings: list[str] = []
    kept: dict[str, RankingData] = {}
    rerankers = build_rerankers(config, registry, deps_for(data, registry, log, config))
    untrained = [r for r in rerankers.values() if is_untrained(r)]
    learns = bool(untrained)
    for reranker in untrained:
        getattr(reranker, "can_learn", lambda: None)()
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
                made = ranking_data(config, registry, data, rank_fold, name, options, progress)
                rankers[name] = fit_ranker(config, registry, made, name, options, progress)
                if learns:
                    kept[name] = made
                del made
            except DataError as error:
                warnings.append(f"{name} was not fitted: {error}")
                progress(warnings[-1])
            seconds[name] = time.perf_counter() - begin
    generators, more = fit_generators(config, registry, data, log, options, progress)
    final = deps_for(data, registry, log)
    rankers = {name: on_final(ranker, final) for name, ranker in rankers.items()}
    return Fitted(generators, rankers, {**seconds, **more}, tuple(warnings), rerankers, kept)


def is_untrained(reranker: Any) -> bool:
    """Whether a reranker has yet to learn: it has ``fit``, and its ``trained`` is false."""
    return hasattr(reranker, "fit") and not reranker.trained


def build_rerankers(config: EngineConfig, registry: Registry, deps: Deps) -> dict[str, Any]:
    """Return the configured rerankers by name."""
    return {
        name: registry.build("rerankers", stage.options, deps, f"rerank.{name}")
        for name, stage in config.rerank.items()
    }


def on_final(ranker: Any, deps: Deps) -> Any:
    """Return a ranker over the catalogue and the popularity of the final fit."""
    return ranker.on_snapshot(deps) if hasattr(ranker, "on_snapshot") else ranker
