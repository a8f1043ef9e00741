"""Given candidates put in order as in LLMRank: every row of the table, then what else each reranker listens to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.runner import run_case, write_lines
from recsys.config import EngineConfig
from recsys.data.given import INFO_KEY, Given
from recsys.data.source import available, data_folder, open_data
from recsys.data.splits import Fold, Split, split
from recsys.dataset import Dataset
from recsys.errors import UnknownPlugin
from recsys.eval.evaluate import Evaluation
from recsys.eval.given import (
    CASCADE,
    alone,
    evaluate_given,
    fold_of,
    given_config,
    unfitted_rerankers,
)
from recsys.eval.given_fit import fit_given, labelled_lists, slates_of
from recsys.eval.injection import injection
from recsys.eval.probes import history_order, popularity_bias, position_bias
from recsys.fitting import Fitted, plan_for
from recsys.funnel import Funnel
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.requests import fold_requests
from recsys.settings import left_out, notes_of, with_rerank
from recsys.types import Request, Slates

NAME = "llmrank"
SETS = {"games": "llmrank:games", "ml-1m": "llmrank:ml-1m"}
RERANK = ("zero-shot", "late-interaction", "fine-tuned")
CONTROLS: tuple[Literal["prose", "scrambled"], ...] = ("prose", "scrambled")
QUICK_ROWS = ("random", "popularity", "zero-shot")


def refresh(names: Sequence[str], results: Path, quick: bool = False) -> int:
    """Measure sets, one file of lines each, and return how many of them have no files."""
    here = available(data_folder())
    missing = [name for name in names if SETS[name] not in here]
    for name in (n for n in names if n not in missing):
        begin = time.perf_counter()
        lines = run_case(NAME, {"set": name, "quick": quick}, results)
        write_lines(results / f"{NAME}-{name}.jsonl", lines)
        print(f"{NAME}, {name}: {len(lines)} lines, {time.perf_counter() - begin:.0f} s", flush=True)
    for name in missing:
        print(f"{NAME}, {name}: skipped, {SETS[name]} is not in the folder that RECSYS_DATA names")
    return len(missing)


def run(case: Mapping[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Return a line a row; those of rerankers hold their probes and what instructions in titles do to them."""
    data, _ = open_data(SETS[case["set"]])
    return measured(data, case["set"], installed(RERANK), quick=case["quick"])


def installed(words: Sequence[str]) -> list[str]:
    """Return the words whose reranker is installed, and say which is not."""
    out = []
    for word in words:
        try:
            with_rerank(EngineConfig(), [word])
        except UnknownPlugin as error:
            print_progress(f"without {word}: {error}")
        else:
            out.append(word)
    return out


def measured(
    data: Dataset, name: str, rerank: Sequence[str] = RERANK, config: EngineConfig | None = None, quick: bool = False,
    registry: Registry | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the lines of one set; ``quick`` fits nothing."""
    registry = registry or Registry()
    absent = notes_of(left_out(data.name, registry) if config is None else ())
    for note in absent:
        print_progress(note)
    config, folds = given_config(data, config, rerank, registry=registry), split(data.log, "leave-one-out")
    given: Given = data.info[INFO_KEY]
    fitted, rows = Fitted({}, {}), [r for r in QUICK_ROWS if r not in config.candidates] if quick else None
    if not quick:
        size = given.rows.shape[1]
        fitted = fit_given(config, registry, data, folds, size, FitOptions(seed=config.seed), print_progress)
    evaluation = evaluate_given(data, config, rows=rows, fitted=fitted, progress=print_progress, registry=registry)
    listened = _listened(data, config, given, folds, fitted, registry, few=quick)
    return _lines(name, evaluation, listened, absent)


def _lines(
    name: str, evaluation: Evaluation, listened: Mapping[str, Mapping[str, Any]], remarks: Sequence[str]
) -> list[dict[str, Any]]:
    results = evaluation.results
    about = {
        "set": name, "lists": results.users, "items": results.items, "settings_hash": results.settings_hash,
        "best_by_validation": results.best_by_validation, "notes": [*results.notes, *remarks], **results.protocol,
    }  # fmt: skip
    return [
        {
            "name": row.name,
            "parameters": about,
            "figures": {"metrics": row.metrics, "ci95": row.ci95, "p_vs": row.p_vs, **listened.get(row.name, {})},
        }
        for row in results.rows
    ]


def _listened(
    data: Dataset, config: EngineConfig, given: Given, folds: Split, fitted: Fitted, registry: Registry, few: bool
) -> dict[str, dict[str, Any]]:
    """Return probes and injection tests of every reranker: alone over the lists as they are, and behind the cascade.

    Behind the cascade it is unbounded here, accepted or not: a bound would hide what it listens to.
    """
    fold = fold_of(folds.test, data, given)
    popularity = np.bincount(folds.test.fit.events.rows, minlength=len(data.items)).astype(np.float32)
    out = {}
    if not few:
        for name, reranker in unfitted_rerankers(config, registry, data).items():
            requests, slates = _as_they_are(fold, given.rows, len(data.items))
            out[name] = probed(alone(reranker), data, requests, slates, fold, popularity, config.seed)
    variant = config.variants[config.variant]
    for name, reranker in fitted.rerankers.items():
        plan = plan_for(config, fitted, variant.model_copy(update={"rerank": None}))
        lists = labelled_lists(Funnel(plan, strict=True), fold, given.rows, len(data.items), ranked=True)
        row = f"{CASCADE}+{name}"
        out[row] = probed(
            reranker.bounded(None), data, lists.requests, lists.slates, fold, popularity, config.seed
        )  # fmt: skip
    return out


def _as_they_are(fold: Fold, rows: Any, n_items: int) -> tuple[list[Request], Slates]:
    requests = [r for _, part in fold_requests(fold, n_items, False, k=rows.shape[1]) for r in part]
    slates = slates_of(rows)
    # Falling scores keep the order of the lists, which says nothing.
    return requests, slates.ordered(-np.arange(len(slates.items), dtype=np.float32))


def probed(
    reranker: Any, data: Dataset, requests: Sequence[Request], slates: Slates, fold: Fold, popularity: Any, seed: int
) -> dict[str, Any]:
    """Return the three probes and the injection test against both of its controls, as plain values."""
    targets = fold.targets.rows
    print_progress(f"probing {type(reranker).__name__}")
    return {
        "history_order": history_order(reranker, requests, slates, targets, seed=seed).to_dict(),
        "position": position_bias(reranker, requests, slates, targets, seed=seed).to_dict(),
        "popularity": popularity_bias(reranker, requests, slates, popularity, seed=seed).to_dict(),
        "injection": {
            against: injection(reranker, data.items, requests, slates, against=against, seed=seed).to_dict()
            for against in CONTROLS
        },
    }


def print_progress(message: str) -> None:
    """Say on stderr what is being done: an hour of silence looks like a fault."""
    import sys

    print(f"  {message}", file=sys.stderr, flush=True)
