"""Given candidates put in order: every generator and the whole cascade on the lists that a data set brings along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.fuse import FOUND
from recsys.config import EngineConfig
from recsys.data.given import INFO_KEY, Given
from recsys.data.splits import Fold, split
from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError
from recsys.eval.compare import compare
from recsys.eval.evaluate import Evaluation
from recsys.eval.metrics import per_request
from recsys.eval.results import Results, Row
from recsys.fitting import Progress, fit_all, plan_for, silent
from recsys.funnel import Funnel
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.requests import fold_requests
from recsys.settings import evaluation_config
from recsys.types import Request, Slates, offsets_of

MAIN = "ndcg@10"
METRICS = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20", "hr@1", "hr@5", "hr@10")
RANDOM, FUSION, CASCADE = "random", "fusion", "cascade"
Order = Callable[[Sequence[Request], Slates], Slates]


def is_given(data: Dataset) -> bool:
    """Whether a data set brings candidate lists along, to be measured by `evaluate_given`."""
    return INFO_KEY in data.info


def evaluate_given(
    data: Dataset,
    config: EngineConfig | None = None,
    *,
    seed: int = 0,
    rows: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Return the table of the given lists, each with one target: the last choice of its shopper.

    Everything is fitted on what all shoppers did before their last two choices (the ranker learns from the third last);
    histories show all but the last. An item that a row cannot score comes last, equal scores count against the row.
    Rows: "random" (the lists as they are), every generator, "fusion", "cascade". Validation lists, made of as many
    random items, choose the row that is called best.

    Raises:
        ConfigError: an unknown row. DataError: no lists, or shoppers without a last choice.
    """
    given = data.info.get(INFO_KEY)
    if not isinstance(given, Given):
        raise DataError(f"{data.name} has no candidate lists")
    config = (config or evaluation_config(data, repeats=True)).model_copy(update={"hide_seen": False, "seed": seed})
    known = [RANDOM, *config.candidates, FUSION, CASCADE]
    if unknown := [r for r in rows or () if r not in known]:
        raise ConfigError(f"no row {', '.join(unknown)}: choose among {', '.join(known)}")
    wanted = [r for r in known if rows is None or r in rows]
    folds, registry = split(data.log, "leave-one-out"), Registry()
    fitted = fit_all(config, registry, data, folds.rank, folds.test.fit, FitOptions(seed=seed), progress)
    plan = plan_for(config, fitted, config.variants[config.variant])
    orders = _orders(Funnel(plan, strict=True), fitted.generators)
    tables = []
    for fold in (folds.valid, folds.test):
        progress("measuring on test" if fold is folds.test else "measuring on validation")
        part = _of(fold, data, given)
        lists = given.rows if fold is folds.test else _drawn(part, len(data.items), given.rows.shape[1], seed)
        tables.append(_measured(part, lists, {r: orders[r] for r in wanted}, len(data.items)))
    valid, test = tables
    best = max(valid, key=lambda r: float(valid[r][MAIN].mean()))
    base = max((r for r in config.candidates if r in valid), key=lambda r: float(valid[r][MAIN].mean()), default=RANDOM)
    versus = compare({r: v[MAIN] for r, v in test.items()}, base, seed=seed) if base in test else {}
    return Evaluation(
        Results.of(
            data=data.name, split="given candidates", users=len(given.users), items=len(data.items), seed=seed,
            settings_hash=config.hash, best_by_validation=best, metric=MAIN,
            rows=[
                Row.of(r, values, versus={base: versus[r]} if r in versus else {}, seed=seed)
                for r, values in test.items()
            ],
            protocol={
                "ranking": f"{given.rows.shape[1]} given items", "ties": "pessimistic", "events": len(data.log),
                "best_single_by_validation": base,
                "validation_" + MAIN: round(float(valid[best][MAIN].mean()), 4),
            },
            notes=(
                f"{len(given.users)} lists of {given.rows.shape[1]} items, the target among them; nothing is masked.",
                "Fitted on what precedes the last two choices of every shopper; histories show all but the last.",
                *fitted.warnings,
            ),
        ),
        given.users,
        test,
    )  # fmt: skip


def _orders(funnel: Funnel, generators: Mapping[str, object]) -> dict[str, Order]:
    """Return how each row orders given lists."""

    def single(name: str) -> Order:
        generator = funnel.plan.generators.get(name, generators[name])
        return lambda requests, slates: _ordered(generator.score(requests, slates))

    def fused(requests: Sequence[Request], slates: Slates) -> Slates:
        return _ordered(funnel.score_given(requests, slates))

    def ranked(requests: Sequence[Request], slates: Slates) -> Slates:
        return funnel.rank(requests, funnel.score_given(requests, slates), max(1, len(slates.items)))

    singles = {name: single(name) for name in generators}
    return {RANDOM: lambda requests, slates: _as_they_are(slates), **singles, FUSION: fused, CASCADE: ranked}


def _as_they_are(slates: Slates) -> Slates:
    return slates.ordered(-np.arange(len(slates.items), dtype=np.float32))


def _ordered(slates: Slates) -> Slates:
    return slates.ordered(np.nan_to_num(slates.scores, nan=-np.inf))


def _of(fold: Fold, data: Dataset, given: Given) -> Fold:
    """Return the requests of the given shoppers, in the order of their lists."""
    place = {data.log.users[u]: i for i, u in enumerate(fold.users.tolist())}
    if missing := [u for u in given.users if u not in place]:
        raise DataError(f"{len(missing)} shoppers with lists have too short a history, {missing[0]!r} among them")
    at = np.array([place[u] for u in given.users], dtype=np.int64)
    return Fold(fold.fit, fold.history, fold.users[at], fold.now[at], fold.targets.take(at), fold.shown)


def _drawn(fold: Fold, n_items: int, size: int, seed: int) -> NDArray[np.int32]:
    """Return validation lists: the target of each request and random other items, shuffled."""
    rng = np.random.default_rng(seed)
    out = np.empty((len(fold), size), dtype=np.int32)
    for i, target in enumerate(fold.targets.rows.tolist()):
        others = rng.choice(n_items, size + 1, replace=False)
        out[i] = rng.permutation([target, *others[others != target][: size - 1]])
    return out


def _measured(
    fold: Fold, lists: NDArray[np.int32], orders: Mapping[str, Order], n_items: int
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return the metrics (b,) of each row."""
    parts: dict[str, list[dict[str, NDArray[np.float32]]]] = {row: [] for row in orders}
    for part, requests in fold_requests(fold, n_items, False, k=lists.shape[1]):
        rows = lists[part]
        zeros = np.zeros(rows.size, dtype=np.float32)
        found = {FOUND: np.zeros(rows.size, dtype=np.uint64)}
        slates = Slates(rows.reshape(-1).copy(), zeros, offsets_of(np.full(len(rows), rows.shape[1])), found)
        targets = fold.targets.take(np.arange(part.start, part.stop))
        for row, order in orders.items():
            parts[row].append(per_request(order(requests, slates), targets, METRICS))
    return {row: {m: np.concatenate([p[m] for p in found]) for m in METRICS} for row, found in parts.items()}
