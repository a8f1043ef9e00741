"""What each stage of the funnel adds: from the best single generator over fusion and ranking to reranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from recsys.eval.results import Results, Row

# What a stage did, by the name of its row. A search starts at the plainest way to search, recommending at the best
# single generator.
RECOMMENDING = {"fusion": "fused", "cascade": "ranked"}
SEARCHING = {"bm25": "plain words", "text": "text index", "hybrid": "fused", "hybrid+ranker": "ranked"}
RERANKED = "cascade+"


@dataclass(frozen=True, slots=True)
class Step:
    """One stage: the row measured after it and what it adds to the row before it, on the main metric.

    ``gain`` and ``relative`` are None for the first; ``ci95`` and ``p`` (Holm-corrected) are those of the paired
    comparison of the two rows, None where the results hold no such comparison. ``before`` is the other row's name.
    """

    name: str
    stage: str
    value: float
    before: str | None = None
    gain: float | None = None
    relative: float | None = None
    ci95: tuple[float, float] | None = None
    p: float | None = None


def best_single(results: Results) -> str | None:
    """Return the generator that was best on validation, None where the results do not say."""
    named = results.protocol.get("best_single_by_validation")
    if named:
        return str(named)
    # Files without that fact: the first of the baselines. No row is compared with itself, so only rows that are no
    # baseline have the whole list.
    return next((next(iter(r.p_vs)) for r in results.rows if r.p_vs and r.name not in results.baselines), None)


def stages(results: Results) -> tuple[Step, ...]:
    """Return the stages in their order, each with what it adds; () where fewer than two were measured.

    The last is a reranker only where validation chose one: the others are in the tables.
    """
    rows = {row.name: row for row in results.rows if results.metric in row.metrics}
    found = [(rows[name], stage) for name, stage in _chain(results).items() if name in rows]
    if len(found) < 2:
        return ()
    first, stage = found[0]
    steps = [Step(first.name, stage, first.metrics[results.metric])]
    for (before, _), (row, stage) in pairwise(found):
        steps.append(step_between(results, before, row, stage))
    return tuple(steps)


def whole(results: Results, steps: Sequence[Step]) -> Step | None:
    """Return what all stages together add to the first; None with fewer than two additions."""
    if len(steps) < 3:
        return None
    return step_between(results, results.row(steps[0].name), results.row(steps[-1].name), "all stages")


def step_between(results: Results, before: Row, row: Row, stage: str) -> Step:
    """Return what ``row`` adds to ``before``, with the interval and p of their paired comparison if there is one."""
    value, start = row.metrics[results.metric], before.metrics[results.metric]
    effect = row.effect.get(before.name)
    gain = effect.difference if effect else value - start
    return Step(
        row.name, stage, value, before.name, gain, gain / start if start else None,
        effect.ci95 if effect else None, row.p_vs.get(before.name),
    )  # fmt: skip


def _chain(results: Results) -> dict[str, str]:
    single, best = best_single(results), results.best_by_validation or ""
    if not any(name in RECOMMENDING for name in (row.name for row in results.rows)):
        return SEARCHING
    start = {single: "best single generator"} if single else {}
    end = {best: "reranked"} if best.startswith(RERANKED) else {}
    return {**start, **RECOMMENDING, **end}
