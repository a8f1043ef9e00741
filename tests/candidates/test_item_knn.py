import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from recsys.candidates.item_knn import ItemKNN
from recsys.candidates.matrix import user_items
from recsys.protocols import FitOptions
from recsys.testing.kits import AttributorTests, GeneratorTests, TrainableTests
from recsys.types import Events, Request


class TestItemKNN(GeneratorTests, TrainableTests, AttributorTests):
    checkerboard_floor = 1.0

    @pytest.fixture(params=["cosine", "tfidf", "bm25"])
    def component(self, request):
        return lambda: ItemKNN(ItemKNN.Config(weighting=request.param))


def test_cosine_equals_sklearn(small_shop):
    expected = cosine_similarity(user_items(small_shop).toarray().T)
    np.fill_diagonal(expected, 0)
    got = ItemKNN().fit(small_shop, FitOptions()).matrix.toarray()
    assert got == pytest.approx(expected, abs=1e-5)


def test_each_candidate_keeps_its_nearest_only(small_shop):
    every = ItemKNN().fit(small_shop, FitOptions()).matrix.toarray()
    few = ItemKNN(ItemKNN.Config(neighbours=3)).fit(small_shop, FitOptions()).matrix.toarray()
    assert (np.count_nonzero(few, axis=0) <= 3).all()
    third = -np.sort(-every, axis=0)[2]
    assert (few[few > 0] >= np.broadcast_to(third, few.shape)[few > 0] - 1e-6).all()
    assert few[few > 0] == pytest.approx(every[few > 0], abs=1e-6)


def test_a_newcomer_stays_in_the_department_of_the_first_event(small_shop):
    fitted = ItemKNN().fit(small_shop, FitOptions())
    first = fitted.generate([Request(history=Events.of([row])) for row in (2, 12, 21, 28)], 3)
    home = [set((one.items // 8).tolist()) for one in first]
    assert sum(department in found for department, found in zip((0, 1, 2, 3), home, strict=True)) >= 3
