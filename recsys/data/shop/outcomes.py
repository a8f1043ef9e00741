"""What follows when a shopper acts on an item: cart, purchase, and later a return, a rating or a dislike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.causes import TASTE, Causes
from recsys.data.shop.recorder import REVIEW, Recorder, Rows
from recsys.data.shop.tastes import Floats
from recsys.types import KIND_CODES

DAY = 86_400
CART, PURCHASE, RATING = KIND_CODES["cart"], KIND_CODES["purchase"], KIND_CODES["rating"]
DIRECT_PURCHASE = 0.15  # purchases that skip the cart
# Most opinions are written down as a review; some shoppers only tap on stars, which is an event of its own.
REVIEWED, RATED = 0.36, 0.05


def purchase_chance(utility: Floats) -> Floats:
    """Return the chance that an item that was clicked or looked up is bought, given its true utility."""
    return np.asarray(0.65 / (1 + np.exp(-0.3 * utility - 0.8)), dtype=np.float32)


class Outcomes:
    """Draws and records the consequences of acts."""

    def __init__(self, rng: np.random.Generator, causes: Causes, recorder: Recorder) -> None:
        self.rng, self.causes, self.recorder = rng, causes, recorder

    def follow(
        self, users: Rows, rows: Rows, when: Rows, cause: Rows, reason: Rows, position: Rows | None
    ) -> tuple[NDArray[np.bool_], Rows]:
        """Record a click (with a position) or a view, and what comes of it.

        Returns (b,) whether the item was bought, and the event numbers of those purchases.
        """
        rng, n = self.rng, len(users)
        place = np.zeros(n, dtype=np.int64) if position is None else position
        first = KIND_CODES["view" if position is None else "click"]
        self.recorder.add(users, rows, when, first, position=place, cause=cause, reason=reason)
        utility = self.causes.tastes.utility(users, rows[:, None])[:, 0]
        pleased = self._pleased(users, rows, utility)
        bought = rng.random(n) < purchase_chance(utility)
        carted = np.where(bought, rng.random(n) > DIRECT_PURCHASE, rng.random(n) < 0.15)

        def add(mask: NDArray[np.bool_], kind: int, after: Rows | int, value: Floats | float = 1.0) -> Rows:
            time = when[mask] + after
            return self.recorder.add(
                users[mask], rows[mask], time, kind,
                value=np.asarray(value, dtype=np.float64), position=place[mask] if kind in (CART, PURCHASE) else 0,
                cause=cause[mask], reason=reason[mask],
            )  # fmt: skip

        add(carted, CART, 60)
        events = add(bought, PURCHASE, 150)
        add(carted & ~bought & (rng.random(n) < 0.3), KIND_CODES["remove-from-cart"], 200)
        add(~bought & ~carted & (pleased < -0.9) & (rng.random(n) < 0.25), KIND_CODES["dislike"], 45)
        returned = bought & (rng.random(n) < 1 / (1 + np.exp(3.4 + 1.4 * pleased)))
        add(returned, KIND_CODES["return"], rng.integers(4 * DAY, 14 * DAY, int(returned.sum())))
        stars = np.clip(np.round(3.75 + 0.95 * pleased), 1, 5)
        moved = np.where(bought, rng.random(n), 1.0)
        for mask, kind in ((moved < REVIEWED, REVIEW), ((moved >= REVIEWED) & (moved < REVIEWED + RATED), RATING)):
            add(mask, kind, rng.integers(3 * DAY, 21 * DAY, int(mask.sum())), stars[mask])
        return bought, events

    def rejections(self, users: Rows, shown: Rows, begin: Rows, passed: NDArray[np.bool_]) -> None:
        """Record a few "not-interested" on items that were looked at, passed over and truly disliked."""
        utility = self.causes.tastes.utility(users, shown)
        said = passed & (utility < -1.5) & (self.rng.random(shown.shape) < 0.01)
        who, at = np.nonzero(said)
        self.recorder.add(
            users[who], shown[who, at], begin[who] + 20, KIND_CODES["not-interested"], position=at + 1, cause=TASTE
        )

    def _pleased(self, users: Rows, rows: Rows, utility: Floats) -> Floats:
        """Return (b,) how the item turns out, about standard normal: its qualities by what the shopper cares for."""
        latent, cares = self.causes.latent, self.causes.shoppers.cares[users]
        applies = latent.applies[rows]
        # Someone who cares for none of the aspects of the item still notices them a little.
        weight = (cares + 0.03) * applies
        quality = (weight * latent.quality[rows]).sum(axis=1) / weight.sum(axis=1)
        noise = self.rng.standard_normal(len(users), dtype=np.float32)
        return np.asarray(1.5 * (quality - 0.1) + 0.2 * utility + 0.4 * noise, dtype=np.float32)
