"""What only searches need, fitted: their finders, and the ranker that learns from what shoppers chose from answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.config import EngineConfig, Variant
from recsys.dataset import Dataset, EventLog, weighed
from recsys.errors import DataError
from recsys.fitting import Fitted, Progress, deps_for, fit_generators, on_final, plan_for
from recsys.funnel import Funnel, Stopwatch
from recsys.protocols import FitOptions
from recsys.rank.features.query import with_features
from recsys.registry import Registry
from recsys.requests import CHUNK
from recsys.searching import SearchPlan, find, search_plan
from recsys.types import NO_EVENTS, Events, ItemRows, Request, Search, Slates, offsets_of, utc

LATER = 0.35  # share of the searches, the latest: the ranker learns from them, the generators from what was before
GUESTS = 0.25  # share of the searches that are learned from as if nobody knew the shopper


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """Searches that ended with a choice, oldest first, in rows.

    ``groups`` (n,) is the shopper's group in the log, -1 for one without events; ``times`` (n,) epoch seconds;
    ``chosen`` (c,) item rows of search i at ``[offsets[i]:offsets[i + 1]]``.
    """

    texts: tuple[str, ...]
    groups: NDArray[np.int64]
    times: NDArray[np.int64]
    chosen: ItemRows
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: NDArray[np.int64]) -> Choices:
        """Return the searches at ``index``."""
        parts = [self.chosen[self.offsets[i] : self.offsets[i + 1]] for i in index.tolist()]
        return Choices(
            tuple(self.texts[i] for i in index.tolist()), self.groups[index], self.times[index],
            np.concatenate([self.chosen[:0], *parts]), offsets_of(np.array([len(p) for p in parts], dtype=np.int64)),
        )  # fmt: skip

    @classmethod
    def of(cls, data: Dataset, searches: Sequence[Search] | None = None) -> Choices:
        """Return the searches of ``data``, or others over the same catalogue and log.

        Left out: a search without a time, and what was chosen that the catalogue does not have.
        """
        groups = {user: g for g, user in enumerate(data.log.users)}
        known: list[tuple[int, str, int, list[int]]] = []
        for one in data.searches if searches is None else searches:
            if one.chosen and one.time is not None:
                rows = [r for r in data.items.vocabulary.rows(one.chosen).tolist() if r >= 0]
                if rows:
                    known.append((utc(one.time), one.text, groups.get(one.user_id, -1), list(dict.fromkeys(rows))))
        known.sort(key=lambda entry: entry[0])
        return cls(
            tuple(text for _, text, _, _ in known),
            np.array([group for _, _, group, _ in known], dtype=np.int64),
            np.array([moment for moment, _, _, _ in known], dtype=np.int64),
            np.array([r for *_, rows in known for r in rows], dtype=np.int32),
            offsets_of(np.array([len(rows) for *_, rows in known], dtype=np.int64)),
        )

    def labels(self, slates: Slates) -> NDArray[np.float32]:
        """Return (m,) 1 where an entry was chosen in its search; list i answers search i."""
        width = np.int64(max(slates.items.max(initial=0), self.chosen.max(initial=0))) + 1
        owner = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        return np.isin(slates.request_index * width + slates.items, owner * width + self.chosen).astype(np.float32)


def requests_of(choices: Choices, log: EventLog, limit: int, guests: NDArray[np.bool_] | None = None) -> list[Request]:
    """Return one request a search, with what its shopper had done before it was typed, at most ``limit`` events.

    Everything may be shown: stock and price are those of another day. ``guests`` (n,) marks searches whose shopper is
    to be unknown.
    """
    histories = _histories(choices, log, limit)
    unknown = np.zeros(len(choices), dtype=np.bool_) if guests is None else guests
    return [
        Request(text=text, history=NO_EVENTS if guest else history, now=now)
        for text, history, now, guest in zip(
            choices.texts, histories, choices.times.tolist(), unknown.tolist(), strict=True
        )
    ]


def _histories(choices: Choices, log: EventLog, limit: int) -> list[Events]:
    """Return what each shopper had done by then, weighed as it was known then; looks at signals alone."""
    parts = []
    for group, now in zip(choices.groups.tolist(), choices.times.tolist(), strict=True):
        begin, end = (int(log.offsets[group]), int(log.offsets[group + 1])) if group >= 0 else (0, 0)
        parts.append(np.arange(begin, begin + int(np.searchsorted(log.events.times[begin:end], now, side="left"))))
    owner = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    events = replace(log.events, ids=()).take(np.concatenate([np.empty(0, dtype=np.int64), *parts]))
    events = weighed(events, owner, log.event_weights)
    telling = events.weights != 0
    events, owner = events.take(telling), owner[telling]
    ends = np.cumsum(np.bincount(owner, minlength=len(parts)))
    begins = np.concatenate([[0], ends[:-1]]) if len(parts) else ends
    return [events.take(slice(max(lo, hi - limit), hi)) for lo, hi in zip(begins.tolist(), ends.tolist(), strict=True)]


def learning_plan(config: EngineConfig, generators: Mapping[str, Any]) -> SearchPlan:
    """Return the search plan of the default variant over given generators, without a ranker, every column complete."""
    variant = config.variants[config.variant]
    personal = Funnel(plan_for(config, Fitted(generators, {}), Variant(candidates=variant.candidates)), strict=True)
    return replace(search_plan(config, Fitted(generators, {}), personal), complete=True)


def answers(plan: SearchPlan, requests: Sequence[Request], chunk: int = CHUNK) -> Iterator[tuple[slice, Slates]]:
    """Yield ``(which requests, what was found for them)`` in chunks, with the columns that a search ranker reads."""
    for begin in range(0, len(requests), chunk):
        part = slice(begin, min(begin + chunk, len(requests)))
        found = find(plan, requests[part], {}, Stopwatch())
        yield part, with_features(requests[part], found, plan.finders)


def training_answers(
    plan: SearchPlan, choices: Choices, requests: Sequence[Request]
) -> tuple[list[Request], Slates, NDArray[np.float32]]:
    """Return the requests whose answers hold what was chosen, these answers, and labels.

    Raises:
        DataError: none does.
    """
    kept: list[Request] = []
    parts, labels = [], []
    for part, slates in answers(plan, requests):
        y = choices.take(np.arange(part.start, part.stop)).labels(slates)
        hit = np.bincount(slates.request_index, weights=y, minlength=len(slates)) > 0
        keep = hit[slates.request_index]
        kept += [r for r, h in zip(requests[part], hit.tolist(), strict=True) if h]
        columns = {name: values[keep] for name, values in slates.columns.items()}
        parts.append(Slates(slates.items[keep], slates.scores[keep], offsets_of(slates.lengths[hit]), columns))
        labels.append(y[keep])
    if not kept:
        raise DataError("no search whose answer holds what was chosen: nothing to learn an order from")
    return kept, Slates.joined(parts), np.concatenate(labels)


def learned_by_search(config: EngineConfig, registry: Registry) -> str | None:
    """Return the name of the ranker that is to learn from searches: one that orders searches alone and can learn."""
    name = config.search.rank
    if name is None or any(v.rank == name for v in config.variants.values()):
        return None
    return name if hasattr(registry.get("rankers", config.rank[name].use), "fit") else None


def fit_search_ranker(
    config: EngineConfig, registry: Registry, data: Dataset, name: str, finders: Mapping[str, Any],
    options: FitOptions, progress: Progress,
) -> Any:  # fmt: skip
    """Return the ranker ``name`` trained on the latest searches of ``data.searches``.

    The log is cut in time: generators are fitted on the events before the cut, the ranker learns from the searches
    after it, each with its shopper's history as it was when they typed. So no choice that it is to foresee is in the
    counts that it foresees it with. ``finders`` read the catalogue alone and are taken as they are.

    Raises:
        DataError: too few searches with a choice.
    """
    choices = Choices.of(data)
    if len(choices) < 2:
        raise DataError(f"{len(choices)} searches with a choice: log what shoppers choose (add_searches)")
    begin = int(choices.times[int((1 - LATER) * (len(choices) - 1))])
    rng = np.random.default_rng(options.seed)
    later = np.flatnonzero(choices.times > begin)
    some = np.sort(rng.permutation(later)[: config.search.rank_requests])
    choices = choices.take(some)
    past = data.log.as_of(data.log.events.times <= begin)
    variant = config.variants[config.variant]
    names = variant.candidates or tuple(config.candidates)
    generators, _ = fit_generators(config, registry, data, past, options, progress, names)
    plan = learning_plan(config, {**finders, **generators})
    progress(f"collecting answers to {len(choices)} searches for {name}")
    guests = rng.random(len(choices)) < GUESTS
    requests = requests_of(choices, data.log, config.events.history_limit, guests)
    kept, slates, labels = training_answers(plan, choices, requests)
    ranker = registry.build("rankers", config.rank[name].options, deps_for(data, registry, past), f"rank.{name}")
    progress(f"fitting {name} on {len(kept)} searches")
    return ranker.fit(kept, slates, labels, options)


def with_finders(
    config: EngineConfig, registry: Registry, data: Dataset, fitted: Fitted, options: FitOptions, progress: Progress
) -> Fitted:
    """Return what was fitted, the generators that only searches and reasons use, and the ranker of searches.

    Without enough searches in ``data.searches`` there is no such ranker: answers stay in fused order, and the warnings
    say so.
    """
    made, seconds = fit_generators(config, registry, data, data.log, options, progress, names=config.beside)
    generators = {**fitted.generators, **made}
    fitted = replace(fitted, generators=generators, fit_s={**fitted.fit_s, **seconds})
    name = learned_by_search(config, registry)
    if name is None or name in fitted.rankers:
        return fitted
    begin = time.perf_counter()
    rankers, warnings = dict(fitted.rankers), fitted.warnings
    try:
        finders = {n: g for n, g in made.items() if n in config.search.candidates}
        ranker = fit_search_ranker(config, registry, data, name, finders, options, progress)
        rankers[name] = on_final(ranker, deps_for(data, registry, data.log))
    except DataError as error:
        warnings = (*warnings, f"{name} was not fitted: {error}")
        progress(warnings[-1])
    took = {**fitted.fit_s, name: time.perf_counter() - begin}
    return replace(fitted, generators=generators, rankers=rankers, fit_s=took, warnings=warnings)
