"""A whole store as gzipped JSON lines, and back: for backups, for moving house, for a look with `zcat`.

A dump is one file ``NAME.jsonl.gz``, or a folder with ``items.jsonl.gz``, ``events.jsonl.gz`` and
``reviews.jsonl.gz``. Each part begins with a line that names format and version and ends with a line that counts the
others, so that a dump that was cut off is noticed. It holds personal data: only its owner may read the files.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from recsys.artifacts import flush_folder
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.store.records import PARTS, parse, records
from recsys.types import Event, Item, ItemRows, Review

FORMAT = "recsys-store"
FORMAT_VERSION = 1
SUFFIX = ".jsonl.gz"
MAX_LINE_BYTES = 64 << 20
BATCH = 50_000


class Dumpable(Protocol):
    """What a store needs for `dump` and `restore`; `MemoryStore` has it."""

    def dataset(self) -> Dataset:
        """Return items, events and reviews of one moment."""
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


def dump(store: Dumpable, place: Path) -> dict[str, int]:
    """Write everything in ``store`` to ``place`` and return how many items, events and reviews that was.

    A ``place`` that ends in ``.jsonl.gz`` becomes one file and replaces one that is there; any other becomes a folder,
    which must be new or empty. It appears under its name when it is complete, never before.

    Raises:
        DataError: the folder has content, or a value cannot be written as JSON.
    """
    data = store.dataset()
    single = place.name.endswith(SUFFIX)
    if not single and place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise DataError(f"{place} exists and is not empty: name a new folder, or a file that ends in {SUFFIX}")
    place.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))  # readable by its owner alone
    try:
        if single:
            with _writer(work / place.name) as out:
                counts = {part: _write(out, part, data) for part in PARTS}
        else:
            counts = {}
            for part in PARTS:
                with _writer(work / (part + SUFFIX)) as out:
                    counts[part] = _write(out, part, data)
        flush_folder(work)
        os.replace(work / place.name if single else work, place)
        flush_folder(place.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)  # a folder that was renamed is gone already
    return counts


def restore(store: Dumpable, place: Path) -> dict[str, int]:
    """Fill an empty store from a dump and return how many items, events and reviews it has.

    Items get the rows that they had. The whole dump is checked before the store is touched.

    Raises:
        DataError: the store is not empty, the dump is of a newer version, incomplete or damaged; the message names
            file and line.
    """
    present = store.dataset()
    if len(present.items) or len(present.log) or len(present.reviews):
        raise DataError("a dump is restored into an empty store: this one has items, events or reviews")
    counts = _check(place)
    items = list(_values(place, "items"))
    store.put_items([item for _, item, _ in items])
    store.withdraw([item.item_id for _, item, available in items if not available])
    for part, put in (("events", store.put_events), ("reviews", store.put_reviews)):
        batch: list[Any] = []
        for _, value, _ in _values(place, part):
            batch.append(value)
            if len(batch) == BATCH:
                put(batch)
                batch = []
        put(batch)
    return counts


def _check(place: Path) -> dict[str, int]:
    """Read a whole dump, keep nothing, and return how many records each part has."""
    counts = {}
    known: dict[str, set[str]] = {"item_id": set(), "event_id": set(), "review_id": set()}
    for part, own_id in (("items", "item_id"), ("events", "event_id"), ("reviews", "review_id")):
        counts[part] = 0
        for where, value, _ in _values(place, part):
            identity = getattr(value, own_id)
            if identity and identity in known[own_id]:
                raise DataError(f"{where}: {own_id} {identity!r} occurs twice")
            known[own_id].add(identity)
            if value.item_id not in known["item_id"]:
                raise DataError(f"{where}: unknown item_id {value.item_id!r}")
            counts[part] += 1
    return counts


def _write(out: gzip.GzipFile, part: str, data: Dataset) -> int:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    _write_line(out, {"format": FORMAT, "format_version": FORMAT_VERSION, "part": part, "created": created})
    lines = 0
    for record in records(data, part):
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
