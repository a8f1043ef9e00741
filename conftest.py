"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# OpenMP's waiting threads spin by default: on few cores, several test processes at once, that is most of the time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with the public data sets: RECSYS_DATA, else the data beside the checkout."""
    beside = Path(__file__).resolve().parents[1] / "shared" / "data"
    folder = Path(os.environ.get("RECSYS_DATA", beside))
    if not folder.is_dir():
        pytest.skip("public data sets are not here: set RECSYS_DATA to their folder")
    return folder
