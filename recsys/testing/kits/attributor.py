"""Checks for `recsys.protocols.Attributor`."""

from __future__ import annotations

import numpy as np

from recsys.dataset import Dataset
from recsys.protocols import Attributor
from recsys.testing.kits.base import Kit, Make, odd_requests
from recsys.testing.kits.compare import frozen_copy
from recsys.types import Slates


class AttributorTests(Kit):
    """The share of each history event in each score: mix in beside the kit of the kind."""

    def catalogue(self, world: Dataset, size: int) -> Slates:
        """Return the whole catalogue, and rows that nobody knows, for each request."""
        n = len(world.items)
        return Slates.of([[*range(n), -1, n + 5]] * size)

    def test_attributor_has_its_protocol(self, component: Make) -> None:
        """The method is there."""
        assert isinstance(component(), Attributor)

    def test_contributions_shape(self, component: Make, world: Dataset) -> None:
        """One row for each entry, one column for each place of the longest history."""
        requests = self.requests(world)
        slates = self.catalogue(world, len(requests))
        got = self.ready(component, world).contributions(requests, slates)
        assert got.shape == (len(slates.items), max(len(r.history) for r in requests))
        assert got.format == "csr"

    def test_contributions_sum_to_the_score(self, component: Make, world: Dataset) -> None:
        """Row sums equal the score within 1e-4 of the largest one, and 0 where there is none."""
        requests = [*self.requests(world), *odd_requests(world)]
        slates = self.catalogue(world, len(requests))
        fitted = self.ready(component, world)
        scores = np.nan_to_num(fitted.score(requests, slates).scores)
        sums = np.asarray(fitted.contributions(requests, slates).sum(axis=1)).ravel()
        assert np.abs(scores).max() > 0, "nothing has a score, so nothing was checked"
        # A sum of +1 and -1 may cancel to almost nothing: noise is relative to what was added, not to what is left.
        added = np.asarray(abs(fitted.contributions(requests, slates)).sum(axis=1)).ravel()
        wrong = np.flatnonzero(np.abs(sums - scores) > 1e-4 * np.maximum(np.abs(scores), added) + 1e-7)
        assert len(wrong) == 0, f"entry {wrong[:3]}: shares add up to {sums[wrong[:3]]}, scores are {scores[wrong[:3]]}"

    def test_contributions_of_own_events_only(self, component: Make, world: Dataset) -> None:
        """No share falls on a place beyond a request's own history, nor on an event without weight."""
        requests = [*self.requests(world), *odd_requests(world)]
        slates = self.catalogue(world, len(requests))
        got = self.ready(component, world).contributions(requests, slates).tocoo()
        owner = slates.request_index[got.row]
        lengths = np.array([len(r.history) for r in requests])
        shares = got.data != 0
        assert (got.col < lengths[owner])[shares].all(), "a share falls beyond the history"
        weights = np.array(
            [requests[o].history.weights[c] for o, c in zip(owner[shares], got.col[shares], strict=True)]
        )
        assert (weights != 0).all(), "an event of weight 0 has a share"

    def test_contributions_are_of_the_event(self, component: Make, world: Dataset) -> None:
        """Without the event whose share is largest, the item scores less: the share is a cause, not a decoration."""
        fitted = self.ready(component, world)
        request = max(self.requests(world), key=lambda r: len(r.history))
        every = Slates.of([range(len(world.items))])
        shares = fitted.contributions([request], every).toarray()
        item, place = np.unravel_index(int(shares.argmax()), shares.shape)
        flipped = request.history.weights.copy()
        flipped[place] *= -1
        history = type(request.history)(
            request.history.rows, request.history.times, request.history.kinds, request.history.values,
            flipped, request.history.positions, request.history.ids,
        )  # fmt: skip
        other = type(request)(text=request.text, history=history, now=request.now)
        one = Slates.of([[int(item)]])
        before, after = (np.nan_to_num(fitted.score([r], one).scores[0]) for r in (request, other))
        assert after < before, f"item {item}: {before} with the event at {place}, {after} against it"

    def test_contributions_of_an_empty_batch(self, component: Make, world: Dataset) -> None:
        """No entry, no row."""
        fitted = self.ready(component, world)
        assert fitted.contributions([], Slates.of([])).shape[0] == 0
        assert fitted.contributions(self.requests(world)[:2], Slates.of([[], []])).shape[0] == 0

    def test_contributions_single_equals_batch(self, component: Make, world: Dataset) -> None:
        """One request is a batch of one."""
        fitted, requests = self.ready(component, world), self.requests(world)
        slates = self.catalogue(world, len(requests))
        batch = fitted.contributions(requests, slates).toarray()
        for i, request in enumerate(requests[:10]):
            single = fitted.contributions([request], slates[i]).toarray()
            part = batch[int(slates.offsets[i]) : int(slates.offsets[i + 1]), : single.shape[1]]
            assert np.allclose(single, part, rtol=1e-4, atol=1e-6), f"request {i}"

    def test_contributions_leave_inputs_alone(self, component: Make, world: Dataset) -> None:
        """Requests and slates are as before the call."""
        requests = self.requests(world)
        slates = self.catalogue(world, len(requests))
        fitted, before = self.ready(component, world), frozen_copy(requests, slates)
        fitted.contributions(requests, slates)
        assert frozen_copy(requests, slates) == before
