"""The lists that an engine hands to a reranker's fit, for what is trained outside of it."""

from __future__ import annotations

from recsys.config import EngineConfig
from recsys.data.splits import ChoicesBack, split
from recsys.dataset import Dataset
from recsys.errors import ConfigError
from recsys.fitting import Fitted, Labelled, Progress, fit_ranker, ranking_data, silent
from recsys.fitting_rerank import Lists as Collected
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys_fine_tuned.crossencoder_lists import Lists


def engine_lists(
    data: Dataset, config: EngineConfig | None = None, options: FitOptions | None = None, progress: Progress = silent,
    *, measured: str | None = None,
) -> tuple[Lists, Lists]:  # fmt: skip
    """Return lists to learn from, and lists of shoppers who are not among them, of each shopper's latest choice.

    Generators are fitted on what came before that choice, and every list is ordered by a ranker that did not learn
    from its shopper: its scores saw no label of its own. The plan is ``config.variant``.

    ``measured`` names the split of an evaluation that is to follow ("leave-one-out", "global-time"): then nothing of
    its validation or test is learned from. Without it the latest choices of all are what is learned, as for serving:
    a model of these must not be measured on the same data.

    Raises:
        ConfigError: that plan has no ranker. DataError: no list holds what it should find, or the split lacks data.
    """
    if measured is not None:
        data = data.with_log(split(data.log, measured).test.fit)
    settings, registry = config or EngineConfig(), Registry()
    how = options or FitOptions(seed=settings.seed)
    variant = settings.variants[settings.variant]
    if variant.rank is None:
        raise ConfigError(f"variants.{settings.variant}: rank is needed, lists to learn from are those of a ranker")
    made = ranking_data(
        settings, registry, data, ChoicesBack.of(data.log).fold(1, 1), variant.rank, how, progress
    )  # fmt: skip
    ranker = fit_ranker(settings, registry, made, variant.rank, how, progress)
    fitted = Fitted({}, {variant.rank: ranker}, made={variant.rank: made})
    learn, held = Collected(settings, registry, data, fitted, how, progress).to_learn(variant, (), hold_out=True)
    assert held is not None  # it was asked for
    return _plain(learn), _plain(held)


def _plain(lists: Labelled) -> Lists:
    return Lists(lists.requests, lists.slates, lists.labels)
