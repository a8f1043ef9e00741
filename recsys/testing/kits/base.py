"""What all kits share: the world, its requests, and how a component is made ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.dataset import Dataset
from recsys.protocols import Deps
from recsys.testing.worlds import requests_of
from recsys.types import NO_EVENTS, Events, Notes, Request, Slates

Make = Callable[[], Any]


class Kit:
    """Base of all kits.

    A subclass gives one fixture, ``component``, which returns a callable that makes a new, unfitted component, and
    overrides class attributes that declare abilities. Everything else may be overridden where a component needs it.
    """

    @pytest.fixture
    def world(self, small_shop: Dataset) -> Dataset:
        """The data that the checks run on."""
        return small_shop

    def ready(self, component: Make, world: Dataset, seed: int = 0) -> Any:
        """Return a component that can answer: as it is made, unless a kit for trainable ones is mixed in."""
        return component()

    def deps(self, world: Dataset) -> Deps:
        """Return what `load` is given."""
        return Deps(items=world.items)

    def requests(self, world: Dataset) -> list[Request]:
        """Return the batch that most checks send: every shopper, some with seen items hidden, some with a query."""
        plain, hidden = requests_of(world), requests_of(world, hide_seen=True)
        out = [hidden[i] if i % 3 == 0 else plain[i] for i in range(len(plain))]
        for i in range(0, len(out), 4):
            out[i] = _with_text(out[i], world.items.titles[i % len(world.items)])
        return out

    def slates(self, world: Dataset, requests: Sequence[Request], seed: int = 3) -> Slates:
        """Return lists to score or rank, with an empty one for request 1; override it to add columns."""
        return slates_of(world, requests, seed=seed)

    def answer(self, fitted: Any, world: Dataset) -> Any:
        """Return everything that a component says about the world: slates, arrays, or a tuple of these."""
        raise TypeError(f"{type(self).__name__} has to inherit from the kit of its kind too, GeneratorTests say")


def _with_text(request: Request, text: str) -> Request:
    return Request(
        user=request.user, text=text, history=request.history, allowed=request.allowed, now=request.now, k=request.k
    )


def with_history(request: Request, history: Events) -> Request:
    """Return the same request with another history and no mask."""
    return Request(user=request.user, text=request.text, history=history, now=request.now, k=request.k)


def odd_requests(world: Dataset) -> list[Request]:
    """Return requests that every component has to survive: histories that are empty, unknown or worn out."""
    n = len(world.items)
    now = int(world.log.events.times.max(initial=0)) + 1
    histories = {
        "empty": NO_EVENTS,
        "unknown rows": Events.of([-1, -1]),
        "rows after the fit": Events.of([n, n + 7]),
        "known among unknown": Events.of([-1, 0, n + 7, 1]),
        "dislikes alone": Events.of([0, 1], weights=[-1, -1]),
        "impressions alone": Events.of([0, 1], weights=[0, 0]),
        "one item again and again": Events.of([2] * 300),
        "all at one time": Events.of([0, 1, 2], times=[now] * 3),
        "after now": Events.of([0, 1], times=[now + 10**6] * 2),
    }
    return [Request(user=name, history=history, now=now) for name, history in histories.items()]


def slates_of(world: Dataset, requests: Sequence[Request], width: int = 12, seed: int = 3) -> Slates:
    """Return ragged lists of random items, one empty, with two columns and a note on each.

    The column "row_twice" holds ``2 * row``, so that an entry can be recognised after it moved.
    """
    rng = np.random.default_rng(seed)
    n = min(width, len(world.items))
    lengths = [0 if i == 1 else int(rng.integers(1, n + 1)) for i in range(len(requests))]
    lists = [rng.permutation(len(world.items))[:length].tolist() for length in lengths]
    scores = [sorted(rng.random(length).tolist(), reverse=True) for length in lengths]
    plain = Slates.of(lists, scores)
    columns: dict[str, NDArray[Any]] = {
        "row_twice": plain.items.astype(np.int64) * 2,
        "prior_score": rng.random(len(plain.items)).astype(np.float32),
    }
    notes = tuple(Notes(warnings=(f"request {i}",)) for i in range(len(requests)))
    return Slates(plain.items, plain.scores, plain.offsets, columns, notes)


def assert_dtypes(slates: Any) -> None:
    """Assert that an answer is `Slates` of int32, float32 and int64."""
    assert isinstance(slates, Slates), f"the answer is {type(slates).__name__}, not Slates"
    found = [str(array.dtype) for array in (slates.items, slates.scores, slates.offsets)]
    assert found == ["int32", "float32", "int64"], f"items, scores and offsets are {found}"


def assert_best_first(slates: Slates) -> None:
    """Assert that the scores of each list never rise, and that NaN comes last."""
    for i, one in enumerate(slates):
        missing = np.isnan(one.scores)
        assert not (missing[:-1] & ~missing[1:]).any(), f"request {i}: NaN before a score: {one.scores}"
        scored = one.scores[~missing]
        assert (scored[:-1] >= scored[1:]).all(), f"request {i}: not best first: {one.scores}"


def assert_no_duplicates(slates: Slates) -> None:
    """Assert that no list holds an item twice."""
    for i, one in enumerate(slates):
        assert len(np.unique(one.items)) == len(one.items), f"request {i}: an item occurs twice: {one.items}"
