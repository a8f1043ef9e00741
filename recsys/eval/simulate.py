"""Simulated visits to the sample shop: shoppers look down a list, click and buy by their true tastes, and get bored.

The shape is that of SimUSER (Bougie & Watanabe 2025), with the shop's own simulator in the place of a language model:
what its shoppers want is known, and so is what every list brings on average over all luck.

A visit: items are looked at from the top, each with the chance that the shop's examination model gives its place on the
page (position bias). What is looked at may be clicked and then bought, by `recsys.data.shop.Truth`. After every look
that led to nothing the shopper leaves with the chance ``boredom``. Whoever reaches the end of a page turns it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys.data.shop import Shop
from recsys.data.shop.lists import examination
from recsys.paired import Values
from recsys.types import Events, ItemRows

Chances = NDArray[np.float64]


class Habits(BaseModel):
    """How shoppers read: ``page`` items at a time, at most so many ``pages``; ``boredom`` is that of a vain look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    page: int = Field(10, ge=1, le=100)
    pages: int = Field(5, ge=1, le=50)
    boredom: float = Field(0.1, ge=0, le=1)

    @property
    def depth(self) -> int:
        """How many items can be seen in one visit."""
        return self.page * self.pages


@dataclass(frozen=True, slots=True, eq=False)
class Wants:
    """What is true of lists (b, k): chances to look at each place, to click what is looked at, to buy what is clicked.

    ``grades`` are 0 to 3 by each shopper's own order of the catalogue, ``tastes`` the share of it that they like less.
    """

    look: Chances
    click: Chances
    buy: Chances
    grades: Chances
    tastes: Chances

    @classmethod
    def of(
        cls, shop: Shop, users: NDArray[np.int64], items: ItemRows, histories: list[Events], now: int, habits: Habits
    ) -> Self:
        """Ask the shop's truth about the lists ``items`` (b, k), -1 pads, of shoppers (b,) with these histories."""
        place = np.arange(items.shape[1]) % habits.page + 1
        utility = shop.truth.utility(users)
        own = np.take_along_axis(utility, np.maximum(items, 0), axis=1)
        below = np.stack([np.searchsorted(np.sort(u), o) for u, o in zip(utility, own, strict=True)])
        return cls(
            np.where(items >= 0, examination(place), 0.0),
            shop.truth.click_chances(users, items, histories, now).astype(np.float64),
            shop.truth.purchase_chances(users, items).astype(np.float64),
            shop.truth.gains(users, items).astype(np.float64),
            below / utility.shape[1],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Luck:
    """Uniform numbers that decide a visit.

    ``look`` and ``leave`` (b, k) belong to places; ``click`` and ``buy`` (b, n_items) to items: who would click an item
    in one list would click it in another, and two lists differ by nothing but themselves.
    """

    look: Chances
    leave: Chances
    click: Chances
    buy: Chances

    @classmethod
    def of(cls, seed: tuple[int, ...], b: int, k: int, n_items: int) -> Self:
        """Draw by ``seed``."""
        rng = np.random.default_rng(seed)
        return cls(*(rng.random((b, n)) for n in (k, k, n_items, n_items)))


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """What became of lists, (b, k) each: 1 or 0 where it happened, or the chance of it.

    ``there``: the shopper came to this place.
    """

    there: Chances
    looked: Chances
    clicked: Chances
    bought: Chances

    def sums(self, wants: Wants) -> dict[str, Values]:
        """Return what can be added up over visits, (b,) by name."""
        graded = self.looked * wants.grades
        columns = {"looks": self.looked, "clicks": self.clicked, "purchases": self.bought, "graded": graded}
        return {name: column.sum(axis=1) for name, column in columns.items()}


def visit(wants: Wants, items: ItemRows, habits: Habits, luck: Luck) -> Visit:
    """Play one visit of each shopper."""
    rows = np.maximum(items, 0)
    look = luck.look < wants.look
    click = np.take_along_axis(luck.click, rows, axis=1) < wants.click
    buy = np.take_along_axis(luck.buy, rows, axis=1) < wants.buy
    leaves = look & ~click & (luck.leave < habits.boredom)
    there = _so_far(1 - leaves.astype(np.float64))
    looked = there * look
    return Visit(there, looked, looked * click, looked * click * buy)


def expected(wants: Wants, habits: Habits) -> Visit:
    """Return the same on average over all luck: exact, as nobody's mood depends on more than having stayed so far."""
    there = _so_far(1 - wants.look * (1 - wants.click) * habits.boredom)
    looked = there * wants.look
    clicked = looked * wants.click
    return Visit(there, looked, clicked, clicked * wants.buy)


def _so_far(stays: Chances) -> Chances:
    """Return (b, k) the product of all that stands before each place."""
    out: Chances = np.cumprod(np.column_stack([np.ones(len(stays)), stays[:, :-1]]), axis=1, dtype=np.float64)
    return out
