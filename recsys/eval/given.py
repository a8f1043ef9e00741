"""Given candidates put in order: every generator and the whole cascade on the lists that a data set brings along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.config import EngineConfig
from recsys.data.altered import full_name, remarks
from recsys.data.given import INFO_KEY, Given
from recsys.data.splits import Fold, split
from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError
from recsys.eval.compare import versus
from recsys.eval.evaluate import Evaluation
from recsys.eval.given_fit import drawn, fit_given, slates_of
from recsys.eval.metrics import per_request
from recsys.eval.needed import needed
from recsys.eval.results import Results, Row
from recsys.fitting import Fitted, Progress, build_rerankers, deps_for, plan_for, silent
from recsys.funnel import Funnel
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.requests import fold_requests
from recsys.rerank.base import Reranker
from recsys.settings import evaluation_config, left_out, notes_of, with_rerank
from recsys.types import Request, Slates

MAIN = "ndcg@10"
METRICS = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20", "hr@1", "hr@5", "hr@10")
RANDOM, FUSION, CASCADE = "random", "fusion", "cascade"
Order = Callable[[Sequence[Request], Slates], Slates]
Figures = Mapping[str, Mapping[str, NDArray[np.float32]]]  # of every row, metric by metric (b,)


def is_given(data: Dataset) -> bool:
    """Whether a data set brings candidate lists along, to be measured by `evaluate_given`."""
    return INFO_KEY in data.info


def without_lists(data: Dataset) -> Dataset:
    """Return the data set without the lists that it brings along, under a name of its own; others as they are.

    Settings kept for its lists are not meant for the ranking of all items.
    """
    if not is_given(data):
        return data
    info = {key: value for key, value in data.info.items() if key != INFO_KEY}
    return replace(data, name=f"{data.name}, all items", info=info)


def with_sampled(data: Dataset, size: int, seed: int = 0) -> Dataset:
    """Return the data with a list for every shopper: the last choice among ``size`` - 1 uniformly drawn other items.

    Nothing else in a list was ever chosen by its shopper, as in S3-Rec (Zhou et al. 2020, arXiv 2008.07873) and P5's
    direct recommendation (Geng et al. 2022, arXiv 2203.13366). Such figures do not order systems as the ranking of
    all items does (Krichene & Rendle 2020): they are there to be compared with published ones.

    Raises:
        ConfigError: lists of less than 2. DataError: too few items, or nobody with a choice to be foreseen.
    """
    if size < 2:
        raise ConfigError(f"--sampled must be at least 2 items a list, got {size}")
    fold = split(data.log, "leave-one-out").test
    if not len(fold):
        raise DataError("nothing to measure: no shopper has a test target under leave-one-out")
    rows = drawn(fold, len(data.items), size, seed, fresh=True)
    remark = f"Sampled: {size - 1} others drawn uniformly; figures of all items are far lower and order systems better."
    given = Given(tuple(data.log.users[u] for u in fold.users), rows, remark, fresh=True)
    return replace(data, info={**data.info, INFO_KEY: given})


def evaluate_given(
    data: Dataset,
    config: EngineConfig | None = None,
    *,
    seed: int = 0,
    rows: Sequence[str] | None = None,
    rerank: Sequence[str] = (),
    fitted: Fitted | None = None,
    how: FitOptions | None = None,
    progress: Progress = silent,
    registry: Registry | None = None,
) -> Evaluation:
    """Return the table of the given lists, each with one target: the last choice of its shopper.

    Everything is fitted on what all shoppers did before their last two choices (the ranker learns from the third last,
    see `recsys.eval.given_fit.fit_given`); histories show all but the last. An item that a row cannot score comes last,
    equal scores count against the row. Validation lists, made of as many random items, choose the row that is called
    best.

    Rows: "random" (the lists as they are), every generator, "fusion", "cascade", "cascade+NAME" of each reranker of
    the settings and of ``rerank`` (see `recsys.settings.with_rerank`), and NAME of those that need no training: it
    reads the lists as they are and one shopper's history, no interaction of anybody else. Where only such rows are
    wanted, nothing is fitted. ``fitted`` is what `fit_given` returned for `given_config` of the same arguments, ``how``
    to fit otherwise, but for the seed.

    Raises:
        ConfigError: an unknown row. DataError: no lists, or shoppers without a last choice.
    """
    registry = registry or Registry()
    absent = left_out(data.name, registry) if config is None else ()
    config = given_config(data, config, rerank, seed=seed, registry=registry)
    given: Given = data.info[INFO_KEY]
    size = given.rows.shape[1]
    known, ready = _known(config, registry)
    if unknown := [r for r in rows or () if r not in known]:
        raise ConfigError(f"no row {', '.join(unknown)}: choose among {', '.join(known)}")
    wanted = [r for r in known if rows is None or r in rows]
    folds = split(data.log, "leave-one-out")
    valid_fold, test_fold = fold_of(folds.valid, data, given), fold_of(folds.test, data, given)
    orders = _unfitted(config, registry, data, [r for r in wanted if r in ready])
    fitted, fits = fitted or Fitted({}, {}), config
    if not fitted.generators and not orders.keys() >= set(wanted):
        fits = needed(config, [r for r in wanted if r not in orders])
        ranks = CASCADE in wanted or bool(fits.rerank)
        options = replace(how or FitOptions(), seed=seed)
        fitted = fit_given(fits, registry, data, folds, size, options, progress, ranks, given.fresh)
    if fitted.generators:
        orders = {**_fitted(fits, fitted), **orders}
    wanted = [r for r in wanted if r in orders]  # the warnings say why a reranker was not fitted
    tables = []
    for fold in (valid_fold, test_fold):
        progress("measuring on test" if fold is test_fold else "measuring on validation")
        lists = given.rows if fold is test_fold else drawn(fold, len(data.items), size, seed, given.fresh)
        tables.append(_measured(fold, lists, {r: orders[r] for r in wanted}, len(data.items)))
    notes = (
        *remarks(data),
        *([given.remark] if given.remark else []),
        f"{len(given.users)} lists of {size} items, the target among them; nothing is masked.",
        "Fitted on what precedes the last two choices of every shopper; histories show all but the last.",
        *([f"No interaction of anybody else: {', '.join(some)}."] if (some := _alone(wanted, ready)) else []),
        *(f"{CASCADE}+{name}: {one}." for name, one in fitted.calibrations.items()),
        *notes_of(absent),
        *fitted.warnings,
    )
    return _table(data, config, given, tables[0], tables[1], seed, notes)


def _table(
    data: Dataset, config: EngineConfig, given: Given, valid: Figures, test: Figures, seed: int, notes: tuple[str, ...]
) -> Evaluation:
    means = {row: float(values[MAIN].mean()) for row, values in valid.items()}
    best = max(means, key=means.__getitem__)
    base = max((r for r in config.candidates if r in means), key=means.__getitem__, default=RANDOM)
    compared = versus({r: v[MAIN] for r, v in test.items()}, dict.fromkeys((base, FUSION, CASCADE), test), seed=seed)
    return Evaluation(
        Results.of(
            data=full_name(data), split="given candidates", users=len(given.users), items=len(data.items), seed=seed,
            settings_hash=config.hash, best_by_validation=best, metric=MAIN,
            rows=[Row.of(r, values, versus=compared[r], seed=seed) for r, values in test.items()],
            protocol={
                "ranking": f"{given.rows.shape[1]} given items", "ties": "pessimistic", "events": len(data.log),
                "best_single_by_validation": base, "validation_" + MAIN: round(means[best], 4),
            },
            notes=notes,
        ),
        given.users,
        test,
    )  # fmt: skip


def given_config(
    data: Dataset, config: EngineConfig | None = None, rerank: Sequence[str] = (), *, seed: int = 0,
    registry: Registry | None = None,
) -> EngineConfig:  # fmt: skip
    """Return the settings as given lists are measured with: nothing is masked, rerankers are handed the whole list.

    Of the settings that are kept for this data, generators of plug-ins that are not installed are left out.

    Raises:
        ConfigError, UnknownPlugin: see `recsys.settings.with_rerank`. DataError: no lists.
    """
    given = data.info.get(INFO_KEY)
    if not isinstance(given, Given):
        raise DataError(f"{data.name} has no candidate lists")
    registry = registry or Registry()
    config = config or evaluation_config(data, repeats=True, registry=registry)
    config, size = with_rerank(config, rerank, registry), given.rows.shape[1]
    stages = {n: s.model_copy(update={"top": max(s.top, size)}) for n, s in config.rerank.items()}
    return config.model_copy(update={"rerank": stages, "hide_seen": False, "seed": seed})


def _known(config: EngineConfig, registry: Registry) -> tuple[list[str], set[str]]:
    """Return all rows, and those that nothing is fitted for."""
    alone = [n for n, s in config.rerank.items() if not hasattr(registry.get("rerankers", s.use), "fit")]
    if both := [n for n in config.rerank if n in (*config.candidates, RANDOM, FUSION, CASCADE)]:
        raise ConfigError(f"rerank.{both[0]}: the name is that of another row")
    beyond = [f"{CASCADE}+{name}" for name in config.rerank]
    return [RANDOM, *alone, *config.candidates, FUSION, CASCADE, *beyond], {RANDOM, *alone}


def _alone(wanted: Sequence[str], ready: set[str]) -> list[str]:
    return [row for row in wanted if row in ready and row != RANDOM]


def unfitted_rerankers(
    config: EngineConfig, registry: Registry, data: Dataset, rows: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return rerankers that need no training, None = all such; they know the catalogue and no event of the log."""
    names = [n for n in _known(config, registry)[1] if n in config.rerank and (rows is None or n in rows)]
    nothing = data.log.as_of(np.zeros(len(data.log), dtype=np.bool_))
    config = config.model_copy(update={"rerank": {n: s for n, s in config.rerank.items() if n in names}})
    return build_rerankers(config, registry, deps_for(data, registry, nothing, config)) if names else {}


def _unfitted(config: EngineConfig, registry: Registry, data: Dataset, rows: Sequence[str]) -> dict[str, Order]:
    """Return how the rows order lists for which nothing is fitted."""

    def order(reranker: Any) -> Order:
        def ordered(requests: Sequence[Request], slates: Slates) -> Slates:
            # Falling scores: the order of the lists, which says nothing, is no tie that counts against the row.
            found = reranker.rank(requests, _as_they_are(slates), max(1, int(slates.lengths.max(initial=1))))
            scores = found.columns.get("rerank_score", found.scores)
            return _ordered(Slates(found.items, scores, found.offsets))

        return ordered

    rerankers = unfitted_rerankers(config, registry, data, rows)
    return {RANDOM: lambda requests, slates: _as_they_are(slates), **{n: order(alone(r)) for n, r in rerankers.items()}}


def alone(reranker: Any) -> Any:
    """Return a reranker to which the incoming order is nothing: unbounded, and with ``alone()`` where it has that."""
    free = reranker.bounded(None) if isinstance(reranker, Reranker) else reranker
    return free.alone() if hasattr(free, "alone") else free


def _fitted(config: EngineConfig, fitted: Fitted) -> dict[str, Order]:
    """Return how each row orders lists with fitted components."""
    variant = config.variants[config.variant]
    cascade = Funnel(plan_for(config, fitted, variant.model_copy(update={"rerank": None})), strict=True)

    def single(name: str) -> Order:
        generator = cascade.plan.generators.get(name, fitted.generators[name])
        return lambda requests, slates: _ordered(generator.score(requests, slates))

    def fused(requests: Sequence[Request], slates: Slates) -> Slates:
        return _ordered(cascade.score_given(requests, slates))

    def ranked(rerank: str | None) -> Order:
        funnel = Funnel(plan_for(config, fitted, variant.model_copy(update={"rerank": rerank})), strict=True)

        def order(requests: Sequence[Request], slates: Slates) -> Slates:
            return funnel.rank(requests, funnel.score_given(requests, slates), max(1, len(slates.items)))

        return order

    out = {name: single(name) for name in fitted.generators}
    beyond = {f"{CASCADE}+{name}": ranked(name) for name in fitted.rerankers}
    return {**out, FUSION: fused, CASCADE: ranked(None), **beyond}


def _as_they_are(slates: Slates) -> Slates:
    return slates.ordered(-np.arange(len(slates.items), dtype=np.float32))


def _ordered(slates: Slates) -> Slates:
    return slates.ordered(np.nan_to_num(slates.scores, nan=-np.inf))


def fold_of(fold: Fold, data: Dataset, given: Given) -> Fold:
    """Return the requests of the given shoppers, in the order of their lists."""
    place = {data.log.users[u]: i for i, u in enumerate(fold.users.tolist())}
    if missing := [u for u in given.users if u not in place]:
        raise DataError(f"{len(missing)} shoppers with lists have too short a history, {missing[0]!r} among them")
    at = np.array([place[u] for u in given.users], dtype=np.int64)
    return Fold(fold.fit, fold.history, fold.users[at], fold.now[at], fold.targets.take(at), fold.shown)


def _measured(
    fold: Fold, lists: NDArray[np.int32], orders: Mapping[str, Order], n_items: int
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return the metrics (b,) of each row."""
    parts: dict[str, list[dict[str, NDArray[np.float32]]]] = {row: [] for row in orders}
    for part, requests in fold_requests(fold, n_items, False, k=lists.shape[1]):
        rows = lists[part]
        slates = slates_of(rows)
        targets = fold.targets.take(np.arange(part.start, part.stop))
        for row, order in orders.items():
            parts[row].append(per_request(order(requests, slates), targets, METRICS))
    return {row: {m: np.concatenate([p[m] for p in found]) for m in METRICS} for row, found in parts.items()}
