"""Recommendation: one task for all libraries, our own answers to it, and everybody's lists measured alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.handover import Answer, Fit, Given, Lists, Log, Rows, Values
from benchmarks.timing import rounded
from recsys.config import EngineConfig
from recsys.data.splits import Fold, explicit, split
from recsys.dataset import Dataset, EventLog
from recsys.errors import DataError
from recsys.eval.compare import effect
from recsys.eval.measure import TOP, head
from recsys.eval.metrics import per_request
from recsys.fitting import deps_for, fit_all, plan_for
from recsys.funnel import Funnel
from recsys.paired import bootstrap_ci, paired_randomisation
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.requests import fold_requests, seen
from recsys.settings import evaluation_config
from recsys.tune.stages import REQUESTS
from recsys.types import NO_ROWS, Slates, offsets_of

MAIN, METRICS = "ndcg@10", ("hr@10", "ndcg@10")
OURS, CASCADE = "recsys", "cascade"
DEFAULTS, BEST = "defaults", "best on validation"
# A model of theirs -> ours of the same kind, where the names differ.
SAME = {"esasrec": "sasrec"}
MINUTES = 2.0  # of training for every transformer
TRIES = {"als": 5, "bpr": 5, "item-knn": 3, "ease": 3, "sasrec": 1, "esasrec": 1}
# Library -> model -> what its settings are drawn from, as its documentation and examples have them; ours are `SPACE`.
SPACES: Mapping[str, Mapping[str, Mapping[str, Sequence[Any]]]] = {
    "implicit": {
        "als": {"factors": [64, 128, 256], "regularization": [0.01, 0.1, 1.0], "alpha": [1.0, 10.0, 40.0]},
        "bpr": {"factors": [64, 128], "learning_rate": [0.01, 0.05], "regularization": [0.001, 0.01, 0.05]},
        "item-knn": {"weighting": ["cosine", "tfidf", "bm25"], "K": [20, 50, 100, 200, 500]},
    },
    "rectools": {"ease": {"regularization": [50.0, 100.0, 250.0, 1000.0]}, "sasrec": {}, "esasrec": {}},
    "lenskit": {"item-knn": {"max_nbrs": [5, 50, 100, 200, 500]}},
}
# What everybody's transformer starts from. RecTools pads every history to its longest: at its defaults (100 events,
# 256 factors, a softmax over all items) two cores do not finish an epoch in the minutes.
_SHORT = {"n_factors": 128, "session_max_len": 20, "loss": "sampled_softmax", "n_negatives": 256}
STARTS: Mapping[str, Mapping[str, Values]] = {"rectools": {"sasrec": _SHORT, "esasrec": _SHORT}}


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """``given`` is what libraries get; ``valid`` and ``test`` know what they should have found."""

    data: Dataset
    rank: Fold
    valid: Fold
    test: Fold
    given: Given


def task_of(data: Dataset, tries: Mapping[str, Sequence[Values]], minutes: float = MINUTES, seed: int = 0) -> Task:
    """Return leave-one-out as a task: the last choice is the test, the one before it is shown there but never fitted.

    Where a history is nothing but choices, as in public logs, a library masks it itself. Where it also has looks,
    which hide nothing, libraries list more than is needed, and what was chosen is taken out here, for all alike.
    """
    folds = split(data.log, "leave-one-out")
    valid, test = folds.valid.sample(REQUESTS, seed), folds.test
    events = test.history.events
    hide = bool(((events.weights > 0) == explicit(events)).all())
    longest = max((len(np.unique(rows)) for rows in _chosen(test)), default=0)
    given = Given(
        data.log.n_users, len(data.items), log_of(test.fit), log_of(test.history), valid.users.astype(np.int32),
        test.users.astype(np.int32), TOP + (0 if hide else longest), hide, tries, minutes, seed,
    )  # fmt: skip
    return Task(data, folds.rank, valid, test, given)


def log_of(log: EventLog) -> Log:
    """Return the events that speak for an item."""
    liked = log.liked()
    return Log(liked.owner.astype(np.int32), liked.events.rows, liked.events.weights.astype(np.float32))


def drawn(space: Mapping[str, Sequence[Any]], n: int, seed: int = 0, start: Values | None = None) -> list[Values]:
    """Return what to try: ``start`` as it is, then up to ``n`` - 1 different settings of ``space`` drawn at random."""
    start = dict(start or {})
    every = [{**start, **dict(zip(space, values, strict=True))} for values in itertools.product(*space.values())]
    order = np.random.default_rng(seed).permutation(len(every)) if space else []
    return [start, *(every[i] for i in order[: n - 1])]


def tries_of(library: str, limit: int | None = None, registry: Registry | None = None) -> dict[str, list[Values]]:
    """Return the settings to try by model: equally many of every library, ``limit`` at most."""
    spaces = SPACES.get(library) or our_spaces(registry or Registry())
    starts = STARTS.get(library, {})
    tries = {model: min(TRIES[model], limit or TRIES[model]) for model in spaces}
    return {model: drawn(space, tries[model], start=starts.get(model)) for model, space in spaces.items()}


def our_spaces(registry: Registry) -> dict[str, Mapping[str, Sequence[Any]]]:
    """Return the declared spaces of our models that are installed."""
    here = {plugin.name for plugin in registry.plugins() if plugin.kind == "candidates"}
    return {model: getattr(registry.get("candidates", model), "SPACE", {}) for model in TRIES if model in here}


def our_fits(task: Task, registry: Registry) -> dict[str, Fit]:
    """Return our models, fitted and asked as an engine does it."""
    options = FitOptions(seed=task.given.seed)
    deps, fitted = deps_for(task.data, registry, task.test.fit), task.data.with_log(task.test.fit)

    def alone(model: str) -> Fit:
        def fit(values: Values) -> Lists:
            bound = {"minutes": task.given.minutes} if model == "sasrec" else {}
            built = registry.build("candidates", {"use": model, **bound, **values}, deps)
            return _lists(task, built.fit(fitted, options).generate)

        return fit

    return {model: alone(model) for model in our_spaces(registry)}


def our_cascade(task: Task, registry: Registry, config: EngineConfig | None = None) -> dict[str, Fit]:
    """Return the whole cascade of the settings kept for this data, its transformer bounded like everybody's."""
    config = cascade_config(config or evaluation_config(task.data, registry=registry), task.given)

    def fit(values: Values) -> Lists:
        options = FitOptions(seed=config.seed)
        fitted = fit_all(config, registry, task.data, task.rank, task.test.fit, options)
        if fitted.warnings:
            raise DataError("; ".join(fitted.warnings))
        return _lists(task, Funnel(plan_for(config, fitted, config.variants[config.variant]), strict=True).run)

    return {CASCADE: fit}


def cascade_config(config: EngineConfig, given: Given) -> EngineConfig:
    """Return the settings with what their variant uses, no more."""
    plain, variant = config.plain(), config.variants[config.variant]
    names = variant.candidates or tuple(config.candidates)
    plain["candidates"] = {name: plain["candidates"][name] for name in names}
    for stage in plain["candidates"].values():
        if stage["use"] == "sasrec":
            stage["minutes"] = given.minutes
    plain["rank"] = {name: stage for name, stage in plain["rank"].items() if name == variant.rank}
    plain["variants"] = {config.variant: {**plain["variants"][config.variant], "candidates": list(names)}}
    return EngineConfig.of({**plain, "rerank": {}, "search": {}, "hide_seen": True, "seed": given.seed})


def _lists(task: Task, answer: Any) -> Lists:
    def made(log: Log, users: Rows) -> Rows:
        # Our requests carry their own history: of whom they are is all that differs.
        fold = task.test if log is task.given.known else task.valid
        parts = [
            head(answer(requests, TOP))
            for _, requests in fold_requests(fold, len(task.data.items), hide_seen=True, k=TOP)
        ]
        return np.concatenate(parts)

    return made


def measured(lists: Rows, fold: Fold, n_items: int) -> dict[str, NDArray[np.float32]]:
    """Return the metrics (b,) of lists (b, n) as they are ordered, without what the shopper chose before.

    Raises:
        DataError: another number of lists than of requests, an item that there is not, or one twice in a list.
    """
    require_lists(lists, len(fold), n_items)
    chosen = list(_chosen(fold))
    owner = np.repeat(np.arange(len(chosen)), [len(rows) for rows in chosen])
    hidden = owner * n_items + np.concatenate([NO_ROWS, *chosen])
    keep = (lists >= 0) & ~np.isin(np.arange(len(lists))[:, None] * n_items + lists, hidden)
    keep &= np.cumsum(keep, axis=1) <= TOP
    return per_request(as_listed(lists, keep), fold.targets, METRICS)


def require_lists(lists: Rows, count: int, n_items: int) -> None:
    """Raise `DataError` unless ``lists`` are (count, n), one a request, of rows below ``n_items``; -1 pads."""
    if lists.ndim != 2 or len(lists) != count:
        raise DataError(f"lists must be ({count}, n), one a request; got shape {lists.shape}")
    if lists.size and (lists.max() >= n_items or lists.min() < -1):
        raise DataError(f"lists must hold item rows below {n_items}, -1 pads; got {lists.min()} to {lists.max()}")


def as_listed(lists: Rows, keep: NDArray[np.bool_]) -> Slates:
    """Return the entries ``keep`` (b, n) of lists (b, n), in their order: what a library ties, its order decides."""
    place = np.cumsum(keep, axis=1)[keep].astype(np.float32)
    return Slates(lists[keep], -place, offsets_of(keep.sum(axis=1)))


def _chosen(fold: Fold) -> Iterable[NDArray[np.int32]]:
    return (seen(fold.history.history(int(user))) for user in fold.users)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A row of the table: one answer, how many were tried to find it, and its metrics (b,) of the test."""

    answer: Answer
    tried: int
    validation: float
    values: Mapping[str, NDArray[np.float32]]


def rows_of(task: Task, answers: Sequence[Answer]) -> dict[tuple[str, str], Found]:
    """Return (model, settings) -> row: the first try of each model, and the best of all tries on validation."""
    out: dict[tuple[str, str], Found] = {}
    n_items = task.given.n_items
    for model in dict.fromkeys(a.model for a in answers):
        tried = [a for a in answers if a.model == model]
        scores = [float(measured(a.valid, task.valid, n_items)[MAIN].mean()) for a in tried]
        for settings, place in ((DEFAULTS, 0), (BEST, int(np.argmax(scores)))):
            if settings == DEFAULTS or len(tried) > 1:
                values = measured(tried[place].test, task.test, n_items)
                out[model, settings] = Found(tried[place], len(tried), scores[place], values)
    return out


def lines_of(
    library: str, rows: Mapping[tuple[str, str], Found], ours: Mapping[tuple[str, str], Found], about: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a line a row: its figures, and our model of the same kind and our cascade beside it.

    Ratios are ours over theirs; ``p`` is that of each pair alone.
    """
    out = []
    for (model, settings), row in rows.items():
        figures: dict[str, Any] = {
            "metrics": {m: rounded(v.mean()) for m, v in row.values.items()},
            "ci95": {m: [rounded(bound) for bound in bootstrap_ci(v)] for m, v in row.values.items()},
            f"validation_{MAIN}": rounded(row.validation),
            "fit_s": rounded(row.answer.fit_s),
            "lists_s": rounded(row.answer.lists_s),
            "versus": {},
        }
        for mine in ((SAME.get(model, model), settings), (CASCADE, DEFAULTS)):
            if mine in ours and (library, *mine) != (OURS, model, settings):
                figures["versus"][mine[0]] = _beside(ours[mine], row)
        parameters = {
            **about, "library": library, "model": model, "settings": settings, "tried": row.tried,
            "values": dict(row.answer.values), **row.answer.notes,
        }  # fmt: skip
        out.append({"name": f"{library} {model}", "parameters": parameters, "figures": figures})
    return out


def _beside(ours: Found, theirs: Found) -> dict[str, Any]:
    a, b = ours.values[MAIN], theirs.values[MAIN]
    found = effect(a, b)
    return {
        "p": paired_randomisation(a, b),
        "difference": rounded(found.difference),
        "ci95": [rounded(bound) for bound in found.ci95],
        f"x_{MAIN}": rounded(a.mean() / b.mean()) if b.any() else None,
        "x_fit": rounded(ours.answer.fit_s / theirs.answer.fit_s),
        "x_lists": rounded(ours.answer.lists_s / theirs.answer.lists_s),
    }
