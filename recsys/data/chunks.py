"""The bytes of a plain or gzipped file in chunks, as far as they can be had."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from recsys.errors import DataError

SIZE = 1 << 16
CUT_GZIP = "gzip ends early: the rest is lost"
BAD_GZIP = "gzip is damaged: the rest is lost"
_GZIP = b"\x1f\x8b"


class Chunks:
    """Iterates over the content of a file; gzip is told by its first bytes, not by its name.

    After the iteration ``problem`` is None, or says why the content ends before the file does. `gzip.open` would
    raise instead, and lose what it had already unpacked.

    Raises:
        DataError: the file is missing or cannot be opened (when the iteration begins).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        self.problem = None
        with open_binary(self.path) as handle:
            start = handle.read(SIZE)
            if start.startswith(_GZIP):
                yield from self._unpacked(start, handle)
                return
            while start:
                yield start
                start = handle.read(SIZE)

    def _unpacked(self, packed: bytes, handle: BinaryIO) -> Iterator[bytes]:
        while packed:
            # One turn is one gzip member: files may be several, one after the other.
            unpacker = zlib.decompressobj(wbits=31)
            while not unpacker.eof:
                if not packed:
                    self.problem = CUT_GZIP
                    return
                try:
                    # The output is bounded: memory stays flat, and damage costs at most one chunk.
                    out = unpacker.decompress(packed, SIZE)
                except zlib.error:
                    self.problem = BAD_GZIP
                    return
                if out:
                    yield out
                packed = unpacker.unconsumed_tail or (b"" if unpacker.eof else handle.read(SIZE))
            packed = (unpacker.unused_data or handle.read(SIZE)).lstrip(b"\0")


def open_binary(path: Path) -> BinaryIO:
    """Open a file to read bytes. Raises `DataError` that says what to do."""
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: check the path, or download the file first") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
