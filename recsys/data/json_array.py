"""The objects of one large JSON list, one at a time."""

from __future__ import annotations

import codecs
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recsys.data.chunks import Chunks
from recsys.data.lines import MAX_LINE_BYTES, NO_OBJECT, NOT_JSON, NOT_UTF8, TOO_LONG, Record, json_lines
from recsys.data.report import Tally

_GAP = re.compile(r"[\s,]*")
_NEXT = re.compile(r"\}\s*,\s*(?=\{)")
_ESCAPED = re.compile("[\udc80-\udcff]")


def json_objects(path: Path, tally: Tally, *, max_bytes: int = MAX_LINE_BYTES) -> Iterator[Record]:
    """Yield the objects of a JSON list or of JSON lines, told by the first sign, as started records of ``tally``.

    The list is read in chunks, and its entries are numbered from 1: such files are often a single line. An entry
    that is broken or longer than ``max_bytes`` is dropped and named; the next one is looked for at "}, {".
    """
    for chunk in Chunks(path):
        if first := chunk.removeprefix(codecs.BOM_UTF8).lstrip():
            if first.startswith(b"["):
                yield from _objects(path, tally, max_bytes)
                return
            break
    yield from json_lines(path, tally, max_bytes=max_bytes)


def _objects(path: Path, tally: Tally, max_bytes: int) -> Iterator[Record]:
    chunks = Chunks(path)
    # Invalid bytes survive as lone surrogates, so that their repair can be counted where they are.
    decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
    source = (decode(chunk) for chunk in chunks)
    parse = json.JSONDecoder(strict=False).raw_decode
    text, entry, more, begun = "", 0, True, False
    while True:
        at = _GAP.match(text).end()  # type: ignore[union-attr]
        if not begun and text[at : at + 1] == "[":
            begun, at = True, at + 1
            at = _GAP.match(text, at).end()  # type: ignore[union-attr]
        text = text[at:]
        value: Any = None
        end = 0
        if text:
            try:
                value, end = parse(text)
            except (ValueError, RecursionError):
                end = 0
        if (not end or end == len(text)) and more and len(text) <= max_bytes:
            # Nothing whole yet: an object may go on in the next chunk, and so may a number.
            chunk = next(source, None)
            more = chunk is not None
            text += chunk or ""
            continue
        if not text or (text.startswith("]") and not text[1:].strip()):
            break
        if not end and chunks.problem:
            break  # cut in the middle of this object: the lost record below
        cause = "" if isinstance(value, dict) else NO_OBJECT
        if not end or end > max_bytes:
            cause = TOO_LONG if len(text) > max_bytes else NOT_JSON
            if not end:
                found = _NEXT.search(text)
                end = found.end() if found else len(text)
        own, text = text[:end], text[end:]
        invalid = bool(_ESCAPED.search(own))
        entry += 1
        tally.start(path.name, entry, (NOT_UTF8,) if invalid else ())
        if cause:
            tally.drop(cause)
        else:
            if invalid:
                value = json.loads(_ESCAPED.sub("\ufffd", own), strict=False)
            yield Record(entry, value, zlib.crc32(own.encode("utf-8", "surrogatepass")))
    if chunks.problem:
        tally.lost(path.name, entry + 1, chunks.problem)
