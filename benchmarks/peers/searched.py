"""Search: judged queries as one task for all libraries, and everybody's lists measured alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.environment import run_library
from benchmarks.peers.handover import Answer, Rows, load_answers
from benchmarks.peers.handover_search import Search
from benchmarks.peers.recommended import BEST, DEFAULTS, OURS, as_listed, drawn, require_lists
from benchmarks.timing import rounded
from recsys.data.search.judgements import INFO_KEY, Judgements, judgements_of
from recsys.dataset import Dataset
from recsys.embed.minilm import model_folder
from recsys.errors import DataError
from recsys.eval.compare import effect
from recsys.eval.search import evaluate_search
from recsys.eval.search_folds import folds_of, ndcg
from recsys.eval.search_rows import RANKED
from recsys.eval.search_study import SearchStudy
from recsys.paired import bootstrap_ci, paired_randomisation

MAIN, TRIES, SEED = "ndcg@10", 5, 0
QUERIES = 2000  # at most: enough for tests, and a few minutes
STEPS, REREAD = 100, 50  # of the cross-encoder: batches of its training a fold, and candidates that it reads
RETRIEVER, ENCODER = "bm25s", "sentence_transformers"
SPACE = {
    "stem": [False, True], "method": ["lucene", "robertson", "bm25+"], "k1": [0.6, 0.9, 1.2, 1.5], "b": [0.4, 0.75],
}  # fmt: skip
# Ours that a row of theirs is held against: the same means, then all of them.
ROWS = ("bm25", "text", RANKED)
SAME = {("bm25", DEFAULTS): "bm25", ("bm25", BEST): "text", ("cross-encoder", DEFAULTS): RANKED}


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A row: NDCG@10 of every query (q,), and what it cost."""

    values: NDArray[np.float32]
    fit_s: float | None
    p50_ms: float
    p95_ms: float


def some_of(data: Dataset, limit: int = QUERIES, seed: int = SEED) -> Dataset:
    """Return the data with at most ``limit`` of its answerable queries, drawn at random."""
    judged = judgements_of(data)
    answerable = np.flatnonzero(judged.answerable)
    if len(answerable) > limit:
        answerable = np.sort(np.random.default_rng(seed).choice(answerable, limit, replace=False))
    return replace(data, info={**data.info, INFO_KEY: judged.take(answerable)})


def search_of(data: Dataset, folder: Path, candidates: Rows | None = None) -> Search:
    """Return the queries of a data set as a task in a folder; folds are those of `evaluate_search`."""
    judged, study = judgements_of(data), SearchStudy()
    assert judged.targets.gains is not None
    return Search(
        [data.items.text(row) for row in range(len(data.items))], judged.queries, folds_of(judged, study.folds, SEED),
        judged.targets.owner, judged.targets.rows, judged.targets.gains,
        np.empty((len(judged), 0), np.int32) if candidates is None else candidates, study.depth,
        drawn(SPACE, TRIES), "" if candidates is None else str(model_folder()), STEPS, REREAD, SEED, folder,
    )  # fmt: skip


def measured(lists: Rows, judged: Judgements, n_items: int) -> NDArray[np.float32]:
    """Return NDCG@10 (q,) of lists (q, n) as they are ordered, over the whole collection.

    Raises:
        DataError: another number of lists than of queries, an item that there is not, or one twice in a list.
    """
    require_lists(lists, len(judged), n_items)
    return ndcg(as_listed(lists, lists >= 0), judged)


def best_by_fold(answers: Sequence[Answer], scores: Sequence[NDArray[np.float32]], folds: NDArray[np.int64]) -> Answer:
    """Return the answer that takes, for each fold, the setting that does best on the queries of the others.

    Its times are means over the folds, weighted by their queries.
    """
    lists = np.empty_like(answers[0].test)
    picked = np.empty(len(folds), dtype=np.int64)
    for fold in np.unique(folds):
        there = folds == fold
        picked[there] = int(np.argmax([s[~there].mean() for s in scores]))
        lists[there] = answers[picked[there][0]].test[there]

    def average(values: Sequence[float]) -> float:
        return float(np.asarray(values)[picked].mean())

    counts = np.bincount(picked, minlength=len(answers))
    values = {"chosen": [dict(answers[i].values) for i in np.flatnonzero(counts)]}
    notes = {name: average([a.notes[name] for a in answers]) for name in ("p50_ms", "p95_ms")}
    fit_s, lists_s = average([a.fit_s for a in answers]), average([a.lists_s for a in answers])
    return Answer(answers[0].model, values, lists[:0], lists, fit_s, lists_s, notes)


def side_lines(data: Dataset, side: str, folder: Path, place: Path, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Let one side answer the queries of a set in the folder ``place``, and return its lines."""
    data = some_of(data)
    judged = judgements_of(data)
    about = {**about, "queries": len(judged), "items": len(data.items)}
    if side == OURS:
        _answer(data, place)
        return [
            line(OURS, name, BEST if name != "bm25" else DEFAULTS, row, {}, about) for name, row in _ours(place).items()
        ]
    if side == ENCODER:
        best, _ = chosen(place, data)
        search_of(data, place, best.test).save()
    else:
        search_of(data, place).save()
    run_library(side, folder, place)
    answers, versions = load_answers(place, side)
    rows = [(DEFAULTS, answers[0])]
    if side == RETRIEVER:
        rows.append((BEST, chosen(place, data)[0]))
    about |= {"peer_versions": versions, "tried": len(answers)}
    ours = _ours(place)
    out = []
    for settings, a in rows:
        found = Found(measured(a.test, judged, len(data.items)), a.fit_s, a.notes["p50_ms"], a.notes["p95_ms"])
        names = dict.fromkeys((SAME[a.model, settings], RANKED))
        beside = {name: _beside(ours[name], found) for name in names if name in ours}
        out.append(line(side, a.model, settings, found, beside, {**about, "values": dict(a.values)}))
    return out


def chosen(place: Path, data: Dataset) -> tuple[Answer, list[Answer]]:
    """Return what the retriever answered with settings chosen on other folds, and its tries.

    Raises:
        DataError: the retriever has not answered yet.
    """
    if not (place / f"{RETRIEVER}.json").is_file():
        raise DataError(f"candidates come from {RETRIEVER}, which has not answered this set: run all sides of it")
    judged = judgements_of(data)
    answers, _ = load_answers(place, RETRIEVER)
    scores = [measured(a.test, judged, len(data.items)) for a in answers]
    return best_by_fold(answers, scores, folds_of(judged, SearchStudy().folds, SEED)), answers


def _answer(data: Dataset, place: Path) -> None:
    """Measure our rows, and keep them for the others to be held against."""
    found = evaluate_search(data, seed=SEED, rows=ROWS, typos=False)
    np.savez(place / f"{OURS}.npz", **{name: values[MAIN] for name, values in found.per_user.items()})
    costs = {row.name: {"fit_s": row.fit_s, **row.latency_ms} for row in found.results.rows}
    (place / f"{OURS}.json").write_text(json.dumps(costs), encoding="utf-8")


def _ours(place: Path) -> dict[str, Found]:
    if not (place / f"{OURS}.json").is_file():
        return {}
    costs = json.loads((place / f"{OURS}.json").read_text(encoding="utf-8"))
    with np.load(place / f"{OURS}.npz") as values:
        return {name: Found(values[name], c["fit_s"], c["p50"], c["p95"]) for name, c in costs.items()}


def line(
    library: str, model: str, settings: str, row: Found, beside: Mapping[str, Any], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one line of the results."""
    figures = {
        "metrics": {MAIN: rounded(row.values.mean())},
        "ci95": {MAIN: [rounded(bound) for bound in bootstrap_ci(row.values)]},
        "fit_s": None if row.fit_s is None else rounded(row.fit_s),
        "p50_ms": rounded(row.p50_ms), "p95_ms": rounded(row.p95_ms), "versus": dict(beside),
    }  # fmt: skip
    parameters = {**about, "library": library, "model": model, "settings": settings}
    return {"name": f"{library} {model}", "parameters": parameters, "figures": figures}


def _beside(ours: Found, theirs: Found) -> dict[str, Any]:
    found = effect(ours.values, theirs.values)
    return {
        "p": paired_randomisation(ours.values, theirs.values),
        "difference": rounded(found.difference),
        "ci95": [rounded(bound) for bound in found.ci95],
        f"x_{MAIN}": rounded(ours.values.mean() / theirs.values.mean()),
        "x_p50": rounded(ours.p50_ms / theirs.p50_ms),
    }
