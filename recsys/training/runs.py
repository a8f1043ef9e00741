"""A training inside a component's fit: in a folder where a cut one goes on, or in one for now."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from recsys.training.checkpoints import fingerprint
from recsys.training.loop import Batches, TrainSettings, Validate, train
from recsys.training.report import TrainingReport


def run(
    module: Any, batches: Batches, validate: Validate | None, settings: TrainSettings, checkpoints: str | None,
    name: str, known: Any,
) -> TrainingReport:  # fmt: skip
    """Train ``module`` and return the report; ``known`` is what the run is of, data and settings (`fingerprint`).

    With ``checkpoints`` the run lives in that folder under its ``name`` and a hash of ``known``: the same call made
    again goes on. Runs stay until somebody removes the folder: one fit of an engine has several of one name, on the
    ranker's part of the log and on all of it.
    """
    if checkpoints is None:
        with tempfile.TemporaryDirectory() as folder:
            return train(module, batches, validate, settings, Path(folder), say=_silent)
    mark = fingerprint(known)
    chosen = Path(checkpoints) / f"{name}-{mark[:16]}"
    return train(module, batches, validate, settings, chosen, fingerprint=mark, say=_silent)


def _silent(line: str) -> None:
    """Say nothing: a fit reports its stages itself."""
