"""Checkpoints of a training run: safetensors and JSON, replaced as a whole, so that a killed run goes on.

::

    folder/
      checkpoint.json          names the two below; written last, so what it names is always whole
      last-00000120.safetensors    weights and optimiser at that step
      best-00000100.safetensors    weights of the best validation so far
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsys.errors import ArtifactDamaged, ArtifactMissing, ShapeMismatch
from recsys.runtime.models import write_whole

FORMAT = 1
STATE = "checkpoint.json"
WEIGHTS, OPTIMISER = "weights.", "optimiser."


class Checkpoints:
    """The checkpoints of one run in ``folder``: the last step and the best one.

    Without ``frozen``, parameters that are not trained are left out: the caller's module has them, as it had before.
    """

    def __init__(self, folder: Path, frozen: bool = True) -> None:
        self.folder, self._frozen = folder, frozen
        folder.mkdir(parents=True, exist_ok=True)

    def save_best(self, module: Any, step: int) -> str:
        """Write the weights of ``module``; return the file's name for the state of the next `save`."""
        from safetensors.torch import save

        name = f"best-{step:08d}.safetensors"
        write_whole(self.folder / name, save(weights_of(module, self._frozen)))
        return name

    def save(self, module: Any, optimiser: Any, step: int, state: Mapping[str, Any]) -> None:
        """Write weights, optimiser and ``state`` (JSON) of ``step``, then remove what they replace."""
        from safetensors.torch import save

        name = f"last-{step:08d}.safetensors"
        tensors = {WEIGHTS + n: t for n, t in weights_of(module, self._frozen).items()}
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
            set_weights(module, tensors, self._frozen)
            return
        weights = {n.removeprefix(WEIGHTS): t for n, t in tensors.items() if n.startswith(WEIGHTS)}
        set_weights(module, weights, self._frozen)
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


def fingerprint(*things: Any) -> str:
    """Return a hash of data and settings: equal for equal ones, to tell whether a run was on these.

    They may be None, numbers, texts, arrays, paths (of files: their content), and dataclasses, mappings and sequences
    of such. Raises `TypeError` for anything else.
    """
    digest = hashlib.sha256()
    _feed(digest, things)
    return digest.hexdigest()


def _feed(digest: Any, thing: Any) -> None:
    if isinstance(thing, np.ndarray):
        digest.update(f"array {thing.dtype.str} {thing.shape}\n".encode())
        digest.update(np.ascontiguousarray(thing).data)
    elif thing is None or isinstance(thing, str | bytes | int | float | np.generic):
        text = f"{type(thing).__name__} {thing!r}\n".encode("utf-8", "backslashreplace")
        digest.update(str(len(text)).encode() + b" " + text)
    elif isinstance(thing, Path):
        with thing.open("rb") as file:
            _feed(digest, hashlib.file_digest(file, "sha256").hexdigest())
    elif dataclasses.is_dataclass(thing):
        _feed(digest, (type(thing).__name__, *(getattr(thing, f.name) for f in dataclasses.fields(thing))))
    elif isinstance(thing, Mapping):
        _feed(digest, ("mapping", *sorted(thing)))
        _feed(digest, [thing[k] for k in sorted(thing)])
    elif isinstance(thing, Sequence):
        digest.update(f"sequence {len(thing)}\n".encode())
        for one in thing:
            _feed(digest, one)
    else:
        raise TypeError(f"no fingerprint of {type(thing).__name__}")


def weights_of(module: Any, frozen: bool = True) -> dict[str, Any]:
    """Return the tensors of ``module`` on the CPU by name; one that has two names (a tied head) is listed once.

    Without ``frozen``, parameters that are not trained are left out.
    """
    fixed = {n for n, p in module.named_parameters(remove_duplicate=False) if not p.requires_grad and not frozen}
    out: dict[str, Any] = {}
    seen: set[tuple[Any, ...]] = set()
    for name, tensor in module.state_dict().items():
        if name in fixed:
            continue
        place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride())
        if tensor.numel() and place in seen:
            continue
        seen.add(place)
        out[name] = tensor.detach().cpu().contiguous()
    return out


def set_weights(module: Any, tensors: Mapping[str, Any], frozen: bool = True) -> None:
    """Fill ``module`` from what `weights_of` gave. Raises `ShapeMismatch` where the names or shapes are others."""
    wanted = weights_of(module, frozen)
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
