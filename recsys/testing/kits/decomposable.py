"""Checks for `recsys.protocols.Decomposable`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import Dataset
from recsys.protocols import Decomposable
from recsys.testing.kits.base import Kit, Make
from recsys.testing.kits.compare import frozen_copy
from recsys.types import Slates


class DecomposableTests(Kit):
    """What a ranker's scores are made of: mix in beside `RankerTests`."""

    def test_decomposable_has_its_protocol(self, component: Make) -> None:
        """The method is there."""
        assert isinstance(component(), Decomposable)

    def test_feature_contributions_shape(self, component: Make, world: Dataset) -> None:
        """One row for each entry that is wanted, one column for each feature; each has a name of its own and words."""
        requests = self.requests(world)
        given = self.slates(world, requests)
        for wanted in (np.arange(len(given.items)) % 3 == 0, np.zeros(len(given.items), dtype=np.bool_)):
            made = self.ready(component, world).feature_contributions(requests, given, wanted)
            assert made.amounts.shape == made.values.shape == (int(wanted.sum()), len(made.names))
            assert len(set(made.names)) == len(made.names) == len(made.labels)
            assert all(made.labels)

    def test_feature_contributions_sum_to_the_score(self, component: Make, world: Dataset) -> None:
        """The expected score and the contributions together are the score that `rank` gives, within 1e-4."""
        requests = self.requests(world)
        given = self.slates(world, requests)
        fitted = self.ready(component, world)
        ranked = fitted.rank(requests, given, int(given.lengths.max()))
        made = fitted.feature_contributions(requests, given, np.ones(len(given.items), dtype=np.bool_))
        scores = dict(zip(_keys(ranked), ranked.scores.tolist(), strict=True))
        wanted = np.array([scores[key] for key in _keys(given)])
        sums = made.expected + made.amounts.sum(axis=1)
        assert np.ptp(made.amounts) > 0, "no feature contributes anything, so nothing was checked"
        wrong = np.flatnonzero(np.abs(sums - wanted) > 1e-4 * np.maximum(1, np.abs(wanted)))
        assert len(wrong) == 0, f"entry {wrong[:3]}: parts add up to {sums[wrong[:3]]}, scores are {wanted[wrong[:3]]}"

    def test_feature_contributions_of_some_are_those_of_all(self, component: Make, world: Dataset) -> None:
        """An entry's contributions are the same whoever else is wanted."""
        requests = self.requests(world)
        given = self.slates(world, requests)
        fitted, some = self.ready(component, world), np.arange(len(given.items)) % 2 == 1
        every = fitted.feature_contributions(requests, given, np.ones(len(given.items), dtype=np.bool_))
        few = fitted.feature_contributions(requests, given, some)
        assert np.allclose(few.amounts, every.amounts[some], rtol=1e-6, atol=1e-9)
        assert np.array_equal(few.values, every.values[some], equal_nan=True)

    def test_feature_contributions_leave_inputs_alone(self, component: Make, world: Dataset) -> None:
        """Requests and slates are as before the call."""
        requests = self.requests(world)
        given = self.slates(world, requests)
        fitted, before = self.ready(component, world), frozen_copy(requests, given)
        fitted.feature_contributions(requests, given, np.ones(len(given.items), dtype=np.bool_))
        assert frozen_copy(requests, given) == before


def _keys(slates: Slates) -> list[tuple[Any, Any]]:
    owner: NDArray[np.int64] = slates.request_index
    return list(zip(owner.tolist(), slates.items.tolist(), strict=True))
