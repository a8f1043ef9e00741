"""Checks for `recsys.protocols.Scorer`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from recsys.dataset import Dataset
from recsys.protocols import Scorer
from recsys.testing.kits.base import Kit, Make, assert_dtypes, odd_requests
from recsys.testing.kits.compare import assert_same, close, frozen_copy, in_threads
from recsys.types import Slates


class ScorerTests(Kit):
    """A scorer gives each item of a slate its own score, and touches nothing else."""

    def answer(self, fitted: Any, world: Dataset) -> Any:
        """Return the scores of random slates."""
        requests = self.requests(world)
        return fitted.score(requests, self.slates(world, requests))

    def test_score_has_its_protocol(self, component: Make) -> None:
        """The methods are there."""
        assert isinstance(component(), Scorer)

    def test_score_dtypes(self, component: Make, world: Dataset) -> None:
        """int32 rows, float32 scores, int64 offsets."""
        requests = self.requests(world)
        assert_dtypes(self.ready(component, world).score(requests, self.slates(world, requests)))

    def test_score_keeps_items_and_order(self, component: Make, world: Dataset) -> None:
        """The same items at the same places."""
        requests = self.requests(world)
        given = self.slates(world, requests)
        got = self.ready(component, world).score(requests, given)
        assert np.array_equal(got.items, given.items)
        assert np.array_equal(got.offsets, given.offsets)

    def test_score_keeps_columns_and_notes(self, component: Make, world: Dataset) -> None:
        """Columns and notes travel along."""
        requests = self.requests(world)
        given = self.slates(world, requests)
        got = self.ready(component, world).score(requests, given)
        for name, values in given.columns.items():
            assert name in got.columns, f"column {name!r} is gone"
            assert np.array_equal(got.columns[name], values), f"column {name!r} changed"
        assert len(got.notes) == len(given.notes), "notes are gone"
        for i, (new, old) in enumerate(zip(got.notes, given.notes, strict=True)):
            assert new.warnings[: len(old.warnings)] == old.warnings, f"the note of request {i} is gone"

    def test_score_is_nan_for_unseen_rows(self, component: Make, world: Dataset) -> None:
        """Rows that came after the fit, and -1, cannot be scored."""
        requests = self.requests(world)[:3]
        n = len(world.items)
        got = self.ready(component, world).score(requests, Slates.of([[n, 0], [-1], [n + 1000, -1]]))
        assert np.isnan(got.scores[[0, 2, 3, 4]]).all(), f"a row that was never seen has a score: {got.scores}"

    def test_score_is_finite_or_nan(self, component: Make, world: Dataset) -> None:
        """Infinity is no score."""
        requests = [*self.requests(world), *odd_requests(world)]
        every = Slates.of([range(len(world.items))] * len(requests))
        assert not np.isinf(self.ready(component, world).score(requests, every).scores).any()

    def test_score_of_an_empty_batch(self, component: Make, world: Dataset) -> None:
        """No request, or requests without items, give no scores."""
        fitted = self.ready(component, world)
        assert len(fitted.score([], Slates.of([]))) == 0
        got = fitted.score(self.requests(world)[:2], Slates.of([[], []]))
        assert len(got) == 2
        assert len(got.items) == 0

    def test_score_leaves_inputs_alone(self, component: Make, world: Dataset) -> None:
        """Requests and slates are as before the call."""
        requests = self.requests(world)
        given = self.slates(world, requests)
        fitted, before = self.ready(component, world), frozen_copy(requests, given)
        fitted.score(requests, given)
        assert frozen_copy(requests, given) == before

    def test_score_single_equals_batch(self, component: Make, world: Dataset) -> None:
        """One request is a batch of one."""
        requests = self.requests(world)
        given = self.slates(world, requests)
        fitted = self.ready(component, world)
        batch = fitted.score(requests, given)
        for i, request in enumerate(requests):
            single = fitted.score([request], given[i])
            assert close(single.scores, batch[i].scores).all(), f"request {i}: {single.scores} != {batch[i].scores}"

    def test_score_does_not_depend_on_the_other_items(self, component: Make, world: Dataset) -> None:
        """An item has one score, whatever else is in the slate."""
        requests = self.requests(world)[:5]
        n = len(world.items)
        fitted = self.ready(component, world)
        every = fitted.score(requests, Slates.of([range(n)] * len(requests)))
        few = fitted.score(requests, Slates.of([range(n - 1, 0, -3)] * len(requests)))
        for i in range(len(requests)):
            assert close(few[i].scores, every[i].scores[n - 1 : 0 : -3]).all()

    def test_score_same_call_twice(self, component: Make, world: Dataset) -> None:
        """The second answer is the first."""
        fitted = self.ready(component, world)
        requests = self.requests(world)
        given = self.slates(world, requests)
        assert_same(fitted.score(requests, given), fitted.score(requests, given))

    def test_score_in_two_threads(self, component: Make, world: Dataset) -> None:
        """Two threads that score at a time get what one gets."""
        fitted = self.ready(component, world)
        halves = [self.requests(world)[:20], self.requests(world)[20:40]]
        given = [self.slates(world, half, seed=at) for at, half in enumerate(halves)]
        rounds = in_threads([partial(fitted.score, halves[at], given[at]) for at in range(2)])
        alone = [fitted.score(halves[at], given[at]) for at in range(2)]
        for answers in rounds:
            assert_same(answers, alone, "two threads")
