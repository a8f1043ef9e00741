import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from recsys.testing.kits.compare import assert_same, frozen_copy, in_threads
from recsys.testing.strategies import events, requests, slates
from recsys.types import Events, Request, Slates


@given(events(5, max_size=6))
@settings(max_examples=50, deadline=None)
def test_events_are_sound(history):
    assert len(history) <= 6
    assert ((history.rows >= 0) & (history.rows < 5)).all()
    assert (np.diff(history.times) >= 0).all()


@given(requests(5))
@settings(max_examples=50, deadline=None)
def test_requests_are_sound(request):
    assert request.allowed is None or 5 <= len(request.allowed) <= 8
    assert not len(request.history) or request.now > request.history.times[-1]


@given(slates(5, size=3))
@settings(max_examples=50, deadline=None)
def test_slates_are_sound(one):
    assert len(one) == len(one.notes) == 3
    assert all(len(set(part.items.tolist())) == len(part.items) for part in one)
    assert np.isfinite(one.scores).all()


def test_oddities_do_occur():
    assert find(events(5, unknown=True), lambda e: (e.rows < 0).any() and (e.rows >= 5).any())
    assert find(events(5), lambda e: (e.weights < 0).any() and (e.weights == 0).any())
    assert find(slates(5, odd=True), lambda s: np.isnan(s.scores).any() and np.isinf(s.scores).any())
    assert find(requests(5), lambda r: r.allowed is not None and len(r.allowed) > 5)
    assert find(slates(5, columns=False), lambda s: not s.columns and not s.notes and len(s) > 1)


@given(slates(6, odd=True), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_slates_are_the_same_as_themselves_up_to_noise(one, seed):
    noise = np.float32(1) + np.random.default_rng(seed).uniform(-2e-5, 2e-5, len(one.items)).astype(np.float32)
    scores = one.scores / np.float32(2)  # noise on the largest float of all would be infinite
    assert_same(Slates(one.items, scores, one.offsets), Slates(one.items, scores * noise, one.offsets))


def test_near_ties_may_change_places_and_nothing_else():
    base = Slates.of([[1, 2, 3]], [[3.0, 2.0, 2.0]])
    assert_same(base, Slates.of([[1, 3, 2]], [[3.0, 2.0, 2.0]]))
    assert_same(base, Slates.of([[1, 3, 9]], [[3.0, 2.0, 2.0]]))  # 9 tied with 2 at the cut
    for other in (
        Slates.of([[2, 1, 3]], [[3.0, 2.0, 2.0]]),
        Slates.of([[1, 2, 3]], [[3.0, 2.0, 1.0]]),
        Slates.of([[1, 2]], [[3.0, 2.0]]),
        Slates.of([[9, 2, 3]], [[3.0, 2.0, 2.0]]),
    ):
        with pytest.raises(AssertionError):
            assert_same(base, other)


def test_arrays_and_tuples_are_compared_too():
    assert_same((np.ones(2), np.array([np.nan])), (np.ones(2), np.array([np.nan])))
    for other in ((np.ones(2),), (np.ones(2), np.zeros(1)), (np.ones(3), np.array([np.nan]))):
        with pytest.raises(AssertionError):
            assert_same((np.ones(2), np.array([np.nan])), other)


def test_a_copy_shows_every_change():
    one = Request(history=Events.of([1, 2]), allowed=np.ones(3, bool))
    given_slates = Slates.of([[1]])
    before = frozen_copy([one], given_slates, np.ones(2))
    assert frozen_copy([one], given_slates, np.ones(2)) == before
    one.history.times[0] = 9
    assert frozen_copy([one], given_slates, np.ones(2)) != before
    one.history.times[0] = 0
    one.allowed[1] = False
    assert frozen_copy([one], given_slates, np.ones(2)) != before


def test_an_error_in_a_thread_is_raised_here():
    def fails():
        raise RuntimeError("in a thread")

    with pytest.raises(RuntimeError, match="in a thread"):
        in_threads([fails, lambda: 1])
    assert in_threads([lambda: 1, lambda: 2], rounds=3) == [[1, 2]] * 3
