from __future__ import annotations

import time

import numpy as np
import pytest
from kit_toys import ToyIndex, after, before, broken, checks, run_check

from recsys.testing.kits import IndexTests

FAILED = (AssertionError, pytest.fail.Exception)


class TestToyIndex(IndexTests):
    @pytest.fixture
    def component(self):
        return ToyIndex


def search(change):
    return after(ToyIndex, "search", lambda s, a, *rest: change(*a, *rest))


def refuses(test):
    def check(self, queries, n, allowed):
        assert test(self.vectors, queries, n, allowed)
        return queries, n, allowed

    return before(ToyIndex, "search", check)


def without_mask(self, queries, n, allowed):
    return queries, n, None


def masked_after(self, queries, n, allowed):
    """Searches without the mask and drops what it forbids: too few are left."""
    rows, scores = ToyIndex.search(self, queries, n, None)
    if allowed is not None:
        bad = ~allowed[rows]
        rows[bad], scores[bad] = rows[:, :1].repeat(n, axis=1)[bad], scores[bad]
    return rows, scores


def spoil(self, queries, n, allowed):
    queries += 1
    return queries, n, allowed


def remembers(self, queries, n, allowed):
    self.queries = queries
    time.sleep(0.02)
    return ToyIndex.search(self, self.queries, n, allowed)


def clipped(self, queries, n, allowed):
    return queries, min(n, len(self.vectors)), allowed


SEARCH = [
    ("index_has_its_protocol", broken(ToyIndex, search=None)),
    ("index_shapes_and_dtypes", search(lambda r, s, *_: (r.astype(np.int64), s))),
    ("index_shapes_and_dtypes", search(lambda r, s, *_: (r, s[:, :-1]))),
    ("index_equals_brute_force", search(lambda r, s, *_: ((r + 1) % 300, s))),
    ("index_scores_are_inner_products", search(lambda r, s, *_: (r, 1 - s))),
    ("index_best_first", search(lambda r, s, *_: (r[:, ::-1], s[:, ::-1]))),
    ("index_no_duplicates", search(lambda r, s, *_: (np.repeat(r[:, ::2], 2, axis=1), s))),
    ("index_mask", before(ToyIndex, "search", without_mask)),
    ("index_mask", broken(ToyIndex, search=masked_after)),
    ("index_pads", search(lambda r, s, *_: (np.maximum(r, 0), s))),
    ("index_pads", search(lambda r, s, *_: (r, np.maximum(s, -9)))),
    ("index_more_than_there_is", before(ToyIndex, "search", clipped)),
    ("index_longer_mask", refuses(lambda v, q, n, allowed: allowed is None or len(allowed) == len(v))),
    ("index_no_query", refuses(lambda v, q, n, allowed: len(q) > 0)),
    ("index_of_nothing", refuses(lambda v, q, n, allowed: len(v) > 0)),
    ("index_zero_query", refuses(lambda v, q, n, allowed: q.any())),
    ("index_single_equals_batch", search(lambda r, s, q, *_: (r, s / np.float32(len(q))))),
    ("index_leaves_inputs_alone", before(ToyIndex, "search", spoil)),
    ("index_in_two_threads", broken(ToyIndex, search=remembers)),
]


@pytest.mark.parametrize(
    ("check", "component"), [(f"test_{c}", k) for c, k in SEARCH], ids=[f"{i}-{c}" for i, (c, _) in enumerate(SEARCH)]
)
def test_broken_index_fails_its_check(check, component, tmp_path):
    with pytest.raises(FAILED):
        run_check(IndexTests, check, component, tmp_path)


def test_every_check_has_an_index_that_fails_it():
    assert {f"test_{c}" for c, _ in SEARCH} == set(checks(IndexTests))


def test_an_approximate_index_passes_what_it_declares(tmp_path):
    forgetful = search(lambda r, s, *_: (np.where(np.arange(10) == 9, -1, r), s))
    with pytest.raises(AssertionError):
        run_check(IndexTests, "test_index_equals_brute_force", forgetful, tmp_path)
    (tmp_path / "lenient").mkdir()
    run_check(IndexTests, "test_index_equals_brute_force", forgetful, tmp_path / "lenient", {"recall": 0.9})
