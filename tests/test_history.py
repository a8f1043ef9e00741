import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.history import allowed_matrix, profile, stack
from recsys.testing.strategies import requests
from recsys.types import Events, Request

BATCH = st.lists(requests(6, unknown=True), max_size=4)


@given(BATCH, st.none() | st.integers(1, 4), st.none() | st.integers(0, 8))
@settings(max_examples=100, deadline=None)
def test_stack_equals_a_loop(batch, limit, n_items):
    got = stack(batch, limit, n_items)
    for i, request in enumerate(batch):
        h = request.history
        places = [p for p in range(len(h)) if h.weights[p] != 0 and h.rows[p] >= 0][-(limit or 10**6) :]
        ages = dict(zip(places, range(len(places))[::-1], strict=True))
        places = [p for p in places if n_items is None or h.rows[p] < n_items]
        part = slice(int(got.offsets[i]), int(got.offsets[i + 1]))
        assert got.place[part].tolist() == places
        assert got.rows[part].tolist() == h.rows[places].tolist()
        assert got.weights[part].tolist() == h.weights[places].tolist()
        assert got.times[part].tolist() == h.times[places].tolist()
        assert got.age[part].tolist() == [ages[p] for p in places]
        assert (got.owner[part] == i).all()
    assert len(got.offsets) == len(batch) + 1


@given(BATCH, st.sampled_from([1.0, 0.5]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_profile_equals_a_loop(batch, decay, normalise):
    got = profile(batch, 6, decay, 5, normalise)
    assert got.dtype == np.float32
    assert got.shape == (len(batch), 6)
    expected = np.zeros((len(batch), 6))
    for i in range(len(batch)):
        h = stack(batch[i : i + 1], 5)
        values = [
            (int(r), float(w) * decay ** int(a)) for r, w, a in zip(h.rows, h.weights, h.age, strict=True) if r < 6
        ]
        total = sum(abs(v) for _, v in values) if normalise else 1.0
        for row, value in values:
            expected[i, row] += value / total
    assert got.toarray() == pytest.approx(expected, abs=1e-6)


def test_profile_by_hand():
    request = Request(history=Events.of([2, 0, 2, 9], weights=[1, -1, 0.5, 1]))
    # Row 9 came after the fit: it still makes the others older.
    assert profile([request], 3, 0.5).toarray().tolist() == [[-0.25, 0, 0.125 + 0.25]]


def test_no_requests_no_history():
    assert stack([]).offsets.tolist() == [0]
    assert profile([], 3, 0.5).shape == (0, 3)
    assert allowed_matrix([], 3) is None


def test_allowed_matrix_fills_and_cuts():
    mask = np.array([True, False, True, False])
    assert allowed_matrix([Request(), Request()], 3) is None
    got = allowed_matrix([Request(allowed=mask), Request()], 3)
    assert got.tolist() == [[True, False, True], [True, True, True]]
