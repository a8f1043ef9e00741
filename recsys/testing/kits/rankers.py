"""Checks for `recsys.protocols.Ranker`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pytest

from recsys.dataset import Dataset
from recsys.protocols import Forgetful, Ranker
from recsys.testing.kits.base import (
    Kit,
    Make,
    assert_best_first,
    assert_dtypes,
    assert_no_duplicates,
    odd_requests,
)
from recsys.testing.kits.compare import assert_same, frozen_copy, in_threads
from recsys.types import Slates


@runtime_checkable
class Tagged(Protocol):
    """A memory that says whose its entries are, as `recsys.runtime.prefixes.PrefixCache` does."""

    def tags(self) -> Collection[str]:
        """Return of whom something is kept."""
        ...


def memories(part: Any) -> list[Tagged]:
    """Return what ``part``, and what it is made of, keeps of shoppers."""
    seen: dict[int, Any] = {}
    ahead = [part]
    while ahead:
        one = ahead.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, dict | list | tuple):
            ahead += one.values() if isinstance(one, dict) else one
        elif hasattr(one, "__dict__") and not isinstance(one, type):
            ahead += vars(one).values()
    return [one for one in seen.values() if isinstance(one, Tagged) and not isinstance(one, type)]


class RankerTests(Kit):
    """A ranker orders what it is given: at most n of it, nothing else, best first, with its columns.

    Attributes:
        keeps_all: whether with n as large as the slate every item comes back. A ranker that may drop items
            (caps per brand, say) declares False.
    """

    keeps_all: ClassVar[bool] = True

    def answer(self, fitted: Any, world: Dataset) -> Any:
        """Return ranked slates."""
        requests = self.requests(world)
        return fitted.rank(requests, self.slates(world, requests), 8)

    def ranked(self, component: Make, world: Dataset, n: int = 8) -> tuple[Slates, Slates]:
        """Return slates before and after."""
        requests = self.requests(world)
        given = self.slates(world, requests)
        return given, self.ready(component, world).rank(requests, given, n)

    def test_rank_has_its_protocol(self, component: Make) -> None:
        """The method is there."""
        assert isinstance(component(), Ranker)

    def test_rank_dtypes(self, component: Make, world: Dataset) -> None:
        """int32 rows, float32 scores, int64 offsets."""
        assert_dtypes(self.ranked(component, world)[1])

    def test_rank_one_list_each(self, component: Make, world: Dataset) -> None:
        """As many lists as requests, an empty one for an empty one."""
        given, got = self.ranked(component, world)
        assert len(got) == len(given)
        assert (got.lengths[given.lengths == 0] == 0).all()

    def test_rank_subset_of_its_input(self, component: Make, world: Dataset) -> None:
        """Every item of a list was in that list before."""
        given, got = self.ranked(component, world)
        for i in range(len(given)):
            assert np.isin(got[i].items, given[i].items).all(), f"request {i}: {got[i].items} of {given[i].items}"

    @pytest.mark.parametrize("n", [0, 1, 5])
    def test_rank_at_most_n(self, component: Make, world: Dataset, n: int) -> None:
        """No list is longer than n."""
        lengths = self.ranked(component, world, n)[1].lengths
        assert (lengths <= n).all(), f"{lengths.max()} items for n={n}"

    def test_rank_as_many_as_it_can(self, component: Make, world: Dataset) -> None:
        """With ``keeps_all`` a list has n items, or all where there are fewer."""
        given, got = self.ranked(component, world, 5)
        if self.keeps_all:
            assert np.array_equal(got.lengths, np.minimum(given.lengths, 5))
        assert got.lengths.sum() > 0

    def test_rank_more_than_there_is(self, component: Make, world: Dataset) -> None:
        """An n beyond the slate gives what there is."""
        given, got = self.ranked(component, world, 10_000)
        assert (got.lengths <= given.lengths).all()
        if self.keeps_all:
            assert np.array_equal(got.lengths, given.lengths)

    def test_rank_no_duplicates(self, component: Make, world: Dataset) -> None:
        """No list holds an item twice."""
        assert_no_duplicates(self.ranked(component, world)[1])

    def test_rank_best_first(self, component: Make, world: Dataset) -> None:
        """Scores never rise, NaN comes last."""
        assert_best_first(self.ranked(component, world)[1])

    def test_rank_columns_travel(self, component: Make, world: Dataset) -> None:
        """Each entry keeps its columns, wherever it moved."""
        given, got = self.ranked(component, world)
        for name in given.columns:
            assert name in got.columns, f"column {name!r} is gone"
        assert np.array_equal(got.columns["row_twice"], got.items.astype(np.int64) * 2), "columns and items went apart"

    def test_rank_notes_travel(self, component: Make, world: Dataset) -> None:
        """Notes of earlier stages are kept."""
        given, got = self.ranked(component, world)
        assert len(got.notes) == len(given.notes), "notes are gone"
        for i, (new, old) in enumerate(zip(got.notes, given.notes, strict=True)):
            assert new.warnings[: len(old.warnings)] == old.warnings, f"the note of request {i} is gone"

    def test_rank_forgets_whom_it_read(self, component: Make, world: Dataset) -> None:
        """What a model keeps of a shopper, to read their prompt once, goes when the ranker is asked to forget them."""
        fitted, requests = self.ready(component, world), self.requests(world)[:4]
        asked = [replace(r, user=f"somebody-{i}") for i, r in enumerate(requests)]
        fitted.rank(asked, self.slates(world, requests), 8)
        kept = {tag for cache in memories(fitted) for tag in cache.tags()}
        for user in kept:
            assert isinstance(fitted, Forgetful), f"it keeps what it read of {user} and has no forget(user)"
            fitted.forget(user)
        assert not any(cache.tags() for cache in memories(fitted)), "it keeps whom it was told to forget"

    def test_rank_empty_batch(self, component: Make, world: Dataset) -> None:
        """No request, or requests without items, give empty lists."""
        fitted = self.ready(component, world)
        requests = self.requests(world)
        nobody = self.slates(world, requests[:0])
        assert len(fitted.rank([], nobody, 5)) == 0
        empty = self.slates(world, requests[:2])[1]
        assert len(empty.items) == 0, "slates() is to give an empty list to request 1"
        assert fitted.rank(requests[1:2], empty, 5).lengths.tolist() == [0]

    @pytest.mark.parametrize("hostile", [np.nan, np.inf, -np.inf, 3e38, -3e38])
    def test_rank_hostile_scores(self, component: Make, world: Dataset, hostile: float) -> None:
        """Incoming scores that are no numbers, or huge, break neither the order nor the lists."""
        requests = self.requests(world)[:6]
        given = self.slates(world, requests)
        scores = given.scores.copy()
        scores[::2] = hostile
        spoiled = Slates(given.items, scores, given.offsets, given.columns, given.notes)
        got = self.ready(component, world).rank(requests, spoiled, 8)
        assert_best_first(got)
        assert_no_duplicates(got)
        for i in range(len(given)):
            assert np.isin(got[i].items, given[i].items).all()
        if self.keeps_all:
            assert np.array_equal(got.lengths, np.minimum(given.lengths, 8))

    def test_rank_odd_histories(self, component: Make, world: Dataset) -> None:
        """Empty, unknown, repeated and negative histories are served."""
        requests = odd_requests(world)
        given = self.slates(world, requests)
        got = self.ready(component, world).rank(requests, given, 8)
        assert len(got) == len(requests)
        assert_best_first(got)

    def test_rank_leaves_inputs_alone(self, component: Make, world: Dataset) -> None:
        """Requests and slates are as before the call."""
        requests = self.requests(world)
        given = self.slates(world, requests)
        fitted, before = self.ready(component, world), frozen_copy(requests, given)
        fitted.rank(requests, given, 8)
        assert frozen_copy(requests, given) == before

    def test_rank_same_call_twice(self, component: Make, world: Dataset) -> None:
        """The second answer is the first."""
        fitted = self.ready(component, world)
        assert_same(self.answer(fitted, world), self.answer(fitted, world))

    def test_rank_single_equals_batch(self, component: Make, world: Dataset) -> None:
        """One request is a batch of one, and requests do not influence one another."""
        fitted, requests = self.ready(component, world), self.requests(world)
        given = self.slates(world, requests)
        batch = fitted.rank(requests, given, 8)
        for i, request in enumerate(requests):
            assert_same(fitted.rank([request], given[i], 8), batch[i], f"request {i} alone and in a batch")

    def test_rank_in_two_threads(self, component: Make, world: Dataset) -> None:
        """Two threads that rank at a time get what one gets."""
        fitted, requests = self.ready(component, world), self.requests(world)
        halves = [requests[:20], requests[20:33]]
        given = [self.slates(world, half) for half in halves]
        rounds = in_threads([partial(fitted.rank, halves[at], given[at], 8) for at in range(2)])
        alone = [fitted.rank(halves[at], given[at], 8) for at in range(2)]
        for answers in rounds:
            assert_same(answers, alone, "two threads")
