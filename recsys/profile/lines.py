"""The values of a profile, and how one line is worded."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from recsys.data.text import clean_text
from recsys.explanation import Evidence
from recsys.profile.sensitive import is_sensitive

LineKind = Literal["journey", "category", "brand", "value", "price", "aspect", "dislike"]
MAX_NAME_CHARS = 60
MAX_ID_WORDS = 80  # characters of a line's id that are words


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that the shop believes about a shopper.

    Attributes:
        line_id: the same as long as the line is about the same thing, "brand:acme".
        text: what it says; the shopper's own words where they changed it (``edited``).
        weight: in (0, 1], how much of the recent history speaks for it.
        evidence: the strongest few events and own reviews; ``item_ids``: every item behind the line.
    """

    line_id: str
    kind: LineKind
    text: str
    weight: float
    evidence: tuple[Evidence, ...]
    item_ids: tuple[str, ...] = ()
    edited: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dict, ready for JSON."""
        return {
            "line_id": self.line_id, "kind": self.kind, "text": self.text, "weight": self.weight, "edited": self.edited,
            "evidence": [e.to_dict() for e in self.evidence],
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """All lines about one shopper, the most telling first; prints as text."""

    user: str
    lines: tuple[Line, ...] = ()
    hidden: tuple[str, ...] = field(default=())

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def line(self, line_id: str) -> Line | None:
        """Return the line of that id, None if there is none."""
        return next((one for one in self.lines if one.line_id == line_id), None)

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dict, ready for JSON; ``hidden`` are the ids of the lines that the shopper had forgotten."""
        return {"user": self.user, "lines": [one.to_dict() for one in self.lines], "hidden": list(self.hidden)}

    def __str__(self) -> str:
        return "\n".join(one.text for one in self.lines) or "(nothing is known)"


@lru_cache(maxsize=20_000)
def name_of(value: str) -> str:
    """Return a catalogue value as a part of a sentence; "" if it may not stand there.

    Values are written by merchants and suppliers: one line, no signs that could be taken for markup or orders, and
    nothing about a sensitive matter.
    """
    name = clean_text(value, MAX_NAME_CHARS)
    if not name or len(name) == MAX_NAME_CHARS or is_sensitive(name) or re.search(r"[<>{}\[\]|`\\:;\"“”!?\n]", name):
        return ""
    return name


def line_id(kind: LineKind, name: str) -> str:
    """Return the id of a line about ``name``: its words in small letters of any alphabet, "brand:höhle-co".

    Names that differ by more than case, spaces and a few marks have different ids: what a readable id would lose
    ("C++" and "C#", a very long name) is kept as a hash.
    """
    folded = unicodedata.normalize("NFC", name.casefold())
    words = re.sub(r"[\W_]+", "-", folded).strip("-")
    if not words or len(words) > MAX_ID_WORDS or re.search(r"[^\w\s&.,'’/()-]", folded):
        digest = hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        words = f"{words[:MAX_ID_WORDS]}-{digest}".lstrip("-")
    return f"{kind}:{words}"


def times(n: int) -> str:
    """Return "once", "twice", "5 times"."""
    return {1: "once", 2: "twice"}.get(n, f"{n} times")


def month(second: int) -> str:
    """Return "May 2026"."""
    return datetime.fromtimestamp(second, UTC).strftime("%B %Y")


def money(amount: float) -> str:
    """Return an amount without a currency, which the shop knows: "12" or "12.50"."""
    return f"{amount:.0f}" if amount >= 20 or amount == int(amount) else f"{amount:.2f}"
