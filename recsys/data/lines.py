"""Lines of plain or gzipped text, one at a time, whatever is wrong with them."""

from __future__ import annotations

import codecs
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from recsys.data.chunks import Chunks
from recsys.data.literal import python_literal
from recsys.data.report import Tally
from recsys.errors import DataError

MAX_LINE_BYTES = 1 << 20
TOO_LONG = "line is too long"
NOT_UTF8 = "invalid UTF-8 replaced"
NUL = "NUL bytes removed"
NOT_JSON = "not JSON"
NO_OBJECT = "not a JSON object"
LITERAL = "Python literal read as JSON"


class Line(NamedTuple):
    """One line without its end: its number from 1, its text, what was mended in it."""

    number: int
    text: str
    repairs: tuple[str, ...]


def read_lines(
    path: Path, tally: Tally, *, max_bytes: int = MAX_LINE_BYTES, fallback: str | None = None
) -> Iterator[Line]:
    """Yield the lines of a text file, plain or gzip, as UTF-8.

    A byte order mark, CRLF and empty lines vanish silently; NUL bytes and invalid UTF-8 are mended, unless
    ``fallback`` names the encoding of lines that are not UTF-8. A line above ``max_bytes`` is dropped without
    being held in memory. What a truncated or damaged gzip still gives is read, then one lost record is counted:
    its last line is cut somewhere and would be a false record.

    Raises:
        DataError: the file is missing, cannot be opened, or is UTF-16.
    """
    chunks = Chunks(path)
    number = 0
    for number, raw in _split(chunks, max_bytes):
        if raw is None:
            tally.lost(path.name, number, TOO_LONG)
            continue
        if number == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(f"{path} is UTF-16: save it as UTF-8")
        text, repairs = _decode(raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw, fallback)
        if text and not text.isspace():
            yield Line(number, text, repairs)
    if chunks.problem:
        tally.lost(path.name, number + 1, chunks.problem)


class Record(NamedTuple):
    """One object of a file: its line from 1 (in a JSON list its place), its value, and a checksum of its text."""

    line: int
    value: dict[str, Any]
    digest: int


def json_lines(path: Path, tally: Tally, *, max_bytes: int = MAX_LINE_BYTES) -> Iterator[Record]:
    """Yield the objects of a JSON lines file, each as a started record of ``tally``.

    Lines that are Python dicts instead (the 2014 Amazon files) are read as literals; lines that are neither are
    dropped and named. Numbers may be NaN or infinite, strings may hold lone surrogates.
    """
    for number, text, repairs in read_lines(path, tally, max_bytes=max_bytes):
        tally.start(path.name, number, repairs)
        value = parse_json(text, tally)
        if isinstance(value, dict):
            yield Record(number, value, zlib.crc32(text.encode("utf-8", "surrogatepass")))
        else:
            tally.drop(NOT_JSON if value is None else NO_OBJECT)


def parse_json(text: str, tally: Tally) -> Any:
    """Return the value of a JSON text or, as a repair of the present record, of a Python literal; None if neither."""
    try:
        # Raw tabs and the like inside strings are frequent and harmless: every text is cleaned later.
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        value = python_literal(text)
        if value is not None:
            tally.repair(LITERAL)
        return value


def _split(chunks: Chunks, max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, line); None stands for a line above ``max_bytes``, whose bytes are forgotten as they come."""
    number, tail, too_long = 0, b"", False
    for chunk in chunks:
        *lines, tail = (tail + chunk).split(b"\n")
        for line in lines:
            number += 1
            yield number, None if too_long or len(line) > max_bytes else line
            too_long = False
        if len(tail) > max_bytes:
            tail, too_long = b"", True
    if (tail or too_long) and chunks.problem is None:
        yield number + 1, None if too_long else tail


def _decode(raw: bytes, fallback: str | None) -> tuple[str, tuple[str, ...]]:
    repairs: tuple[str, ...] = ()
    raw = raw.removesuffix(b"\r")
    if b"\0" in raw:
        raw = raw.replace(b"\0", b"")
        repairs = (NUL,)
    try:
        return raw.decode("utf-8"), repairs
    except UnicodeDecodeError:
        if fallback is not None:
            return raw.decode(fallback), repairs
        return raw.decode("utf-8", errors="replace"), (*repairs, NOT_UTF8)
