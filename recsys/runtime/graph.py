"""Writing an ONNX graph by hand: nodes, constants inside the graph, weights in a file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.registry import import_optional
from recsys.runtime.quantise import BLOCK, RANGE, Calibration, Precision, blocks_int4, columns_int8, half, rows_int8
from recsys.runtime.weights import WeightFile

Dim = int | str
# Operators that ONNX Runtime adds to the standard.
FUSED = "com.microsoft"


class Graph:
    """Collects nodes; every method returns the names of the tensors that it makes.

    Weights go to ``store`` as external data at once, so that a graph of any size is small in memory; without a
    store they are inside the graph. ``precision`` is how `dense` and `table` keep them, ``calibration`` what is known
    of the rows that the products read.

    Raises:
        PluginUnavailable: the ``onnx`` package is not installed.
    """

    def __init__(
        self,
        name: str,
        store: WeightFile | None = None,
        precision: Precision = "fp32",
        calibration: Calibration | None = None,
    ) -> None:
        self._onnx = import_optional("onnx")
        self._name = name
        self._store = store
        self.precision: Precision = precision
        self._calibration = calibration or Calibration()
        # Operators that hold a product of their own may be used: `dense` has nothing to do but multiply floats.
        self.plain = precision in ("fp32", "fp16") and not self._calibration.watch
        self._nodes: list[Any] = []
        self._tensors: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._made = 0

    def input(self, name: str, dtype: str, shape: Sequence[Dim]) -> str:
        """Declare an input; ``dtype`` is numpy's name."""
        self._inputs.append(self._info(name, dtype, shape))
        return name

    def output(self, name: str, dtype: str, shape: Sequence[Dim]) -> None:
        """Declare an output that some node makes under this name."""
        self._outputs.append(self._info(name, dtype, shape))

    def weight(self, name: str, array: NDArray[Any]) -> str:
        """Put a tensor into the file beside the graph, as it is."""
        if self._store is None:
            self._tensors.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
            return name
        proto = self._onnx.TensorProto(
            name=name,
            dims=array.shape,
            data_type=self._type(array.dtype.name),
            data_location=self._onnx.TensorProto.EXTERNAL,
        )
        offset, length = self._store.add(array)
        for key, value in (("location", self._store.name), ("offset", offset), ("length", length)):
            proto.external_data.add(key=key, value=str(value))
        self._tensors.append(proto)
        return name

    def constant(self, value: Any, dtype: str = "int64") -> str:
        """Put a small tensor into the graph itself; equal ones are put once."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = f"constant_{len(self._known)}"
            self._tensors.append(self._onnx.numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def node(self, op: str, *inputs: str, domain: str = "", name: str = "", **attributes: Any) -> str:
        """Add a node with one output and return its name; an empty input is one left out."""
        return self.nodes(op, *inputs, outputs=[name or self._fresh(op)], domain=domain, **attributes)[0]

    def nodes(
        self, op: str, *inputs: str, outputs: Sequence[str] | int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs, named or counted; an empty name is an output not wanted."""
        names = [self._fresh(op) for _ in range(outputs)] if isinstance(outputs, int) else list(outputs)
        self._nodes.append(self._onnx.helper.make_node(op, list(inputs), names, domain=domain, **attributes))
        return names

    def dense(
        self, name: str, source: str, weight: NDArray[np.float32], output: str = "", floor: float | None = None
    ) -> str:
        """Multiply rows (..., k) by ``weight`` (k, n), kept and computed as `precision` says; return (..., n).

        ``floor`` says that no number of the rows is below its negative, as after a ReLU (0) or a GELU (0.1701): in
        eight bits their steps are then half as wide.
        """
        if self._calibration.watch:
            far = self.node("Abs", self.reshape(source, -1, weight.shape[0]))
            self.node("ReduceMax", far, name=f"{name}{RANGE}", axes=[0], keepdims=0)
            self.output(f"{name}{RANGE}", "float32", [weight.shape[0]])
        if self.precision == "int8":
            # Rows that were lifted have one floor for all columns: dividing these would tear it apart.
            divisors = self._calibration.divisors(name, weight) if floor is None else None
            if divisors is not None:
                source = self.node("Mul", source, self.weight(f"{name}.evened", 1 / divisors))
                weight = weight * divisors[:, None]
            return self._dense_int8(name, source, weight, output, floor)
        if self.precision == "int4":
            packed, scales = blocks_int4(weight)
            inputs = (source, self.weight(f"{name}.int4", packed), self.weight(f"{name}.scale", scales.reshape(-1)))
            # Without its accuracy level the operator widens all weights to floats in every call.
            return self.node(
                "MatMulNBits", *inputs, domain=FUSED, name=output, K=weight.shape[0], N=weight.shape[1], bits=4,
                block_size=BLOCK, accuracy_level=4,
            )  # fmt: skip
        return self.node("MatMul", source, self.table(name, weight), name=output)

    def table(self, name: str, array: NDArray[np.float32]) -> str:
        """Return a weight as float32, kept as `precision` says: whole numbers a row in eight and in four bits.

        The runtime widens it once, when it loads the graph.
        """
        if self.precision == "fp32":
            return self.weight(name, array)
        if self.precision == "fp16":
            return self.node("Cast", self.weight(name, half(name, array)), to=self._type("float32"))
        kept, scale = rows_int8(array)
        wide = self.node("Cast", self.weight(f"{name}.int8", kept), to=self._type("float32"))
        return self.node("Mul", wide, self.weight(f"{name}.scale", scale))

    def _dense_int8(self, name: str, source: str, weight: NDArray[np.float32], output: str, floor: float | None) -> str:
        kept, scale = columns_int8(weight)
        flat = self.reshape(source, -1, weight.shape[0])
        lead = self.node("Slice", self.node("Shape", source), self.constant([0]), self.constant([-1]))
        zero = 128 if floor is None else 0
        whole, step = self._rows_int8(flat, zero, floor)
        made = self.node(
            "MatMulIntegerToFloat", whole, self.weight(f"{name}.int8", kept), self.constant(1, "float32"),
            self.weight(f"{name}.scale", scale), self.constant(zero, "uint8"), domain=FUSED,
        )  # fmt: skip
        made = self.node("Mul", made, self.node("Unsqueeze", step, self.constant([1])))
        if floor:
            # The rows were lifted by ``floor`` before: what that adds to each column is the same for all of them.
            lifted = -np.float32(floor) * scale * kept.sum(axis=0, dtype=np.int64).astype(np.float32)
            made = self.node("Add", made, self.weight(f"{name}.floor", lifted))
        shape = self.node("Concat", lead, self.constant([weight.shape[1]]), axis=0)
        return self.node("Reshape", made, shape, name=output)

    def _rows_int8(self, flat: str, zero: int, floor: float | None) -> tuple[str, str]:
        """Return rows (r, k) as whole numbers, ``zero`` standing for none, and how much one step of each is (r,)."""
        if floor is None:
            far, steps = self.node("Abs", flat), 127
        else:
            flat = self.node("Add", flat, self.constant(floor, "float32")) if floor else flat
            far, steps = flat, 255
        far = self.node("ReduceMax", far, axes=[-1], keepdims=0)
        # A row of zeros needs some step, too.
        far = self.node("Max", far, self.constant(1e-12, "float32"))
        step = self.node("Mul", far, self.constant(1 / steps, "float32"))
        zeros = self.node("Expand", self.constant(zero, "uint8"), self.node("Shape", step))
        return self.node("QuantizeLinear", flat, step, zeros, axis=0), step

    def size(self, of: str, axis: int) -> str:
        """Return one dimension of a tensor as a (1,) int64 tensor."""
        return self.node("Gather", self.node("Shape", of), self.constant([axis]))

    def reshape(self, of: str, *dims: int | str, name: str = "") -> str:
        """Reshape; a number as in ONNX (0 = as it was, -1 = the rest), a string = a (1,) tensor from `size`."""
        if all(isinstance(d, int) for d in dims):
            shape = self.constant(list(dims))
        else:
            shape = self.node("Concat", *(self.constant([d]) if isinstance(d, int) else d for d in dims), axis=0)
        return self.node("Reshape", of, shape, name=name)

    def finish(self) -> bytes:
        """Return the serialised model."""
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, self._name, self._inputs, self._outputs, self._tensors)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="recsys")
        out: bytes = model.SerializeToString()
        return out

    def _fresh(self, op: str) -> str:
        self._made += 1
        return f"{op}_{self._made}"

    def _info(self, name: str, dtype: str, shape: Sequence[Dim]) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._type(dtype), list(shape))

    def _type(self, dtype: str) -> int:
        out: int = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return out
