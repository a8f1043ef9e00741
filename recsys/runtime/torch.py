"""Torch modules behind the same interface as ONNX graphs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from recsys.errors import ModelError
from recsys.registry import import_optional
from recsys.runtime.session import SessionSpec


class TorchSession:
    """An ``nn.Module`` in evaluation mode; `run` may be called from many threads.

    The module is called with the inputs of ``spec`` as keyword arguments. It may answer with one tensor, a tuple
    or a mapping (any Hugging Face output): a mapping is read by output name, the others by position.

    Raises:
        PluginUnavailable: torch is not installed.
    """

    def __init__(self, module: Any, spec: SessionSpec, device: str = "cpu") -> None:
        self._torch = import_optional("torch")
        self._module = module.to(device).eval()
        self._device = device
        self._spec = spec

    @property
    def spec(self) -> SessionSpec:
        """Names, dtypes and shapes of inputs and outputs."""
        return self._spec

    def run(self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Return the outputs named, all by default. Raises `ModelError` or `ShapeMismatch` for what does not fit."""
        torch = self._torch
        names = self._spec.output_names if outputs is None else self._spec.chosen(outputs)
        checked = self._spec.check(inputs)
        # from_numpy refuses to be told that an array is read-only without a warning: hand it a copy then.
        tensors = {
            name: torch.from_numpy(a if a.flags.writeable else a.copy()).to(self._device) for name, a in checked.items()
        }
        with torch.inference_mode():
            answer = self._module(**tensors)
        found = self._named(answer)
        return {name: found[name].detach().cpu().numpy() for name in names}

    def weights_sha256(self) -> str:
        """Return the hash of all weights under their names: equal for equal content, wherever it came from."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self._module.state_dict().items()):
            array = tensor.detach().cpu().numpy()
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def _named(self, answer: Any) -> dict[str, Any]:
        names = self._spec.output_names
        if isinstance(answer, Mapping):
            missing = [n for n in names if n not in answer]
            if missing:
                raise ModelError(f"the module gives no output {', '.join(missing)} (it gives {', '.join(answer)})")
            return {n: answer[n] for n in names}
        values = answer if isinstance(answer, tuple | list) else (answer,)
        if len(values) < len(names):
            raise ModelError(f"the module gives {len(values)} outputs, the spec names {', '.join(names)}")
        return dict(zip(names, values[: len(names)], strict=True))
