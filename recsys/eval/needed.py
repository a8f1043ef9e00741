"""What a table has to fit: the components that its rows ask for, no others."""

from __future__ import annotations

from collections.abc import Collection

from recsys.config import EngineConfig, Variant
from recsys.eval.measure import CASCADE


def needed(config: EngineConfig, rows: Collection[str]) -> EngineConfig:
    """Return the settings with what ``rows`` need alone: generators by name, and whatever makes fused and ranked lists.

    The plan that serves is kept, and with it every variant of its ranker or of a reranker that is asked for: they say
    what these learn from. Without a row of lists the plan that serves is that of the generators left.
    """
    if set(rows) <= set(config.candidates):
        alone = {n: stage for n, stage in config.candidates.items() if n in rows}
        plan = {config.variant: Variant()}
        return config.model_copy(update={"candidates": alone, "rank": {}, "rerank": {}, "variants": plan})
    rerank = {n: stage for n, stage in config.rerank.items() if f"{CASCADE}+{n}" in rows}
    rank = config.variants[config.variant].rank
    variants = {
        name: variant
        for name, variant in config.variants.items()
        if name == config.variant or (rank and variant.rank == rank) or variant.rerank in rerank
    }
    plans = config.model_copy(update={"variants": variants}).trimmed()
    candidates = {n: stage for n, stage in config.candidates.items() if n in plans.candidates or n in rows}
    return plans.model_copy(update={"candidates": candidates, "rerank": rerank})
