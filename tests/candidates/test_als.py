import numpy as np
import pytest

from recsys.candidates.als import ALS
from recsys.protocols import FitOptions
from recsys.testing.kits import GeneratorTests, TrainableTests
from recsys.types import Events, Request, Slates


def small() -> ALS:
    return ALS(ALS.Config(factors=16, iterations=10))


class TestALS(GeneratorTests, TrainableTests):
    checkerboard_floor = 0.85

    @pytest.fixture
    def component(self):
        return small


def test_fold_in_is_the_ridge_solution(small_shop):
    fitted = small().fit(small_shop, FitOptions())
    c, y = fitted.config, fitted.fitted().astype(np.float64)
    history = Events.of([3, 9, 12])
    confidence = c.alpha * c.decay ** np.array(
        [2, 1, 0]
    )  # implicit: confidence alpha * weight on what was chosen, else 1
    rows = history.rows
    a = y.T @ y + c.regularisation * np.eye(16) + (y[rows].T * (confidence - 1)) @ y[rows]
    expected = np.linalg.solve(a, y[rows].T @ confidence)
    got = fitted.user_factors([Request(history=history)])[0]
    assert got @ y.T == pytest.approx(expected @ y.T, abs=1e-3)


def test_items_without_a_liked_event_have_no_score(small_shop):
    fitted = small().fit(small_shop, FitOptions())
    scores = fitted.score([Request(history=Events.of([1]))], Slates.of([[39, 1]])).scores
    assert np.isnan(scores[0])
    assert np.isfinite(scores[1])


def test_a_shopper_without_history_gets_nothing(small_shop):
    fitted = small().fit(small_shop, FitOptions())
    assert fitted.generate([Request(), Request(history=Events.of([1]))], 5).lengths.tolist() == [0, 5]
