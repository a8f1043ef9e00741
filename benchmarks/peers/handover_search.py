"""A search as a task for all libraries, as files: texts, judged queries and their folds in, lists out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.handover import Answer, Rows, Values, save_answers

SEARCH = "search"
TIMED, WARM = 60, 3  # queries that are asked one by one, after others to warm up
# Queries -> (q, n) rows of texts, best first, -1 pads.
Finding = Callable[[Sequence[str]], Rows]


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """``n`` of ``texts`` are wanted for each of ``queries``.

    ``folds`` (q,) says which queries must not be learned from together: what answers a query has read none of its
    fold. Of the judgements (t,), ``judged`` is the query, ``judged_rows`` the text, ``grades`` what people said of it.
    ``candidates`` (q, n) are lists to put in order, (q, 0) where there are none, and ``reread`` how many of each a
    model reads; it starts from the weights in the folder ``base`` and learns for ``steps``.
    """

    texts: Sequence[str]
    queries: Sequence[str]
    folds: NDArray[np.int64]
    judged: NDArray[np.int64]
    judged_rows: Rows
    grades: NDArray[np.float32]
    candidates: Rows
    n: int
    tries: Sequence[Values] = ()
    base: str = ""
    steps: int = 0
    reread: int = 0
    seed: int = 0
    folder: Path = field(default_factory=Path)

    @property
    def top_grade(self) -> float:
        """The best grade that anybody gave."""
        return float(self.grades.max(initial=1.0))

    def save(self) -> None:
        """Write ``search.npz`` and ``search.json`` into the folder."""
        plain, arrays = {}, {}
        for part in (f.name for f in fields(self) if f.name != "folder"):
            value = getattr(self, part)
            (arrays if isinstance(value, np.ndarray) else plain)[part] = value
        np.savez(self.folder / f"{SEARCH}.npz", **arrays)
        (self.folder / f"{SEARCH}.json").write_text(json.dumps(plain), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Search:
        """Read what `save` wrote."""
        with np.load(folder / f"{SEARCH}.npz") as arrays:
            plain = json.loads((folder / f"{SEARCH}.json").read_text(encoding="utf-8"))
            return cls(**plain, **arrays, folder=folder)


def searched(search: Search, model: str, finding: Callable[[Search, Values], Finding]) -> list[Answer]:
    """Return the lists of every try; queries are asked one by one for their times, then all at once."""
    out = []
    for values in search.tries:
        begin = time.perf_counter()
        found = finding(search, values)
        fit_s = time.perf_counter() - begin
        took = []
        for query in search.queries[: TIMED + WARM]:
            begin = time.perf_counter()
            found([query])
            took.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        lists = found(search.queries)
        lists_s = time.perf_counter() - begin
        out.append(Answer(model, values, lists[:0], lists, fit_s, lists_s, percentiles(took[WARM:] or took)))
        print(f"{model} {json.dumps(values)}: index {fit_s:.1f} s, {len(lists)} queries {lists_s:.2f} s", flush=True)
    return out


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile in milliseconds."""
    return {f"p{q}_ms": float(1000 * np.percentile(seconds, q)) for q in (50, 95)}


def main(name: str, packages: Sequence[str], answers: Callable[[Search], Sequence[Answer]]) -> None:
    """The command of a library: ``python -m benchmarks.peers.NAME FOLDER`` reads the task there and answers it."""
    folder = Path(sys.argv[1])
    versions: Mapping[str, Any] = {package: metadata.version(package) for package in packages}
    save_answers(folder, name, answers(Search.load(folder)), versions)
