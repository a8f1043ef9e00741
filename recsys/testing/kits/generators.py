"""Checks for `recsys.protocols.CandidateGenerator`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest

from recsys.dataset import Dataset
from recsys.protocols import CandidateGenerator, Preparable
from recsys.testing.kits.base import (
    Make,
    assert_best_first,
    assert_dtypes,
    assert_no_duplicates,
    odd_requests,
    with_history,
)
from recsys.testing.kits.compare import assert_same, close, frozen_copy, in_threads
from recsys.testing.kits.scorers import ScorerTests
from recsys.testing.worlds import requests_of, right_answers
from recsys.types import KIND_CODES, Events, Request, Slates


class GeneratorTests(ScorerTests):
    """A generator finds allowed items, best first, without duplicates, at most n, and scores what it is given.

    Attributes:
        uses_history: whether the answer depends on what the shopper did. False is checked too.
        checkerboard_floor: share of shoppers of the checkerboard world whose one right answer has to come first.
    """

    uses_history: ClassVar[bool] = True
    checkerboard_floor: ClassVar[float | None] = None

    def answer(self, fitted: Any, world: Dataset) -> Any:
        """Return the lists, and the scores of random slates."""
        return fitted.generate(self.requests(world), 10), super().answer(fitted, world)

    def test_generate_has_its_protocol(self, component: Make) -> None:
        """The methods are there."""
        assert isinstance(component(), CandidateGenerator)

    def test_generate_dtypes(self, component: Make, world: Dataset) -> None:
        """int32 rows, float32 scores, int64 offsets."""
        assert_dtypes(self.ready(component, world).generate(self.requests(world), 10))

    def test_generate_finds_something(self, component: Make, world: Dataset) -> None:
        """At least half of the shoppers of the world get a list: an empty one would pass every other check."""
        got = self.ready(component, world).generate(requests_of(world), 10)
        assert (got.lengths > 0).mean() >= 0.5

    def test_generate_one_list_each(self, component: Make, world: Dataset) -> None:
        """As many lists as requests, also where there is nothing to say."""
        requests = [*self.requests(world), *odd_requests(world)]
        assert len(self.ready(component, world).generate(requests, 10)) == len(requests)

    @pytest.mark.parametrize("n", [0, 1, 5])
    def test_generate_at_most_n(self, component: Make, world: Dataset, n: int) -> None:
        """No list is longer than n."""
        got = self.ready(component, world).generate(self.requests(world), n)
        assert (got.lengths <= n).all(), f"{got.lengths.max()} items for n={n}"

    def test_generate_no_duplicates(self, component: Make, world: Dataset) -> None:
        """No list holds an item twice."""
        fitted = self.ready(component, world)
        assert_no_duplicates(fitted.generate([*self.requests(world), *odd_requests(world)], 25))

    def test_generate_known_rows(self, component: Make, world: Dataset) -> None:
        """Every row exists, whatever the history names."""
        got = self.ready(component, world).generate([*self.requests(world), *odd_requests(world)], 25)
        assert (got.items >= 0).all()
        assert (got.items < len(world.items)).all()

    def test_generate_best_first(self, component: Make, world: Dataset) -> None:
        """Scores never rise."""
        assert_best_first(self.ready(component, world).generate(self.requests(world), 25))

    def test_generate_finite_scores(self, component: Make, world: Dataset) -> None:
        """What cannot be scored is no candidate."""
        got = self.ready(component, world).generate([*self.requests(world), *odd_requests(world)], 25)
        assert np.isfinite(got.scores).all()

    def test_generate_allowed_rows_only(self, component: Make, world: Dataset) -> None:
        """Each list keeps to the mask of its own request."""
        rng = np.random.default_rng(5)
        requests = [replace(r, allowed=rng.random(len(world.items)) < 0.5) for r in requests_of(world)]
        got = self.ready(component, world).generate(requests, 25)
        for i, request in enumerate(requests):
            assert request.allowed is not None
            assert request.allowed[got[i].items].all(), f"request {i}: a masked row in {got[i].items}"

    def test_generate_fills_up_from_allowed_rows(self, component: Make, world: Dataset) -> None:
        """Masking comes before the cut: the best allowed item is found, however many better ones are masked."""
        fitted = self.ready(component, world)
        open_list = fitted.generate(requests_of(world), len(world.items))
        requests, expected = [], []
        for i, request in enumerate(requests_of(world)):
            items = open_list[i].items
            if len(items) > 4:
                allowed = np.zeros(len(world.items), dtype=np.bool_)
                allowed[items[-2:]] = True
                requests.append(replace(request, allowed=allowed))
                expected.append(set(items[-2:].tolist()))
        got = fitted.generate(requests, 2)
        assert [set(one.items.tolist()) for one in got] == expected

    def test_generate_nothing_allowed(self, component: Make, world: Dataset) -> None:
        """A mask without a single row gives an empty list."""
        nothing = np.zeros(len(world.items), dtype=np.bool_)
        requests = [replace(r, allowed=nothing) for r in requests_of(world)[:3]]
        assert self.ready(component, world).generate(requests, 10).lengths.tolist() == [0, 0, 0]

    def test_generate_with_a_longer_mask(self, component: Make, world: Dataset) -> None:
        """The catalogue may have grown since the fit: the mask is longer, the answer the same."""
        fitted = self.ready(component, world)
        short = requests_of(world, hide_seen=True)
        grown = np.ones(9, dtype=np.bool_)
        longer = [replace(r, allowed=np.concatenate([r.allowed, grown])) for r in short if r.allowed is not None]
        assert_same(fitted.generate(longer, 10), fitted.generate(short, 10), "longer mask")

    def test_generate_empty_batch(self, component: Make, world: Dataset) -> None:
        """No request, no list."""
        got = self.ready(component, world).generate([], 10)
        assert len(got) == 0
        assert_dtypes(got)

    def test_generate_odd_histories(self, component: Make, world: Dataset) -> None:
        """Empty, unknown, repeated and negative histories are served, alone and together, with the same answer."""
        fitted = self.ready(component, world)
        requests = odd_requests(world)
        batch = fitted.generate(requests, 10)
        for i, request in enumerate(requests):
            assert_same(fitted.generate([request], 10), batch[i], f"history '{request.user}'")

    def test_generate_more_than_there_is(self, component: Make, world: Dataset) -> None:
        """An n beyond the catalogue gives what there is."""
        fitted = self.ready(component, world)
        requests = self.requests(world)
        every = fitted.generate(requests, len(world.items))
        assert_same(fitted.generate(requests, 100 * len(world.items)), every, "n larger than the catalogue")

    def test_generate_prefix(self, component: Make, world: Dataset) -> None:
        """A shorter list is the beginning of a longer one."""
        fitted = self.ready(component, world)
        few, many = (fitted.generate(self.requests(world), n) for n in (5, 20))
        cut = Slates.of([one.items[:5] for one in many], [one.scores[:5] for one in many])
        assert_same(few, cut, "n=5 and n=20")

    def test_generate_leaves_inputs_alone(self, component: Make, world: Dataset) -> None:
        """Requests are as before the call."""
        requests = self.requests(world)
        fitted, before = self.ready(component, world), frozen_copy(requests)
        fitted.generate(requests, 10)
        assert frozen_copy(requests) == before

    def test_generate_same_call_twice(self, component: Make, world: Dataset) -> None:
        """The second answer is the first."""
        fitted, requests = self.ready(component, world), self.requests(world)
        assert_same(fitted.generate(requests, 10), fitted.generate(requests, 10))

    def test_generate_single_equals_batch(self, component: Make, world: Dataset) -> None:
        """One request is a batch of one, and requests do not influence one another."""
        fitted, requests = self.ready(component, world), self.requests(world)
        batch = fitted.generate(requests, 10)
        for i, request in enumerate(requests):
            assert_same(fitted.generate([request], 10), batch[i], f"request {i} alone and in a batch")

    def test_generate_in_two_threads(self, component: Make, world: Dataset) -> None:
        """Two threads that ask at a time get what one gets."""
        fitted, requests = self.ready(component, world), self.requests(world)
        halves = [requests[:20], requests[20:40]]
        rounds = in_threads([partial(fitted.generate, half, 10) for half in halves])
        alone = [fitted.generate(half, 10) for half in halves]
        for answers in rounds:
            assert_same(answers, alone, "two threads")

    def test_generate_agrees_with_score(self, component: Make, world: Dataset) -> None:
        """`score` gives an item that `generate` found the same score: a column then means one thing."""
        fitted, requests = self.ready(component, world), self.requests(world)
        found = fitted.generate(requests, 10)
        assert_same(fitted.score(requests, found), found, "score and generate")

    def test_zero_weights_say_nothing(self, component: Make, world: Dataset) -> None:
        """Events of weight 0, impressions say, change no answer."""
        fitted = self.ready(component, world)
        plain = [Request(history=Events.of([3, 4]), now=10), Request(history=Events.of([20]), now=10)]
        seen = [
            Request(history=Events.of([3, 30, 4, 31], weights=[1, 0, 1, 0]), now=10),
            Request(history=Events.of([20, 9, 10], weights=[1, 0, 0]), now=10),
        ]
        assert_same(fitted.generate(seen, 10), fitted.generate(plain, 10), "impressions")

    def test_history_matters_as_declared(self, component: Make, world: Dataset) -> None:
        """With ``uses_history`` two shoppers differ, without it they do not."""
        fitted = self.ready(component, world)
        a, b = (Request(history=Events.of([row]), now=int(world.log.events.times.max()) + 1) for row in (2, 34))
        every = Slates.of([range(len(world.items))])
        same = bool(close(fitted.score([a], every).scores, fitted.score([b], every).scores).all())
        assert same != self.uses_history

    def test_dislikes_lower_what_likes_raise(self, component: Make, checkerboard: Dataset) -> None:
        """An item gains less from a disliked neighbour than from a liked one, and a dislike is not just ignored."""
        fitted = self.ready(component, checkerboard)
        request = requests_of(checkerboard)[0]
        liked, alone = Events.of([1, 3, 0]), Events.of([1, 3])
        kinds = [0, 0, KIND_CODES["dislike"]]
        disliked = Events.of([1, 3, 0], weights=[1, 1, -1], kinds=kinds)
        every = Slates.of([range(len(checkerboard.items))])
        up, down, without = (
            fitted.score([with_history(request, h)], every).scores for h in (liked, disliked, alone)
        )  # fmt: skip
        if not self.uses_history:
            assert close(up, down).all()
            return
        raised = np.flatnonzero(np.nan_to_num(up[::2]) > np.nan_to_num(without[::2]) + 1e-6) * 2
        assert len(raised), "liking a crimson tile raises no crimson tile"
        assert (np.nan_to_num(down[raised], nan=-np.inf) < up[raised]).all(), f"{down[raised]} against {up[raised]}"
        assert not close(down, without).all(), "the dislike has no effect"

    def test_finds_the_right_answer(self, component: Make, checkerboard: Dataset) -> None:
        """The declared share of checkerboard shoppers gets the one tile that is missing."""
        if self.checkerboard_floor is None:
            return
        fitted = self.ready(component, checkerboard)
        got = fitted.generate(requests_of(checkerboard, hide_seen=True), 1)
        first = np.array([one.items[0] if len(one.items) else -1 for one in got])
        hits = float((first == right_answers(checkerboard)).mean())
        assert hits >= self.checkerboard_floor, f"{hits:.2f} of the shoppers"

    def test_prepared_answers_alike(self, component: Make, world: Dataset) -> None:
        """A generator that prepares a batch finds and scores what it would without."""
        fitted: CandidateGenerator = self.ready(component, world)
        requests = self.requests(world)
        if not isinstance(fitted, Preparable):
            return
        batch, given = fitted.prepared(requests), self.slates(world, requests)
        for once, plain in (
            (batch.generate(requests, 7), fitted.generate(requests, 7)),
            (batch.score(requests, given), fitted.score(requests, given)),
        ):
            assert np.array_equal(once.items, plain.items)
            assert np.allclose(once.scores, plain.scores, rtol=1e-4, atol=1e-5, equal_nan=True)
