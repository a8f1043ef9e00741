"""One command's work: fit, choose on validation, measure on test, compare, in both regimes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.scoring import top
from recsys.config import EngineConfig, Variant
from recsys.data.altered import full_name, remarks
from recsys.data.splits import Fold, Split, split
from recsys.dataset import Dataset
from recsys.errors import ConfigError
from recsys.eval.beyond import beyond_accuracy, category_matrix, heads
from recsys.eval.compare import versus
from recsys.eval.debiased import debiased, effective_targets, inverse_propensity
from recsys.eval.measure import CASCADE, CONTROLS, DEPTH, Extra, RowFigures, Table
from recsys.eval.metrics import CEILING, DEFAULT_METRICS
from recsys.eval.needed import needed
from recsys.eval.results import Results, Row
from recsys.eval.runfile import read_run
from recsys.eval.slices import (
    history_slices,
    newcomer_slice,
    repeat_slices,
    slice_means,
    target_popularity_slices,
)
from recsys.fitting import Fitted, Progress, deps_for, fit_all, fit_generators, fit_ranker, ranking_data, silent
from recsys.fitting_rerank import with_rerankers
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.requests import seen
from recsys.settings import evaluation_config, left_out, notes_of, with_rerank
from recsys.types import NO_ROWS, Events, ItemRows, Offsets, Slates, offsets_of

MAIN = "ndcg@10"
REFIT_ROWS = ("transitions", "transitions+attributes", "fusion", "cascade")
SLICE_METRICS = ("hr@10", "ndcg@10")
VALIDATION_REQUESTS = 8_000  # enough to choose a row: the standard error of NDCG@10 is about .002
Repeats = Literal["auto", "masked", "shown"]
# (shopper, history, time) -> (n_items,): the true chance of each item to be chosen next.
Oracle = Callable[[int, Events, int], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What came out: the table, every metric of every request, and the lists of the best row's first ten items."""

    results: Results
    users: tuple[str, ...]
    per_user: Mapping[str, Mapping[str, NDArray[np.float32]]]


def evaluate(
    data: Dataset,
    split_name: str = "leave-one-out",
    config: EngineConfig | None = None,
    *,
    seed: int = 0,
    rows: Sequence[str] | None = None,
    repeats: Repeats = "auto",
    runs: Mapping[str, Path] | None = None,
    oracle: Oracle | None = None,
    ablate: bool = False,
    refit: bool = True,
    latency: bool = True,
    rerank: Sequence[str] = (),
    how: FitOptions | None = None,
    progress: Progress = silent,
    registry: Registry | None = None,
) -> Evaluation:
    """Return the table of one data set under one split, `DESIGN` section "evaluation protocol" of the docs.

    Generators and ranker are fitted as ``config`` says (None: the settings kept for this data set, else defaults).
    Validation only chooses ``best_by_validation``; the test is measured once. ``repeats``: "masked" never shows an
    item again, "shown" does, "auto" shows them where at least 1 % of the validation targets are repeats.
    ``runs`` are run files, TREC or CSV, that join the table; ``oracle`` knows the true chances of every item and
    shows what could be reached at most (None: the one that simulated data brings along). ``ablate`` adds a row
    "cascade-without-NAME" for each of the cascade's generators: taken out of candidates, fusion and ranker, which is
    trained anew. ``rerank`` names more rerankers, see `recsys.settings.with_rerank`: rows "cascade+NAME". ``how`` to
    fit, but for the seed, which is ``seed``.

    Raises:
        ConfigError: an unknown row or split. DataError: too little data for the split.
    """
    registry = registry or Registry()
    folds = split(data.log, split_name)
    share = _repeat_share(folds.valid)
    shown = repeats == "shown" or (repeats == "auto" and share >= 0.01)
    absent = notes_of(left_out(data.name, registry) if config is None else ())
    config = with_rerank(config or evaluation_config(data, shown, registry), rerank, registry)
    config = config.model_copy(update={"hide_seen": not shown, "seed": seed})
    known = [*config.candidates, "fusion", "identity", "shuffle", CASCADE, *(f"{CASCADE}+{n}" for n in config.rerank)]
    wanted = list(rows or known)
    if unknown := [r for r in wanted if r not in known]:
        raise ConfigError(f"no row {', '.join(unknown)}: choose among {', '.join(known)}")
    options, settings_hash = replace(how or FitOptions(), seed=seed), config.hash
    config = needed(config, wanted)
    variant = config.variants[config.variant]
    base = _fit_base(config, registry, data, folds, wanted, options, progress)
    unfitted = {f"{CASCADE}+{n}" for n in config.rerank if n not in base.rerankers}
    wanted = [row for row in wanted if row not in unfitted]  # the notes say why
    extra, of_runs = _foreign(runs or {}, folds.test, data)
    oracle = oracle or data.info.get("oracle")
    if oracle is not None:
        extra = {"oracle": _oracle_row(oracle, folds.test, not shown), **extra}
    table = Table(config, base, variant, wanted, extra, registry)
    n_items = len(data.items)
    progress("measuring on validation")
    valid = Table(config, base, variant, wanted, {}, registry).measure(
        folds.valid.sample(VALIDATION_REQUESTS, seed), n_items, progress=_counter(progress)
    )
    best = max((r for r in valid if r not in CONTROLS), key=lambda r: float(valid[r].metrics[MAIN].mean()))
    progress("measuring on test")
    figures = table.measure(folds.test, n_items, progress=_counter(progress))
    if latency:
        for row in wanted:
            progress(f"timing {row}")
            figures[row].latency_ms = table.latency(row, folds.test, n_items)
    if ablate:
        figures |= _ablations(config, registry, data, folds, base, variant, options, progress)
    seconds = dict(base.fit_s)
    again = [r for r in REFIT_ROWS if r in wanted]
    if refit and again:
        figures |= _refit(config, registry, data, folds, base, again, options, progress)
    notes = (*remarks(data), *_notes(folds, shown, base), *absent, *of_runs)
    baselines = _baselines(config, valid, figures)
    made = _rows(data, folds.test, figures, seconds, baselines, seed)
    return Evaluation(
        Results.of(
            data=full_name(data), split=split_name, users=len(folds.test), items=n_items, seed=seed,
            settings_hash=settings_hash, best_by_validation=best, rows=made, metric=MAIN,
            protocol={
                "repeats": "shown" if shown else "masked", "repeat_targets_in_validation": round(share, 4),
                "validation_" + MAIN: round(float(valid[best].metrics[MAIN].mean()), 4),
                "best_single_by_validation": baselines[0] if baselines else "",
                "ranking": "all items", "ties": "pessimistic", "events": len(data.log),
                "debiased_effective_targets": round(_effective(data, folds.test), 1),
            },
            notes=notes,
        ),
        tuple(data.log.users[u] for u in folds.test.users),
        {row: f.metrics for row, f in figures.items()},
    )  # fmt: skip


def _fit_base(
    config: EngineConfig, registry: Registry, data: Dataset, folds: Split, wanted: Sequence[str],
    options: FitOptions, progress: Progress,
) -> Fitted:  # fmt: skip
    if CASCADE in wanted or config.rerank:
        fitted = fit_all(config, registry, data, folds.rank, folds.test.fit, options, progress)
        return with_rerankers(
            config, registry, data, fitted, folds.test.fit, options, progress, folds.older, folds.valid
        )  # fmt: skip
    generators, seconds = fit_generators(config, registry, data, folds.test.fit, options, progress)
    return Fitted(generators, {}, seconds)


def _refit(
    config: EngineConfig, registry: Registry, data: Dataset, folds: Split, base: Fitted, rows: Sequence[str],
    options: FitOptions, progress: Progress,
) -> dict[str, RowFigures]:  # fmt: skip
    """Refit with validation's events in it; the ranker learns from candidates of the base generators."""
    config = needed(config, rows)
    rankers, variant = {}, config.variants[config.variant]
    if "cascade" in rows and variant.rank is not None and variant.rank in base.rankers:
        progress("refit: ranker")
        # These very generators were fitted on what precedes the refit ranker's labels: no second fit is needed.
        made = ranking_data(config, registry, data, folds.refit_rank, variant.rank, options, progress, base.generators)
        rankers[variant.rank] = fit_ranker(config, registry, made, variant.rank, options, progress)
    fitted = fit_all(config, registry, data, None, folds.refit.fit, options, progress, rankers)
    progress("measuring the refit rows on test")
    table = Table(config, fitted, variant, rows, {}, registry)
    figures = table.measure(folds.refit, len(data.items), progress=_counter(progress))
    return {f"{row}@refit": f for row, f in figures.items()}


def _rows(
    data: Dataset, fold: Fold, figures: Mapping[str, RowFigures], seconds: Mapping[str, float],
    baselines: Sequence[str], seed: int,
) -> list[Row]:  # fmt: skip
    popularity = _popularity(data, fold)
    weights = inverse_propensity(fold.targets, popularity)
    categories = category_matrix(data.items.categories) if any(data.items.categories) else None
    lengths = fold.history.offsets[fold.users + 1] - fold.history.offsets[fold.users]
    masks = (
        target_popularity_slices(fold.targets, popularity)
        | newcomer_slice(np.diff(fold.fit.offsets)[fold.users])
        | history_slices(lengths)
        | repeat_slices(fold.targets, *_chosen_before(fold))
    )
    main = {row: f.metrics[MAIN] for row, f in figures.items()}
    # What rerankers change is small beside what tells generators apart: they are a family of their own.
    reranked = [row for row in main if row.startswith(f"{CASCADE}+")]
    family = (CASCADE, *reranked) if reranked and CASCADE in main else ()
    compared = versus(main, dict.fromkeys(baselines, main) | dict.fromkeys(family, family), seed=seed)
    out = []
    for row, f in figures.items():
        beyond = beyond_accuracy(heads(f.top), popularity, reference=fold.targets, categories=categories)
        shown = {m: f.metrics[m] for m in DEFAULT_METRICS} | debiased(f.ranks, fold.targets, weights)
        out.append(
            Row.of(
                row, shown, versus=compared[row], seed=seed, fit_s=_fit_seconds(row, seconds), latency_ms=f.latency_ms,
                peak_rss_mb=f.peak_rss_mb, beyond=beyond,
                ceiling={f"recall@{n}": float(f.metrics[f"recall@{n}"].mean()) for n in CEILING},
                slices=slice_means({m: f.metrics[m] for m in SLICE_METRICS}, masks),
            )
        )  # fmt: skip
    return out


def _effective(data: Dataset, fold: Fold) -> float:
    return effective_targets(inverse_propensity(fold.targets, _popularity(data, fold)))


def _popularity(data: Dataset, fold: Fold) -> NDArray[np.int64]:
    return np.bincount(fold.fit.liked().events.rows, minlength=len(data.items))


def _chosen_before(fold: Fold) -> tuple[ItemRows, Offsets]:
    """Return what each request's shopper chose before, flat: an item that was only looked at is no repeat."""
    parts = [seen(fold.history.history(int(u))) for u in fold.users]
    return np.concatenate([NO_ROWS, *parts]), offsets_of(np.array([len(p) for p in parts], dtype=np.int64))


def _fit_seconds(row: str, seconds: Mapping[str, float]) -> float | None:
    if row in ("fusion", "identity", "shuffle", CASCADE):
        return round(sum(seconds.values()), 2)
    return round(seconds[row], 3) if row in seconds else None


def _baselines(config: EngineConfig, valid: Mapping[str, RowFigures], figures: Mapping[str, RowFigures]) -> list[str]:
    """Return what every row is compared with: the best single generator on validation, and the named controls."""
    singles = [r for r in valid if r in config.candidates]
    best = max(singles, key=lambda r: float(valid[r].metrics[MAIN].mean()), default=None)
    named = [best, "transitions", "fusion", "popularity", "own-history"]
    return list(dict.fromkeys(n for n in named if n is not None and n in figures))


def _foreign(runs: Mapping[str, Path], fold: Fold, data: Dataset) -> tuple[dict[str, Extra], list[str]]:
    users = [data.log.users[u] for u in fold.users]
    lists: dict[str, Extra] = {}
    remarks = []
    for name, path in runs.items():
        run = read_run(path, users, data.items.vocabulary)
        lists[name] = partial(_lists_of, run.slates)
        remarks.append(
            f"{name} is a run file: {run.missing} of {len(users)} requests have no list in it (misses), "
            f"{run.report.dropped} of its {run.report.read} lines could not be used."
        )
    return lists, remarks


def _lists_of(run: Slates, part: slice) -> Slates:
    return run.part(part.start, part.stop)


def _oracle_row(oracle: Oracle, fold: Fold, hide_seen: bool) -> Extra:
    def answer(part: slice) -> Slates:
        rows = []
        for i in range(part.start, part.stop):
            user = int(fold.users[i])
            history = fold.history.history(user)
            scores = oracle(user, history, int(fold.now[i])).astype(np.float32)
            if hide_seen:
                scores[seen(history)] = -np.inf
            rows.append(scores)
        return top(np.stack(rows), DEPTH, None)

    return answer


def _ablations(
    config: EngineConfig, registry: Registry, data: Dataset, folds: Split, base: Fitted, variant: Variant,
    options: FitOptions, progress: Progress,
) -> dict[str, RowFigures]:  # fmt: skip
    names = list(variant.candidates or config.candidates)
    if variant.rank is None or variant.rank not in base.rankers:
        return {}
    earlier, _ = fit_generators(config, registry, data, folds.rank.fit, options, progress, names)
    final = deps_for(data, registry, folds.test.fit)
    figures = {}
    for out in names:
        progress(f"without {out}")
        less = variant.model_copy(update={"candidates": tuple(n for n in names if n != out)})
        smaller = config.model_copy(update={"variants": {**config.variants, config.variant: less}})
        made = ranking_data(smaller, registry, data, folds.rank, variant.rank, options, generators=earlier)
        ranker = fit_ranker(smaller, registry, made, variant.rank, options)
        fitted = Fitted(base.generators, {variant.rank: ranker.on_snapshot(final)})
        table = Table(smaller, fitted, less, ["cascade"], {}, registry)
        figures[f"cascade-without-{out}"] = table.measure(folds.test, len(data.items))["cascade"]
    return figures


def _repeat_share(fold: Fold) -> float:
    among = fold.targets.among(*_chosen_before(fold))
    return float(among.mean()) if len(among) else 0.0


def _counter(progress: Progress) -> Callable[[int], None]:
    done = 0

    def count(n: int) -> None:
        nonlocal done
        done += n
        if (done // n) % 10 == 0:
            progress(f"  {done} requests")

    return count


def _notes(folds: Split, shown: bool, base: Fitted) -> tuple[str, ...]:
    test = folds.test
    cold = (
        np.bincount(test.fit.events.rows, minlength=int(test.targets.rows.max(initial=0)) + 1)[test.targets.rows] == 0
    )
    notes = [
        f"All {len(test)} requests count; {int(cold.sum())} of {len(cold)} targets never occur in the fit and are "
        "misses to every collaborative row.",
        "Ranked against all items; seen items are " + ("shown again." if shown else "masked."),
        "Base rows: the ranker learned on the third last choice, validation (the second last) only chose settings and "
        "the best row, generators saw neither it nor the test. Rows @refit: the same settings, validation fitted too."
        if folds.name == "leave-one-out"
        else "Periods by time: fit, ranking labels, validation, test. Rows @refit: validation fitted too.",
    ]
    notes += [f"{CASCADE}+{name}: calibrated on validation, {one}." for name, one in base.calibrations.items()]
    return (*notes, *base.warnings)
