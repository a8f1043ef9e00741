"""ONNX models through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError, ModelError
from recsys.runtime.session import SessionSpec, TensorSpec

_DTYPES: Mapping[str, str] = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16",
    "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(int16)": "int16", "tensor(int8)": "int8",
    "tensor(uint8)": "uint8", "tensor(bool)": "bool", "tensor(string)": "object",
}  # fmt: skip


class OnnxSession:
    """One ONNX graph, loaded from a file or from bytes; `run` may be called from many threads.

    ``providers`` are execution providers in order of preference. ``threads`` bounds the cores of one call;
    None leaves the choice to the runtime.

    Raises:
        ArtifactMissing: no file at the path. ArtifactDamaged: not a model that the runtime can load.
        ConfigError: a provider that this build of onnxruntime does not have.
    """

    def __init__(
        self,
        source: Path | str | bytes,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        threads: int | None = None,
    ) -> None:
        import onnxruntime

        unknown = [p for p in providers if p not in onnxruntime.get_available_providers()]
        if unknown:
            have = ", ".join(onnxruntime.get_available_providers())
            raise ConfigError(f"onnxruntime has no provider {', '.join(unknown)} here (available: {have})")
        name = "the model bytes" if isinstance(source, bytes) else str(source)
        if not isinstance(source, bytes) and not Path(source).is_file():
            raise ArtifactMissing(f"{name} is missing")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else str(source), options, providers=list(providers)
            )
        except _load_errors() as error:
            raise ArtifactDamaged(f"{name} is no ONNX model that can be loaded: {error}") from error
        self._spec = SessionSpec(
            tuple(_tensor(t) for t in self._session.get_inputs()),
            tuple(_tensor(t) for t in self._session.get_outputs()),
        )

    @property
    def spec(self) -> SessionSpec:
        """Names, dtypes and shapes as the graph declares them."""
        return self._spec

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return every output by name. Raises `ModelError` or `ShapeMismatch` for inputs that do not fit."""
        checked = self._spec.check(inputs)
        names = self._spec.output_names
        try:
            values = self._session.run(list(names), checked)
        except _load_errors() as error:
            raise ModelError(f"the model failed: {error}") from error
        return dict(zip(names, values, strict=True))


def _tensor(node: Any) -> TensorSpec:
    # Outputs that are no tensors (a sequence of maps, as some classifiers give) keep the runtime's own type name.
    return TensorSpec(node.name, _DTYPES.get(node.type, node.type), None if node.shape is None else tuple(node.shape))


def _load_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile,
        state.NotImplemented, state.RuntimeException, state.NoModel,
    )  # fmt: skip
