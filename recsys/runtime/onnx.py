"""ONNX models through ONNX Runtime."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any
from weakref import WeakSet, WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from recsys.background import on_end
from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError, ModelError
from recsys.runtime.session import SessionSpec, TensorSpec

_DTYPES: Mapping[str, str] = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16",
    "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(int16)": "int16", "tensor(int8)": "int8",
    "tensor(uint8)": "uint8", "tensor(bool)": "bool", "tensor(string)": "object",
}  # fmt: skip
CPU = "CPUExecutionProvider"
_SUFFIX = "ExecutionProvider"
# In a graph, the key under which a tensor says in which file its values are, and what that file may be called.
LOCATION, PLAIN_NAME = b"location", re.compile(rb"[\w.-]+")
# An artifact by its content, where it runs and on how many threads.
Key = tuple[str, tuple[str, ...], int | None]


def provider_name(name: str) -> str:
    """Return onnxruntime's name of an execution provider: "cuda" and "CUDAExecutionProvider" are the same.

    Raises:
        ConfigError: this build of onnxruntime has no such provider; the message lists those that it has.
    """
    import onnxruntime

    have: list[str] = onnxruntime.get_available_providers()
    known = {p.lower(): p for p in have} | {p.removesuffix(_SUFFIX).lower(): p for p in have}
    if name.lower() not in known:
        raise ConfigError(f"onnxruntime has no provider {name} here (available: {', '.join(have)})")
    return known[name.lower()]


class OnnxSession:
    """One ONNX graph, loaded from a file or from bytes; `run` may be called from many threads.

    ``providers`` are execution providers in order of preference, by onnxruntime's names or short ("cpu", "cuda").
    ``threads`` bounds the cores of one call; None leaves the choice to the runtime.

    Raises:
        ArtifactMissing: no file at the path. ArtifactDamaged: not a model that the runtime can load, or one that wants
            weights from a file that is not beside it.
        ConfigError: a provider that this build of onnxruntime does not have, or that does not start here.
    """

    def __init__(
        self, source: Path | str | bytes, providers: Sequence[str] = (CPU,), threads: int | None = None
    ) -> None:
        import onnxruntime

        wanted = [provider_name(p) for p in providers]
        self._name = "the model bytes" if isinstance(source, bytes) else str(source)
        if not isinstance(source, bytes) and not Path(source).is_file():
            raise ArtifactMissing(f"{self._name} is missing")
        _stays_inside(source)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Threads that wait must not spin: beside other work on few cores it doubles the time of a call.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None:
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else self._name, options, providers=wanted
            )
        except _load_errors() as error:
            raise ArtifactDamaged(f"{self._name} is no ONNX model that can be loaded: {error}") from error
        # A provider whose libraries are missing is left out by the runtime with a line in a log.
        if silent := [p for p in wanted if p not in session.get_providers()]:
            raise ConfigError(f"provider {', '.join(silent)} does not start here: are its libraries installed?")
        self._session: Any = session
        self._options: Any = onnxruntime.RunOptions()
        _LOADED.add(self)
        self._spec = SessionSpec(
            tuple(_tensor(t) for t in session.get_inputs()), tuple(_tensor(t) for t in session.get_outputs())
        )

    @property
    def spec(self) -> SessionSpec:
        """Names, dtypes and shapes as the graph declares them."""
        return self._spec

    def run(self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Return the outputs named, all by default. Raises `ModelError` or `ShapeMismatch` for what does not fit.

        The runtime computes the whole graph either way; outputs left out are not copied.
        """
        names = self._spec.output_names if outputs is None else self._spec.chosen(outputs)
        checked = self._spec.check(inputs)
        session = self._session
        if session is None:
            raise ModelError(f"the session of {self._name} is closed")
        try:
            values = session.run(list(names), checked, self._options)
        except _load_errors() as error:
            raise ModelError(f"the model failed: {error}") from error
        return dict(zip(names, values, strict=True))

    def warm_up(self, sizes: Mapping[str, int] | None = None) -> None:
        """Run once on zeros, so that the first caller does not pay for it.

        ``sizes`` gives free dimensions by name; those that it leaves out are 1. Raises `ModelError` for sizes that
        the graph cannot take.
        """
        sizes = sizes or {}
        zeros = {}
        for tensor in self._spec.inputs:
            shape = [d if isinstance(d, int) else sizes.get(d or "", 1) for d in tensor.shape or ()]
            zeros[tensor.name] = np.zeros(shape, tensor.dtype)
        self.run(zeros)

    def close(self) -> None:
        """Give the memory back; a session from `shared_session` waits for its last holder. Twice is once."""
        self._session = None


# Every session that was loaded and is held.
_LOADED: WeakSet[OnnxSession] = WeakSet()


def _cut() -> None:
    """Let every call that is under way return between two nodes of its graph, and none begin."""
    for session in list(_LOADED):
        session._options.log_severity_level = 4  # it is meant to fail: that is no news
        session._options.terminate = True


on_end(_cut)


class _Shared(OnnxSession):
    """One holder's access to a session that others may hold too."""

    def __init__(self, whole: OnnxSession) -> None:
        # No second load: the runtime's session is the same object, and goes with the last who knows it.
        vars(self).update(vars(whole))
        self._whole: OnnxSession | None = whole

    def close(self) -> None:
        """Let go of it; the other holders keep theirs."""
        super().close()
        self._whole = None


# What is loaded lives as long as one of its holders.
_SHARED: WeakValueDictionary[Key, OnnxSession] = WeakValueDictionary()
# Held while a model loads: whoever asks for the same one waits rather than loads it again.
_SHARED_LOCK = RLock()


def shared_session(
    path: Path, sha256: str, providers: Sequence[str] = (CPU,), threads: int | None = None
) -> OnnxSession:
    """Return a holder of the one session of this process for an artifact.

    What is loaded goes when all who asked for it closed theirs or are gone; each closes for itself alone. ``sha256``
    is the content that the caller has verified: equal content in two places is loaded once.

    Raises:
        ArtifactMissing, ArtifactDamaged, ConfigError: as `OnnxSession`.
    """
    key = (sha256.lower(), tuple(provider_name(p) for p in providers), threads)
    with _SHARED_LOCK:
        found = _SHARED.get(key)
        if found is None:
            found = _SHARED[key] = OnnxSession(path, key[1], threads)
        return _Shared(found)


def _stays_inside(source: Path | str | bytes) -> None:
    """Refuse a graph that names other files than plain ones beside it: old runtimes read any file of the machine.

    Raises:
        ArtifactDamaged: it does, or an entry cannot be told from one that does.
    """
    if isinstance(source, bytes):
        _check_locations(source, "the model bytes", beside=False)
        return
    with Path(source).open("rb") as file:
        if file.seek(0, 2):
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                _check_locations(data, str(source), beside=True)


def _check_locations(data: bytes | mmap.mmap, name: str, beside: bool) -> None:
    at = data.find(LOCATION)
    while at >= 0:
        # As a whole string of its own it is preceded by its length, 8, which may be written with leading zeros.
        if data[at - 1 : at] in (b"\x08", b"\x00"):
            end = at + len(LOCATION)
            usual = data[at - 2 : at] == b"\x0a\x08" and data[end : end + 1] == b"\x12"
            size = data[end + 1 : end + 2]
            # The entry has to end with this value: of a second one, readers take the last.
            alone = bool(size) and size[0] < 116 and data[at - 4 : at - 2] == bytes((0x6A, size[0] + 12))
            place = bytes(data[end + 2 : end + 2 + size[0]]) if usual and alone else b""
            if not beside or not PLAIN_NAME.fullmatch(place) or not place.strip(b"."):
                raise ArtifactDamaged(f"{name} wants weights from {place!r}, which is no plain file beside it")
        at = data.find(LOCATION, at + 1)


def _tensor(node: Any) -> TensorSpec:
    # Outputs that are no tensors (a sequence of maps, as some classifiers give) keep the runtime's own type name.
    return TensorSpec(node.name, _DTYPES.get(node.type, node.type), None if node.shape is None else tuple(node.shape))


def _load_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile,
        state.NotImplemented, state.RuntimeException, state.NoModel,
    )  # fmt: skip
