"""Weights in 8 and 4 bits: how a matrix becomes whole numbers and scales. Pure numpy, one tensor at a time.

Eight bits serve by products of whole numbers, one scale a row of activations and one a column of weights: what a row
gives never depends on the rows beside it, to the last bit. (One scale for all activations of a batch, as "dynamic"
quantisation has it, is a little faster and makes a score depend on its neighbours: it is not offered.) Four bits are
stored in blocks of one column (Frantar et al. 2023, arXiv 2210.17323, without its error feedback).

That is so product by product. Between them stand float sums (attention, norms), whose last bits depend on the shape of
a call, and such a bit can tip an activation over to its next step. Of a whole model most scores are equal, alone and
in a batch; the others differ by up to a thousandth of their size in eight bits and five thousandths in four, where
fp32 differs by a millionth. Scores nearer to one another than this have no certain order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError
from recsys.runtime.session import Session, SessionSpec

Precision = Literal["fp32", "fp16", "int8", "int4"]
# Those whose products are of whole numbers.
QUANTISED = ("int8", "int4")
# Beside a model in eight or four bits: whether this processor multiplies them exactly.
EXACT_GRAPH = "exact.onnx"
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8", "int4")
# Rows of a column that share a scale in four bits.
BLOCK = 32
# A column stands out where it reaches so many times further than the median one.
UNEVEN = 3.0
# End of the name of an output that is a range.
RANGE = ".range"
# Terms of the sum that tells exact processors from others.
EXACT = 64
# Columns packed at a time: bounds the memory beside a large matrix.
_COLUMNS = 4096


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the numbers go that each product of a graph reads, column by column: ``ranges`` name -> (k,) float32.

    A few columns of a trained encoder reach twenty times further than the others; with one step a row, these set it
    for all. What is divided out of such a column before a product is multiplied into the weights (Xiao et al. 2023,
    arXiv 2211.10438). A graph that is built with ``watch`` gives the ranges as outputs.
    """

    ranges: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    watch: bool = False

    def divisors(self, name: str, weight: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return what to divide each column by (k,), None where no column stands out."""
        far = self.ranges.get(name)
        if self.watch or far is None or not far.max() > UNEVEN * np.median(far):
            return None
        wide = np.abs(weight).max(axis=1)
        ratio = np.maximum(far, far.max() * 1e-3) / np.maximum(wide, wide.max() * 1e-3)
        root = np.sqrt(ratio, dtype=np.float64)
        out: NDArray[np.float32] = (root / np.exp(np.log(root).mean())).astype(np.float32)
        return out


class Watching:
    """A session of a graph that was built with ``watch``: it notes the ranges and passes on all else."""

    def __init__(self, session: Session, ranges: dict[str, NDArray[np.float32]]) -> None:
        self._session, self._ranges = session, ranges
        outputs = tuple(t for t in session.spec.outputs if not t.name.endswith(RANGE))
        self.spec = SessionSpec(session.spec.inputs, outputs)

    def run(self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Run the graph; the outputs named, all by default, without the ranges."""
        found = self._session.run(inputs)
        for name, value in found.items():
            if name.endswith(RANGE):
                kept = self._ranges.setdefault(name.removesuffix(RANGE), value)
                np.maximum(kept, value, out=kept)
        return {name: found[name] for name in outputs or self.spec.output_names}


def head_precision(precision: Precision) -> Precision:
    """Return how the head of a language model is kept: never in four bits, since all words are told apart by it."""
    return "int8" if precision == "int4" else precision


def columns_int8(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return (k, n) int8 and the scale of each column (n,): ``weight`` is about their product."""
    scale = np.abs(weight).max(axis=0, initial=0.0).astype(np.float32) / np.float32(127)
    # A column of zeros has no scale: any will do.
    scale[scale == 0] = 1
    return np.rint(weight / scale).astype(np.int8), scale


def rows_int8(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return (v, d) int8 and the scale of each row (v, 1)."""
    quantised, scale = columns_int8(table.T)
    return np.ascontiguousarray(quantised.T), scale[:, None]


def blocks_int4(weight: NDArray[np.float32], block: int = BLOCK) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return what ``MatMulNBits`` reads: (n, blocks, block / 2) uint8, low half first, and scales (n, blocks).

    Zero is 8. The value furthest from zero becomes 0, which uses all sixteen steps, as onnxruntime's own quantiser
    does. The last block of a column is filled with zeros.
    """
    rows, columns = weight.shape
    blocks = -(-rows // block)
    packed = np.empty((columns, blocks, block // 2), np.uint8)
    scales = np.empty((columns, blocks), np.float32)
    for start in range(0, columns, _COLUMNS):
        part = slice(start, start + _COLUMNS)
        values = np.zeros((min(_COLUMNS, columns - start), blocks * block), np.float32)
        values[:, :rows] = weight[:, part].T
        values = values.reshape(-1, blocks, block)
        furthest = np.take_along_axis(values, np.abs(values).argmax(axis=-1)[..., None], axis=-1)
        scale = furthest / np.float32(-8)
        inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)
        steps = np.clip(values * inverse + np.float32(8.5), 0, 15).astype(np.uint8)
        packed[part] = steps[..., ::2] | (steps[..., 1::2] << 4)
        scales[part] = scale[..., 0]
    return packed, scales


def half(name: str, array: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return an array in half precision. Raises `ModelError` for numbers that it cannot hold (beyond 65,504)."""
    with np.errstate(over="ignore"):
        out = array.astype(np.float16)
    if not np.isfinite(out).all():
        raise ModelError(f"{name} holds numbers that fp16 does not: export the model in fp32")
    return out


def write_exact(folder: Path, precision: Precision) -> None:
    """Put the graph that `check_exact` runs beside a model whose products are of whole numbers."""
    if precision in QUANTISED:
        (folder / EXACT_GRAPH).write_bytes(exact_graph())


def exact_graph() -> bytes:
    """Return a graph that multiplies the largest whole numbers: ``x`` (1, 64) of ones -> ``y`` (1, 1) of 64.

    Raises:
        PluginUnavailable: the ``onnx`` package is not installed.
    """
    from recsys.runtime.graph import Graph

    graph = Graph("exact", precision="int8")
    rows = graph.input("x", "float32", [1, EXACT])
    graph.dense("ones", rows, np.ones((EXACT, 1), np.float32), output="y", floor=0.0)
    graph.output("y", "float32", [1, 1])
    return graph.finish()


def check_exact(session: Session) -> None:
    """Refuse processors whose sums of 8-bit products stop at 32,767 (x86 before VNNI): scores would be wrong.

    Raises:
        ModelError: this one does; the message says what to do.
    """
    found = float(session.run({"x": np.ones((1, EXACT), np.float32)})["y"][0, 0])
    if abs(found - EXACT) > 0.01 * EXACT:
        raise ModelError(
            "this processor cuts off sums of 8-bit products, so this model would be wrong on it: "
            "export it in fp32 or fp16 (recsys export --help)"
        )
