"""One side of an A/B test: an engine and a variant of it, asked by simulated shoppers visit by visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop import Shop
from recsys.dataset import Dataset, event_columns
from recsys.engine import Engine
from recsys.eval.simulate import Chances, Habits, Luck, Visit, Wants, expected, visit
from recsys.fitting import Progress, silent
from recsys.paired import Values
from recsys.store.histories import join
from recsys.store.memory import MemoryStore
from recsys.types import Event, Events, ItemRows

BATCH = 200  # lists that are made together
GAP_SECONDS = 3 * 86_400  # between two visits of a shopper
ACT_SECONDS, BUY_SECONDS = 300, 150


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """``engine`` must know the shop's shoppers; ``variant`` None is the usual one of its settings."""

    name: str
    engine: Engine
    variant: str | None = None

    def apart(self, data: Dataset) -> Arm:
        """Return the arm over a store of its own, which holds ``data``: what happens there stays there."""
        store = MemoryStore.of(data, weights=self.engine.config.events.weights)
        twin = Engine(self.engine.config, store, self.engine.registry)
        twin._snapshot = twin._made(store.items(), self.engine.fitted)
        return replace(self, engine=twin)

    def lists(self, shop: Shop, users: Sequence[int], k: int, now: int) -> ItemRows:
        """Return (b, k) rows of what the shoppers are shown, -1 pads."""
        out = np.full((len(users), k), -1, dtype=np.int32)
        for at in range(0, len(users), BATCH):
            names = [shop.dataset.log.users[u] for u in users[at : at + BATCH]]
            found = self.engine.recommend_batch(names, k, now=now, variant=self.variant, strict=True)
            for place, result in enumerate(found, start=at):
                rows = shop.dataset.items.vocabulary.rows([row.item_id for row in result])
                out[place, : len(rows)] = rows
        return out


@dataclass(slots=True)
class Course:
    """How it went for b shoppers: sums over their visits as they were, and on average over all luck, (b,) by name.

    ``first`` are the lists of the first visit, (b, k); ``looked`` holds, look by look, whose it was, the share of the
    catalogue that they like less, and whether they clicked.
    """

    happened: dict[str, Values] = field(default_factory=dict)
    expected: dict[str, Values] = field(default_factory=dict)
    first: ItemRows = field(default_factory=lambda: np.empty((0, 0), dtype=np.int32))
    looked: list[tuple[NDArray[np.int64], Chances, NDArray[np.bool_]]] = field(default_factory=list)

    def add(self, what: Visit, mean: Visit, wants: Wants) -> None:
        """Take in one visit of everybody."""
        for total, sums in ((self.happened, what.sums(wants)), (self.expected, mean.sums(wants))):
            for name, values in sums.items():
                total[name] = total[name] + values if name in total else values
        who, place = np.nonzero(what.looked)
        self.looked.append((who, wants.tastes[who, place], what.clicked[who, place] > 0))


def run(
    arm: Arm, shop: Shop, users: NDArray[np.int64], habits: Habits, *, now: int, visits: int = 1,
    feedback: bool = False, seed: tuple[int, ...] = (0,), progress: Progress = silent,
) -> Course:  # fmt: skip
    """Let the shoppers ``users`` (b,) visit the arm. The same ``seed`` is the same luck, whatever the arm shows.

    What a shopper did on an earlier visit is over for them: they do not click it again, and complements of what they
    bought tempt them. ``feedback`` tells the arm's engine, too; else its later lists are those of strangers to it all.
    """
    course, n_items = Course(), len(shop.dataset.items)
    histories = [shop.dataset.log.history(int(u)) for u in users]
    for number in range(visits):
        progress(f"{arm.name}: visit {number + 1} of {visits}")
        at = now + number * GAP_SECONDS
        items = arm.lists(shop, users.tolist(), habits.depth, at)
        luck = Luck.of((*seed, number), len(users), habits.depth, n_items)
        wants = Wants.of(shop, users, items, histories, at, habits)
        what = visit(wants, items, habits, luck)
        course.add(what, expected(wants, habits), wants)
        if not number:
            course.first = items
        if number + 1 < visits:
            acts = [_events(shop, int(u), items[i], what, i, at, habits) for i, u in enumerate(users)]
            histories = [_longer(shop, h, more) for h, more in zip(histories, acts, strict=True)]
            if feedback:
                arm.engine.add_events([event for more in acts for event in more])
    return course


def _longer(shop: Shop, history: Events, more: Sequence[Event]) -> Events:
    return join([history, event_columns(more, shop.dataset.items.vocabulary)])


def _events(shop: Shop, user: int, items: ItemRows, what: Visit, i: int, at: int, habits: Habits) -> list[Event]:
    """Return what a log would hold of one visit: the pages that were opened, clicks and purchases, in order of time."""
    name, ids = shop.dataset.log.users[user], shop.dataset.items.vocabulary.ids(np.maximum(items, 0))
    opened = np.repeat(what.there[i, :: habits.page] > 0, habits.page)[: len(items)]
    out = [
        Event(user_id=name, item_id=ids[j], kind="impression", time=at, position=int(j % habits.page) + 1)
        for j in np.flatnonzero(opened & (items >= 0))
    ]
    for nth, j in enumerate(np.flatnonzero(what.clicked[i])):
        time, place = at + 30 + ACT_SECONDS * nth, int(j % habits.page) + 1
        out.append(Event(user_id=name, item_id=ids[j], kind="click", time=time, position=place))
        if what.bought[i, j]:
            out.append(Event(user_id=name, item_id=ids[j], kind="purchase", time=time + BUY_SECONDS, position=place))
    return out
