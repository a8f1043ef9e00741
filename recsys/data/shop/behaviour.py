"""A year in the shop: who visits when, what the lists show, what is clicked, bought and regretted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop import lists
from recsys.data.shop.catalogue import START
from recsys.data.shop.causes import (
    ASPECT,
    BRAND,
    COMPLEMENT,
    N_RECENT,
    NONE,
    SHARES,
    SHOWN,
    TASTE,
    TREND,
    YEAR_SECONDS,
    Causes,
)  # fmt: skip
from recsys.data.shop.outcomes import Outcomes
from recsys.data.shop.recorder import Recorder
from recsys.data.shop.tastes import Floats
from recsys.types import KIND_CODES

N_STEPS = 104  # half-weeks; a shopper visits at most once in each
STEP_SECONDS = int(YEAR_SECONDS) // N_STEPS
VISIT_SECONDS = 3 * 3600  # a visit begins early enough to end within its step
ACTS_PER_VISIT = 1.7
MAX_ACTS = 5
ACT_SECONDS = 300
# The popularity that the old shop sorts by forgets 5 % a half-week.
FORGET = 0.95

Rows = NDArray[np.int64]


@dataclass(slots=True)
class State:
    """What the shoppers have done so far: products touched, the latest purchases and their event numbers."""

    touched: NDArray[np.bool_]  # (b, n_products)
    recent: NDArray[np.int32]  # (b, 5) rows, latest first, -1 = none
    recent_events: NDArray[np.int64]  # (b, 5) event numbers of those purchases

    @classmethod
    def fresh(cls, n_shoppers: int, n_products: int) -> State:
        """Return the state in which nobody has done anything."""
        return cls(
            np.zeros((n_shoppers, n_products), dtype=np.bool_),
            np.full((n_shoppers, N_RECENT), -1, dtype=np.int32),
            np.full((n_shoppers, N_RECENT), -1, dtype=np.int64),
        )

    def bought(self, users: Rows, rows: Rows, events: Rows) -> None:
        """Remember one purchase of each of these distinct users."""
        for memory, latest in ((self.recent, rows), (self.recent_events, events)):
            memory[users, 1:] = memory[users, :-1]
            memory[users, 0] = latest


class Simulation:
    """Runs the year step by step; all visits of a step are computed at once."""

    def __init__(self, rng: np.random.Generator, causes: Causes) -> None:
        self.rng, self.causes = rng, causes
        self.catalogue, self.shoppers = causes.catalogue, causes.shoppers
        self.recorder = Recorder()
        self.outcomes = Outcomes(rng, causes, self.recorder)
        self.state = State.fresh(len(self.shoppers), int(self.catalogue.parent.max()) + 1)
        self.popularity = causes.latent.appeal.copy()

    def run(self) -> Recorder:
        """Simulate the whole year and return all that was recorded."""
        visits = self._visits()
        for step in range(N_STEPS):
            users = np.flatnonzero(visits[:, step])
            if len(users):
                self._step(users, int(START.timestamp()) + step * STEP_SECONDS)
            self.popularity *= FORGET
        return self.recorder

    def _visits(self) -> NDArray[np.bool_]:
        """Return (b, steps): each shopper visits in some steps after joining, at least in one."""
        b = len(self.shoppers)
        first = (self.shoppers.joined * N_STEPS).astype(np.int64)
        wanted = np.clip(self.rng.poisson(self.shoppers.activity * (1 - self.shoppers.joined)), 1, N_STEPS - first)
        race = self.rng.random((b, N_STEPS))
        race[np.arange(N_STEPS) < first[:, None]] = 2.0
        place = np.argsort(np.argsort(race, axis=1), axis=1)
        return np.asarray(place < wanted[:, None])

    def _step(self, users: Rows, time: int) -> None:
        begin = time + self.rng.integers(0, STEP_SECONDS - VISIT_SECONDS, len(users))
        available = self.causes.open(time)
        n_clicks = self._list(users, begin, time, available)
        acts = np.minimum(self.rng.poisson(ACTS_PER_VISIT, len(users)), MAX_ACTS)
        for act in range(MAX_ACTS):
            some = acts > act
            if some.any():
                when = begin[some] + 30 + ACT_SECONDS * (n_clicks[some] + act)
                self._act(users[some], when, time, available)

    def _list(self, users: Rows, begin: Rows, time: int, available: Floats) -> Rows:
        """Show each visitor one list, let them click in it, and return how many clicks each made."""
        b, rng = len(users), self.rng
        interest = self.shoppers.interest[users]
        page = (rng.random(b)[:, None] > np.cumsum(interest, axis=1)).sum(axis=1).clip(0, interest.shape[1] - 1)
        page[rng.random(b) > lists.DEPARTMENT_PAGE] = interest.shape[1]
        shown = lists.assemble(rng, lists.page_weights(self.popularity, self.causes)[page] * available)
        length = shown.shape[1]
        position = np.broadcast_to(np.arange(1, length + 1), shown.shape)
        self.recorder.add(
            np.repeat(users, length), shown.ravel(), np.repeat(begin, length), KIND_CODES["impression"],
            position=position.ravel(), cause=SHOWN,
        )  # fmt: skip
        goes_with = self.causes.complement(self.state.recent[users])
        rates = self._rates(users, shown, np.take_along_axis(goes_with, shown, axis=1), time)
        rates *= ~self.state.touched[users[:, None], self.catalogue.parent[shown]]
        looked = rng.random(shown.shape) < lists.examination(position)
        clicked = looked & (rng.random(shown.shape) < rates.sum(axis=0))
        self.outcomes.rejections(users, shown, begin, looked & ~clicked)
        return self._clicks(users, shown, begin, clicked, rates)

    def _rates(self, users: Rows, shown: Rows, goes_with: Floats, time: int) -> Floats:
        tastes = self.causes.tastes
        return lists.click_rates(
            tastes.utility(users, shown), goes_with, tastes.care(users, shown), tastes.loyal(users, shown),
            self.causes.latent.surge(time)[shown],
        )  # fmt: skip

    def _clicks(self, users: Rows, shown: Rows, begin: Rows, clicked: NDArray[np.bool_], rates: Floats) -> Rows:
        order = np.cumsum(clicked, axis=1)
        n_clicks = np.zeros(len(users), dtype=np.int64)
        # The reasons are those for which the list was looked at, whatever is bought out of it meanwhile.
        recent, recent_events = self.state.recent[users], self.state.recent_events[users]
        for number in range(1, lists.MAX_CLICKS + 1):
            place = clicked & (order == number)
            who = np.flatnonzero(place.any(axis=1))
            at = place[who].argmax(axis=1)
            rows = shown[who, at]
            # Two variants of one product may stand in a list: the second is no news after the first.
            new = ~self.state.touched[users[who], self.catalogue.parent[rows]]
            who, at, rows = who[new], at[new], rows[new]
            if not len(who):
                continue
            cause = draw(self.rng, rates[:, who, at].T)
            when = begin[who] + 30 + ACT_SECONDS * n_clicks[who]
            reason = self._reasons(users[who], rows, cause, recent[who], recent_events[who])
            self._chain(users[who], rows, when, cause, reason, position=at + 1)
            n_clicks[who] += 1
        return n_clicks

    def _act(self, users: Rows, when: Rows, time: int, available: Floats) -> None:
        """Let each of these distinct users act on one item outside of any list."""
        cause = draw(self.rng, np.broadcast_to(SHARES.astype(np.float32), (len(users), len(SHARES))))
        rows = np.full(len(users), -1, dtype=np.int64)
        for code in (COMPLEMENT, ASPECT, BRAND, TREND, NONE, TASTE):
            own = np.flatnonzero(cause == code)
            if not len(own):
                continue
            weights = self.causes.weights(code, users[own], self.state.recent[users[own]], time) * available
            weights = weights * ~self.state.touched[users[own]][:, self.catalogue.parent]
            something = weights.sum(axis=1) > 0
            rows[own[something]] = draw(self.rng, weights[something])
            # Nothing bought that could be completed, nothing in fashion: taste decides, and it comes last.
            cause[own[~something]] = TASTE
        done = rows >= 0
        reason = self._reasons(users, rows, cause, self.state.recent[users], self.state.recent_events[users])
        self._chain(users[done], rows[done], when[done], cause[done], reason[done])

    def _chain(
        self, users: Rows, rows: Rows, when: Rows, cause: Rows, reason: Rows, position: Rows | None = None
    ) -> None:
        """Record an act of distinct users and all that follows from it."""
        self.state.touched[users, self.catalogue.parent[rows]] = True
        bought, events = self.outcomes.follow(users, rows, when, cause, reason, position)
        self.state.bought(users[bought], rows[bought], events)
        np.add.at(self.popularity, rows, np.float32(0.3))
        np.add.at(self.popularity, rows[bought], np.float32(0.7))

    def _reasons(self, users: Rows, rows: Rows, cause: Rows, recent: NDArray[np.int32], recent_events: Rows) -> Rows:
        """Return (b,) the number of the purchase, one of (b, 5), that each complement completes; else -1."""
        out = np.full(len(users), -1, dtype=np.int64)
        own = np.flatnonzero(cause == COMPLEMENT)
        if len(own):
            latent, bought = self.causes.latent, recent[own]
            fits = (latent.complements[bought] == rows[own][:, None, None]) * latent.affinity[bought]
            source = draw(self.rng, fits.sum(axis=2) * self.causes.sources(bought))
            out[own] = recent_events[own, source]
        return out


def draw(rng: np.random.Generator, weights: Floats) -> Rows:
    """Return (b,) one column of each row of (b, n) weights, drawn in proportion to them."""
    total = np.cumsum(weights, axis=1, dtype=np.float64)
    mark = rng.random(len(weights)) * total[:, -1]
    return np.asarray(np.minimum((total <= mark[:, None]).sum(axis=1), weights.shape[1] - 1))
