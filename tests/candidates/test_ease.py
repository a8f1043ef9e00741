import numpy as np
import pytest

from recsys.candidates.ease import EASE
from recsys.candidates.matrix import user_items
from recsys.dataset import Dataset
from recsys.errors import ConfigError
from recsys.protocols import Deps, FitOptions
from recsys.testing.kits import AttributorTests, GeneratorTests, TrainableTests
from recsys.types import Event, Item


class TestEASE(GeneratorTests, TrainableTests, AttributorTests):
    checkerboard_floor = 1.0

    @pytest.fixture
    def component(self):
        return lambda: EASE(EASE.Config(regularisation=10))


@pytest.mark.parametrize("regularisation", [1.0, 100.0])
def test_equals_the_closed_form(small_shop, regularisation):
    x = user_items(small_shop).toarray().astype(np.float64)
    p = np.linalg.inv(x.T @ x + regularisation * np.eye(x.shape[1]))
    expected = -p / np.diag(p)
    np.fill_diagonal(expected, 0)
    got = EASE(EASE.Config(regularisation=regularisation)).fit(small_shop, FitOptions()).matrix
    assert got == pytest.approx(expected, abs=1e-5)
    assert got.dtype == np.float32


def test_refuses_a_catalogue_that_would_not_fit(small_shop):
    with pytest.raises(ConfigError, match="max_items"):
        EASE(EASE.Config(max_items=39)).fit(small_shop, FitOptions())


def test_more_items_than_one_stripe():
    rng = np.random.default_rng(0)
    items = [Item(item_id=f"i{n}") for n in range(1100)]
    events = [
        Event(user_id=f"u{u}", item_id=f"i{n}", time=step)
        for u in range(200)
        for step, n in enumerate(rng.choice(1100, 15, replace=False))
    ]
    data = Dataset.of(items, events)
    x = user_items(data).toarray().astype(np.float64)
    p = np.linalg.inv(x.T @ x + 5 * np.eye(1100))
    expected = -p / np.diag(p)
    np.fill_diagonal(expected, 0)
    assert np.allclose(EASE(EASE.Config(regularisation=5)).fit(data, FitOptions()).matrix, expected, atol=1e-5)


def test_from_config_takes_the_settings():
    assert EASE.from_config(EASE.Config(decay=0.3, limit=4), Deps()).decay == 0.3
