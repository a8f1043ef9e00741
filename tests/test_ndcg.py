"""NDCG by hand, by the metrics of the evaluation, and by the formulas that stood where it is used now."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.eval.metrics import per_request
from recsys.ndcg import discounts, labelled, scored, worth
from recsys.targets import Targets
from recsys.types import Slates


def test_what_a_place_is_worth():
    assert worth(np.array([0, 1, 2, 3]), 3).tolist() == [1, 1 / np.log2(3), 0.5, 0]
    assert worth(np.array([0.0, np.inf]), 3, np.array([7.0, 7.0])).tolist() == [7, 0]
    assert discounts(3).tolist() == [1, 1 / np.log2(3), 0.5]
    assert worth(np.array([9, 10])).tolist() == [1 / np.log2(11), 0]


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 15))
def test_one_thing_to_be_found_is_measured_the_same_everywhere(seed, lists, width):
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(width, dtype=np.float32), (lists, 1)), axis=1)
    gains = (np.arange(width) == rng.integers(width, size=(lists, 1))).astype(np.float32)
    place = (scores > scores[gains > 0][:, None]).sum(axis=1)
    slates = Slates.of(np.argsort(-scores, axis=1).astype(np.int32))
    wanted = Targets(np.argmax(gains, axis=1).astype(np.int32), np.arange(lists + 1))
    measured = per_request(slates, wanted, ("ndcg@10",))["ndcg@10"]
    # To the last digit, the formulas of the gate, of the cross-encoder, of calibration and of SASRec.
    by_place = np.where(place < 10, 1 / np.log2(place + 2), 0.0)
    assert worth(place).tolist() == by_place.tolist()
    assert scored(scores, gains).tolist() == by_place.tolist()
    labels = np.take_along_axis(gains, np.argsort(-scores, axis=1), axis=1).ravel()
    assert labelled(slates, labels).tolist() == by_place.tolist()
    assert measured.tolist() == by_place.astype(np.float32).tolist()


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 15))
def test_grades_are_measured_as_by_the_formulas_before(seed, lists, width):
    rng = np.random.default_rng(seed)
    scores = rng.integers(4, size=(lists, width)).astype(np.float32)
    gains = rng.integers(4, size=(lists, width)).astype(np.float32)
    gains[:, 0] += 1
    discount = 1 / np.log2(np.arange(width) + 2)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    reached = (np.take_along_axis(gains, order, axis=1) * discount[: order.shape[1]]).sum(axis=1)
    ideal = (np.sort(gains, axis=1)[:, ::-1][:, :10] * discount[: min(10, width)]).sum(axis=1)
    assert scored(scores, gains).tolist() == (reached / ideal).tolist()
    for one, gain, found in zip(scores, gains, scored(scores, gains), strict=True):
        best = np.argsort(-one, kind="stable")[:10]
        dot = float(gain[best] @ discount[:10]) / float(np.sort(gain)[::-1][:10] @ discount[:10])
        assert dot == pytest.approx(found, abs=1e-15)  # a product of vectors adds up in another order


def test_lists_with_several_labels_or_none():
    slates = Slates.of([np.arange(12, dtype=np.int32), np.arange(3, dtype=np.int32)])
    labels = np.zeros(15, np.float32)
    labels[[1, 2, 11]] = 1
    dcg, ideal = 1 / np.log2(3) + 0.5, 1 + 1 / np.log2(3) + 0.5
    assert labelled(slates, labels).tolist() == pytest.approx([dcg / ideal, 0])
    turned = np.concatenate([np.arange(12)[::-1], np.arange(3)])
    assert labelled(slates, labels, turned).tolist() == pytest.approx([(1 + 1 / np.log2(11)) / ideal, 0])
    every = Slates.of([np.arange(14, dtype=np.int32)])
    assert labelled(every, np.ones(14)).tolist() == [1]
