import numpy as np
import pytest

from recsys.protocols import Deps
from recsys.rank.shuffle import Shuffle
from recsys.testing.kits import RankerTests
from recsys.types import Events, Request, Slates


class TestShuffle(RankerTests):
    @pytest.fixture
    def component(self):
        return lambda: Shuffle.from_config(Shuffle.Config(seed=3), Deps())


def places(seed: int, lasts: range, width: int = 10) -> np.ndarray:
    """(b, width): the place of each item in the list of each shopper."""
    requests = [Request(history=Events.of([last])) for last in lasts]
    got = Shuffle(Shuffle.Config(seed=seed)).rank(requests, Slates.of([range(width)] * len(requests)), width)
    return np.argsort(got.items.reshape(-1, width), axis=1)


def test_every_item_is_as_often_at_every_place():
    counts = np.stack([(places(0, range(4000)) == place).sum(axis=0) for place in range(10)])
    assert (np.abs(counts - 400) < 6 * np.sqrt(400)).all()


def test_the_order_has_nothing_to_do_with_the_incoming_score():
    given = Slates.of([range(200)])
    got = Shuffle().rank([Request()], given, 200)
    assert abs(np.corrcoef(got.columns["prior_score"], got.scores)[0, 1]) < 0.2
    assert got.columns["prior_score"].tolist() == given.scores[got.items].tolist()


def test_seed_and_shopper_change_the_order():
    a, b, c = places(0, range(50)), places(1, range(50)), places(0, range(50, 100))
    assert (a == b).mean() < 0.2
    assert (a == c).mean() < 0.2
