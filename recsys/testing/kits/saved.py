"""What is in a saved folder: pickles, and traces of people."""

from __future__ import annotations

import gzip
import io
import pickletools
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import Dataset

# numpy keeps text as UTF-32, some formats as UTF-16: an id is looked for in all three.
ENCODINGS = ("utf-8", "utf-16-le", "utf-32-le")
MIN_ID_CHARS = 6


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every file below ``folder``, and of every member of a zip or gzip file in it."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield from _opened(str(path.relative_to(folder)), path.read_bytes())


def _opened(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, data
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield from _opened(f"{name}/{member}", archive.read(member))
    elif data[:2] == b"\x1f\x8b":
        yield from _opened(f"{name}/gunzipped", gzip.decompress(data))


def is_pickle(data: bytes) -> bool:
    """Return whether ``data`` is one whole pickle, or a ``.npy`` file that needs one. Nothing is executed."""
    if data[:6] == b"\x93NUMPY":
        return _array(data) is None
    try:
        # Bytes that are no pickle may look like a string with an odd escape; that is no news.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pickletools.dis(data, out=io.StringIO())
    except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError):
        return False
    return True


def _array(data: bytes) -> NDArray[np.generic] | None:
    try:
        loaded: NDArray[np.generic] = np.load(io.BytesIO(data), allow_pickle=False)
    except ValueError:
        return None
    return loaded


def pickles(folder: Path) -> list[str]:
    """Return the names of files and members that are pickles."""
    return [name for name, data in contents(folder) if is_pickle(data)]


def people_of(data: Dataset) -> list[str]:
    """Return every word of ``data`` that names a person: user ids, event ids, review authors and review ids.

    Ids shorter than six characters would be found by chance and are refused: a leak test needs a world with long ones.
    """
    named: Iterable[str] = {
        *data.log.users, *data.log.events.ids,
        *(r.user_id for r in data.reviews), *(r.review_id for r in data.reviews if r.review_id),
    }  # fmt: skip
    out = sorted(n for n in named if n)
    assert all(len(n) >= MIN_ID_CHARS for n in out), f"this world has ids under {MIN_ID_CHARS} characters"
    return out


def leaks(folder: Path, words: Iterable[str]) -> list[str]:
    """Return "file: word" for each of ``words`` that occurs in any file or member, in any of `ENCODINGS`."""
    files = list(contents(folder))
    return [
        f"{name}: {word}"
        for word in words
        for name, data in files
        if any(word.encode(encoding) in data for encoding in ENCODINGS)
    ]


def arrays_with_a_side_of(folder: Path, size: int) -> list[str]:
    """Return the names of saved numpy matrices with ``size`` rows or columns."""
    out = []
    for name, data in contents(folder):
        array = _array(data) if data[:6] == b"\x93NUMPY" else None
        if array is not None and array.ndim >= 2 and size in array.shape:
            out.append(name)
    return out
