"""The stages in a row, over rows: generate, unite, score completely, fuse, rank."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recsys.candidates.fuse import Fusion, score_all, union
from recsys.errors import NotFittedError, StageError
from recsys.protocols import Delta, Live
from recsys.types import Notes, Request, Slates, StageTrace


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What one variant runs: generators with their list lengths, fusion, and a ranker or None."""

    generators: Mapping[str, Any]
    sizes: Mapping[str, int]
    fusion: Fusion
    n_fused: int
    ranker: Any = None
    ranker_name: str = ""


@dataclass(slots=True)
class Stopwatch:
    """Collects what each stage of a call took."""

    stages: list[StageTrace] = field(default_factory=list)

    def time(self, stage: str, plugin: str, n_in: int, work: Callable[[], Slates]) -> Slates:
        """Run ``work`` and note its time and the size of its answer."""
        begin = time.perf_counter()
        out = work()
        took_ms = (time.perf_counter() - begin) * 1000
        self.stages.append(StageTrace(stage, plugin, took_ms, n_in, len(out.items)))
        return out


class Funnel:
    """Runs plans over batches of requests. Holds one snapshot of fitted components and never changes it."""

    def __init__(self, plan: Plan, strict: bool = False) -> None:
        if not plan.generators:
            raise NotFittedError("a plan needs at least one generator")
        self.plan = plan
        self.strict = strict

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
                    lambda g=generator, n=max(plan.sizes[name], k): g.generate(requests, n),
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
        """Return the united lists with complete columns, ordered by the fused score, cut to ``n``, else ``n_fused``."""
        plan, watch = self.plan, watch or Stopwatch()
        slates = union(found, len(requests))
        alive = {name: plan.generators[name] for name in found}
        slates = watch.time("score", ", ".join(alive), len(slates.items), lambda: score_all(requests, slates, alive))
        return watch.time(
            "fuse", "fusion", len(slates.items), lambda: plan.fusion.fuse(slates, list(alive), n or plan.n_fused)
        )

    def candidates(self, requests: Sequence[Request], watch: Stopwatch | None = None) -> Slates:
        """Return `unite` of `generate`; generators that failed are noted."""
        found, degraded = self.generate(requests, watch)
        slates = self.unite(requests, found, watch)
        return slates.note(Notes(degraded=degraded)) if degraded else slates

    def rank(self, requests: Sequence[Request], slates: Slates, n: int, watch: Stopwatch | None = None) -> Slates:
        """Return the best ``n`` of given candidates; a ranker that fails leaves the incoming order and is noted."""
        plan, watch = self.plan, watch or Stopwatch()
        if plan.ranker is None:
            return slates.ordered(slates.scores, n)
        try:
            return watch.time(
                "rank", plan.ranker_name, len(slates.items), lambda: plan.ranker.rank(requests, slates, n)
            )
        except Exception as error:  # as above: the fused order is a good list too
            if self.strict:
                raise StageError("rank", plan.ranker_name, str(error)) from error
            kept = slates.ordered(slates.scores, n)
            return kept.note(Notes(degraded=(f"rank:{plan.ranker_name}:{type(error).__name__}",)))

    def run(self, requests: Sequence[Request], n: int, watch: Stopwatch | None = None) -> Slates:
        """Return ranked lists of at most ``n``."""
        return self.rank(requests, self.candidates(requests, watch), n, watch)

    def score_given(self, requests: Sequence[Request], slates: Slates, watch: Stopwatch | None = None) -> Slates:
        """Return given items with complete columns and the fused score, in fused order; nothing is dropped."""
        plan, watch = self.plan, watch or Stopwatch()
        scored = watch.time(
            "score", ", ".join(plan.generators), len(slates.items),
            lambda: score_all(requests, slates, plan.generators),
        )  # fmt: skip
        return plan.fusion.fuse(scored, list(plan.generators))


def updated(components: Mapping[str, Any], delta: Delta) -> dict[str, Any]:
    """Return the components with every `Live` one replaced by a copy that knows the change."""
    return {name: c.apply(delta) if isinstance(c, Live) else c for name, c in components.items()}
