"""A whole store as gzipped JSON lines, and back: for backups, for moving house, for a look with `zcat`.

A dump is one file ``NAME.jsonl.gz``, or a folder with a file for each of items, events, reviews, searches and edits
of profiles (``items.jsonl.gz`` and so on; dumps of version 1 lack the last two). Each part begins with a line that
names format and version and ends with a line that counts the others, so that a dump that was cut off is noticed. It
holds personal data: only its owner may read the files.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from recsys.artifacts import flush_folder
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.store.edits import Edit, Edits
from recsys.store.records import PARTS, parse, records
from recsys.store.searches import SearchLog
from recsys.types import Event, Item, ItemRows, Review

FORMAT = "recsys-store"
FORMAT_VERSION = 2
FIRST_PARTS = ("items", "events", "reviews")  # what a dump of version 1 holds
SUFFIX = ".jsonl.gz"
MAX_LINE_BYTES = 64 << 20
BATCH = 50_000


class Dumpable(Protocol):
    """What a store needs for `dump` and `restore`; `MemoryStore` has it.

    Searches and edits of profiles are its attributes ``searches`` and ``edits``, or lie beside it and are given.
    """

    def dataset(self) -> Dataset:
        """Return items, events, reviews and searches of one moment."""
        ...

    def put_items(self, items: Sequence[Item]) -> ItemRows:
        """Add items; in an empty store the n-th gets row n - 1."""
        ...

    def put_events(self, events: Sequence[Event]) -> int:
        """Add events."""
        ...

    def put_reviews(self, reviews: Sequence[Review]) -> int:
        """Add reviews."""
        ...

    def withdraw(self, item_ids: Sequence[str]) -> ItemRows:
        """Take items off the shelf."""
        ...


def dump(store: Dumpable, place: Path, searches: SearchLog | None = None, edits: Edits | None = None) -> dict[str, int]:
    """Write everything in ``store`` to ``place`` and return how many records of each part that was.

    A ``place`` that ends in ``.jsonl.gz`` becomes one file and replaces one that is there; any other becomes a folder,
    which must be new or empty. It appears under its name when it is complete, never before. ``searches`` and ``edits``
    are those beside the store; None are its own.

    Raises:
        DataError: the folder has content, or a value cannot be written as JSON.
    """
    searches, edits = _beside(store, searches, edits)
    data, changes = replace(store.dataset(), searches=searches.every()), tuple(edits)
    single = place.name.endswith(SUFFIX)
    if not single and place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise DataError(f"{place} exists and is not empty: name a new folder, or a file that ends in {SUFFIX}")
    place.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))  # readable by its owner alone
    try:
        if single:
            with _writer(work / place.name) as out:
                counts = {part: _write(out, part, data, changes) for part in PARTS}
        else:
            counts = {}
            for part in PARTS:
                with _writer(work / (part + SUFFIX)) as out:
                    counts[part] = _write(out, part, data, changes)
        flush_folder(work)
        os.replace(work / place.name if single else work, place)
        flush_folder(place.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)  # a folder that was renamed is gone already
    return counts


def restore(
    store: Dumpable, place: Path, searches: SearchLog | None = None, edits: Edits | None = None
) -> dict[str, int]:
    """Fill an empty store from a dump and return how many records of each part it has.

    Items get the rows that they had. The whole dump is checked before the store is touched. ``searches`` and ``edits``
    are those beside the store, empty too; None are its own.

    Raises:
        DataError: the store is not empty, the dump is of a newer version, incomplete or damaged; the message names
            file and line.
    """
    present, (searches, edits) = store.dataset(), _beside(store, searches, edits)
    if any((present.items.ids, present.log.users, present.reviews, len(searches), len(edits))):
        raise DataError("a dump is restored into an empty store: this one has items, events, reviews or searches")
    parts = _parts(place)
    counts = _check(place, parts)
    items = list(_values(place, "items"))
    store.put_items([item for _, item, _ in items])
    store.withdraw([item.item_id for _, item, available in items if not available])
    takers: dict[str, Callable[[list[Any]], int]] = {
        "events": store.put_events, "reviews": store.put_reviews,
        "searches": partial(searches.put, as_they_are=True), "edits": edits.put,
    }  # fmt: skip
    for part in parts[1:]:
        batch: list[Any] = []
        for _, value, _ in _values(place, part):
            batch.append(value)
            if len(batch) == BATCH:
                takers[part](batch)
                batch = []
        takers[part](batch)
    return counts


def _beside(store: Any, searches: SearchLog | None, edits: Edits | None) -> tuple[SearchLog, Edits]:
    return store.searches if searches is None else searches, store.edits if edits is None else edits


def _parts(place: Path) -> tuple[str, ...]:
    """Return the parts that a dump must have, by the version that it names first."""
    path = place / ("items" + SUFFIX) if place.is_dir() else place
    if not path.is_file():
        raise DataError(f"no dump at {place}: {path} is missing")
    where, record = next(_json_lines(path), (str(path), None))
    if record is None:
        raise DataError(f"{path} is incomplete: it has no end of items")
    _header(where, record)
    return FIRST_PARTS if record["format_version"] < 2 else tuple(PARTS)


def _check(place: Path, parts: Sequence[str]) -> dict[str, int]:
    """Read a whole dump, keep nothing, and return how many records each part has; 0 of those that it lacks."""
    counts = dict.fromkeys(PARTS, 0)
    known: dict[str, set[str]] = {part: set() for part in parts}
    own_id = {"items": "item_id", "events": "event_id", "reviews": "review_id", "searches": "search_id"}
    log, edits = SearchLog(max_searches=1), Edits()  # what they refuse must be known before the store is touched
    for part in parts:
        for where, value, _ in _values(place, part):
            try:
                if part == "searches":
                    log.put([value], as_they_are=True)
                if part == "edits":
                    edits.put([value])
                    edits.erase(value.user_id)
            except DataError as error:
                raise DataError(f"{where}: {error}") from error
            name = own_id.get(part, "line_id")
            identity = f"{value.user_id}/{value.line_id}" if part == "edits" else getattr(value, name)
            if identity and identity in known[part]:
                raise DataError(f"{where}: {name} {identity!r} occurs twice")
            known[part].add(identity)
            if part in FIRST_PARTS and value.item_id not in known["items"]:
                raise DataError(f"{where}: unknown item_id {value.item_id!r}")
            counts[part] += 1
    return counts


def _write(out: gzip.GzipFile, part: str, data: Dataset, edits: Sequence[Edit]) -> int:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    _write_line(out, {"format": FORMAT, "format_version": FORMAT_VERSION, "part": part, "created": created})
    lines = 0
    for record in records(data, part, edits):
        try:
            _write_line(out, record)
        except (TypeError, ValueError) as error:
            raise DataError(f"{part}: {record} cannot be written as JSON: {error}") from error
        lines += 1
    _write_line(out, {"end": part, "lines": lines})
    return lines


def _write_line(out: gzip.GzipFile, value: dict[str, Any]) -> None:
    # ASCII alone: half a surrogate pair in a dirty title is no UTF-8, but it has an escape.
    out.write(json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n")


@contextmanager
def _writer(path: Path) -> Iterator[gzip.GzipFile]:
    with path.open("wb") as raw:
        path.chmod(0o600)
        with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as out:
            yield out
        raw.flush()
        os.fsync(raw.fileno())


def _values(place: Path, part: str) -> Iterator[tuple[str, Any, bool]]:
    """Yield ("file:line", value, available) of each record of one part."""
    path = place / (part + SUFFIX) if place.is_dir() else place
    if not path.is_file():
        raise DataError(f"no dump at {place}: {path} is missing")
    inside, lines, complete = "", 0, False
    for where, record in _json_lines(path):
        if not inside:
            inside = _header(where, record)
            lines = 0
        elif isinstance(record, dict) and "end" in record:
            if record != {"end": inside, "lines": lines}:
                raise DataError(f"{where}: expected the end of {inside} after {lines} lines, got {record}")
            complete = complete or inside == part
            inside = ""
        else:
            lines += 1
            if inside == part:
                try:
                    value, available = parse(part, record)
                except DataError as error:
                    raise DataError(f"{where}: {error}") from error
                yield where, value, available
    if inside or not complete:
        raise DataError(f"{path} is incomplete: it has no end of {inside or part}")


def _header(where: str, record: Any) -> str:
    """Return the part that begins here."""
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise DataError(f"{where}: no dump of a recsys store begins here")
    version, part = record.get("format_version"), record.get("part")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise DataError(
            f"{where}: dump format {version!r}, this recsys reads up to {FORMAT_VERSION}: upgrade recsys-engine"
        )
    if part not in PARTS:
        raise DataError(f"{where}: unknown part {part!r}")
    return str(part)


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    number = 0
    with gzip.open(path, "rb") as lines:
        while True:
            number += 1
            where = f"{path}:{number}"
            try:
                line = lines.readline(MAX_LINE_BYTES)
                if not line:
                    return
                value = json.loads(line)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise DataError(f"{where}: the file is damaged or was cut off here: {error}") from error
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where}: not JSON: {error}") from error
            yield where, value
