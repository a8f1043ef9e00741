"""A personalised model trained on a toy world, once for all tests of this plug-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fine_tuned_toys as toys
import numpy as np
import pytest


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return toys.trained(tmp_path_factory.mktemp("toy-run"))


@pytest.fixture(scope="session")
def toy_artifact(toy_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Items "i0" to "i3" are the four things of the toy world; each is the taste for itself."""
    vectors = {f"i{k}": v for k, v in enumerate(np.eye(4, dtype=np.float32))}
    folder: Path = toy_model.export(tmp_path_factory.mktemp("toy") / "lm", vectors=vectors, about={"on": "toys"})
    return folder
