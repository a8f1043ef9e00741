"""Fenced blocks of a Markdown file."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name: str) -> list[tuple[str, str, str]]:
    """(language, file name or "", text) of each block of a file in the repository's root."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [(m[1], m[2] or "", m[3]) for m in _FENCE.finditer(text)]
