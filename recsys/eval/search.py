"""A search measured on judged queries: fit, choose and learn on training folds, measure on the others, compare."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.bm25 import BM25
from recsys.data.search.judgements import INFO_KEY, Judgements, judgements_of
from recsys.dataset import Dataset
from recsys.embed.remember import SIZE
from recsys.errors import ConfigError, DataError
from recsys.eval.compare import compare
from recsys.eval.evaluate import Evaluation
from recsys.eval.measure import peak_rss_mb
from recsys.eval.results import Results, Row, settings_hash
from recsys.eval.search_folds import fuse
from recsys.eval.search_measure import Values, mean
from recsys.eval.search_pool import collect, remember
from recsys.eval.search_rows import HYBRID, RANKED, TYPO, FoldChoice, Rows, Systems
from recsys.eval.search_study import SearchStudy
from recsys.eval.search_typos import with_typos
from recsys.eval.slices import slice_means
from recsys.fitting import Progress, deps_for, silent
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.types import Request, Slates

MAIN = "ndcg@10"
BASELINE, RANK_BM25 = "bm25", "rank-bm25"
CHOOSING = ("text", HYBRID, RANKED)  # rows whose settings come from training folds
TIMED = 60  # queries
CHECKED = 20  # queries on which our scores are set beside those of the rank-bm25 library


def is_search(data: Dataset) -> bool:
    """Whether a data set holds judged queries, to be measured by `evaluate_search`."""
    return INFO_KEY in data.info


def evaluate_search(
    data: Dataset,
    settings: SearchStudy | None = None,
    *,
    seed: int = 0,
    rows: Sequence[str] | None = None,
    typos: bool = True,
    latency: bool = True,
    progress: Progress = silent,
) -> Evaluation:
    """Return the table of a catalogue with judged queries.

    Rows: "rank-bm25" (the library's settings), "bm25", "dense", "dense-title", "text" (the text index), "hybrid"
    (max-normalised scores added up) and "hybrid+ranker" (LightGBM over the hybrid's candidates with the features that
    the engine serves). Whatever is chosen or learned - settings of the text index, fusion weights, the ranker and its
    settings - is so on the training folds of each query's fold; spellings of one question share a fold. Each row is
    compared with "bm25", and with "text" and "hybrid", on which others build. Every metric is one number a query;
    ``typos`` adds that of a copy with one edit. ``rows`` names those to measure (None: all); "bm25" is always there.

    Raises:
        ConfigError: an unknown row. DataError: no judged queries, or fewer answerable ones than folds need.
    """
    settings = settings or SearchStudy()
    known = [RANK_BM25, *(n for n in settings.finders if n != "text"), "text", HYBRID, RANKED]
    wanted = [n for n in known if rows is None or n in rows or n == BASELINE]
    if unknown := [n for n in rows or () if n not in known]:
        raise ConfigError(f"no row {', '.join(unknown)}: choose among {', '.join(known)}")
    everything = judgements_of(data)
    judgements = everything.take(np.flatnonzero(everything.answerable))
    if len(judgements) < 2 * settings.folds:
        raise DataError(f"{len(judgements)} queries have a relevant item: {settings.folds} folds need twice as many")
    registry = Registry()
    systems = _fitted(data, settings, registry, seed, progress)
    deps = deps_for(data, registry)
    mistyped = with_typos(judgements.queries, settings.typo_seed) if typos else None
    # Rows, folds and typos ask for the same query again and again: its vector is made once.
    remember(systems.finders.values(), 2 * len(judgements), shared=True)
    answers = Rows(
        systems, judgements, mistyped, settings, lambda o: registry.build("rankers", o, deps, "ranker"), seed, progress
    )
    figures = answers.measure(wanted)
    # The library's lists are computed by equal code of ours: its own speed is a matter for `benchmarks.search`.
    timed = [name for name in wanted if name != RANK_BM25]
    times = _latency(answers, judgements, timed, progress) if latency else {}
    made = _rows(figures, answers, judgements, mistyped, times, seed)
    validation = _validation(answers, figures)
    return Evaluation(
        Results.of(
            data=data.name, split=f"{settings.folds} folds by query", users=len(judgements), items=len(data.items),
            seed=seed, settings_hash=settings_hash(settings.model_dump(mode="json")), metric=MAIN,
            best_by_validation=max(validation, key=lambda name: validation[name]), rows=made,
            protocol=_protocol(answers, judgements, len(everything), mistyped, validation),
            notes=_notes(answers, data, judgements, len(everything), figures),
        ),
        tuple(f"query {i + 1}" for i in range(len(judgements))),
        figures,
    )  # fmt: skip


def _fitted(data: Dataset, settings: SearchStudy, registry: Registry, seed: int, progress: Progress) -> Systems:
    deps, seconds = deps_for(data, registry), dict[str, float]()

    def fit(name: str, options: Mapping[str, Any]) -> Any:
        progress(f"fitting {name}")
        begin = time.perf_counter()
        made = registry.build("candidates", options, deps, name).fit(data, FitOptions(seed=seed))
        seconds[name] = time.perf_counter() - begin
        return made

    texts = [fit("text", settings.text(data.items, choice)) for choice in settings.text_choices]
    finders = {name: fit(name, options) for name, options in settings.finders.items() if name != "text"}
    singles = {RANK_BM25: fit(RANK_BM25, _library_options())}
    return Systems(texts, finders, singles, seconds)


def _library_options(backend: str = "eager") -> dict[str, Any]:
    return {"use": "bm25", "backend": backend, "method": "okapi", "k1": 1.5, "b": 0.75}


def _library_gap(data: Dataset, judgements: Judgements) -> float:
    """Return the largest difference of a score between the library and what the row "rank-bm25" was computed with."""
    rng = np.random.default_rng(0)
    index = rng.choice(len(judgements), min(CHECKED, len(judgements)), replace=False)
    requests = [Request(text=judgements.queries[i]) for i in index]
    ours, theirs = (
        BM25(BM25.Config(**{k: v for k, v in _library_options(backend).items() if k != "use"})).fit(data, FitOptions())
        for backend in ("eager", "rank-bm25")
    )
    lists = ours.generate(requests, 10)
    return float(np.abs(lists.scores - theirs.score(requests, lists).scores).max(initial=0.0))


def _rows(
    figures: Mapping[str, Values], rows: Rows, judgements: Judgements, mistyped: Sequence[str] | None,
    times: Mapping[str, dict[str, float]], seed: int,
) -> list[Row]:  # fmt: skip
    main = {name: values[MAIN] for name, values in figures.items()}
    # The stages before others, so that what each stage adds has its own test.
    versus = {base: compare(main, base, seed=seed) for base in (BASELINE, "text", HYBRID) if base in main}
    masks = _slices(judgements)
    changed = _changed(judgements, mistyped)
    out = []
    for name, values in figures.items():
        slices = slice_means({MAIN: values[MAIN]}, masks)
        facts: dict[str, Any] = {}
        if mistyped is not None and changed.any():
            slices |= slice_means({MAIN: values[MAIN]}, {"typed right": changed})
            slices |= slice_means({MAIN: values[TYPO]}, {"one typo": changed})
            facts["typo_loss"] = round(
                1 - float(values[TYPO][changed].mean() / max(values[MAIN][changed].mean(), 1e-9)), 6
            )
        out.append(
            Row.of(
                name, values, versus={b: found[name] for b, found in versus.items() if name in found}, seed=seed,
                fit_s=round(rows.systems.seconds[name], 3) if name in rows.systems.seconds else None,
                latency_ms=times.get(name, {}), peak_rss_mb=peak_rss_mb(), slices=slices, **facts,
            )
        )  # fmt: skip
    return out


def _changed(judgements: Judgements, mistyped: Sequence[str] | None) -> NDArray[np.bool_]:
    pairs = zip(judgements.queries, mistyped or judgements.queries, strict=True)
    return np.array([a != b for a, b in pairs], dtype=np.bool_)


def _slices(judgements: Judgements) -> dict[str, NDArray[np.bool_]]:
    words = np.array([len(q.split()) for q in judgements.queries])
    targets = judgements.targets
    relevant = np.bincount(targets.owner[targets.relevant], minlength=len(judgements))
    digits = np.array([any(c.isdigit() for c in q) for q in judgements.queries])
    return {
        "1 word": words == 1, "2 words": words == 2, "3 words or more": words > 2, "with a number": digits,
        "1 relevant item": relevant == 1, "2 relevant items or more": relevant > 1,
    }  # fmt: skip


def _validation(rows: Rows, figures: Mapping[str, Values]) -> dict[str, float]:
    """Return how each row did on the training folds, in the mean over the test folds.

    A row that chooses nothing did there what it does everywhere: every query is in as many training folds.
    """
    out = {name: mean(values) for name, values in figures.items() if name not in CHOOSING}
    for name in CHOOSING:
        found = [choice.validation[name] for choice in rows.choices if name in choice.validation]
        if found and name in figures:
            out[name] = float(np.mean(found))
    return out


def _latency(
    rows: Rows, judgements: Judgements, wanted: Sequence[str], progress: Progress
) -> dict[str, dict[str, float]]:
    """Return p50 and p95 in milliseconds of single queries, the way each row would be served; three to warm up.

    Every row gets typos that it has not met: the text index keeps what it parsed, the dense ones their latest queries.
    """
    progress("timing")
    remember(rows.systems.finders.values(), SIZE, shared=False)
    choice = next(iter(rows.choices), FoldChoice(0))
    finders, s = rows.systems.united(choice.text), rows.settings
    # A query without a word to misspell would be met again by the next row.
    editable = [i for i, q in enumerate(judgements.queries) if with_typos([q]) != [q]] or range(len(judgements))
    size = min(TIMED + 3, len(editable))
    index = np.random.default_rng(rows.seed).choice(editable, size, replace=False)

    def hybrid(request: Request) -> Slates:
        found = collect([request.text or ""], finders, {}, s.depth, s.candidates)
        return fuse(found, choice.weights, s.candidates)

    def answer(name: str, request: Request) -> Slates:
        if name == HYBRID:
            return hybrid(request)
        if name == RANKED and choice.learned is not None:
            ranked: Slates = choice.learned.ranker.rank([request], hybrid(request), 10)
            return ranked
        single: Slates = {**finders, **rows.systems.singles}[name].generate([request], 10)
        return single

    out = {}
    for place, name in enumerate(wanted):
        took = []
        for text in with_typos([judgements.queries[i] for i in index], s.typo_seed + 1 + place):
            begin = time.perf_counter()
            answer(name, Request(text=text))
            took.append((time.perf_counter() - begin) * 1000)
        out[name] = {f"p{q}": round(float(np.percentile(took[3:] or took, q)), 3) for q in (50, 95)}
    return out


def _protocol(
    rows: Rows, judgements: Judgements, n_queries: int, mistyped: Sequence[str] | None, validation: Mapping[str, float]
) -> dict[str, str | float | bool]:
    chosen = [
        (rows.settings.text_choices[c.text], c.weights, c.learned.choice if c.learned else {}) for c in rows.choices
    ]
    return {
        "ranking": "all items", "ties": "pessimistic", "gain": "2^grade - 1", "queries": n_queries,
        "judgements": len(judgements.targets.rows), "unjudged": "irrelevant in the full collection",
        "queries_mistyped": int(_changed(judgements, mistyped).sum()),
        **{f"validation_{name}": round(value, 4) for name, value in validation.items() if name in CHOOSING},
        **{f"chosen_in_fold_{i}": "; ".join(map(_words, filter(None, parts))) for i, parts in enumerate(chosen, 1)},
    }  # fmt: skip


def _words(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())


def _notes(
    rows: Rows, data: Dataset, judgements: Judgements, n_queries: int, figures: Mapping[str, Values]
) -> tuple[str, ...]:
    notes = [
        f"{len(judgements)} of {n_queries} queries have a relevant item and count; the others have no metric.",
        "ndcg@10, mrr@10 and recall@100 rank the full collection, where an item that nobody judged counts as "
        "irrelevant: that favours what the judgements were pooled from. judged_ndcg@10 ranks judged items alone; "
        "hybrid and hybrid+ranker rank those among their candidates, the rest is missed.",
        f"{rows.settings.folds} folds by query, spellings of one question in one fold; text index settings, fusion "
        "weights, the ranker and its settings come from the training folds alone. The other rows learn nothing.",
    ]
    if RANK_BM25 in figures:
        notes.append(
            "rank-bm25: the library's default settings, computed by equal code (largest difference of a score on "
            f"{min(CHECKED, len(judgements))} queries: {_library_gap(data, judgements):.1e})."
        )
    if rows.mistyped is not None:
        notes.append(
            "typo_ndcg@10: one random edit in one alphabetic word of four letters or more; queries without such a word "
            "stay as they are. typo_loss, and the slice 'one typo', look at the edited ones."
        )
    return tuple(notes)
