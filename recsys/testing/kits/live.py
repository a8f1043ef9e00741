"""Checks for `recsys.protocols.Live`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from recsys.dataset import Dataset
from recsys.protocols import Delta, Live
from recsys.testing.kits.base import Kit, Make
from recsys.testing.kits.compare import assert_same
from recsys.testing.worlds import DAY
from recsys.types import NO_EVENTS, NO_ROWS, Events, Item, Request, Slates

TITLE = "Zircon lighthouse lantern"


class LiveTests(Kit):
    """New items and events without a refit, for generators: mix in beside GeneratorTests and TrainableTests."""

    def delta(self, world: Dataset) -> Delta:
        """Return one new item, which looks like item 0 and was bought three times since the fit."""
        old = world.items.item(0)
        new = replace(old, item_id="brand-new", title=TITLE, text=f"{TITLE}. {old.text}", parent_id=None)
        return self._delta(world, new)

    def _delta(self, world: Dataset, new: Item) -> Delta:
        row, last = len(world.items), int(world.log.events.times.max())
        bought = Events.of([row] * 3, times=[last + DAY * day for day in (1, 2, 3)])
        return Delta(items=world.items.put([new]), changed=np.array([row], dtype=np.int32), events=bought)

    def askers(self, world: Dataset) -> list[Request]:
        """Return requests of which at least one has to find the new item: by its title, its kin, or by nothing."""
        now = int(world.log.events.times.max()) + 4 * DAY
        row = len(world.items)
        return [
            Request(text=TITLE, now=now),
            Request(history=Events.of([0, 0]), now=now),
            Request(history=Events.of([0, row]), now=now),
            Request(now=now),
        ]

    def test_live_has_its_protocol(self, component: Make) -> None:
        """The method is there."""
        assert isinstance(component(), Live)

    def test_apply_serves_the_new_item(self, component: Make, world: Dataset) -> None:
        """The new item is found, and has a score."""
        live = self.ready(component, world).apply(self.delta(world))
        row, requests = len(world.items), self.askers(world)
        lists = live.generate(requests, row + 1)
        assert row in lists.items, "the new item is in no list"
        scores = live.score(requests, Slates.of([[row]] * len(requests))).scores
        assert np.isfinite(scores).any(), "the new item has no score"

    def test_apply_keeps_the_old_items(self, component: Make, world: Dataset) -> None:
        """What was served before is served after."""
        fitted = self.ready(component, world)
        requests = self.requests(world)
        before = fitted.generate(requests, 10)
        # The engine compiles masks for the catalogue of its own snapshot, so they grow with it.
        grown = [r if r.allowed is None else replace(r, allowed=np.append(r.allowed, True)) for r in requests]
        after = fitted.apply(self.delta(world)).generate(grown, 10)
        shared = [len(np.intersect1d(a.items, b.items)) for a, b in zip(before, after, strict=True)]
        assert sum(shared) >= 0.7 * len(before.items), f"{sum(shared)} of {len(before.items)} items are left"

    def test_apply_leaves_the_original_alone(self, component: Make, world: Dataset) -> None:
        """A call that pinned the old snapshot answers as before."""
        fitted = self.ready(component, world)
        before = self.answer(fitted, world)
        fitted.apply(self.delta(world))
        assert len(world.items) not in fitted.generate(self.askers(world), len(world.items) + 1).items
        assert_same(self.answer(fitted, world), before, "before and after apply()")

    def test_apply_of_nothing_changes_nothing(self, component: Make, world: Dataset) -> None:
        """An empty delta gives the same answers."""
        fitted = self.ready(component, world)
        same = fitted.apply(Delta(items=world.items, changed=NO_ROWS, events=NO_EVENTS))
        assert_same(self.answer(same, world), self.answer(fitted, world), "an empty delta")

    def test_apply_twice(self, component: Make, world: Dataset) -> None:
        """A second change builds on the first."""
        once = self.ready(component, world).apply(self.delta(world))
        grown = self.delta(world).items
        second = replace(grown.item(len(world.items)), item_id="newer-still")
        items = grown.put([second])
        changed = np.array([len(grown)], dtype=np.int32)
        times = [int(world.log.events.times.max()) + 5 * DAY]
        twice = once.apply(Delta(items=items, changed=changed, events=Events.of([len(grown)], times=times)))
        found: Any = twice.generate(self.askers(world), len(items)).items
        assert {len(world.items), len(grown)} <= set(found.tolist()), "both new items are to be served"
