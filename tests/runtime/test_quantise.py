"""Weights in 8 and 4 bits: equal to onnxruntime's own quantiser, near the whole product, and alone in a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxruntime.capi._pybind_state import quantize_matmul_4bits

from recsys.errors import ModelError
from recsys.runtime.graph import Graph
from recsys.runtime.onnx import OnnxSession
from recsys.runtime.quantise import (
    BLOCK,
    EXACT,
    Calibration,
    Precision,
    Watching,
    blocks_int4,
    check_exact,
    columns_int8,
    exact_graph,
    rows_int8,
)
from recsys.runtime.session import SessionSpec, TensorSpec
from recsys.runtime.weights import WeightFile


def product(
    weight: np.ndarray, precision: Precision, path: Path | None = None, floor: float | None = None
) -> OnnxSession:
    """A graph of one product, its weights inside or in a file beside it."""

    def graph(store: WeightFile | None) -> bytes:
        g = Graph("product", store, precision)
        rows = g.input("x", "float32", ["a", "b", weight.shape[0]])
        g.dense("w", rows, weight, output="y", floor=floor)
        g.output("y", "float32", ["a", "b", weight.shape[1]])
        return g.finish()

    if path is None:
        return OnnxSession(graph(None), threads=1)
    with WeightFile(path / "w.data") as store:
        (path / "w.onnx").write_bytes(graph(store))
    return OnnxSession(path / "w.onnx", threads=1)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**31), st.booleans())
def test_four_bits_equal_the_runtimes_own(blocks: int, columns: int, seed: int, empty: bool) -> None:
    rows = blocks * BLOCK
    weight = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    if empty:
        weight[:BLOCK, 0] = 0
    packed = np.zeros((columns, blocks, BLOCK // 2), np.uint8)
    scales = np.zeros((columns, blocks), np.float32)
    zeros = np.zeros((columns, (blocks + 1) // 2), np.uint8)
    quantize_matmul_4bits(packed, weight, scales, zeros, BLOCK, columns, rows, True)
    ours = blocks_int4(weight)
    assert np.array_equal(ours[0], packed)
    assert np.array_equal(ours[1], scales)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**31), st.floats(1e-30, 1e30))
@settings(max_examples=60, deadline=None)
def test_eight_bits_round_to_the_nearest(rows: int, columns: int, seed: int, size: float) -> None:
    weight = (np.random.default_rng(seed).normal(size=(rows, columns)) * size).astype(np.float32)
    weight[:, 0] = 0
    kept, scale = columns_int8(weight)
    assert np.abs(kept).max() <= 127
    assert (np.abs(kept * scale - weight) <= scale * 0.501).all()
    by_row = rows_int8(weight.T)
    assert np.array_equal(by_row[0].T, kept)
    assert np.array_equal(by_row[1][:, 0], scale)


@pytest.mark.parametrize(("precision", "near"), [("fp16", 1e-3), ("int8", 0.02), ("int4", 0.2)])
@pytest.mark.parametrize("inside", [True, False])
def test_products_are_near(precision: Precision, near: float, inside: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(70, 33)).astype(np.float32)
    x = rng.normal(size=(3, 5, 70)).astype(np.float32)
    x[1, 2] = 0
    got = product(weight, precision, None if inside else tmp_path).run({"x": x})["y"]
    want = x @ weight
    assert got.shape == want.shape
    assert np.abs(got - want).max() < near * np.abs(want).max()
    assert np.abs(got[1, 2]).max() < 1e-6


@pytest.mark.parametrize("floor", [0.0, 0.1701])
def test_rows_that_never_go_below(floor: float) -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(80, 20)).astype(np.float32)
    x = np.maximum(rng.normal(size=(1, 200, 80)), -floor).astype(np.float32)
    want = x @ weight
    plain, lifted = (np.abs(product(weight, "int8", floor=f).run({"x": x})["y"] - want).mean() for f in (None, floor))
    # The steps are half as wide; what the weights lose stays.
    assert lifted < 0.85 * plain


@pytest.mark.parametrize("precision", ["int8", "int4"])
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**31), st.sampled_from([None, 0.1701]))
def test_a_row_does_not_depend_on_its_neighbours(
    precision: Precision, count: int, seed: int, floor: float | None
) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(64, 24)).astype(np.float32)
    session = product(weight, precision, floor=floor)
    # Neighbours a thousand times larger: with one scale for all, nothing would be left of the small ones.
    x = (rng.normal(size=(1, count, 64)) * rng.choice([1, 1000], (1, count, 1))).astype(np.float32)
    x = np.maximum(x, -0.17) if floor else x
    whole = session.run({"x": x})["y"][0]
    alone = np.concatenate([session.run({"x": x[:, k : k + 1]})["y"][0] for k in range(count)])
    if precision == "int8":
        assert np.array_equal(whole, alone)
    else:
        assert (np.abs(whole - alone) <= 1e-5 * np.abs(whole).max(axis=1, keepdims=True)).all()


class Saturating:
    """A processor that stops at the largest 16-bit number, as vpmaddubsw does."""

    spec = SessionSpec((TensorSpec("x", "float32", (1, EXACT)),), (TensorSpec("y", "float32", (1, 1)),))

    def run(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None) -> dict[str, Any]:
        pairs = min(2 * 255 * 127, 32767) * EXACT // 2
        return {"y": np.array([[pairs / 255 / 127]], np.float32)}


def test_processors_that_cut_sums_off_are_found_out() -> None:
    check_exact(OnnxSession(exact_graph(), threads=1))
    with pytest.raises(ModelError, match="fp32 or fp16"):
        check_exact(Saturating())


def test_columns_that_stand_out_are_evened() -> None:
    rng = np.random.default_rng(2)
    weight = rng.normal(size=(64, 24)).astype(np.float32)
    x = rng.normal(size=(1, 50, 64)).astype(np.float32)
    x[..., 5] *= 40
    x[..., 40] *= 20

    def session(precision: Precision, calibration: Calibration | None) -> OnnxSession:
        g = Graph("product", None, precision, calibration)
        g.dense("w", g.input("x", "float32", ["a", "b", 64]), weight, output="y")
        g.output("y", "float32", ["a", "b", 24])
        return OnnxSession(g.finish(), threads=1)

    ranges: dict[str, np.ndarray] = {}
    watching = Watching(session("fp32", Calibration(watch=True)), ranges)
    assert watching.spec.output_names == ("y",)
    # Two calls: what is kept is the furthest of both.
    assert list(watching.run({"x": x[:, :20]})) == ["y"]
    watching.run({"x": x[:, 20:]}, ["y"])
    assert np.array_equal(ranges["w"], np.abs(x[0]).max(axis=0))
    want = x @ weight
    plain, evened = (np.abs(session("int8", c).run({"x": x})["y"] - want).mean() for c in (None, Calibration(ranges)))
    assert evened < plain / 2
    # Even columns need nothing.
    assert Calibration({"w": np.ones(64, np.float32)}).divisors("w", weight) is None
    assert Calibration(ranges).divisors("other", weight) is None
