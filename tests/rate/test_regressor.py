"""The rating regressor: no rating is among what foretells it, and it sees what its parts cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rating_toys import rated_world

from recsys.artifacts import read_json, write_json
from recsys.errors import ArtifactDamaged, ArtifactMissing, DataError, NotFittedError, ShapeMismatch
from recsys.protocols import FitOptions
from recsys.rate.biases import Biases
from recsys.rate.factors import Factors
from recsys.rate.ratings import Asked, Ratings
from recsys.rate.regressor import RatingRegressor

OPTIONS = FitOptions(seed=3, threads=1)
CONFIG = RatingRegressor.Config(factors=Factors.Config(factors=4, epochs=4), max_rounds=60, folds=3)


@pytest.fixture(scope="module")
def world():
    data = rated_world()
    return data, Ratings.of(data)


@pytest.fixture(scope="module")
def fitted(world):
    data, ratings = world
    train = ratings.take(np.arange(len(ratings)) % 5 != 0)
    return RatingRegressor(CONFIG).fit(train, data.items, OPTIONS), train


def test_no_rating_is_among_what_foretells_it(world):
    data, ratings = world
    regressor = RatingRegressor(CONFIG)
    before = regressor.cross_fitted(ratings, data.items, OPTIONS)
    # Rows are in the order of the folds: the first fold's come first.
    known, held = regressor.folds(ratings, OPTIONS.seed)[0]
    values, texts = ratings.values.copy(), ratings.texts.copy()
    values[held], texts[held] = 6 - values[held], "something else altogether"
    after = regressor.cross_fitted(replace(ratings, values=values, texts=texts), data.items, OPTIONS)
    n = int(held.sum())
    np.testing.assert_array_equal(before.x[:n], after.x[:n])
    assert not np.array_equal(before.x[n:], after.x[n:], equal_nan=True)
    assert not (known & held).any()


def test_by_time_nothing_later_is_known(world):
    data, ratings = world
    regressor = RatingRegressor(CONFIG.model_copy(update={"order": "time"}))
    for known, held in regressor.folds(ratings, 0):
        assert ratings.times[known].max() < ratings.times[held].min()
    before = regressor.cross_fitted(ratings, data.items, OPTIONS)
    last = regressor.folds(ratings, 0)[-1][1]
    after = regressor.cross_fitted(replace(ratings, values=np.where(last, 1.0, ratings.values)), data.items, OPTIONS)
    np.testing.assert_array_equal(before.x, after.x)


def test_it_beats_biases_and_factors_where_texts_and_moods_tell_more(world, fitted):
    _, ratings = world
    regressor, train = fitted
    held = ratings.take(np.arange(len(ratings)) % 5 == 0)

    def error(model):
        return np.sqrt(np.mean((model.predict(train, held.asked) - held.values) ** 2))

    factors = Factors.fit(train, Factors.Config(factors=4))
    assert error(regressor) < min(error(factors), error(Biases.fit(train, 5.0, 5.0))) - 0.03


def test_the_same_seed_gives_the_same_ratings_on_the_scale(world, fitted):
    data, ratings = world
    regressor, train = fitted
    found = regressor.predict(train, ratings.asked)
    assert found.min() >= 1
    assert found.max() <= 5
    again = RatingRegressor(CONFIG).fit(train, data.items, OPTIONS)
    np.testing.assert_array_equal(again.predict(train, ratings.asked), found)


def test_people_are_read_from_what_they_show(fitted):
    regressor, train = fitted
    asked = Asked(np.array([0, 1]), np.array([3, 3]), train.times[:1].repeat(2))
    nobody = regressor.predict(train.take(np.zeros(len(train), dtype=bool)), asked)
    assert nobody[0] == nobody[1]
    swapped = replace(train, users=np.where(train.users < 2, 1 - train.users, train.users))
    assert regressor.predict(swapped, asked) == pytest.approx(regressor.predict(train, asked)[::-1])


def test_what_cannot_be_done_is_said(world):
    data, ratings = world
    with pytest.raises(NotFittedError, match="fit"):
        RatingRegressor().predict(ratings, ratings.asked)
    with pytest.raises(DataError, match="too few for 3 folds"):
        RatingRegressor(CONFIG).fit(ratings.take(np.arange(3)), data.items, OPTIONS)


def test_what_is_saved_answers_the_same_and_names_nobody(world, fitted, tmp_path):
    _, ratings = world
    regressor, train = fitted
    regressor.save(tmp_path / "new" / "regressor")
    again = RatingRegressor.load(tmp_path / "new" / "regressor")
    np.testing.assert_array_equal(again.predict(train, ratings.asked), regressor.predict(train, ratings.asked))
    assert again.config == regressor.config
    assert again.rounds == regressor.rounds
    kept = again.knowledge.ratings
    assert not kept.users.any()
    assert not any(kept.texts)
    assert (np.diff(kept.items) >= 0).all()  # rows of one shopper stood side by side before
    again.save(tmp_path / "copy")
    names = sorted(path.name for path in (tmp_path / "copy").iterdir())
    for name in names:
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "new" / "regressor" / name).read_bytes()


def test_without_reviews_it_is_saved_too_and_what_is_damaged_is_said(tmp_path):
    data = rated_world(reviews=False)
    ratings = Ratings.of(data)
    regressor = RatingRegressor(CONFIG).fit(ratings, data.items, OPTIONS)
    regressor.save(tmp_path)
    found = RatingRegressor.load(tmp_path).predict(ratings, ratings.asked)
    np.testing.assert_array_equal(found, regressor.predict(ratings, ratings.asked))
    (tmp_path / "trees.txt").write_text("no trees")
    with pytest.raises(ArtifactDamaged, match=r"trees\.txt"):
        RatingRegressor.load(tmp_path)
    for name in ("trees.txt", "vectors.npy", "regressor.json"):
        (tmp_path / name).unlink()
        with pytest.raises(ArtifactMissing, match=name.replace(".", r"\.")):
            RatingRegressor.load(tmp_path)
    facts = read_json(tmp_path / "knowledge.json")
    assert facts["words"] is None


def test_other_features_than_it_learned_from_are_refused(world, fitted, tmp_path):
    _, ratings = world
    regressor, train = fitted
    regressor.save(tmp_path)
    facts = read_json(tmp_path / "regressor.json")
    write_json(tmp_path / "regressor.json", facts | {"features": facts["features"][1:]})
    with pytest.raises(ShapeMismatch, match="fit again"):
        RatingRegressor.load(tmp_path).predict(train, ratings.asked)
    with pytest.raises(NotFittedError, match="load"):
        RatingRegressor(CONFIG).save(tmp_path)


def test_without_reviews_and_without_questions():
    data = rated_world(reviews=False)
    ratings = Ratings.of(data)
    regressor = RatingRegressor(CONFIG).fit(ratings, data.items, OPTIONS)
    assert regressor.predict(ratings, ratings.take(np.zeros(len(ratings), dtype=bool)).asked).shape == (0,)
    assert np.isfinite(regressor.predict(ratings, ratings.asked)).all()
