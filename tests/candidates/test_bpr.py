import numpy as np
import pytest

from recsys.candidates.bpr import BPR
from recsys.protocols import FitOptions
from recsys.testing.kits import GeneratorTests, TrainableTests
from recsys.types import Events, Request, Slates


def small() -> BPR:
    return BPR(BPR.Config(factors=15, iterations=100, learning_rate=0.1))


class TestBPR(GeneratorTests, TrainableTests):
    checkerboard_floor = 0.95

    @pytest.fixture
    def component(self):
        return small


def test_a_user_is_the_decayed_mean_of_the_history(small_shop):
    fitted = small().fit(small_shop, FitOptions())
    y, decay = fitted.fitted(), fitted.config.decay
    got = fitted.user_factors([Request(history=Events.of([4, 6]))])[0]
    assert got[:-1] == pytest.approx(((decay * y[4] + y[6]) / (1 + decay))[:-1], rel=1e-4, abs=1e-6)
    assert got[-1] == 1


def test_items_without_a_liked_event_have_no_score(small_shop):
    fitted = small().fit(small_shop, FitOptions())
    assert np.isnan(fitted.score([Request(history=Events.of([1]))], Slates.of([[39]])).scores[0])
