from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write lines (str or bytes) to a file, gzipped if its name says so; return its path."""

    def write_lines(name: str, *lines: str | bytes, end: bytes = b"\n") -> str:
        raw = b"".join((line.encode() if isinstance(line, str) else line) + end for line in lines)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return str(path)

    return write_lines
