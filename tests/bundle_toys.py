"""Bundles small enough to be written a thousand times."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recsys.artifacts import read_array, read_json, write_array, write_json
from recsys.bundle import Bundle, write_bundle


def fill(number: int, folder: Path) -> None:
    write_json(folder / "settings.json", {"number": number})
    (folder / "candidates" / "als").mkdir(parents=True)
    write_array(folder / "candidates" / "als" / "factors.npy", np.full((50, 4), number, dtype=np.float32))


def write(path: Path, number: int) -> str:
    return write_bundle(path, lambda folder: fill(number, folder), {"number": number})


def number_of(bundle: Bundle) -> int:
    number = read_json(bundle.folder / "settings.json")["number"]
    assert bundle.meta == {"number": number}
    assert (read_array(bundle.folder / "candidates" / "als" / "factors.npy") == number).all()
    return int(number)
