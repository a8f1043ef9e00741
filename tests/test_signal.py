import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.signal import DEFAULT_WEIGHTS, forget, preference, rating_weight, take_back
from recsys.types import KIND_CODES, KINDS


def weigh(kind: str, value: float = 1.0, weights=None) -> float:
    kinds, values = np.array([KIND_CODES[kind]], np.int8), np.array([value], np.float32)
    return float(preference(kinds, values, {} if weights is None else weights)[0])


def test_every_kind_has_a_weight():
    assert set(DEFAULT_WEIGHTS) | {"rating"} == set(KINDS)


@pytest.mark.parametrize("kind", ["dislike", "return", "not-interested", "remove-from-cart"])
def test_dislikes_are_negative(kind):
    assert weigh(kind) < 0


@pytest.mark.parametrize("kind", ["interaction", "view", "click", "cart", "purchase", "like"])
def test_likes_are_positive(kind):
    assert weigh(kind) > 0


def test_an_impression_says_nothing():
    assert weigh("impression") == 0


@pytest.mark.parametrize(("value", "weight"), [(1, -1), (2, -1), (3, 0.3), (3.5, 1), (5, 1)])
def test_a_rating_follows_its_value(value, weight):
    assert weigh("rating", value) == pytest.approx(weight)
    assert rating_weight(np.array([value], np.float32), 2, 3.5)[0] == pytest.approx(weight)


def test_the_value_of_other_kinds_is_a_quantity():
    assert weigh("purchase", 1) == weigh("purchase", 40)


def test_weights_can_be_set():
    assert weigh("view", weights={"view": 0.9}) == pytest.approx(0.9)
    assert weigh("purchase", weights={"view": 0.9}) == 1


def taken(owner, rows, weights):
    arrays = np.array(owner, np.int64), np.array(rows, np.int32), np.array(weights, np.float32)
    return take_back(*arrays).tolist()


def test_a_return_takes_the_purchase_back():
    assert taken([0, 0, 0], [5, 6, 5], [1, 1, -1]) == [0, 1, -1]


def test_a_purchase_after_the_return_stands():
    assert taken([0, 0, 0], [5, 5, 5], [1, -1, 1]) == [0, -1, 1]


def test_the_last_dislike_counts():
    assert taken([0, 0, 0, 0], [5, 5, 5, 5], [-1, 1, -1, 1]) == [-1, 0, -1, 1]


def test_dislikes_of_others_take_nothing_back():
    assert taken([0, 1], [5, 5], [1, -1]) == [1, -1]


def test_nothing_disliked_is_nothing_changed():
    weights = np.array([1, 0.3], np.float32)
    assert take_back(np.zeros(2, np.int64), np.zeros(2, np.int32), weights) is weights
    assert taken([], [], []) == []


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from([1.0, 0.3, 0.0, -1.0, -0.3])), max_size=30)
)
@settings(max_examples=100, deadline=None)
def test_take_back_equals_its_definition(events):
    events = sorted(events, key=lambda e: e[0])
    owner, rows, weights = ([e[i] for e in events] for i in range(3))
    expected = [
        0.0 if w > 0 and any(o2 == o and r2 == r and w2 < 0 for o2, r2, w2 in events[i + 1 :]) else w
        for i, (o, r, w) in enumerate(events)
    ]
    assert taken(owner, rows, weights) == pytest.approx(expected)


def test_forget_silences_what_came_before_for_good_and_ill():
    names = ("purchase", "dislike", "purchase", "forget", "view", "purchase")
    kinds = np.array([KIND_CODES[k] for k in names], np.int8)
    owner = np.array([0, 0, 0, 0, 0, 1], np.int64)
    rows = np.array([5, 5, 6, 5, 5, 5], np.int32)
    weights = np.array([1, -1, 1, 0, 0.3, 1], np.float32)
    assert forget(owner, rows, kinds, weights).tolist() == pytest.approx([0, 0, 1, 0, 0.3, 1])
    assert forget(owner[:3], rows[:3], kinds[:3], weights[:3]).tolist() == [1, -1, 1]
