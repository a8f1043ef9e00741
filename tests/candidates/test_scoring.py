from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.candidates import scoring
from recsys.candidates.scoring import WholeCatalogue, as_dense, chunks, join, top
from recsys.errors import ContractError
from recsys.testing.strategies import slates
from recsys.types import Events, Request, Slates

MATRIX = st.integers(0, 4).flatmap(
    lambda b: st.integers(0, 7).flatmap(
        lambda n: st.lists(
            st.lists(st.sampled_from([0.0, 1.0, 2.0, -1.0, np.nan, -np.inf]), min_size=n, max_size=n),
            min_size=b, max_size=b,
        ).map(lambda rows: np.array(rows, np.float32).reshape(b, n))
    )
)  # fmt: skip


@given(MATRIX, st.integers(0, 9), st.sampled_from([None, 0.0, 1.0]))
@settings(max_examples=150, deadline=None)
def test_top_equals_its_definition(scores, n, floor):
    before = scores.copy()
    got = top(scores, n, floor)
    assert len(got) == len(scores)
    for row, one in zip(scores, got, strict=True):
        usable = [i for i in range(len(row)) if np.isfinite(row[i]) and (floor is None or row[i] > floor)]
        expected = sorted(usable, key=lambda i, row=row: (-row[i], i))[:n]
        assert one.items.tolist() == expected
        assert one.scores.tolist() == row[expected].tolist()
    assert np.array_equal(scores, before, equal_nan=True)
    assert [str(a.dtype) for a in (got.items, got.scores, got.offsets)] == ["int32", "float32", "int64"]


@given(st.lists(slates(6, columns=False), max_size=4))
@settings(max_examples=50, deadline=None)
def test_join_puts_batches_one_after_the_other(parts):
    got = join(parts) if parts else Slates.of([])
    assert [one.items.tolist() for one in got] == [one.items.tolist() for part in parts for one in part]
    assert [one.scores.tolist() for one in got] == [one.scores.tolist() for part in parts for one in part]


class Distance(WholeCatalogue):
    """The score of item i is minus its distance to the last item of the history; item 3 cannot be scored."""

    n_items = 6

    def catalogue_scores(self, requests: Sequence[Request]) -> np.ndarray:
        last = np.array([r.history.rows[-1] for r in requests], dtype=np.float32)
        out = -np.abs(np.arange(6, dtype=np.float32)[None, :] - last[:, None])
        out[:, 3] = np.nan
        return out


def ask(row: int, *allowed: int) -> Request:
    mask = np.isin(np.arange(8), allowed) if allowed else None
    return Request(history=Events.of([row]), allowed=mask)


def test_generate_masks_before_it_cuts():
    got = Distance().generate([ask(0), ask(5, 0, 1, 3), ask(2, 7)], 2)
    assert [one.items.tolist() for one in got] == [[0, 1], [1, 0], []]


def test_score_looks_up_and_keeps_columns():
    given_slates = Slates(
        np.array([5, 3, -1, 6, 0], np.int32), np.zeros(5, np.float32), np.array([0, 4, 4, 5]), {"x": np.arange(5)}
    )
    got = Distance().score([ask(4), ask(1), ask(1)], given_slates)
    assert got.scores == pytest.approx([-1, np.nan, np.nan, np.nan, -1], nan_ok=True)
    assert got.columns["x"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("cells", [1, 12, 13, 10**6])
def test_chunks_change_nothing(monkeypatch, cells):
    requests = [ask(row % 6) for row in range(7)]
    every = Slates.of([range(6)] * 7)
    expected = Distance().generate(requests, 3), Distance().score(requests, every)
    monkeypatch.setattr(scoring, "CHUNK_CELLS", cells)
    assert [len(c) for c in chunks(requests, 6)] == {1: [1] * 7, 12: [2, 2, 2, 1], 13: [2, 2, 2, 1]}.get(cells, [7])
    got = Distance().generate(requests, 3), Distance().score(requests, every)
    for a, b in zip(got, expected, strict=True):
        assert a.items.tolist() == b.items.tolist()
        assert np.array_equal(a.scores, b.scores, equal_nan=True)
        assert a.offsets.tolist() == b.offsets.tolist()


def test_no_request_no_list():
    assert len(Distance().generate([], 3)) == 0
    assert len(Distance().score([], Slates.of([]))) == 0


def test_as_dense_takes_sparse_and_dense():
    from scipy import sparse

    for given_matrix in (np.eye(3), sparse.eye_array(3, format="csr"), np.asfortranarray(np.eye(3))):
        got = as_dense(given_matrix)
        assert got.dtype == np.float32
        assert got.flags.c_contiguous
        assert np.array_equal(got, np.eye(3))


def test_a_prepared_batch_is_scored_once_and_answers_alike(monkeypatch):
    requests = [ask(0), ask(5, 0, 1, 3), ask(2, 7)]
    source, given = Distance(), Slates.of([[5, 3], [1], [0, 7]])
    expected = source.generate(requests, 2), source.score(requests, given)
    calls = []
    monkeypatch.setattr(
        Distance, "catalogue_scores", lambda self, r, plain=Distance.catalogue_scores: calls.append(1) or plain(self, r)
    )
    batch = source.prepared(requests)
    for got, want in zip((batch.generate(requests, 2), batch.score(requests, given)), expected, strict=True):
        assert got.items.tolist() == want.items.tolist()
        assert got.scores == pytest.approx(want.scores, nan_ok=True)
    assert len(calls) == 1
    with pytest.raises(ContractError, match="prepared for"):
        batch.score(list(requests), given)


def test_a_large_batch_is_not_held(monkeypatch):
    monkeypatch.setattr(scoring, "HELD_CELLS", 11)
    source = Distance()
    assert source.prepared([ask(0), ask(1)]) is source
    assert source.prepared([ask(0)]) is not source
