"""Ranked lists as files: TREC run files and CSV; ours written, anyone's read into the same table.

TREC: ``user Q0 item rank score tag``, split at white space. CSV: the columns user, item, rank, score in any order,
named in the first line; either rank or score may be missing. Both may be gzipped (``.gz``).
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from recsys.data.lines import Line, read_lines
from recsys.data.report import Tally
from recsys.errors import DataError
from recsys.ids import Vocabulary
from recsys.protocols import DropReport
from recsys.types import Slates, offsets_of

Kind = Literal["trec", "csv"]
Entry = tuple[str, str, float]  # user, item, score

COLUMNS = ("user", "item", "rank", "score")
UNKNOWN_USER = "user is not among those evaluated"
UNKNOWN_ITEM = "item is not in the catalogue: it keeps its place and never hits"
DUPLICATE = "item occurs twice in a list: the better line stays"
FIELDS = "wrong number of fields"
BAD_RANK = "rank is not a whole number from 0 on"
BAD_SCORE = "score is not a finite number"


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run in our rows, one list per user asked for, in that order.

    Scores are 0, -1, -2, ... and keep order and ties: those alone count, and float32 would merge close scores.
    ``missing`` counts the users without a usable line: their lists are empty, so they are misses.
    """

    slates: Slates
    report: DropReport
    missing: int


def kind_of(path: Path) -> Kind:
    """Return "csv" for names that end in .csv or .csv.gz, else "trec"."""
    return "csv" if path.name.lower().removesuffix(".gz").endswith(".csv") else "trec"


def write_run(
    path: Path,
    users: Sequence[str],
    slates: Slates,
    vocabulary: Vocabulary,
    *,
    tag: str = "recsys",
    kind: Kind | None = None,
) -> None:
    """Write one list per user, ranks from 1; ``kind`` None goes by the name. Rows of -1 are left out.

    NaN scores are written as one below the lowest number of their list.

    Raises:
        DataError: not one distinct user a list, an infinite score, or an id that the format cannot hold.
    """
    if len(users) != len(slates) or len(set(users)) != len(users):
        raise DataError(f"a run needs one distinct user a list: {len(users)} users for {len(slates)} lists")
    if np.isinf(slates.scores).any():
        raise DataError("a run file cannot hold infinite scores: rank these items by a finite score")
    entries = _entries(users, slates, vocabulary)
    with _text_file(path) as file:
        if (kind or kind_of(path)) == "csv":
            out = csv.writer(file, lineterminator="\n")
            out.writerow(COLUMNS)
            for user, item, rank, score in entries:
                out.writerow((_one_line(user), _one_line(item), rank, f"{score:.9g}"))
        else:
            _word(tag)
            for user, item, rank, score in entries:
                file.write(f"{_word(user)} Q0 {_word(item)} {rank} {score:.9g} {tag}\n")


def _text_file(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "wt", encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")


def _entries(users: Sequence[str], slates: Slates, vocabulary: Vocabulary) -> Iterator[tuple[str, str, int, float]]:
    for user, lo, hi in zip(users, slates.offsets[:-1].tolist(), slates.offsets[1:].tolist(), strict=True):
        keep = slates.items[lo:hi] >= 0
        scores = slates.scores[lo:hi][keep].astype(np.float64)
        unknown = np.isnan(scores)
        if unknown.any():
            scores[unknown] = (0.0 if unknown.all() else scores[~unknown].min()) - 1
        ids = vocabulary.ids(slates.items[lo:hi][keep])
        yield from ((user, item, i + 1, s) for i, (item, s) in enumerate(zip(ids, scores.tolist(), strict=True)))


def _word(value: str) -> str:
    if not value or value.split() != [value]:
        raise DataError(f"{value!r} has white space, which separates the fields of a TREC run: write CSV instead")
    return value


def _one_line(value: str) -> str:
    if "\n" in value or "\r" in value or "\0" in value:
        raise DataError(f"{value!r} has a line break or NUL, which a run file cannot hold")
    return value


class _Strict(Tally):
    """A tally that lets nothing be dropped."""

    def drop(self, cause: str) -> None:
        raise DataError(f"{self.file}:{self.line}: {cause}")


def read_run(
    path: Path, users: Sequence[str], vocabulary: Vocabulary, *, strict: bool = False, kind: Kind | None = None
) -> Run:
    """Read a run for ``users``; ``kind`` None goes by the name.

    Lists are ordered by score, as trec_eval does it, and without scores by rank; equal scores are ties. A line that
    cannot be used is dropped and counted; with ``strict`` it is an error. Items that the catalogue lacks become rows
    of -1: dropping them would move the others up.

    Raises:
        DataError: the file cannot be read, a CSV lacks its columns, or with ``strict`` the first bad line.
    """
    tally = _Strict() if strict else Tally()
    lines = read_lines(path, tally)
    parse = _csv_entries if (kind or kind_of(path)) == "csv" else _trec_entries
    owner_of = {user: i for i, user in enumerate(users)}
    best: dict[tuple[int, str], float] = {}
    for user, item, score in parse(lines, path, tally):
        owner = owner_of.get(user)
        key = (-1 if owner is None else owner, item)
        if owner is None:
            tally.drop(UNKNOWN_USER)
        elif key in best:
            tally.drop(DUPLICATE)
            best[key] = max(best[key], score)
        else:
            if item not in vocabulary:
                tally.repair(UNKNOWN_ITEM)
            tally.keep()
            best[key] = score
    owners = np.fromiter((owner for owner, _ in best), dtype=np.int64, count=len(best))
    rows = vocabulary.rows([item for _, item in best])
    scores = np.fromiter(best.values(), dtype=np.float64, count=len(best))
    order = np.lexsort((-scores, owners))
    lengths = np.bincount(owners, minlength=len(users))
    slates = Slates(rows[order], _dense(scores[order], owners[order]), offsets_of(lengths))
    return Run(slates, tally.freeze(), int((lengths == 0).sum()))


def _dense(scores: NDArray[np.float64], owners: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return 0, -1, -2, ... for the distinct scores of each owner; both sorted, best first."""
    new_owner = np.append(True, owners[1:] != owners[:-1])[: len(owners)]
    step = np.append(True, scores[1:] != scores[:-1])[: len(owners)] | new_owner
    level = np.cumsum(step)
    first = level[new_owner][np.cumsum(new_owner) - 1]
    dense: NDArray[np.float32] = (first - level).astype(np.float32)
    return dense


def _trec_entries(lines: Iterator[Line], path: Path, tally: Tally) -> Iterator[Entry]:
    """Yield each line as a started record of ``tally``, or drop it."""
    for number, text, repairs in lines:
        tally.start(path.name, number, repairs)
        fields = text.split()
        if len(fields) != 6:
            tally.drop(FIELDS)
            continue
        yield from _entry(fields[0], fields[2], fields[3], fields[4], tally)


def _csv_entries(lines: Iterator[Line], path: Path, tally: Tally) -> Iterator[Entry]:
    """Yield each line below the header as a started record of ``tally``, or drop it."""
    header = next(lines, None)
    names = [] if header is None else [name.strip().lower() for name in _fields(header.text)]
    if not {"user", "item"} <= set(names) or not {"rank", "score"} & set(names):
        raise DataError(
            f"{path.name}:1: the first line must name the columns user, item and rank or score; got {names}"
        )
    at = {name: names.index(name) for name in COLUMNS if name in names}
    for number, text, repairs in lines:
        tally.start(path.name, number, repairs)
        fields = _fields(text)
        if len(fields) != len(names):
            tally.drop(FIELDS)
            continue
        rank, score = (fields[at[name]] if name in at else None for name in ("rank", "score"))
        yield from _entry(fields[at["user"]], fields[at["item"]], rank, score, tally)


def _fields(text: str) -> list[str]:
    # One line at a time: a quote that is never closed must not swallow the lines below it.
    try:
        return next(csv.reader([text])) if '"' in text else text.split(",")
    except csv.Error:  # a field beyond the csv module's limit: no line of ours
        return []


def _entry(user: str, item: str, rank: str | None, score: str | None, tally: Tally) -> Iterator[Entry]:
    """Yield the entry, or drop the present record and yield nothing."""
    place = 0 if rank is None else _whole(rank)
    value = float(-place) if score is None and place is not None else _number(score)
    if place is None:
        tally.drop(BAD_RANK)
    elif value is None:
        tally.drop(BAD_SCORE)
    else:
        yield user, item, value


def _whole(text: str) -> int | None:
    # At most nine digits: int() of a million of them would take minutes.
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
