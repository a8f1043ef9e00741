"""The stages in a row, over rows: generate, unite, score completely, fuse, rank, rerank."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import numpy as np

from recsys.candidates.fuse import Fusion, score_all, union
from recsys.errors import NotFittedError, StageError
from recsys.protocols import Delta, Live, Preparable
from recsys.reranking import rerank_top
from recsys.result import StageTrace
from recsys.types import Notes, Request, Slates


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What one variant runs: generators with their list lengths, fusion, a ranker and a reranker or None.

    ``top`` of each list go through the reranker. ``explain`` names the explainer, "" is that of the settings.
    """

    generators: Mapping[str, Any]
    sizes: Mapping[str, int]
    fusion: Fusion
    n_fused: int
    ranker: Any = None
    ranker_name: str = ""
    reranker: Any = None
    reranker_name: str = ""
    top: int = 20
    explain: str = ""


@dataclass(slots=True)
class Stopwatch:
    """Collects what each stage of a call took; with ``kept``, the lists that each gave, too: the last of a name."""

    stages: list[StageTrace] = field(default_factory=list)
    kept: dict[str, Slates] | None = None

    @classmethod
    def keeping(cls, lists: bool) -> Self:
        """Return one that keeps the ``lists`` of the stages, or does not."""
        return cls(kept={} if lists else None)

    def time(self, stage: str, plugin: str, n_in: int, work: Callable[[], Slates]) -> Slates:
        """Run ``work`` and note its time and the size of its answer."""
        begin = time.perf_counter()
        out = work()
        took_ms = (time.perf_counter() - begin) * 1000
        self.stages.append(StageTrace(stage, plugin, took_ms, n_in, len(out.items)))
        self.keep(stage, out)
        return out

    def keep(self, stage: str, slates: Slates) -> None:
        """Keep the lists of a stage for `recsys.showing`, if this call is to show its workings."""
        if self.kept is not None:
            self.kept[stage] = slates


class Funnel:
    """Runs plans over batches of requests. Holds one snapshot of fitted components and never changes it."""

    def __init__(self, plan: Plan, strict: bool = False) -> None:
        if not plan.generators:
            raise NotFittedError("a plan needs at least one generator")
        self.plan = plan
        self.strict = strict

    def on(self, generators: Mapping[str, Any]) -> Funnel:
        """Return the same funnel with other generators of the same names."""
        return Funnel(replace(self.plan, generators={n: generators[n] for n in self.plan.generators}), self.strict)

    def generate(
        self, requests: Sequence[Request], watch: Stopwatch | None = None
    ) -> tuple[dict[str, Slates], tuple[str, ...]]:
        """Return the list of every generator by name, and which generators failed and were left out.

        Raises:
            StageError: all of them failed, or any in strict mode.
        """
        plan, watch = self.plan, watch or Stopwatch()
        found: dict[str, Slates] = {}
        degraded: list[str] = []
        last: Exception | None = None
        k = max((r.k for r in requests), default=0)
        for name, generator in plan.generators.items():
            try:
                found[name] = watch.time(
                    "candidates",
                    name,
                    len(requests),
                    partial(generator.generate, requests, max(plan.sizes[name], k)),
                )
            except Exception as error:  # whatever a plug-in raises must not take the list down with it
                if self.strict:
                    raise StageError("candidates", name, str(error)) from error
                degraded.append(f"candidates:{name}:{type(error).__name__}")
                last = error
        if not found:
            raise StageError("candidates", ", ".join(plan.generators), "every generator failed") from last
        return found, tuple(degraded)

    def unite(
        self, requests: Sequence[Request], found: Mapping[str, Slates], watch: Stopwatch | None = None,
        n: int | None = None,
    ) -> Slates:  # fmt: skip
        """Return the united lists with complete columns, ordered by the fused score, cut to ``n``, else ``n_fused``.

        A generator without a list in ``found`` scores nothing, so that every column is there whoever failed.
        """
        nothing = Slates.of([[] for _ in requests])
        # In the order of the plan, whoever is missing: the place is the generator's bit in the column "found".
        slates = union({name: found.get(name, nothing) for name in self.plan.generators}, len(requests))
        return self._scored(requests, slates, list(found), n or self.plan.n_fused, watch or Stopwatch())

    def _scored(
        self, requests: Sequence[Request], slates: Slates, alive: Sequence[str], n: int | None, watch: Stopwatch
    ) -> Slates:
        plan, failed = self.plan, dict[str, Exception]()
        scorers = {
            name: Guarded(name, g if name in alive else None, failed, self.strict)
            for name, g in plan.generators.items()
        }
        scored = watch.time("score", ", ".join(alive), len(slates.items), lambda: score_all(requests, slates, scorers))
        if failed and len(failed) == len(alive):
            raise StageError("score", ", ".join(alive), "every generator failed") from next(iter(failed.values()))
        watch.keep("scored", scored)
        fused = watch.time(
            "fuse", "fusion", len(slates.items), lambda: plan.fusion.fuse(scored, list(plan.generators), n)
        )
        degraded = tuple(f"score:{name}:{type(error).__name__}" for name, error in failed.items())
        return fused.note(Notes(degraded=degraded)) if degraded else fused

    def candidates(self, requests: Sequence[Request], watch: Stopwatch | None = None) -> Slates:
        """Return `unite` of `generate`; generators that failed are noted."""
        batch = self.on(prepared(self.plan.generators, requests))
        found, degraded = batch.generate(requests, watch)
        slates = batch.unite(requests, found, watch)
        return slates.note(Notes(degraded=degraded)) if degraded else slates

    def rank(self, requests: Sequence[Request], slates: Slates, n: int, watch: Stopwatch | None = None) -> Slates:
        """Return the best ``n`` of given candidates, ranked and reranked."""
        deep = n if self.plan.reranker is None else max(n, self.plan.top)
        ranked = self.prerank(requests, slates, deep, watch)
        return self.rerank(requests, ranked, watch).head(n)

    def rerank(self, requests: Sequence[Request], slates: Slates, watch: Stopwatch | None = None) -> Slates:
        """Return ranked lists after the reranker; one that fails leaves the incoming order and is noted."""
        plan, watch = self.plan, watch or Stopwatch()
        if plan.reranker is None:
            return slates
        try:
            return watch.time(
                "rerank", plan.reranker_name, int(np.minimum(slates.lengths, plan.top).sum()),
                lambda: rerank_top(plan.reranker, requests, slates, plan.top),
            )  # fmt: skip
        except StageError:  # of a guard, which names stage and plug-in itself
            raise
        except Exception as error:  # as in generate: the incoming order is a good list too
            if self.strict:
                raise StageError("rerank", plan.reranker_name, str(error)) from error
            return slates.note(Notes(degraded=(f"rerank:{plan.reranker_name}:{type(error).__name__}",)))

    def measured(self, ranked: Slates | None = None) -> Funnel:
        """Return the funnel that says what lists would be without an event: with the reranker, if that is cheap.

        It reranks without a budget: what falls back in between would look as if the event had mattered. Where
        ``ranked`` lists fell back already, it does not rerank.
        """
        one = self.plan.reranker
        fell_back = ranked is not None and any(d.startswith("rerank:") for n in ranked.notes for d in n.degraded)
        if one is not None and getattr(one, "cheap", False) and not fell_back:
            return Funnel(replace(self.plan, reranker=getattr(one, "reranker", one)), self.strict)
        return Funnel(replace(self.plan, reranker=None, reranker_name=""), self.strict)

    def prerank(self, requests: Sequence[Request], slates: Slates, n: int, watch: Stopwatch | None = None) -> Slates:
        """Return the best ``n`` of given candidates; a ranker that fails leaves the incoming order and is noted."""
        plan, watch = self.plan, watch or Stopwatch()
        if plan.ranker is None:
            return slates.ordered(slates.scores, n)
        try:
            return watch.time(
                "rank", plan.ranker_name, len(slates.items), lambda: plan.ranker.rank(requests, slates, n)
            )
        except Exception as error:  # as in generate: the fused order is a good list too
            if self.strict:
                raise StageError("rank", plan.ranker_name, str(error)) from error
            kept = slates.ordered(slates.scores, n)
            return kept.note(Notes(degraded=(f"rank:{plan.ranker_name}:{type(error).__name__}",)))

    def run(self, requests: Sequence[Request], n: int, watch: Stopwatch | None = None) -> Slates:
        """Return ranked lists of at most ``n``."""
        return self.rank(requests, self.candidates(requests, watch), n, watch)

    def score_given(self, requests: Sequence[Request], slates: Slates, watch: Stopwatch | None = None) -> Slates:
        """Return given items with complete columns and the fused score, in fused order; nothing is dropped."""
        return self._scored(requests, slates, list(self.plan.generators), None, watch or Stopwatch())


@dataclass(frozen=True, slots=True)
class Guarded:
    """A scorer that scores nothing (NaN) when there is none, or when it raises; ``failed`` then holds the error."""

    name: str
    inner: Any
    failed: dict[str, Exception]
    strict: bool

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return the scores of the inner scorer, or NaN. Raises `StageError` in strict mode."""
        if self.inner is not None:
            try:
                scored: Slates = self.inner.score(requests, slates)
                return scored
            except Exception as error:  # as in generate: one plug-in must not take the list down
                if self.strict:
                    raise StageError("score", self.name, str(error)) from error
                self.failed[self.name] = error
        unknown = np.full(len(slates.items), np.nan, dtype=np.float32)
        return Slates(slates.items, unknown, slates.offsets, slates.columns, slates.notes)


def prepared(generators: Mapping[str, Any], requests: Sequence[Request]) -> dict[str, Any]:
    """Return the generators for these very requests alone: the `Preparable` ones do shared work once."""
    return {n: g.prepared(requests) if isinstance(g, Preparable) else g for n, g in generators.items()}


def updated(components: Mapping[str, Any], delta: Delta) -> dict[str, Any]:
    """Return the components with every `Live` one replaced by a copy that knows the change."""
    return {name: c.apply(delta) if isinstance(c, Live) else c for name, c in components.items()}
