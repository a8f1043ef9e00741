"""Checkpoints of a training run: safetensors and JSON, replaced as a whole, so that a killed run goes on.

::

    folder/
      checkpoint.json          names the two below; written last, so what it names is always whole
      last-00000120.safetensors    weights and optimiser at that step
      best-00000100.safetensors    weights of the best validation so far
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys.errors import ArtifactDamaged, ArtifactMissing, ShapeMismatch
from recsys.runtime.models import write_whole

FORMAT = 1
STATE = "checkpoint.json"
WEIGHTS, OPTIMISER = "weights.", "optimiser."


class Checkpoints:
    """The checkpoints of one run in ``folder``: the last step and the best one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save_best(self, module: Any, step: int) -> str:
        """Write the weights of ``module``; return the file's name for the state of the next `save`."""
        from safetensors.torch import save

        name = f"best-{step:08d}.safetensors"
        write_whole(self.folder / name, save(weights_of(module)))
        return name

    def save(self, module: Any, optimiser: Any, step: int, state: Mapping[str, Any]) -> None:
        """Write weights, optimiser and ``state`` (JSON) of ``step``, then remove what they replace."""
        from safetensors.torch import save

        name = f"last-{step:08d}.safetensors"
        tensors = {WEIGHTS + n: t for n, t in weights_of(module).items()}
        tensors |= {OPTIMISER + n: t for n, t in _optimiser_tensors(optimiser).items()}
        write_whole(self.folder / name, save(tensors))
        whole = {"format": FORMAT, "last": name, **state}
        write_whole(self.folder / STATE, json.dumps(whole, indent=1, allow_nan=False).encode())
        kept = {name, state.get("best_file")}
        for path in self.folder.glob("*.safetensors"):
            if path.name not in kept and path.name.startswith(("last-", "best-")):
                path.unlink()

    def state(self) -> dict[str, Any] | None:
        """Return the state of the last `save`, None for a new run.

        Raises:
            ArtifactDamaged: the file is not one of ours.
        """
        path = self.folder / STATE
        if not path.exists():
            return None
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if found["format"] != FORMAT:
                raise ArtifactDamaged(f"{path} has format {found['format']}, this version reads {FORMAT}")
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactDamaged(f"{path} is no checkpoint: {error}") from error
        return found

    def load(self, name: str, module: Any, optimiser: Any = None) -> None:
        """Fill ``module``, and ``optimiser`` if given, from the file ``name`` of a `state`.

        Raises:
            ArtifactMissing: the file is gone. ShapeMismatch: it belongs to another module.
        """
        from safetensors.torch import load

        path = self.folder / Path(name).name
        if not path.is_file():
            raise ArtifactMissing(f"{path} is missing")
        tensors = load(path.read_bytes())
        if name.startswith("best-"):
            set_weights(module, tensors)
            return
        set_weights(module, {n.removeprefix(WEIGHTS): t for n, t in tensors.items() if n.startswith(WEIGHTS)})
        if optimiser is not None:
            own = {n.removeprefix(OPTIMISER): t for n, t in tensors.items() if n.startswith(OPTIMISER)}
            _set_optimiser(optimiser, own)


def start_from(module: Any, folder: Path) -> None:
    """Fill ``module`` with the last weights of the run in ``folder``: a second stage begins where a first one ended.

    Raises:
        ArtifactMissing: no run is there. ShapeMismatch: it was one of another module.
    """
    checkpoints = Checkpoints(folder)
    state = checkpoints.state()
    if state is None:
        raise ArtifactMissing(f"{folder} holds no run to start from")
    checkpoints.load(state["last"], module)


def weights_of(module: Any) -> dict[str, Any]:
    """Return the tensors of ``module`` on the CPU by name; one that has two names (a tied head) is listed once."""
    out: dict[str, Any] = {}
    seen: set[tuple[Any, ...]] = set()
    for name, tensor in module.state_dict().items():
        place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride())
        if tensor.numel() and place in seen:
            continue
        seen.add(place)
        out[name] = tensor.detach().cpu().contiguous()
    return out


def set_weights(module: Any, tensors: Mapping[str, Any]) -> None:
    """Fill ``module`` from what `weights_of` gave. Raises `ShapeMismatch` where the names or shapes are others."""
    wanted = weights_of(module)
    if set(wanted) != set(tensors):
        odd = sorted(set(wanted) ^ set(tensors))[:3]
        raise ShapeMismatch(f"weights of another module: {', '.join(odd)}")
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != tuple(wanted[name].shape):
            raise ShapeMismatch(f"weight {name!r} is {tuple(tensor.shape)}, the module has {tuple(wanted[name].shape)}")
    module.load_state_dict(dict(tensors), strict=False)


def _optimiser_tensors(optimiser: Any) -> dict[str, Any]:
    """Return what the optimiser remembers, as "number of the parameter.name"; rates follow from the step."""
    state = optimiser.state_dict()["state"]
    return {f"{i}.{n}": t.detach().cpu().contiguous() for i, own in state.items() for n, t in own.items()}


def _set_optimiser(optimiser: Any, tensors: Mapping[str, Any]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        number, _, field = name.partition(".")
        state.setdefault(int(number), {})[field] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
