"""LightGBM stopped on the latest requests, and learning from a draw of what was not chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.protocols import FitOptions
from recsys.rank.lightgbm import LightGBMRanker, _thinned
from recsys.types import Request, Slates


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 20), st.integers(0, 5))
def test_a_draw_keeps_what_was_chosen_and_one_other(lengths, negatives, seed):
    slates = Slates.of([range(n) for n in lengths])
    labels = (np.random.default_rng(seed).random(len(slates.items)) < 0.2).astype(np.float32)
    kept = _thinned(slates, labels, negatives, seed)
    owner = slates.request_index
    assert kept[labels > 0].all()
    for i in range(len(slates)):
        others = (owner == i) & (labels <= 0)
        assert kept[others].any() == others.any()
        if negatives >= slates.lengths[i]:
            assert kept[others].all()
    assert (kept == _thinned(slates, labels, negatives, seed)).all()


def test_the_draw_is_of_the_size_that_was_asked_for():
    slates = Slates.of([range(200)] * 100)
    labels = np.tile(np.arange(200) == 7, 100).astype(np.float32)
    kept = _thinned(slates, labels, 20, 0)
    assert 18 <= kept.sum() / 100 - 1 <= 22
    # Places far down are drawn as often as the first: the place itself must say nothing.
    place = np.tile(np.arange(200), 100)
    assert abs(kept[place < 100].mean() - kept[place >= 100].mean()) < 0.03


def test_the_latest_requests_are_held_out():
    ranker = LightGBMRanker(LightGBMRanker.Config(later=0.25), None)  # type: ignore[arg-type]
    requests = [Request(now=n) for n in (40, 10, 30, 20, 60, 50, 80, 70)]
    (held,) = ranker._held_out(requests, FitOptions())
    assert sorted(r.now for r, h in zip(requests, held, strict=True) if h) == [70, 80]
    folds = LightGBMRanker(LightGBMRanker.Config(folds=3), None)._held_out(requests, FitOptions())  # type: ignore[arg-type]
    assert sum(folds).tolist() == [1] * 8


def test_settings_are_checked():
    for odd in ({"later": 1.0}, {"later": -0.1}, {"negatives": 0}, {"max_bin": 1}):
        with pytest.raises(ValueError, match=next(iter(odd))):
            LightGBMRanker.Config(**odd)
