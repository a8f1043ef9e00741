"""Ranking metrics per request, from the ranks of the targets; ties count against the system.

Definitions, with R the relevant targets of a request and rank as `target_ranks` gives it:

    hr@k         1 if any of R has rank <= k
    recall@k     share of R with rank <= k
    precision@k  number of R with rank <= k, over k
    mrr@k        1 / best rank of R if that is <= k, else 0
    map@k        sum over R with rank r <= k of (number of R at rank <= r) / r, over |R|    (as trec_eval)
    ndcg@k       sum of gain / log2(1 + rank) over rank <= k, over the same sum of the ideal order (Järvelin 2002)

With one target a request hr = recall and mrr = map. A list that is too short is a miss like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError, ContractError, DataError
from recsys.ndcg import worth
from recsys.targets import Targets
from recsys.types import Slates, offsets_of

__all__ = ["CEILING", "DEFAULT_METRICS", "Targets", "candidate_recall", "parse_metric", "per_request", "target_ranks"]

Gain = Literal["binary", "linear", "exp"]
Values = NDArray[np.float64]

DEFAULT_METRICS = ("hr@5", "ndcg@5", "hr@10", "ndcg@10", "mrr@10", "recall@10", "hr@20", "ndcg@20")
CEILING = (100, 500)


def target_ranks(ranked: Slates, targets: Targets) -> Values:
    """Return (t,) float64: the rank of each target from 1, inf for a miss.

    The rank is 1 + the number of other items of the list whose score is >= the target's: an all-equal list puts
    every item last. NaN scores are the lowest and equal to one another. Rows of -1 hold their place and never match.

    Raises:
        ContractError: another number of requests, or a list that is not best first.
        DataError: a list holds a target twice.
    """
    if len(ranked) != len(targets):
        raise ContractError(f"{len(ranked)} lists for the targets of {len(targets)} requests")
    out = np.full(len(targets.rows), np.inf)
    if not len(ranked.items) or not len(targets.rows):
        return out
    scores = np.where(np.isnan(ranked.scores), -np.inf, ranked.scores)
    _check_best_first(ranked, scores)
    entries, owners = _entries(ranked, targets)
    # Lists are sorted, so the items that score >= a target end where its run of equal scores ends.
    request = ranked.request_index
    ends_run = np.append((scores[1:] != scores[:-1]) | (request[1:] != request[:-1]), True)
    run_end = np.flatnonzero(ends_run)
    last = run_end[np.searchsorted(run_end, entries)]
    out[owners] = last - ranked.offsets[request[entries]] + 1
    return out


def _check_best_first(ranked: Slates, scores: NDArray[np.float32]) -> None:
    rises = scores[1:] > scores[:-1]
    starts = ranked.offsets[1:-1]
    starts = starts[(starts > 0) & (starts < len(scores))]
    rises[starts - 1] = False
    if rises.any():
        where = int(ranked.request_index[int(np.argmax(rises))])
        raise ContractError(f"list {where} is not best first: sort it with slates.ordered(slates.scores)")


def _entries(ranked: Slates, targets: Targets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the flat positions in ``ranked`` that hold a target, and which target (t,) each holds."""
    width = int(max(ranked.items.max(), targets.rows.max())) + 2
    # Rows shift by one so that -1 of a list never equals a key, and unknown targets are left out altogether.
    known = np.flatnonzero(targets.rows >= 0)
    wanted = targets.owner[known] * width + targets.rows[known] + 1
    order = np.argsort(wanted, kind="stable")
    wanted = wanted[order]
    if not len(wanted):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    have = ranked.request_index * width + ranked.items + 1
    place = np.minimum(np.searchsorted(wanted, have), len(wanted) - 1)
    entries = np.flatnonzero(wanted[place] == have)
    owners = known[order[place[entries]]]
    if len(np.unique(owners)) < len(owners):
        twice = np.setdiff1d(np.arange(len(owners)), np.unique(owners, return_index=True)[1])[0]
        where, row = int(ranked.request_index[entries[twice]]), int(ranked.items[entries[twice]])
        raise DataError(f"list {where} holds row {row} twice: remove duplicates before it is measured")
    return entries, owners


def per_request(
    ranked: Slates, targets: Targets, names: Sequence[str] = DEFAULT_METRICS, *, gain: Gain = "binary"
) -> dict[str, NDArray[np.float32]]:
    """Return each metric of each request, (b,) float32 in 0..1, keyed and ordered as ``names``.

    ``gain`` is that of ndcg: "binary" 1 per relevant target, "linear" its grade, "exp" 2 ** grade - 1 (Burges 2005).
    Targets of gain 0 are not relevant to any metric.

    Raises:
        ConfigError: a name that is not metric@k with k >= 1, or another ``gain``.
        DataError: a request without a relevant target: it has no metric, so leave it out and say so.
    """
    if gain not in ("binary", "linear", "exp"):
        raise ConfigError(f"gain must be binary, linear or exp, got {gain!r}")
    wanted = [(name, *parse_metric(name)) for name in names]
    counts = np.bincount(targets.owner[targets.relevant], minlength=len(targets))
    if not counts.all():
        raise DataError(f"request {int(np.argmin(counts))} has no relevant target: leave it out of the evaluation")
    ranks = target_ranks(ranked, targets)[targets.relevant]
    truth = targets.where(targets.relevant)
    known: dict[str, Callable[[int], Values]] = {
        "hr": lambda k: (_sum(truth, ranks <= k) > 0).astype(np.float64),
        "recall": lambda k: _sum(truth, ranks <= k) / counts,
        "precision": lambda k: _sum(truth, ranks <= k) / k,
        "mrr": lambda k: _reciprocal(truth, ranks, k),
        "map": lambda k: _average_precision(truth, ranks, k),
        "ndcg": lambda k: _ndcg(truth, ranks, k, gain),
    }
    return {name: known[metric](k).astype(np.float32) for name, metric, k in wanted}


def candidate_recall(
    candidates: Slates, targets: Targets, at: Sequence[int] = CEILING
) -> dict[str, NDArray[np.float32]]:
    """Return recall@n of the candidate lists, (b,) each: no ranker of the best n candidates can find more."""
    return per_request(candidates, targets, [f"recall@{n}" for n in at])


METRICS = ("hr", "recall", "precision", "mrr", "map", "ndcg")
_NAME = re.compile(rf"({'|'.join(METRICS)})@([1-9][0-9]{{0,5}})")


def parse_metric(name: str) -> tuple[str, int]:
    """Return ("ndcg", 10) of "ndcg@10".

    Raises:
        ConfigError: not one of the metrics above, or no cut-off.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigError(f"metric {name!r} is unknown: write one of {', '.join(METRICS)} and a cut-off, as in ndcg@10")
    return found[1], int(found[2])


def _sum(targets: Targets, values: NDArray[Any]) -> Values:
    return np.bincount(targets.owner, weights=values, minlength=len(targets)).astype(np.float64, copy=False)


def _reciprocal(targets: Targets, ranks: Values, k: int) -> Values:
    best = np.minimum.reduceat(ranks, targets.offsets[:-1]) if len(targets) else np.empty(0)
    return np.where(best <= k, 1.0 / best, 0.0)


def _average_precision(targets: Targets, ranks: Values, k: int) -> Values:
    owner = targets.owner
    order = np.lexsort((ranks, owner))
    ranks, owner = ranks[order], owner[order]
    # Tied targets share their worst rank, and all of them are found by then: count to the end of the run.
    ends = np.append((ranks[1:] != ranks[:-1]) | (owner[1:] != owner[:-1]), True)
    run_end = np.flatnonzero(ends)
    found = run_end[np.cumsum(np.append(False, ends[:-1]))] - targets.offsets[owner] + 1
    return _sum(targets, np.where(ranks <= k, found / ranks, 0.0)) / targets.counts


def _ndcg(targets: Targets, ranks: Values, k: int, gain: Gain) -> Values:
    grades = np.ones(len(ranks)) if gain == "binary" or targets.gains is None else targets.gains.astype(np.float64)
    gains = np.exp2(grades) - 1 if gain == "exp" else grades
    found = _sum(targets, worth(ranks - 1, k, gains))
    order = np.lexsort((-gains, targets.owner))
    place = np.arange(len(ranks)) - np.repeat(offsets_of(targets.counts)[:-1], targets.counts)
    ideal = _sum(targets, worth(place, k, gains[order]))
    return found / ideal
