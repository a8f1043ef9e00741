import pytest

from recsys.candidates.own_history import OwnHistory
from recsys.protocols import FitOptions
from recsys.testing.kits import AttributorTests, GeneratorTests, TrainableTests
from recsys.types import Events, Request, Slates


class TestOwnHistory(GeneratorTests, TrainableTests, AttributorTests):
    @pytest.fixture
    def component(self):
        return OwnHistory


def test_counts_the_history_with_decay(small_shop):
    fitted = OwnHistory(OwnHistory.Config(decay=0.5)).fit(small_shop, FitOptions())
    request = Request(history=Events.of([7, 9, 7, 3]))
    got = fitted.generate([request], 10)
    assert got.items.tolist() == [3, 7, 9]
    assert got.scores == pytest.approx([1, 0.5 + 0.125, 0.25])
    shares = fitted.contributions([request], Slates.of([[7, 3, 5]])).toarray()
    assert shares == pytest.approx(Slates.of([[0]]).scores * [[0.125, 0, 0.5, 0], [0, 0, 0, 1], [0, 0, 0, 0]])


def test_limit_keeps_the_latest(small_shop):
    fitted = OwnHistory(OwnHistory.Config(limit=2)).fit(small_shop, FitOptions())
    assert fitted.generate([Request(history=Events.of([1, 2, 3]))], 10).items.tolist() == [3, 2]


def test_a_return_takes_the_purchase_back(small_shop):
    fitted = OwnHistory().fit(small_shop, FitOptions())
    assert len(fitted.generate([Request(history=Events.of([1, 1], weights=[0, -1]))], 10).items) == 0
