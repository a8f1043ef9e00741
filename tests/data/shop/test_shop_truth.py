from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from recsys.data.shop import Shop
from recsys.types import KIND_CODES, NO_EVENTS


def fields(shop: Shop) -> NDArray[np.float64]:
    """Everything that the catalogue states, as one-hot columns, and the price."""
    items = shop.dataset.items
    words = []
    for i in range(len(items)):
        stated = items.attributes[i]
        words.append({
            *items.categories[i], items.brands[i], *stated["features"],
            *(f"{k}={v}" for k, v in stated.items() if isinstance(v, str)),
        })  # fmt: skip
    names = sorted(set().union(*words))
    place = {name: j for j, name in enumerate(names)}
    out = np.zeros((len(items), len(names) + 1))
    for i, own in enumerate(words):
        out[i, [place[w] for w in own]] = 1
    out[:, -1] = np.log(items.prices)
    return out


def test_no_catalogue_field_states_the_axes(shop: Shop) -> None:
    x, y = fields(shop), shop.truth.axes.astype(np.float64)
    parents = np.unique(shop.dataset.items.parents, return_inverse=True)[1]
    held_out = parents % 4 == 0
    best = -np.inf
    for strength in (3.0, 10.0, 30.0):
        mean = x[~held_out].mean(axis=0)
        a, b = x[~held_out] - mean, y[~held_out] - y[~held_out].mean(axis=0)
        weights = np.linalg.solve(a.T @ a + strength * np.eye(a.shape[1]), a.T @ b)
        rest = y[held_out] - (x[held_out] - mean) @ weights - y[~held_out].mean(axis=0)
        best = max(best, 1 - (rest**2).sum() / ((y[held_out] - y[held_out].mean(axis=0)) ** 2).sum())
    assert 0.02 < best < 0.5


def test_utilities_are_personal(shop: Shop) -> None:
    utility = shop.truth.utility(np.arange(300))
    assert utility.shape == (300, len(shop.dataset.items))
    assert utility.dtype == np.float32
    assert np.allclose(utility[7], shop.truth.utility(7), atol=1e-4)
    between = np.corrcoef(utility)[np.triu_indices(300, 1)]
    assert abs(between.mean()) < 0.2


def test_taste_events_follow_utility_and_others_less(shop: Shop) -> None:
    log, causes = shop.dataset.log, shop.truth.causes
    looks = np.isin(log.events.kinds, [KIND_CODES["view"], KIND_CODES["click"]])
    few = log.owner < 400
    utility = shop.truth.utility(np.arange(400))
    place = np.argsort(np.argsort(utility, axis=1), axis=1) / utility.shape[1]

    def standing(name: str) -> float:
        own = np.flatnonzero(looks & few & causes.where(name))
        return float(place[log.owner[own], log.events.rows[own]].mean())

    assert standing("taste") > 0.9
    assert standing("none") < 0.6


def test_gains_grade_each_shoppers_own_order(shop: Shop) -> None:
    users = np.arange(5)
    utility = shop.truth.utility(users)
    n = utility.shape[1]
    order = np.argsort(-utility, axis=1)
    gains = shop.truth.gains(users, order)
    assert gains.shape == order.shape
    assert (np.diff(gains, axis=1) <= 0).all()
    assert (gains == 3).sum(axis=1) == pytest.approx(round(0.01 * n), abs=1)
    assert (gains >= 2).sum(axis=1) == pytest.approx(round(0.03 * n), abs=1)
    assert (gains >= 1).sum(axis=1) == pytest.approx(round(0.10 * n), abs=1)
    assert shop.truth.gains(users, np.full((5, 2), -1)).sum() == 0


class TestNextEvent:
    def test_chances_are_a_distribution_over_the_unseen(self, shop: Shop) -> None:
        history = shop.dataset.log.history(0)
        chance = shop.truth.next_event_scores(0, history)
        assert chance.shape == (len(shop.dataset.items),)
        assert chance.sum() == pytest.approx(1, abs=1e-4)
        acted = history.rows[history.kinds != KIND_CODES["impression"]]
        assert (chance[acted] == 0).all()

    def test_a_purchase_raises_its_complements(self, shop: Shop) -> None:
        complements = shop.truth.complements
        # A shopper seldom buys outside of the own departments: take a pair from two of them.
        row = int(np.flatnonzero(shop.dataset.items.stock > 0)[0])
        before = shop.truth.next_event_scores(5, NO_EVENTS)
        after = shop.truth.next_event_scores(5, np.array([row], dtype=np.int32))
        assert after[complements[row, 0]] > 0.03
        assert after[complements[row, 0]] > 5 * before[complements[row, 0]]
        parents = shop.dataset.items.parents
        siblings = [i for i, p in enumerate(parents) if p == parents[row]]
        assert (after[siblings] == 0).all()

    def test_items_that_do_not_exist_yet_have_no_chance(self, shop: Shop) -> None:
        created = shop.dataset.items.created
        now = int(np.quantile(created, 0.8))
        chance = shop.truth.next_event_scores(3, NO_EVENTS, now)
        assert (chance[created > now] == 0).all()


def looked_at(shop: Shop) -> list[NDArray[np.int32]]:
    log = shop.dataset.log
    looks = log.where(np.isin(log.events.kinds, [KIND_CODES["view"], KIND_CODES["click"]]))
    return [looks.history(u).rows for u in range(looks.n_users)]


def hit_rate(scores: NDArray[np.float64], past: list[NDArray[np.int32]], target: NDArray[np.int32]) -> float:
    scores = scores.copy()
    for i, rows in enumerate(past):
        scores[i, rows] = -np.inf
    own = scores[np.arange(len(target)), target]
    return float(((scores >= own[:, None]).sum(axis=1) <= 10).mean())


def test_it_is_neither_easy_nor_hopeless(shop: Shop) -> None:
    sequences = looked_at(shop)
    users = [u for u, s in enumerate(sequences) if len(s) >= 3]
    past = [sequences[u][:-1] for u in users]
    n = len(shop.dataset.items)
    popularity = np.bincount(np.concatenate(past), minlength=n).astype(float)
    follows = sparse.csr_array((n, n))
    for gap in range(1, 9):
        before = np.concatenate([p[:-gap] for p in past if len(p) > gap])
        after = np.concatenate([p[gap:] for p in past if len(p) > gap])
        follows = follows + sparse.csr_array((np.full(len(before), 1 / gap), (before, after)), shape=(n, n))
    scale = sparse.diags_array(np.maximum(popularity, 1) ** -0.3)
    rules = scale @ (follows + 0.5 * follows.T) @ scale
    chosen = np.random.default_rng(0).choice(len(users), 1500, replace=False)
    past = [past[i] for i in chosen]
    target = np.array([sequences[users[i]][-1] for i in chosen])
    profile = sparse.lil_array((len(past), n))
    for i, rows in enumerate(past):
        profile[i, rows] = 0.8 ** np.arange(len(rows))[::-1]
    best = hit_rate((profile.tocsr() @ rules).toarray(), past, target)
    assert 0.05 < best < 0.25
    assert hit_rate(np.tile(popularity, (len(past), 1)), past, target) < best / 2
    few = slice(0, 300)
    assert oracle(shop, [users[i] for i in chosen[few]], past[few], target[few]) > 1.5 * best


def oracle(shop: Shop, users: list[int], past: list[NDArray[np.int32]], target: NDArray[np.int32]) -> float:
    scores = np.empty((len(users), len(shop.dataset.items)))
    log = shop.dataset.log
    for i, (user, row) in enumerate(zip(users, target.tolist(), strict=True)):
        history = log.history(user)
        at = int(np.flatnonzero((history.rows == row) & (history.kinds != KIND_CODES["impression"]))[0])
        scores[i] = shop.truth.next_event_scores(user, history.take(slice(0, at)), int(history.times[at]))
    return hit_rate(scores, past, target)
