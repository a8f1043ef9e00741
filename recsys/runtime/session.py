"""What torch and ONNX have in common: named arrays in, named arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recsys.errors import BudgetExceeded, ModelError, ShapeMismatch


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output: its name, numpy dtype name and shape.

    A number in ``shape`` is fixed; a string names a free dimension, equal wherever the name occurs in one call;
    None is free. ``shape=None`` means that not even the number of dimensions is known.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """Everything that a caller has to know about a model: its inputs and outputs, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(t.name for t in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(t.name for t in self.outputs)

    def chosen(self, outputs: Sequence[str]) -> tuple[str, ...]:
        """Return ``outputs`` if the model has them all. Raises `ModelError` for one that it has not."""
        if unknown := [n for n in outputs if n not in self.output_names]:
            raise ModelError(f"the model has no output {', '.join(unknown)} (it has {', '.join(self.output_names)})")
        return tuple(outputs)

    def check(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return ``inputs`` in the order of the spec, C-contiguous.

        Raises:
            ModelError: an input is missing, unknown or of another dtype.
            ShapeMismatch: a shape does not fit the spec, or two inputs disagree about a named dimension.
        """
        given, wanted = set(inputs), set(self.input_names)
        if given != wanted:
            problems = [f"missing {n!r}" for n in sorted(wanted - given)]
            problems += [f"unknown {n!r}" for n in sorted(given - wanted)]
            raise ModelError(f"model inputs: {', '.join(problems)} (it takes {', '.join(self.input_names)})")
        sizes: dict[str, tuple[int, str]] = {}
        out: dict[str, NDArray[Any]] = {}
        for tensor in self.inputs:
            array = np.ascontiguousarray(inputs[tensor.name])
            if array.dtype != np.dtype(tensor.dtype):
                raise ModelError(f"model input {tensor.name!r} must be {tensor.dtype}, got {array.dtype}")
            _check_shape(tensor, array.shape, sizes)
            out[tensor.name] = array
        return out


def _check_shape(tensor: TensorSpec, shape: tuple[int, ...], sizes: dict[str, tuple[int, str]]) -> None:
    if tensor.shape is None:
        return
    if len(shape) != len(tensor.shape):
        raise ShapeMismatch(f"model input {tensor.name!r} must have shape {_shown(tensor.shape)}, got {shape}")
    for size, want in zip(shape, tensor.shape, strict=True):
        if isinstance(want, int) and size != want:
            raise ShapeMismatch(f"model input {tensor.name!r} must have shape {_shown(tensor.shape)}, got {shape}")
        if isinstance(want, str):
            known, owner = sizes.setdefault(want, (size, tensor.name))
            if known != size:
                raise ShapeMismatch(
                    f"model inputs {owner!r} and {tensor.name!r} disagree about {want!r}: {known} and {size}"
                )


def _shown(shape: tuple[int | str | None, ...]) -> str:
    return "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"


@runtime_checkable
class Session(Protocol):
    """A loaded model. Two threads may call one session at a time."""

    @property
    def spec(self) -> SessionSpec:
        """Names, dtypes and shapes of inputs and outputs."""
        ...

    def run(self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Return the outputs named, all by default. Raises `ModelError` or `ShapeMismatch` for what does not fit."""
        ...


def in_time(deadline: float | None) -> None:
    """Raise `BudgetExceeded` if ``deadline``, a value of `time.monotonic`, has passed; None never does."""
    if deadline is not None and monotonic() >= deadline:
        raise BudgetExceeded("the deadline passed while the model was reading")
