"""Checks for `recsys.protocols.Index`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.protocols import Index
from recsys.testing.kits.compare import close, in_threads
from recsys.types import RowMask, Vectors

MakeIndex = Callable[[Vectors], Any]


def unit_vectors(n: int, dim: int = 16, seed: int = 0) -> Vectors:
    """Return random vectors of length 1."""
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    out: Vectors = np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return out


class IndexTests:
    """Nearest vectors by inner product. The fixture ``component`` returns a callable: vectors to index.

    Attributes:
        recall: share of the true nearest that has to be found; 1 for exact search.
    """

    recall: ClassVar[float] = 1.0
    vectors: ClassVar[Vectors] = unit_vectors(300)
    queries: ClassVar[Vectors] = unit_vectors(20, seed=1)

    def searched(self, component: MakeIndex, n: int = 10, allowed: RowMask | None = None) -> Any:
        """Return rows and scores for the queries of this kit."""
        return component(self.vectors.copy()).search(self.queries, n, allowed)

    def assert_nearest(self, rows: NDArray[np.int32], allowed: RowMask | None, n: int) -> None:
        """Assert that the rows are the nearest of the allowed ones, as brute force finds them."""
        inner = self.queries @ self.vectors.T
        if allowed is not None:
            inner[:, ~allowed[: inner.shape[1]]] = -np.inf
        worst = -np.sort(-inner, axis=1)[:, n - 1]
        found = np.take_along_axis(inner, np.maximum(rows, 0).astype(np.int64), axis=1)
        share = float(((found >= worst[:, None] - 1e-5) & (rows >= 0)).mean())
        assert share >= self.recall, f"{share:.3f} of the nearest were found"

    def test_index_has_its_protocol(self, component: MakeIndex) -> None:
        """The method is there."""
        assert isinstance(component(self.vectors), Index)

    def test_index_shapes_and_dtypes(self, component: MakeIndex) -> None:
        """Both (q, n), int32 and float32."""
        rows, scores = self.searched(component)
        assert rows.shape == scores.shape == (20, 10)
        assert (rows.dtype, scores.dtype) == (np.int32, np.float32)

    def test_index_equals_brute_force(self, component: MakeIndex) -> None:
        """The nearest are found."""
        self.assert_nearest(self.searched(component)[0], None, 10)

    def test_index_scores_are_inner_products(self, component: MakeIndex) -> None:
        """A score is the inner product of query and vector."""
        rows, scores = self.searched(component)
        expected = np.take_along_axis(self.queries @ self.vectors.T, rows.astype(np.int64), axis=1)
        assert np.allclose(scores, expected, atol=1e-4)

    def test_index_best_first(self, component: MakeIndex) -> None:
        """Scores never rise."""
        scores = self.searched(component, 50)[1]
        assert (np.diff(scores, axis=1) <= 0).all()

    def test_index_no_duplicates(self, component: MakeIndex) -> None:
        """No row twice for one query."""
        for rows in self.searched(component, 50)[0]:
            assert len(np.unique(rows)) == len(rows)

    def test_index_mask(self, component: MakeIndex) -> None:
        """Masked rows are never found, and the nearest of the others are."""
        allowed = np.random.default_rng(2).random(300) < 0.3
        rows, _ = self.searched(component, 10, allowed)
        assert allowed[rows].all()
        self.assert_nearest(rows, allowed, 10)

    @pytest.mark.parametrize("share", [0, 4])
    def test_index_pads(self, component: MakeIndex, share: int) -> None:
        """Where fewer than n rows are allowed, -1 and -inf fill up at the end."""
        allowed = np.zeros(300, dtype=np.bool_)
        allowed[:share] = True
        rows, scores = self.searched(component, 10, allowed)
        assert rows.shape == (20, 10)
        assert (np.sort(rows[:, :share], axis=1) == np.arange(share)).all()
        assert (rows[:, share:] == -1).all()
        assert np.isneginf(scores[:, share:]).all()
        assert np.isfinite(scores[:, :share]).all()

    def test_index_more_than_there_is(self, component: MakeIndex) -> None:
        """An n beyond the size pads."""
        rows, scores = self.searched(component, 400)
        assert rows.shape == (20, 400)
        assert (np.sort(rows[:, :300], axis=1) == np.arange(300)).all()
        assert (rows[:, 300:] == -1).all()
        assert np.isneginf(scores[:, 300:]).all()

    def test_index_longer_mask(self, component: MakeIndex) -> None:
        """The catalogue may have grown since the index was built: the mask is longer, the answer the same."""
        allowed = np.random.default_rng(2).random(300) < 0.5
        longer = np.concatenate([allowed, np.ones(20, dtype=np.bool_)])
        for a, b in zip(self.searched(component, 10, longer), self.searched(component, 10, allowed), strict=True):
            assert close(a, b).all()

    def test_index_no_query(self, component: MakeIndex) -> None:
        """No query, no row."""
        rows, scores = component(self.vectors).search(self.queries[:0], 5, None)
        assert rows.shape == scores.shape == (0, 5)

    def test_index_of_nothing(self, component: MakeIndex) -> None:
        """An index without vectors pads."""
        rows, scores = component(self.vectors[:0]).search(self.queries, 3, None)
        assert (rows == -1).all()
        assert np.isneginf(scores).all()
        assert rows.shape == (20, 3)

    def test_index_zero_query(self, component: MakeIndex) -> None:
        """A query without any known word, all zeros, scores 0 with everything."""
        rows, scores = component(self.vectors).search(np.zeros((1, 16), dtype=np.float32), 5, None)
        assert (rows >= 0).all()
        assert np.allclose(scores, 0)

    def test_index_single_equals_batch(self, component: MakeIndex) -> None:
        """One query is a batch of one."""
        index = component(self.vectors)
        _, batch = index.search(self.queries, 10, None)
        for i in range(len(self.queries)):
            assert close(index.search(self.queries[i : i + 1], 10, None)[1][0], batch[i]).all()

    def test_index_leaves_inputs_alone(self, component: MakeIndex) -> None:
        """Vectors, queries and mask are as before."""
        vectors, queries = self.vectors.copy(), self.queries.copy()
        allowed = np.arange(300) % 2 == 0
        component(vectors).search(queries, 5, allowed)
        assert np.array_equal(vectors, self.vectors)
        assert np.array_equal(queries, self.queries)
        assert np.array_equal(allowed, np.arange(300) % 2 == 0)

    def test_index_in_two_threads(self, component: MakeIndex) -> None:
        """Two threads that search at a time get what one gets."""
        index = component(self.vectors)
        parts = [self.queries[:10], self.queries[10:]]
        rounds = in_threads([partial(index.search, part, 5, None) for part in parts])
        for answers in rounds:
            for got, part in zip(answers, parts, strict=True):
                assert close(got[1], index.search(part, 5, None)[1]).all()
