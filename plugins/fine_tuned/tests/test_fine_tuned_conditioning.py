"""Soft rows: numpy as torch, one as many, and nothing of one shopper in another's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recsys_fine_tuned.conditioning import Conditioner, Conditioning, padded, soft_rows

from recsys.errors import ConfigError, ShapeMismatch


@st.composite
def cases(draw: Any) -> tuple[Conditioning, list[Any], list[Any], Any, int]:
    spec = Conditioning(
        width=draw(st.integers(1, 5)),
        hidden=draw(st.sampled_from([4, 8])),
        inner=draw(st.sampled_from([4, 6])),
        history=draw(st.integers(3, 6)),
        recent=draw(st.integers(0, 3)),
        layers=draw(st.integers(0, 2)),
        items=draw(st.integers(0, 2)),
        persona=draw(st.booleans()),
        user=draw(st.booleans()),
    )
    b, seed = draw(st.integers(1, 4)), draw(st.integers(0, 99))
    rng = np.random.default_rng(seed)

    def some(most: int) -> list[Any]:
        counts = [draw(st.integers(-1, most)) for _ in range(b)]
        return [None if n < 0 else rng.normal(size=(n, spec.width)).astype(np.float32) for n in counts]

    return spec, some(9), some(3), rng.normal(size=(b, spec.hidden)).astype(np.float32), seed


@settings(deadline=None, max_examples=30)
@given(cases())
def test_one_shopper_or_many_in_numpy_or_torch(case: Any) -> None:
    spec, users, items, queries, seed = case
    weights = spec.initial(seed)
    conditioner = Conditioner(spec, weights)
    together = conditioner.rows(users, items, queries)
    for i, rows in enumerate(together):
        seen = 0 if users[i] is None else min(len(users[i]), spec.history)
        there = 0 if items[i] is None else min(len(items[i]), spec.items)
        assert rows.shape == ((spec.persona + spec.user) * (seen > 0) + min(seen, spec.recent) + there, spec.hidden)
        assert rows.dtype == np.float32
        alone = conditioner.rows([users[i]], [items[i]], queries[[i]])[0]
        np.testing.assert_allclose(alone, rows, atol=2e-5)
    for rows, wanted in zip(together, _by_torch(spec, weights, users, items, queries), strict=True):
        np.testing.assert_allclose(rows, wanted, atol=2e-5)


def _by_torch(spec: Conditioning, weights: Any, users: Any, items: Any, queries: Any) -> list[Any]:
    torch = pytest.importorskip("torch")
    from recsys_fine_tuned.decoder import TorchOperations

    user, known = padded(users, spec.width, spec.history, latest=True)
    item, there = padded(items, spec.width, spec.items, latest=False)
    given = [torch.as_tensor(x) for x in (user, known.astype(np.float32), item, queries)]
    out = soft_rows(spec, {n: torch.as_tensor(w) for n, w in weights.items()}, *given, TorchOperations()).numpy()
    return [rows[mask] for rows, mask in zip(out, spec.known(known, there), strict=True)]


def test_no_shoppers_no_rows() -> None:
    spec = Conditioning(width=3, hidden=4)
    assert Conditioner(spec, spec.initial(0)).rows([], [], np.zeros((0, 4), np.float32)) == []


def test_only_the_latest_history_counts() -> None:
    spec = Conditioning(width=3, hidden=4, history=4, recent=2)
    conditioner = Conditioner(spec, spec.initial(0))
    long = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    query = np.zeros((1, 4), np.float32)
    np.testing.assert_array_equal(
        conditioner.rows([long], [None], query)[0], conditioner.rows([long[-4:]], [None], query)[0]
    )


def test_sizes_and_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="recent"):
        Conditioning(width=3, hidden=4, history=2, recent=3)
    with pytest.raises(ConfigError, match="positive"):
        Conditioning(width=0, hidden=4)
    spec = Conditioning(width=3, hidden=4)
    weights = spec.initial(0)
    with pytest.raises(ShapeMismatch, match="nothing"):
        Conditioner(spec, {n: w for n, w in weights.items() if n != "item"})
    with pytest.raises(ShapeMismatch, match="kinds"):
        Conditioner(spec, weights | {"kinds": np.zeros((2, 2), np.float32)})
