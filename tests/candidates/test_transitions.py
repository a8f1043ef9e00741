import numpy as np
import pytest

from recsys.candidates.transitions import Transitions
from recsys.dataset import Dataset
from recsys.protocols import FitOptions
from recsys.testing.kits import AttributorTests, GeneratorTests, TrainableTests
from recsys.types import Event, Events, Item, Request, Slates

ITEMS = [Item(item_id=name) for name in "abcd"]
EVERY = Slates.of([range(4)])


class TestTransitions(GeneratorTests, TrainableTests, AttributorTests):
    checkerboard_floor = 1.0

    @pytest.fixture
    def component(self):
        return Transitions


class TestTransitionsOneWay(GeneratorTests, TrainableTests, AttributorTests):
    checkerboard_floor = 1.0

    @pytest.fixture
    def component(self):
        return lambda: Transitions(Transitions.Config(window=2, reverse=0, gap_power=0, source_power=1, target_power=0))


def fitted(*walks: str, **settings) -> Transitions:
    """Each walk is a shopper's items in order; an upper-case letter is a dislike."""
    events = [
        Event(
            user_id=f"u{u}",
            item_id=letter.lower(),
            time=u * 100 + place,
            kind="dislike" if letter.isupper() else "like",
        )
        for u, walk in enumerate(walks)
        for place, letter in enumerate(walk)
    ]
    return Transitions(Transitions.Config(**settings)).fit(Dataset.of(ITEMS, events), FitOptions())


def test_matrix_of_a_log_counted_by_hand():
    got = fitted("abc", "ab", "ac", window=2, reverse=0.5, gap_power=1, source_power=0, target_power=0).matrix.toarray()
    expected = np.array(
        [
            [0, 2, 0.5 + 1, 0],  # a -> b twice; a -> c over a gap of 2, and next to it
            [0.5 * 2, 0, 1, 0],  # b <- a twice, halved; b -> c once
            [0.5 * 1.5, 0.5, 0, 0],
            [0, 0, 0, 0],
        ]
    )
    assert got == pytest.approx(expected)


def test_window_bounds_the_gap():
    near = fitted("abcd", window=1, reverse=0, source_power=0, target_power=0).matrix.toarray()
    assert near == pytest.approx(np.eye(4, k=1))


def test_popularity_scales_rows_and_columns():
    got = fitted("ab", "ab", "cb", window=1, reverse=0, source_power=0.5, target_power=1).matrix.toarray()
    # a has 2 events, b 3, c 1; a -> b twice, c -> b once
    assert got[0, 1] == pytest.approx(2 * 2**-0.5 / 3)
    assert got[2, 1] == pytest.approx(1 / 3)
    assert np.count_nonzero(got) == 2


def test_shoppers_and_repeats_do_not_run_into_each_other():
    assert fitted("a", "b", "cc", source_power=0, target_power=0).matrix.nnz == 0


def test_scores_and_exact_shares():
    one = fitted("abc", "ab", "ac", window=2, reverse=0.5, source_power=0, target_power=0, decay=0.5)
    request = Request(history=Events.of([0, 1, 1]))  # ages 2, 1, 0
    assert one.score([request], EVERY).scores == pytest.approx([1.5, 0.25 * 2, 0.25 * 1.5 + 1.5 * 1, 0])
    shares = one.contributions([request], EVERY).toarray()
    expected = [[0, 0.5, 1], [0.5, 0, 0], [0.375, 0.5, 1], [0, 0, 0]]
    assert shares == pytest.approx(np.array(expected))


def test_disliked_events_make_no_transition():
    assert fitted("aBc", window=1, reverse=0, source_power=0, target_power=0).matrix.toarray() == pytest.approx(
        np.array([[0, 0, 1, 0], [0] * 4, [0] * 4, [0] * 4])
    )


def test_a_newcomer_gets_the_neighbours_of_the_first_event():
    one = fitted("abc", "abd", "ab", window=1, reverse=0, source_power=0, target_power=0)
    assert one.generate([Request(history=Events.of([0]))], 3).items.tolist() == [1]
    assert sorted(one.generate([Request(history=Events.of([1]))], 3).items.tolist()) == [2, 3]


def test_a_dislike_lowers_the_neighbours_of_the_item():
    one = fitted("ab", "cb", window=1, reverse=0, source_power=0, target_power=0, decay=1.0)
    liked, mixed = Events.of([2, 0]), Events.of([2, 0], weights=[1, -1])
    assert one.score([Request(history=liked)], EVERY).scores[1] == 2
    assert one.score([Request(history=mixed)], EVERY).scores[1] == 0
    assert len(one.generate([Request(history=mixed)], 3).items) == 0
