"""What a library is given and what it hands back, as files: numpy alone, for either side may lack everything else."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GIVEN = "given"
COLUMNS = ("users", "items", "weights")
CHUNK = 1024  # requests that a library is asked for at a time
Rows = NDArray[np.int32]
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """Who chose what: ``users``, ``items`` (n,) int32 rows, ``weights`` (n,) above 0; user by user, oldest first."""

    users: Rows
    items: Rows
    weights: NDArray[np.float32]

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the columns as a file has them."""
        return {f"{name}_{part}": getattr(self, part) for part in COLUMNS}


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """One task for all libraries.

    ``fitted`` is what they may learn from; ``known`` what a request of the test may show besides. Lists are wanted of
    the ``valid`` shoppers over ``fitted`` and of the ``test`` shoppers over ``known``: ``n`` items of ``n_items``, and
    with ``hide`` none that the log already has of this shopper. ``tries`` holds the settings to try by model, and
    ``minutes`` bounds the training of a network.
    """

    n_users: int
    n_items: int
    fitted: Log
    known: Log
    valid: Rows
    test: Rows
    n: int
    hide: bool
    tries: Mapping[str, Sequence[Values]] = field(default_factory=dict)
    minutes: float = 1.0
    seed: int = 0

    def save(self, folder: Path) -> None:
        """Write ``given.npz`` and ``given.json``."""
        np.savez(
            folder / f"{GIVEN}.npz",
            valid=self.valid,
            test=self.test,
            **self.fitted.arrays("fitted"),
            **self.known.arrays("known"),
        )
        about = {part: getattr(self, part) for part in ("n_users", "n_items", "n", "hide", "tries", "minutes", "seed")}
        (folder / f"{GIVEN}.json").write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Given:
        """Read what `save` wrote."""
        about = json.loads((folder / f"{GIVEN}.json").read_text(encoding="utf-8"))
        with np.load(folder / f"{GIVEN}.npz") as found:
            logs = {name: Log(*(found[f"{name}_{part}"] for part in COLUMNS)) for name in ("fitted", "known")}
            return cls(valid=found["valid"], test=found["test"], **logs, **about)


# (log, users (b,)) -> (b, n) item rows, best first, -1 pads.
Lists = Callable[[Log, Rows], Rows]
# Settings -> a model fitted with them, as the lists that it makes.
Fit = Callable[[Values], Lists]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The lists of one model under one setting: ``valid`` (v, n), ``test`` (b, n); seconds of the fit and of ``test``.

    ``notes`` is what the library found worth saying, the epochs of a training say.
    """

    model: str
    values: Values
    valid: Rows
    test: Rows
    fit_s: float
    lists_s: float
    notes: Mapping[str, Any] = field(default_factory=dict)


def answered(
    fits: Mapping[str, Fit], given: Given, say: Callable[[str], None] = print, notes: Mapping[str, Any] | None = None
) -> list[Answer]:
    """Return the lists of every model of ``fits`` under every setting that is to be tried.

    ``notes`` is read after each fit: a mapping that the fits may fill.
    """
    out = []
    for model, fit in fits.items():
        for values in given.tries.get(model, ()):
            begin = time.perf_counter()
            lists = fit(values)
            fit_s = time.perf_counter() - begin
            valid = lists(given.fitted, given.valid)
            begin = time.perf_counter()
            test = lists(given.known, given.test)
            lists_s = time.perf_counter() - begin
            out.append(Answer(model, values, valid, test, fit_s, lists_s, dict(notes or {})))
            say(f"{model} {json.dumps(values)}: fit {fit_s:.1f} s, {len(test)} lists {lists_s:.1f} s")
    return out


def in_chunks(users: Rows, n: int, lists: Callable[[Rows], Rows]) -> Rows:
    """Return (b, n) lists made for `CHUNK` users at a time; what is shorter than ``n`` is filled with -1."""
    out = np.full((len(users), n), -1, dtype=np.int32)
    for begin in range(0, len(users), CHUNK):
        found = lists(users[begin : begin + CHUNK])
        out[begin : begin + len(found), : found.shape[1]] = found
    return out


def save_answers(folder: Path, name: str, answers: Sequence[Answer], versions: Mapping[str, str]) -> None:
    """Write ``NAME.npz`` with the lists and ``NAME.json`` with all else."""
    lists = {f"{part}_{i}": getattr(answer, part) for i, answer in enumerate(answers) for part in ("valid", "test")}
    np.savez(folder / f"{name}.npz", **lists)
    about = [{part: getattr(a, part) for part in ("model", "values", "fit_s", "lists_s", "notes")} for a in answers]
    text = json.dumps({"answers": about, "versions": versions})
    (folder / f"{name}.json").write_text(text, encoding="utf-8")


def load_answers(folder: Path, name: str) -> tuple[list[Answer], dict[str, str]]:
    """Read what `save_answers` wrote: the answers, and the versions of the libraries that gave them."""
    about = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    with np.load(folder / f"{name}.npz") as found:
        answers = [
            Answer(**facts, valid=found[f"valid_{i}"], test=found[f"test_{i}"])
            for i, facts in enumerate(about["answers"])
        ]
    return answers, about["versions"]


def main(name: str, packages: Sequence[str], fits: Callable[[Given], Mapping[str, Fit]], notes: Any = None) -> None:
    """The command of a library: ``python -m benchmarks.peers.NAME FOLDER`` reads the task there and answers it."""
    folder = Path(sys.argv[1])
    given = Given.load(folder)
    answers = answered(fits(given), given, lambda line: print(line, flush=True), notes)
    save_answers(folder, name, answers, {package: metadata.version(package) for package in packages})
