"""Runs every row of a table over one fold, chunk by chunk, through the components that serve."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.config import EngineConfig, Variant
from recsys.data.splits import Fold
from recsys.eval.metrics import CEILING, DEFAULT_METRICS, candidate_recall, per_request, target_ranks
from recsys.fitting import Fitted, plan_for
from recsys.funnel import Funnel, prepared
from recsys.protocols import Deps
from recsys.registry import Registry
from recsys.requests import CHUNK, fold_requests
from recsys.types import ItemRows, Request, Slates

DEPTH = 500  # how deep single lists go: the candidate ceiling is recall at 100 and at 500
CONTROLS = ("identity", "shuffle")
CASCADE = "cascade"
TOP = 10  # how much of a list the beyond-accuracy figures look at


@dataclass(slots=True)
class RowFigures:
    """What one row did on every request: metrics (b,), and the rows of its first ten items (b, 10), -1 pads.

    ``ranks`` (t,) are those of the targets, from 1, inf for a miss.
    """

    metrics: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    top: ItemRows = field(default_factory=lambda: np.empty((0, TOP), dtype=np.int32))
    ranks: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    latency_ms: dict[str, float] = field(default_factory=dict)
    peak_rss_mb: float = 0.0


Answer = Callable[[Sequence[Request]], Slates]
# A row that is not ours to compute: which of the fold's requests, to their lists. A run file, an oracle.
Extra = Callable[[slice], Slates]


class Table:
    """The rows of one evaluation: single generators, fusion, controls, the cascade, and rerankers on top of it.

    ``found`` lists are made once a chunk and shared by the rows that use them, exactly as a plan would make them.
    """

    def __init__(
        self, config: EngineConfig, fitted: Fitted, variant: Variant, rows: Sequence[str],
        extra: Mapping[str, Extra] | None = None, registry: Registry | None = None,
    ) -> None:  # fmt: skip
        self.config = config
        self.fitted = fitted
        self.rows = (*rows, *(extra or {}))
        self.extra = dict(extra or {})
        plan = plan_for(config, fitted, variant.model_copy(update={"rerank": None}))
        self.cascade = Funnel(plan, strict=True)
        self.reranked = {
            row: Funnel(plan_for(config, fitted, variant.model_copy(update={"rerank": name})), strict=True)
            for name in fitted.rerankers
            if (row := f"{CASCADE}+{name}") in rows
        }
        deps = Deps()
        self.controls = {
            name: (registry or Registry()).build("rankers", {"use": name}, deps) for name in CONTROLS if name in rows
        }

    def measure(
        self, fold: Fold, n_items: int, metrics: Sequence[str] = DEFAULT_METRICS,
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, RowFigures]:  # fmt: skip
        """Return the figures of every row over all requests of the fold."""
        out: dict[str, list[tuple[dict[str, Any], ItemRows, NDArray[np.float64]]]] = {row: [] for row in self.rows}
        for part, requests in fold_requests(fold, n_items, self.config.hide_seen, k=TOP):
            targets = fold.targets.take(np.arange(part.start, part.stop))
            for row, slates in self._answers(requests, part).items():
                values = per_request(slates, targets, tuple(metrics)) | candidate_recall(slates, targets, CEILING)
                out[row].append((values, head(slates), target_ranks(slates, targets)))
            if progress is not None:
                progress(len(requests))
        figures = {}
        for row, parts in out.items():
            names = parts[0][0] if parts else {}
            figures[row] = RowFigures(
                {m: np.concatenate([p[0][m] for p in parts]) for m in names},
                np.concatenate([p[1] for p in parts]),
                np.concatenate([p[2] for p in parts]),
                peak_rss_mb=peak_rss_mb(),
            )
        return figures

    def _answers(self, requests: Sequence[Request], part: slice) -> dict[str, Slates]:
        plan = self.cascade.plan
        answers: dict[str, Slates] = {}
        lists: dict[str, Slates] = {}
        used = {n: g for n, g in self.fitted.generators.items() if n in self.rows or n in plan.generators}
        generators = prepared(used, requests)
        cascade = self.cascade.on(generators)
        for name, generator in generators.items():
            if name in self.rows:
                answers[name] = generator.generate(requests, DEPTH)
                if name in plan.generators:
                    lists[name] = answers[name].ordered(answers[name].scores, plan.sizes[name])
            else:
                lists[name] = generator.generate(requests, plan.sizes[name])
        if self._needs_fusion():
            deep = cascade.unite(requests, {n: lists[n] for n in plan.generators}, n=max(DEPTH, plan.n_fused))
            if "fusion" in self.rows:
                answers["fusion"] = deep
            fused = deep.ordered(deep.scores, plan.n_fused)
            for name, ranker in self.controls.items():
                answers[name] = ranker.rank(requests, fused, DEPTH)
            if self._ranks():
                ranked = self.cascade.prerank(requests, fused, DEPTH)
                if CASCADE in self.rows:
                    answers[CASCADE] = ranked
                for row, funnel in self.reranked.items():
                    answers[row] = funnel.rerank(requests, ranked)
        for name, extra in self.extra.items():
            answers[name] = extra(part)
        return answers

    def _needs_fusion(self) -> bool:
        return self._ranks() or bool({"fusion", "identity", "shuffle"} & set(self.rows))

    def _ranks(self) -> bool:
        return CASCADE in self.rows or bool(self.reranked)

    def answer(self, row: str) -> Answer | None:
        """Return what answers one request of a row the way it would be served; None for an extra row."""
        if row in self.fitted.generators:
            return lambda requests: self.fitted.generators[row].generate(requests, TOP)
        if row == "fusion":
            return self.cascade.candidates
        if row == CASCADE:
            return lambda requests: self.cascade.run(requests, TOP)
        if row in self.reranked:
            return lambda requests: self.reranked[row].run(requests, TOP)
        if row in self.controls:
            return lambda requests: self.controls[row].rank(requests, self.cascade.candidates(requests), TOP)
        return None

    def latency(self, row: str, fold: Fold, n_items: int, n: int = 60, seed: int = 0) -> dict[str, float]:
        """Return p50 and p95 in milliseconds of single requests, after three to warm up."""
        answer = self.answer(row)
        if answer is None:
            return {}
        took = []
        for _, requests in fold_requests(fold.sample(n + 3, seed), n_items, self.config.hide_seen, TOP, CHUNK):
            for request in requests:
                begin = time.perf_counter()
                answer([request])
                took.append((time.perf_counter() - begin) * 1000)
        return {f"p{q}": round(float(np.percentile(took[3:] or took, q)), 3) for q in (50, 95)}


def head(slates: Slates) -> ItemRows:
    """Return (b, TOP) the first items of each list, -1 pads."""
    out = np.full((len(slates), TOP), -1, dtype=np.int32)
    place = slates.places
    keep = place < TOP
    out[slates.request_index[keep], place[keep]] = slates.items[keep]
    return out


def peak_rss_mb(usage: resource.struct_rusage | None = None) -> float:
    """Return the largest resident memory of this process so far, or of those whose ``usage`` is given, in MiB."""
    if usage is None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
    # Linux counts KiB, macOS bytes.
    unit = 1024 if sys.platform != "darwin" else 1024 * 1024
    return round(usage.ru_maxrss / unit, 1)
