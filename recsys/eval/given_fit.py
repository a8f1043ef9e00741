"""Fitting for given lists: a ranker learns from lists of the kind that it is going to order."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.calibrating import Calibration, calibrated
from recsys.candidates.fuse import FOUND
from recsys.config import EngineConfig, Variant
from recsys.data.splits import Fold, Split
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.fitting import (
    Fitted,
    Labelled,
    Progress,
    RankingData,
    build_rerankers,
    deps_for,
    fit_generators,
    fit_ranker,
    is_untrained,
    on_final,
    plan_for,
)
from recsys.fitting_rerank import joined, with_rerankers
from recsys.funnel import Funnel
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.requests import fold_requests, labels_of, seen
from recsys.rerank.base import Reranker
from recsys.types import ItemRows, Slates, offsets_of

ACCEPT = 1_000  # validation lists by which a reranker is accepted and bounded


def fit_given(
    config: EngineConfig, registry: Registry, data: Dataset, folds: Split, size: int, options: FitOptions,
    progress: Progress, rank: bool = True, fresh: bool = False,
) -> Fitted:  # fmt: skip
    """Return everything fitted for lists of ``size`` items that nobody retrieved: a target among random others.

    The cascade's own candidates are all likely ones, and a ranker that learned from them has never seen the difference
    between a likely and a random item. Here it learns from drawn lists of the third last choices, with generators that
    were fitted on what came before; trainable rerankers learn behind it, and those without training are accepted on
    drawn lists of the second last choices. ``rank`` false fits generators alone; ``fresh`` see `drawn`.
    """
    variant = config.variants[config.variant]
    seconds: dict[str, float] = {}
    warnings: list[str] = []
    rankers, made = {}, {}
    if rank and variant.rank is not None:
        begin = time.perf_counter()
        try:
            found = _ranking_data(config, registry, data, folds.rank, size, options, progress, fresh)
            ranker = fit_ranker(config, registry, found, variant.rank, options, progress)
            rankers, made = {variant.rank: ranker}, {variant.rank: found}
        except DataError as error:
            warnings.append(f"{variant.rank} was not fitted: {error}")
            progress(warnings[-1])
        seconds[variant.rank] = time.perf_counter() - begin
    generators, more = fit_generators(config, registry, data, folds.test.fit, options, progress)
    deps = deps_for(data, registry, folds.test.fit, config)
    fitted = Fitted(
        generators, {n: on_final(r, deps) for n, r in rankers.items()}, {**seconds, **more}, tuple(warnings),
        build_rerankers(config, registry, deps) if rank else {}, made,
    )  # fmt: skip
    untrained = {name for name, reranker in fitted.rerankers.items() if is_untrained(reranker)}
    if untrained:
        fitted = with_rerankers(config, registry, data, fitted, folds.test.fit, options, progress)
    return _accepted(config, data, fitted, folds.valid, size, options, progress, untrained, fresh)


def _ranking_data(
    config: EngineConfig, registry: Registry, data: Dataset, fold: Fold, size: int, options: FitOptions,
    progress: Progress, fresh: bool,
) -> RankingData:  # fmt: skip
    variant = config.variants[config.variant]
    generators, _ = fit_generators(config, registry, data, fold.fit, options, progress, variant.candidates)
    funnel = Funnel(plan_for(config, Fitted(generators, {}), Variant(candidates=variant.candidates)), strict=True)
    some = fold.sample(config.rank_requests, options.seed)
    progress("collecting lists for the ranker")
    rows = drawn(some, len(data.items), size, options.seed + 1, fresh)
    lists = labelled_lists(funnel, some, rows, len(data.items))
    return RankingData(fold, generators, variant, lists, deps_for(data, registry, fold.fit, config))


def _accepted(
    config: EngineConfig, data: Dataset, fitted: Fitted, fold: Fold, size: int, options: FitOptions,
    progress: Progress, done: set[str], fresh: bool,
) -> Fitted:  # fmt: skip
    """Return the rerankers bounded by drawn validation lists, but those in ``done``, which were bounded already."""
    waiting = {
        name: reranker
        for name, reranker in fitted.rerankers.items()
        if name not in done and isinstance(reranker, Reranker) and reranker.config.max_move is None
    }
    if not waiting:
        return fitted
    plan = plan_for(config, replace(fitted, rerankers={}), config.variants[config.variant])
    some, n_items = fold.sample(ACCEPT, options.seed), len(data.items)
    rows = drawn(some, n_items, size, options.seed + 2, fresh)
    lists = labelled_lists(Funnel(plan, strict=True), some, rows, n_items, ranked=True)
    rerankers, said = dict(fitted.rerankers), dict[str, Calibration](fitted.calibrations)
    warnings = list(fitted.warnings)
    for name, reranker in waiting.items():
        progress(f"calibrating {name}")
        rerankers[name], said[name] = calibrated(
            reranker, lists.requests, lists.slates, lists.labels, seed=options.seed
        )  # fmt: skip
        if not said[name].accepted:
            warnings.append(f"{name} changes nothing: {said[name]}")
    return replace(fitted, rerankers=rerankers, calibrations=said, warnings=tuple(warnings))


def labelled_lists(funnel: Funnel, fold: Fold, rows: ItemRows, n_items: int, ranked: bool = False) -> Labelled:
    """Return lists ``rows`` (b, c) of the fold's requests as the funnel scores them, or as it ``ranked`` them."""
    parts = []
    for part, requests in fold_requests(fold, n_items, False, k=rows.shape[1]):
        slates = funnel.score_given(requests, slates_of(rows[part]))
        if ranked:
            slates = funnel.prerank(requests, slates, rows.shape[1])
        labels = labels_of(slates.items, slates.request_index, fold, part)
        parts.append(Labelled(requests, slates, labels, fold.users[part]))
    return joined(parts)


def drawn(fold: Fold, n_items: int, size: int, seed: int, fresh: bool = False) -> NDArray[np.int32]:
    """Return (b, size) lists: the target of each request and random other items, shuffled.

    ``fresh`` draws from what the shopper never chose before alone.

    Raises:
        DataError: the catalogue has too few such items for some shopper.
    """
    rng = np.random.default_rng(seed)
    out = np.empty((len(fold), size), dtype=np.int32)
    for i, target in enumerate(fold.targets.rows.tolist()):
        barred = np.append(seen(fold.history.history(int(fold.users[i]))), target) if fresh else np.array([target])
        others = rng.choice(n_items, min(n_items, size + len(barred)), replace=False)
        others = others[~np.isin(others, barred)][: size - 1]
        if len(others) < size - 1:
            raise DataError(f"{n_items} items are too few for lists of {size}: {fold.fit.users[fold.users[i]]!r}")
        out[i] = rng.permutation([target, *others])
    return out


def slates_of(rows: ItemRows) -> Slates:
    """Return lists (b, c) as slates that no generator has found."""
    columns = {FOUND: np.zeros(rows.size, dtype=np.uint64)}
    offsets = offsets_of(np.full(len(rows), rows.shape[1]))
    return Slates(rows.reshape(-1).copy(), np.zeros(rows.size, dtype=np.float32), offsets, columns)
