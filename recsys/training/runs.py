"""A training inside a component's fit: in a folder where a cut one goes on, or in one for now."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from recsys.training.checkpoints import STATE, fingerprint
from recsys.training.loop import Batches, TrainSettings, Validate, train
from recsys.training.report import TrainingReport


def run(
    module: Any, batches: Batches, validate: Validate | None, settings: TrainSettings, checkpoints: str | None,
    name: str, known: Any,
) -> TrainingReport:  # fmt: skip
    """Train ``module`` and return the report; ``known`` is what the run is of, data and settings (`fingerprint`).

    With ``checkpoints`` the run lives in that folder under its ``name`` and a hash of ``known``: the same call made
    again goes on. A run of the same name on other data is over, and removed: the log has grown, nobody goes on with it.
    """
    if checkpoints is None:
        with tempfile.TemporaryDirectory() as folder:
            return train(module, batches, validate, settings, Path(folder), say=_silent)
    mark = fingerprint(known)
    chosen = Path(checkpoints) / f"{name}-{mark[:16]}"
    for old in Path(checkpoints).glob(f"{name}-{'[0-9a-f]' * 16}"):
        if old != chosen and (old / STATE).is_file():
            shutil.rmtree(old)
    return train(module, batches, validate, settings, chosen, fingerprint=mark, say=_silent)


def _silent(line: str) -> None:
    """Say nothing: a fit reports its stages itself."""
