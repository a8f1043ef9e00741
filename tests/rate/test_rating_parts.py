"""Means, biases, factors, neighbours and opinions: each against a plain computation of the same thing."""

from __future__ import annotations

import numpy as np
import pytest
from rating_toys import rated_world

from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.rate.biases import Biases, damped_means
from recsys.rate.factors import Factors
from recsys.rate.neighbours import by_time, by_vectors
from recsys.rate.opinions import Opinions
from recsys.rate.ratings import Asked, Groups, Ratings
from recsys.types import Event, Item


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return Ratings.of(rated_world())


def test_ratings_are_taken_with_their_reviews_and_nothing_else():
    events = [
        Event(user_id="a", item_id="x", kind="view", time=1),
        Event(user_id="a", item_id="x", kind="rating", value=1.0, time=2),
        Event(user_id="b", item_id="y", kind="rating", value=4.5, time=3),
    ]
    found = Ratings.of(Dataset.of([Item(item_id="x", title="x"), Item(item_id="y", title="y")], events))
    assert found.values.tolist() == [1.0, 4.5]
    assert found.items.tolist() == [0, 1]
    assert found.texts.tolist() == ["", ""]
    assert found.scale == (1.0, 4.5)
    with pytest.raises(DataError, match="kind 'rating'"):
        Ratings.of(Dataset.of([Item(item_id="x", title="x")], events[:1]))


def test_reviews_go_with_their_ratings(ratings):
    assert all(("lovely" in text) == (value >= 4) for text, value in zip(ratings.texts, ratings.values, strict=True))


def test_damped_means():
    found = damped_means(np.array([1.0, 3.0, 2.0]), np.array([0, 0, 2]), 3, 2.0)
    assert found.tolist() == [1.0, 0.0, pytest.approx(2 / 3)]
    assert damped_means(np.array([4.0]), np.array([1]), 2, 0.0).tolist() == [0.0, 4.0]


def test_biases_find_what_the_world_was_made_of():
    users, items = np.divmod(np.arange(200), 10)
    values = 3.0 + np.linspace(-1, 1, 20)[users] + np.linspace(-0.5, 0.5, 10)[items]
    made = Ratings(users, items, values, np.zeros(200, dtype=np.int64), np.full(200, "", dtype=object), 20, 10)
    found = Biases.fit(made, 1e-9, 1e-9)
    assert found.items == pytest.approx(np.linspace(-0.5, 0.5, 10), abs=1e-6)
    assert found.predict(made, made.asked) == pytest.approx(values, abs=1e-6)


@pytest.mark.parametrize("factors", [3, 30])
def test_a_side_is_solved_by_ridge_regression(ratings, factors):
    """Three factors are solved as they stand, thirty by as many equations as there are ratings."""
    config = Factors.Config(factors=factors, regularisation=0.7, growth=0.4, user_damping=2.0, epochs=2)
    found = Factors.fit(ratings, config)
    user = ratings.users == 7
    x = np.column_stack([np.ones(user.sum()), found.items[ratings.items[user], 1:]])
    y = ratings.values[user] - found.mean - found.items[ratings.items[user], 0]
    penalty = np.diag([2.0, *[0.7 * user.sum() ** 0.4] * factors])
    assert found.users(ratings)[7] == pytest.approx(np.linalg.solve(x.T @ x + penalty, x.T @ y))


def test_factors_see_tastes_that_biases_cannot(ratings):
    test = np.arange(len(ratings)) % 5 == 0
    train, held = ratings.take(~test), ratings.take(test)

    def error(model):
        return np.sqrt(np.mean((model.predict(train, held.asked) - held.values) ** 2))

    assert error(Factors.fit(train, Factors.Config(factors=4))) < error(Biases.fit(train, 5.0, 5.0)) - 0.1


def test_who_shows_no_ratings_gets_the_bias_of_the_item(ratings):
    found = Factors.fit(ratings, Factors.Config(factors=4, epochs=2))
    asked = Asked(np.array([3]), np.array([5]), np.array([0]))
    others = ratings.take(ratings.users != 3)
    assert found.predict(others, asked) == pytest.approx(found.mean + found.items[5, 0])


def test_neighbours_are_weighed_as_written(ratings):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(ratings.n_items, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    residuals = rng.normal(size=len(ratings))
    asked = Asked(np.array([2, 9]), np.array([4, 1]), ratings.times[[0, 300]])
    groups = Groups.of(ratings.users, ratings.n_users)
    liked = by_vectors(groups, ratings.items, residuals, asked.users, asked.items, vectors, 3.0, 0.2)
    near = by_time(groups, ratings.times, residuals, asked.users, asked.times, 30.0, 1.5)
    for m in range(2):
        own = ratings.users == asked.users[m]
        w = np.maximum(vectors[ratings.items[own]] @ vectors[asked.items[m]], 0) ** 3
        assert liked[m] == pytest.approx([(w @ residuals[own]) / (w.sum() + 0.2), w.sum()], rel=1e-5)
        w = np.exp(-np.abs(ratings.times[own] - asked.times[m]) / (30 * 86_400))
        assert near[m] == pytest.approx([(w @ residuals[own]) / (w.sum() + 1.5), w.sum()])


def texts(words):
    return np.array(list(words), dtype=object)


def test_opinions_read_words_and_never_their_own_stars():
    told = texts(f"{word} thing number {n}" for n in range(40) for word in ("lovely", "dull"))
    stars = np.tile([1.0, -1.0], 40)
    found = Opinions.fit(told, stars)
    good, bad, nothing = found.read(texts(["a lovely thing", "a dull thing", ""]))
    assert good > 0.3
    assert bad < -0.3
    assert np.isnan(nothing)
    # The stars of one text may change what is made of others, not what is made of itself.
    changed = stars.copy()
    changed[0] = -9.0
    again = Opinions.fit(told, changed)
    assert again.read(told[:1]) == pytest.approx(found.read(told[:1]))
    assert np.abs(again.read(told) - found.read(told)).max() > 1e-3
