from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recsys.candidates.attributes import Attributes
from recsys.candidates.ease import EASE
from recsys.candidates.own_history import OwnHistory
from recsys.candidates.transitions import Transitions
from recsys.explain.facts_events import Touches, credit
from recsys.explain.strength import FADE, LEAST_HALF, Relations, evidence, products, related
from recsys.protocols import FitOptions
from recsys.testing.strategies import requests as any_requests
from recsys.testing.worlds import requests_of, small_shop
from recsys.types import Events, Request, Slates

N = 6


@st.composite
def matrices(draw):
    cells = draw(st.lists(st.integers(0, 5), min_size=N * N, max_size=N * N))
    return np.array(cells, dtype=np.float32).reshape(N, N)


@given(matrices(), st.lists(st.sampled_from(["", "A", "B"]), min_size=N, max_size=N + 2))
def test_lift_is_the_count_over_chance_and_one_coincidence(matrix, parents):
    relations = Relations.of(sparse.csr_array(matrix), parents)
    code = products(parents)
    sources, targets = (a.ravel() for a in np.meshgrid(np.arange(len(parents)), np.arange(N + 1), indexing="ij"))
    lift = relations.lift(sources, targets)
    unit = np.median(matrix[matrix > 0]) if matrix.any() else 1.0
    for source, target, value in zip(sources, targets, lift, strict=True):
        if target >= N:
            assert value == 0
            continue
        siblings = np.flatnonzero(code[:N] == code[source])
        together = matrix[siblings, target].sum()
        chance = matrix[siblings].sum() * matrix[:, target].sum() / max(matrix.sum(), 1e-30)
        assert value == pytest.approx(together / (chance + unit))


def test_an_item_without_a_parent_is_its_own_product():
    assert products(["", "x", "", "x"]).tolist() == [0, 1, 2, 1]


def test_the_relations_come_from_the_heaviest_item_to_item_generator():
    data, options = small_shop(), FitOptions()
    fitted = {
        "own": OwnHistory().fit(data, options), "words": Attributes().fit(data, options),
        "dense": EASE().fit(data, options), "a": Transitions().fit(data, options),
        "b": Transitions(Transitions.Config(window=2)).fit(data, options),
    }  # fmt: skip
    assert (related(fitted, {"own": 9.0}, 1.0) != fitted["a"].matrix).nnz == 0
    assert (related(fitted, {"b": 2.0}, 1.0) != fitted["b"].matrix).nnz == 0
    assert related({"own": fitted["own"], "dense": fitted["dense"]}, {}, 1.0) is None


def test_half_strength_is_where_it_is_said_to_be():
    one = np.ones(1)
    assert evidence(one, one, 2 * one, 2.0) == pytest.approx(0.5)
    assert evidence(one, one, 0 * one, 2.0) == 0
    assert evidence(0.3 * one, one, 2 * one, 2.0) < 0.1  # a look proves less than a purchase


def test_the_scale_is_what_chance_brings_together():
    rng = np.random.default_rng(3)
    chance = rng.poisson(rng.gamma(2, 0.5, (60, 1)) * rng.gamma(2, 0.5, (1, 60))).astype(np.float32)
    relations = Relations.of(sparse.csr_array(chance), [""] * 60)
    apart = ~np.eye(60, dtype=bool)
    weight = np.outer(chance.sum(axis=1), chance.sum(axis=0))[apart]
    sources, targets = np.nonzero(apart)
    beyond = relations.lift(sources, targets) > relations.half
    assert (weight * beyond).sum() / weight.sum() == pytest.approx(0.05, abs=0.01)
    assert Relations.of(sparse.csr_array((4, 4), dtype=np.float32), [""] * 4).half == LEAST_HALF
    lone = sparse.csr_array(np.diag(np.ones(49, np.float32), 1))
    assert Relations.of(lone, [""] * 50).half == LEAST_HALF


@given(matrices(), st.lists(st.sampled_from(["", "A", "B", "C"]), min_size=N, max_size=N + 3))
def test_relations_grow_with_the_catalogue(matrix, parents):
    relations = Relations.of(sparse.csr_array(matrix), parents[:N])
    grown, anew = relations.grown(parents), Relations.of(sparse.csr_array(matrix), parents)
    sources, targets = (a.ravel() for a in np.meshgrid(np.arange(len(parents)), np.arange(N), indexing="ij"))
    np.testing.assert_allclose(grown.lift(sources, targets), anew.lift(sources, targets))
    assert grown.half == relations.half


@given(st.lists(any_requests(8), max_size=4))
def test_touches_are_the_distinct_liked_items_latest_first(batch):
    touches = Touches.of(batch)
    for i, request in enumerate(batch):
        part = slice(touches.offsets[i], touches.offsets[i + 1])
        h = request.history
        liked = [p for p in range(len(h)) if h.weights[p] > 0]
        last = {int(h.rows[p]): p for p in liked}
        expected = sorted(last, key=lambda row: -last[row])
        assert touches.rows[part].tolist() == expected
        age = 0.0
        for row, weight, place, recency in zip(
            expected, touches.weights[part], touches.places[part], touches.recency[part], strict=True
        ):
            own = [p for p in liked if h.rows[p] == row]
            assert place == max(own, key=lambda p: (h.weights[p], p))
            assert weight == pytest.approx(float(h.weights[place]))
            assert recency == pytest.approx(FADE**age)
            age += float(weight) ** 2


def test_shares_are_exact_and_a_batch_is_its_parts():
    data, options = small_shop(), FitOptions()
    generators = {"transitions": Transitions().fit(data, options), "attributes": Attributes().fit(data, options)}
    requests = requests_of(data)
    slates = Slates.of([list(range(i % 5, 40, 7)) for i in range(len(requests))])
    weights = dict.fromkeys(generators, 1.0)
    relations = Relations.of(generators["transitions"].matrix, data.items.parents)
    touches = Touches.of(requests)
    found = credit(requests, slates, touches, generators, weights, relations)
    scores = {n: g.score(requests, slates).scores for n, g in generators.items()}
    checked = 0
    for e, owner in enumerate(slates.request_index.tolist()):
        if (requests[owner].history.weights < 0).any():
            continue  # what a dislike takes away is nobody's share here
        part = slice(found.offsets[e], found.offsets[e + 1])
        for name, shares in found.shares.items():
            if np.isfinite(scores[name][e]) and scores[name][e] > 0:
                assert shares[part].sum() == pytest.approx(1.0, abs=1e-4)
                checked += 1
    assert checked > 100
    for i in (0, 7, 60):
        one = credit([requests[i]], slates[i], Touches.of([requests[i]]), generators, weights, relations)
        entries = slice(found.offsets[slates.offsets[i]], found.offsets[slates.offsets[i + 1]])
        np.testing.assert_allclose(one.strengths, found.strengths[entries], rtol=1e-5)


def test_without_relations_the_credit_itself_is_the_strength():
    data, options = small_shop(), FitOptions()
    generators = {"attributes": Attributes().fit(data, options)}
    requests = [Request(history=Events.of([1, 9]), now=100)]
    slates = Slates.of([[2, 3, 30]])
    found = credit(requests, slates, Touches.of(requests), generators, {"attributes": 0.3}, None)
    scores = generators["attributes"].score(requests, slates).scores
    total = [found.strengths[found.offsets[e] : found.offsets[e + 1]].sum() for e in range(3)]
    np.testing.assert_allclose(total, scores / scores.max(), rtol=1e-4)


def test_what_no_generator_credits_is_no_reason():
    data = small_shop()
    fitted = Transitions().fit(data, FitOptions())
    relations = Relations.of(fitted.matrix, data.items.parents)
    nothing = Transitions()
    nothing.matrix = sparse.csr_array(fitted.matrix.shape, dtype=np.float32)
    requests, slates = requests_of(data)[:5], Slates.of([[1, 2, 3]] * 5)
    found = credit(requests, slates, Touches.of(requests), {"transitions": nothing}, {"transitions": 1.0}, relations)
    assert not found.strengths.any()
