"""The answers of the sample shop: true tastes, the cause of every event, and what an oracle would predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop import lists
from recsys.data.shop.catalogue import END
from recsys.data.shop.causes import CAUSES, N_RECENT, Causes
from recsys.data.shop.outcomes import purchase_chance
from recsys.data.shop.tastes import Floats
from recsys.types import KIND_CODES, Events, ItemRows

# A shopper's best 1 % of the catalogue has gain 3, the best 3 % gain 2, the best 10 % gain 1.
GRADES = ((0.01, 3), (0.03, 2), (0.10, 1))
# How often the next act is a click in a list rather than an act of the shopper's own; measured.
LIST_SHARE = 0.22


@dataclass(frozen=True, slots=True, eq=False)
class EventCauses:
    """Why each event of the log happened, (n,) each, aligned with ``dataset.log.events``.

    Attributes:
        codes: int8 codes of `CAUSES`. events: int64 place in the log of the purchase that a complement completes,
        -1 for every other cause. items: int32 row of that purchase, -1 for every other cause.
    """

    codes: NDArray[np.int8]
    events: NDArray[np.int64]
    items: ItemRows

    @property
    def names(self) -> list[str]:
        """The causes as words."""
        return [CAUSES[code] for code in self.codes.tolist()]

    def where(self, name: str) -> NDArray[np.bool_]:
        """Return (n,) True for the events with that cause."""
        return np.asarray(self.codes == CAUSES.index(name))


class Truth:
    """What is true of the shoppers and items of one shop. Shopper i is group i of the log.

    ``aspects`` are the aspect names, ``quality`` (n_items, n_aspects) the hidden quality of each in -1..1, 0 where an
    aspect does not apply; ``complements`` (n_items, 6) the rows that go with each item, the best first;
    ``mentions`` one tuple a review of (aspect, +1 or -1), aligned with ``dataset.reviews``.
    """

    def __init__(
        self,
        causes: EventCauses,
        world: Causes,
        popularity: Floats,
        aspects: tuple[str, ...],
        mentions: tuple[tuple[tuple[str, int], ...], ...],
    ) -> None:
        self.causes, self.aspects, self.mentions = causes, aspects, mentions
        self._world, self._popularity = world, popularity

    @property
    def quality(self) -> Floats:
        """(n_items, n_aspects) hidden quality."""
        return self._world.latent.quality

    @property
    def axes(self) -> Floats:
        """(n_items, 8) place of each item on the axes of taste."""
        return self._world.latent.axes

    @property
    def complements(self) -> ItemRows:
        """(n_items, 6) rows that go with each item, the best first."""
        return self._world.latent.complements

    def utility(self, users: int | NDArray[np.integer[Any]]) -> Floats:
        """Return how much shoppers would truly like each item: (n_items,) for one shopper, (b, n_items) for (b,)."""
        one = np.ndim(users) == 0
        index = np.atleast_1d(np.asarray(users, dtype=np.int64))
        out = self._world.tastes.utility(index)
        return out[0] if one else out

    def gains(self, users: NDArray[np.integer[Any]], items: NDArray[np.integer[Any]]) -> Floats:
        """Return (b, k) graded gains 0..3 of items (b, k) for users (b,); a row of -1 gains nothing.

        The grades follow each shopper's own order of the whole catalogue (`GRADES`), so the ten best always sum to
        what ten items of gain 3 do.
        """
        utility = self.utility(np.asarray(users))
        own = np.take_along_axis(utility, np.maximum(items, 0), axis=1)
        out = np.zeros(items.shape, dtype=np.float32)
        n = utility.shape[1]
        for share, gain in reversed(GRADES):
            count = max(1, round(share * n))
            floor = np.partition(utility, n - count, axis=1)[:, n - count]
            out[own >= floor[:, None]] = gain
        out[items < 0] = 0
        return out

    def next_event_scores(self, user: int, history: Events | ItemRows, now: int | None = None) -> Floats:
        """Return (n_items,) the chance of each item to be the next that the shopper acts on, given the true state.

        ``history`` is what the shopper did, oldest first: events, or rows alone, which then all count as bought.
        ``now`` is an epoch second; without it, it is the last event's time, or the end of the year for rows.
        Items that were touched, and their variants, have chance 0. The one thing it does not know is which page of
        the shop will be opened.
        """
        world, index = self._world, np.array([user], dtype=np.int64)
        if isinstance(history, Events):
            touched, latest = _touched(history), _latest(history)
            time = now if now is not None else int(history.times[-1]) if len(history) else int(END.timestamp())
        else:
            touched = np.asarray(history, dtype=np.int32)
            latest = touched[::-1][:N_RECENT]
            time = now if now is not None else int(END.timestamp())
        recent = _recent([latest])
        own = world.mixture(index, recent, time)[0]
        listed = self._listed(index, recent, time)[0]
        out = (1 - LIST_SHARE) * own + LIST_SHARE * listed
        parents = world.catalogue.parent
        out[np.isin(parents, parents[touched])] = 0
        return np.asarray(out / max(float(out.sum()), 1e-30), dtype=np.float32)

    def click_chances(
        self, users: NDArray[np.integer[Any]], items: ItemRows, histories: Sequence[Events], now: int
    ) -> Floats:
        """Return (b, k) the chance that each shopper (b,) who looks at an item of their list (b, k) clicks it.

        All causes are in it, as in the lists of the year: taste, what goes with the latest purchases, qualities,
        brands, trends and none. What a shopper touched before, its variants, and rows of -1 have chance 0.
        ``histories`` are what the shoppers did, oldest first.
        """
        world, rows, index = self._world, np.maximum(items, 0), np.asarray(users, dtype=np.int64)
        goes_with = world.complement(_recent([_latest(h) for h in histories]))
        rates = lists.click_rates(
            world.tastes.utility(index, rows), np.take_along_axis(goes_with, rows, axis=1),
            world.tastes.care(index, rows), world.tastes.loyal(index, rows), world.latent.surge(now)[rows],
        )  # fmt: skip
        parents = world.catalogue.parent
        known = [np.isin(parents[row], parents[_touched(h)]) for row, h in zip(rows, histories, strict=True)]
        chance = np.minimum(rates.sum(axis=0), 1)
        chance[np.array(known, dtype=np.bool_).reshape(items.shape) | (items < 0)] = 0
        return np.asarray(chance, dtype=np.float32)

    def purchase_chances(self, users: NDArray[np.integer[Any]], items: ItemRows) -> Floats:
        """Return (b, k) the chance that each item (b, k) is bought once it was clicked by shoppers (b,)."""
        return purchase_chance(self._world.tastes.utility(np.asarray(users), np.maximum(items, 0)))

    def _listed(self, users: NDArray[np.int64], recent: ItemRows, time: int) -> Floats:
        """Return (b, n) the distribution of the next click in a list: shown on a page, and worth a click."""
        world = self._world
        every = np.broadcast_to(np.arange(len(world.catalogue)), (len(users), len(world.catalogue)))
        pages = lists.page_weights(self._popularity, world) * world.open(time)
        shown = np.minimum(1, lists.LIST_LENGTH * pages / pages.sum(axis=1, keepdims=True))
        visits = lists.DEPARTMENT_PAGE * world.shoppers.interest[users]
        chance = visits @ shown[:-1] + (1 - lists.DEPARTMENT_PAGE) * shown[-1]
        rates = lists.click_rates(
            world.tastes.utility(users), world.complement(recent), world.tastes.care(users, every),
            world.tastes.loyal(users, every), np.broadcast_to(world.latent.surge(time), chance.shape),
        )  # fmt: skip
        out = chance * rates.sum(axis=0)
        return np.asarray(out / out.sum(axis=1, keepdims=True), dtype=np.float32)


def _touched(history: Events) -> ItemRows:
    return np.asarray(history.rows[history.kinds != KIND_CODES["impression"]])


def _latest(history: Events) -> ItemRows:
    """Return the latest purchases, latest first."""
    return np.asarray(history.rows[history.kinds == KIND_CODES["purchase"]][::-1][:N_RECENT])


def _recent(latest: Sequence[ItemRows]) -> ItemRows:
    """Return (b, 5) rows, -1 = none, of as many lists of at most five."""
    out = np.full((len(latest), N_RECENT), -1, dtype=np.int32)
    for row, rows in zip(out, latest, strict=True):
        row[: len(rows)] = rows
    return out
