"""Acts of the sample shop whose cause is known, what was known before each, and an engine that did not see them.

One act a shopper: the last look or click of theirs at an item that they had not touched before. Everything they did
from then on is cut out of the log, and every generator is fitted anew on what is left, so the pair that has to be
explained was never counted. What is not cut: other shoppers' later acts, and the trees of the ranker, which learned
how to weigh generators, not which items go together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.fuse import FOUND
from recsys.data.shop import Shop
from recsys.data.shop.causes import CAUSES, SHOWN
from recsys.dataset import EventLog
from recsys.engine import Engine
from recsys.explaining import ASPECTS, Reasons
from recsys.fitting import Fitted, deps_for, fit_generators
from recsys.funnel import Funnel
from recsys.protocols import FitOptions
from recsys.requests import CHUNK, seen, without
from recsys.types import KIND_CODES, ItemRows, Request, Review, Slates, offsets_of

_FIRST = (KIND_CODES["view"], KIND_CODES["click"])


@dataclass(frozen=True, slots=True, eq=False)
class Acts:
    """One act each of (a,) shoppers.

    Attributes:
        log: everything but these acts and what their shoppers did from then on.
        users: int64 groups of the log. rows: the items acted on. times: epoch seconds. causes: int8 codes of `CAUSES`.
        reasons: row of the item that the act goes with; -1 where no item was the reason.
    """

    log: EventLog
    users: NDArray[np.int64]
    rows: ItemRows
    times: NDArray[np.int64]
    causes: NDArray[np.int8]
    reasons: ItemRows

    def __len__(self) -> int:
        return len(self.users)

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> Acts:
        """Return the acts at ``index``; the log stays whole."""
        return Acts(
            self.log, self.users[index], self.rows[index], self.times[index], self.causes[index], self.reasons[index]
        )  # fmt: skip

    def caused_by(self, name: str) -> NDArray[np.bool_]:
        """Return (a,) True where the recorded cause is ``name``."""
        return np.asarray(self.causes == CAUSES.index(name))

    def requests(self, n_items: int, history_limit: int) -> list[Request]:
        """Return what the engine would have been asked just before each act."""
        every = np.ones(n_items, dtype=np.bool_)
        out = []
        for user, time in zip(self.users.tolist(), self.times.tolist(), strict=True):
            history = self.log.history(user)
            allowed = without(every, seen(history))
            told = history.take(np.flatnonzero(history.weights)[-history_limit:])
            out.append(Request(user=self.log.users[user], history=told, allowed=allowed, now=time))
        return out


def last_acts(shop: Shop) -> Acts:
    """Return the last first touch of an item of every shopper who did anything before it."""
    log, causes = shop.dataset.log, shop.truth.causes
    events, owner = log.events, log.owner
    acts = np.flatnonzero(np.isin(events.kinds, _FIRST) & (causes.codes != SHOWN))
    last = np.full(log.n_users, -1, dtype=np.int64)
    np.maximum.at(last, owner[acts], acts)
    end = np.where(last < 0, len(events), last)
    before = log.as_of(np.arange(len(events)) < end[owner])
    some = np.bincount(before.owner[before.events.weights > 0], minlength=log.n_users) > 0
    users = np.flatnonzero((last >= 0) & some)
    at = last[users]
    return Acts(before, users, events.rows[at], events.times[at], causes.codes[at], causes.items[at])


def refitted(engine: Engine, shop: Shop, log: EventLog, variant: str | None = None, seed: int = 0) -> Funnel:
    """Return the engine's plan with every generator fitted on ``log`` alone."""
    plan = engine._funnel(engine._current(), variant, False).plan
    options = FitOptions(seed=seed)
    names = list(plan.generators)
    fitted, _ = fit_generators(engine.config, engine.registry, shop.dataset, log, options, names=names)
    ranker = plan.ranker
    if hasattr(ranker, "on_snapshot"):
        ranker = ranker.on_snapshot(deps_for(shop.dataset, engine.registry, log))
    return Funnel(replace(plan, generators=fitted, ranker=ranker))


def reasons_before(
    engine: Engine, shop: Shop, funnel: Funnel, log: EventLog, reviews: Sequence[Review], seed: int = 0,
    **facts: float,
) -> Reasons:  # fmt: skip
    """Return what the engine would have made reasons of, had it known ``log`` and ``reviews`` alone.

    ``funnel`` is fitted on them, see `refitted`; ``facts`` are settings that take the place of the engine's.
    """
    data, settings = replace(shop.dataset, reviews=tuple(reviews)), engine.config.explain
    names = [name for name in (ASPECTS,) if name in engine.fitted.generators]
    made, _ = fit_generators(engine.config, engine.registry, data, log, FitOptions(seed=seed), names=names)
    changed = settings.model_copy(update={"facts": {**settings.facts, **facts}})
    config = engine.config.model_copy(update={"explain": changed})
    fitted = Fitted({**funnel.plan.generators, **made}, {})
    return Reasons.of(config, engine.registry, data.items, fitted, log).over(data.reviews)


def known_reviews(shop: Shop, acts: Acts) -> list[Review]:
    """Return the reviews without those that the shoppers of ``acts`` wrote from their act on."""
    moment = dict(zip((acts.log.users[u] for u in acts.users.tolist()), acts.times.tolist(), strict=True))
    return [r for r in shop.dataset.reviews if r.time is None or r.time < moment.get(r.user_id, r.time + 1)]


def ranked_with(funnel: Funnel, requests: list[Request], rows: ItemRows) -> tuple[Slates, Slates]:
    """Return all candidates of each request ranked, ``rows`` (b,) among them, and lists of these rows alone."""
    parts = []
    for begin in range(0, len(requests), CHUNK):
        part = requests[begin : begin + CHUNK]
        found = _including(funnel.candidates(part), rows[begin : begin + CHUNK])
        parts.append(funnel.rank(part, funnel.score_given(part, found), len(found.items)))
    every = Slates.joined(parts)
    return every, only(every, rows)


def only(ranked: Slates, rows: ItemRows) -> Slates:
    """Return lists of one: entry ``rows[i]`` of list i with its score and columns."""
    index = np.flatnonzero(ranked.items == rows[ranked.request_index])
    columns = {name: values[index] for name, values in ranked.columns.items()}
    return Slates(ranked.items[index], ranked.scores[index], offsets_of(np.ones(len(rows), dtype=np.int64)), columns)


def _including(found: Slates, rows: ItemRows) -> Slates:
    """Return the lists with ``rows`` (b,) at their ends where they are missing, found by no generator."""
    owner = found.request_index
    there = np.zeros(len(rows), dtype=np.bool_)
    there[owner[found.items == rows[owner]]] = True
    extra = np.flatnonzero(~there)
    items = np.concatenate([found.items, rows[extra]])
    mask = np.concatenate([found.columns[FOUND], np.zeros(len(extra), dtype=np.uint64)])
    whose = np.concatenate([owner, extra])
    order = np.argsort(whose, kind="stable")
    offsets = offsets_of(np.bincount(whose, minlength=len(rows)))
    return Slates(items[order], np.zeros(len(order), dtype=np.float32), offsets, {FOUND: mask[order]})
