"""Rerankers that learn: from lists whose scores saw no label of theirs, accepted and bounded on others.

A ranker's scores of its own training requests know the answer. A reranker that learned from them would trust the
incoming order more than it deserves, so shoppers are dealt into parts, and each part is ranked by a twin of the ranker
that learned from all other parts. Earlier choices of the same shoppers make more lists: for each of them the
generators are fitted on what came before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.calibrating import Calibration, calibrated
from recsys.config import EngineConfig, Variant
from recsys.data.splits import Fold
from recsys.dataset import Dataset, EventLog
from recsys.errors import DataError
from recsys.fitting import (
    Fitted,
    Labelled,
    Progress,
    RankingData,
    deps_for,
    fit_generators,
    is_untrained,
    labelled,
    on_final,
    plan_for,
    silent,
)
from recsys.funnel import Funnel
from recsys.protocols import Deps, FitOptions
from recsys.registry import Registry
from recsys.requests import fold_requests, labels_of
from recsys.rerank.base import Reranker
from recsys.types import Slates, offsets_of

PARTS = 5
DEPTH = 50  # of a training list: an item that stands too far down for the reranker teaches it, too
LABEL = "label"
JUDGES = 30_000  # validation requests that accept a reranker, at most
HELD_OUT = 0.15  # of the shoppers, where there is no validation fold


@dataclass(frozen=True, slots=True, eq=False)
class Crossed:
    """Twins of a ranker, each of which learned without one part of the shoppers."""

    twins: tuple[Any, ...]
    seed: int

    @classmethod
    def of(cls, ranker: Any, lists: Labelled, options: FitOptions, parts: int = PARTS) -> Crossed:
        """Teach the twins. Raises `DataError` for a ranker without `again`, or where a part leaves too few requests."""
        if not hasattr(ranker, "again"):
            raise DataError(f"{type(ranker).__name__} cannot be taught again on a part of its requests (no `again`)")
        part = parts_of(lists.users, parts, options.seed)
        twins = []
        for k in range(parts):
            others = subset(lists, part != k)
            twins.append(ranker.again(others.requests, others.slates, others.labels, options))
        return cls(tuple(twins), options.seed)

    def ranked(self, lists: Labelled, deps: Any) -> Labelled:
        """Return the lists, ordered by the twin that did not learn from their shopper; ``deps`` as at their time."""
        part = parts_of(lists.users, len(self.twins), self.seed)
        out = []
        for k, twin in enumerate(self.twins):
            mine = subset(lists, part == k)
            if len(mine.requests):
                given = replace(mine.slates, columns={**mine.slates.columns, LABEL: mine.labels})
                ordered = on_final(twin, deps).rank(mine.requests, given, max(1, len(mine.labels)))
                columns = dict(ordered.columns)
                out.append(Labelled(mine.requests, replace(ordered, columns=columns), columns.pop(LABEL), mine.users))
        return joined(out)


def with_rerankers(
    config: EngineConfig, registry: Registry, data: Dataset, fitted: Fitted, log: EventLog, options: FitOptions,
    progress: Progress = silent, older: Callable[[], Sequence[Fold]] = tuple, valid: Fold | None = None,
) -> Fitted:  # fmt: skip
    """Return what was fitted with its rerankers taught, accepted and bounded; a warning names those that were not.

    One that can `study` a log reads that of before the labels, learns from these alone, and reads ``log`` in the end.

    Args:
        log: what the generators of ``fitted`` were fitted on.
        older: makes folds of choices before those that the ranker learned from: more lists to learn from.
        valid: requests to accept by, with ``fitted`` generators; untrained rerankers do without it, on shoppers that
            are held out, and others are then taken as they are. Who names a ``max_move`` is not asked.
    """
    rerankers, warnings, seconds = dict(fitted.rerankers), list(fitted.warnings), dict(fitted.fit_s)
    said: dict[str, Calibration] = {}
    lists = Lists(config, registry, data, fitted, options, progress)
    deps = deps_for(data, registry, log, config)
    for name, reranker in fitted.rerankers.items():
        begin, top = time.perf_counter(), config.rerank[name].top
        variant = _home(config, fitted, name)
        taught, held, learns = reranker, None, is_untrained(reranker)
        try:
            if learns:
                train, held = lists.to_learn(variant, () if hasattr(reranker, "study") else older(), valid is None)
                taught = _taught(reranker, name, lists.behind(variant), train, options, progress)
            if valid is not None:
                taught = _up_to_date(taught, learns, deps, log, options)
                held = lists.to_judge(variant, valid, top)
            if held is not None and isinstance(taught, Reranker) and taught.config.max_move is None:
                progress(f"calibrating {name}")
                some = head(held, top)
                taught, said[name] = calibrated(taught, some.requests, some.slates, some.labels, seed=options.seed)
                progress(f"{name}: {said[name]}")
            # Who were held out are in the log: it is read when they have judged.
            rerankers[name] = taught if valid is not None else _up_to_date(taught, learns, deps, log, options)
        except DataError as error:
            warnings.append(f"{name} was not fitted: {error}")
            del rerankers[name]
            progress(warnings[-1])
        seconds[name] = time.perf_counter() - begin
    warnings += [f"{name} changes nothing: {one}" for name, one in said.items() if not one.accepted]
    warnings += [
        f"{name} is taken as it is: nothing here says how far it may move an item (set max_move, or see what "
        "recsys evaluate --rerank finds)"
        for name, one in rerankers.items()
        if isinstance(one, Reranker) and one.config.max_move is None and name not in said
    ]
    return replace(
        fitted, rerankers=rerankers, warnings=tuple(warnings), fit_s=seconds, made={}, calibrations=said
    )  # fmt: skip


def _home(config: EngineConfig, fitted: Fitted, name: str) -> Variant:
    """Return the variant that a reranker learns behind: of those that name it, one with a fitted ranker first."""
    naming = [v for v in config.variants.values() if v.rerank == name] or [config.variants[config.variant]]
    return next((v for v in naming if v.rank in fitted.made), naming[0])


def _taught(
    reranker: Any, name: str, made: RankingData, train: Labelled, options: FitOptions, progress: Progress
) -> Any:
    """Return the reranker after its fit on ``train``; it knows counts, and the log if it can study, before the labels.

    Lists of older folds come with the counts of ``made``: counts are no labels, but a little too well informed there.
    """
    reranker = on_final(reranker, made.deps)
    if hasattr(reranker, "study"):
        progress(f"{name} reads the log")
        reranker = reranker.study(made.fold.fit, options)
    progress(f"fitting {name} on {len(train.requests)} requests")
    return reranker.fit(train.requests, train.slates, train.labels, options)


def _up_to_date(taught: Any, learns: bool, deps: Deps, log: EventLog, options: FitOptions) -> Any:
    """Return a reranker over the final catalogue; one that ``learns`` here, and can study, has then read ``log``."""
    final = on_final(taught, deps)
    return final.study(log, options) if learns and hasattr(final, "study") else final


class Lists:
    """Lists to learn from and to be judged by, behind the rankers of ``fitted``; made once for all rerankers."""

    def __init__(
        self, config: EngineConfig, registry: Registry, data: Dataset, fitted: Fitted, options: FitOptions,
        progress: Progress = silent,
    ) -> None:  # fmt: skip
        self.config, self.registry, self.data, self.fitted = config, registry, data, fitted
        self.options, self.progress = options, progress
        self._learn: dict[tuple[str, int], Labelled] = {}
        self._judge: dict[tuple[Any, ...], Labelled] = {}

    def behind(self, variant: Variant) -> RankingData:
        """Return what the ranker of a variant learned from. Raises `DataError` without a fitted ranker."""
        rank = variant.rank or ""
        if rank not in self.fitted.made:
            raise DataError(f"its variant has no fitted ranker ({rank or 'none'}) to learn behind")
        return self.fitted.made[rank]

    def to_learn(self, variant: Variant, older: Sequence[Fold], hold_out: bool) -> tuple[Labelled, Labelled | None]:
        """Return lists to learn from, and with ``hold_out`` those of shoppers that are not among them.

        Choices of ``older`` folds are labels, too: who has read a log that holds them learns nothing from these.

        Raises:
            DataError: no ranker is there, or no list has what it should find.
        """
        made, key = self.behind(variant), (variant.rank or "", len(older))
        if key not in self._learn:
            self.progress("collecting lists for rerankers")
            ranker = on_final(self.fitted.rankers[key[0]], made.deps)
            crossed = Crossed.of(ranker, made.lists, self.options)
            parts = [crossed.ranked(made.lists, made.deps)]
            parts += [part for fold in older if (part := self._older(crossed, made, fold)) is not None]
            self._learn[key] = joined([with_hit(head(part, DEPTH)) for part in parts])
        every = self._learn[key]
        if not hold_out:
            return every, None
        held = parts_of(every.users, round(1 / HELD_OUT), self.options.seed + 1) == 0
        return subset(every, ~held), subset(every, held)

    def _older(self, crossed: Crossed, made: RankingData, fold: Fold) -> Labelled | None:
        names = made.variant.candidates
        generators, _ = fit_generators(
            self.config, self.registry, self.data, fold.fit, self.options, self.progress, names
        )  # fmt: skip
        funnel = Funnel(plan_for(self.config, Fitted(generators, {}), Variant(candidates=names)), strict=True)
        some = fold.sample(self.config.rank_requests, self.options.seed)
        try:
            found = labelled(funnel, some, len(self.data.items), self.config.hide_seen)
        except DataError:  # so early a choice that nobody's list held it: nothing to learn from
            return None
        return crossed.ranked(found, deps_for(self.data, self.registry, fold.fit, self.config))

    def to_judge(self, variant: Variant, fold: Fold, top: int) -> Labelled:
        """Return the first ``top`` of every request of a fold, as the variant's ranker leaves them."""
        key = (variant.candidates, variant.rank, id(fold), top)
        if key not in self._judge:
            self.progress("collecting lists of validation")
            plan = plan_for(self.config, replace(self.fitted, rerankers={}), variant)
            some = fold.sample(JUDGES, self.options.seed)
            self._judge[key] = validation_lists(self.config, self.data, Funnel(plan, strict=True), some, top)
        return self._judge[key]


def validation_lists(config: EngineConfig, data: Dataset, funnel: Funnel, fold: Fold, top: int) -> Labelled:
    """Return the first ``top`` of every request of a fold as ``funnel`` ranks them."""
    parts = []
    for part, chunk in fold_requests(fold, len(data.items), config.hide_seen):
        ranked = funnel.prerank(chunk, funnel.candidates(chunk), top)
        y = labels_of(ranked.items, ranked.request_index, fold, part)
        bare = [replace(r, allowed=None) for r in chunk]
        parts.append(Labelled(bare, ranked, y, fold.users[part]))
    return joined(parts)


def parts_of(users: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """Return (b,) which of ``n`` parts each shopper is dealt to; one shopper is in one part, whatever the fold."""
    if not len(users):
        return np.empty(0, dtype=np.int64)
    return np.random.default_rng(seed).integers(n, size=int(users.max()) + 1)[users]


def subset(lists: Labelled, keep: NDArray[np.bool_]) -> Labelled:
    """Return the lists of some requests (b,)."""
    entries = keep[lists.slates.request_index]
    slates = lists.slates
    columns = {name: values[entries] for name, values in slates.columns.items()}
    kept = Slates(slates.items[entries], slates.scores[entries], offsets_of(slates.lengths[keep]), columns)
    requests = [r for r, k in zip(lists.requests, keep, strict=True) if k]
    return Labelled(requests, kept, lists.labels[entries], lists.users[keep])


def head(lists: Labelled, n: int) -> Labelled:
    """Return the first ``n`` entries of every list."""
    place = lists.slates.places
    return Labelled(lists.requests, lists.slates.head(n), lists.labels[place < n], lists.users)


def with_hit(lists: Labelled) -> Labelled:
    """Return the lists that hold what they should find."""
    hits = np.bincount(lists.slates.request_index, weights=lists.labels > 0, minlength=len(lists.slates))
    return subset(lists, hits > 0)


def joined(parts: Sequence[Labelled]) -> Labelled:
    """Return all lists, one part after the other."""
    return Labelled(
        [r for p in parts for r in p.requests], Slates.joined([p.slates for p in parts]),
        np.concatenate([np.empty(0, np.float32), *(p.labels for p in parts)]),
        np.concatenate([np.empty(0, np.int64), *(p.users for p in parts)]),
    )  # fmt: skip
