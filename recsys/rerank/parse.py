"""Reads the reply of a list-wise prompt: numbers of listed candidates, best first, whatever else stands there.

Nothing but a number of a listed candidate can come out; a reply is data, never an instruction.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_CHARS = 20_000
# What a reply may be counted as; see `parse`.
COUNTERS = (
    "ok", "empty", "wrong_format", "repetition", "missing", "out_of_range", "cut", "too_long", "injected",
)  # fmt: skip
_BRACKETED = re.compile(r"\[\s*([+-]?\d+)\s*\]")
# A number by itself: no part of a word, a decimal or a longer number.
_NUMBER = re.compile(r"(?<![\w.+])(?<!\d[-/])-?\d+(?![\w/]|\.\d)")
_LABELLED = re.compile(r"\s*(\d{1,4})\s*[.):]\s+(\d+)\W*")
_LEAD = re.compile(r"^[^\W\d]{1,16}(?:\s[^\W\d]{1,16}){0,2}\s*:")
_SEPARATORS = re.compile(r"^[\s,;>.\[\]()=→›»*#-]*$")
_CONTROL = re.compile(
    r"<\|[^|<>]{0,40}\|>|<[a-z/_]{1,24}>|\[/?INST\]|\b(?:system|assistant|user)\s*:"
    r"|\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instruction|previous|above|rule)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """An order of the candidates, and what had to be mended.

    Attributes:
        order: a permutation of 0..n-1, best first.
        found: how many of its first entries the reply named; the others follow in prior order.
        counts: by the names of `COUNTERS`, those that are not 0.
    """

    order: tuple[int, ...]
    found: int
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def repairs(self) -> int:
        """How many numbers were dropped or added."""
        return sum(self.counts.get(name, 0) for name in ("repetition", "missing", "out_of_range"))


def parse(reply: str, n: int, *, prior: Sequence[int] | None = None, cut: bool = False) -> Parsed:
    """Return the order that ``reply`` gives to ``n`` candidates, which the prompt numbered from 1. Never raises.

    Read are, in this order of trust: a JSON list of numbers (or one in an object); numbers in brackets, "[3] > [1]";
    lines of bare numbers, also behind line numbers ("1. 4") or one label ("Ranking: 4, 1"). Numbers inside prose are
    not read: they may be prices. Digits of any script count. Valid numbers stay in their order, each at its first
    place; what is missing follows in ``prior`` order (places of the candidates, 0..n-1 by default).

    Counters: "ok" the reply was exactly a permutation; "empty" nothing visible; "wrong_format" something beside the
    numbers; "repetition", "out_of_range", "missing" so many numbers; "cut" its end was lost (``cut`` says that the
    model was stopped: a last bare number may be half of one and is dropped); "too_long" only the first `MAX_CHARS`
    were read; "injected" it holds chat tokens or talks of instructions.

    >>> parse("[2] > [11] > [1]", 3).order
    (1, 0, 2)
    """
    counts: dict[str, int] = {}
    if len(reply) > MAX_CHARS:
        reply, cut = reply[:MAX_CHARS], True
        counts["too_long"] = 1
    text = _plain_digits(reply)
    if not text.strip():
        counts["empty"] = 1
    if _CONTROL.search(text):
        counts["injected"] = 1
    if cut:
        counts["cut"] = 1
        text = _without_half(text)
    numbers, pure = _numbers(text)
    if text.strip() and not (pure and numbers):
        counts["wrong_format"] = 1
    kept = _valid(numbers, n, counts)
    rest = [place for place in (range(n) if prior is None else prior) if place not in kept]
    if rest:
        counts["missing"] = len(rest)
    if kept and not counts:
        counts["ok"] = 1
    return Parsed((*kept, *rest), len(kept), counts)


def _plain_digits(text: str) -> str:
    """Return ``text`` with digits of any script as 0-9 and without invisible characters."""
    if text.isascii():
        return text
    out = []
    for c in text:
        digit = unicodedata.decimal(c, None)
        category = unicodedata.category(c)
        out.append(str(digit) if digit is not None else "" if category in ("Cf", "Cs", "Co", "Cn") else c)
    return "".join(out)


def _without_half(text: str) -> str:
    """Return ``text`` without the number that it ends in, and without what opens that; cheap for any text."""
    shorter = text.rstrip("0123456789")
    return text if shorter == text else shorter.removesuffix("-").removesuffix("+").rstrip().removesuffix("[")


def _numbers(text: str) -> tuple[list[str], bool]:
    """Return the numbers of a reply as they stand, and whether there is nothing beside them."""
    listed = _json(text)
    if listed is not None:
        return listed
    bracketed = _BRACKETED.findall(text)
    if bracketed:
        rest = _BRACKETED.sub(" ", text)
        return bracketed, bool(_SEPARATORS.match(rest))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    labelled = [_LABELLED.fullmatch(line) for line in lines]
    if len(lines) > 1 and [m and m[1] for m in labelled] == [str(i + 1) for i in range(len(lines))]:
        return [m[2] for m in labelled if m], True
    numbers: list[str] = []
    pure = True
    for line in lines:
        bare = _LEAD.sub("", line)
        pure &= bare == line
        if _SEPARATORS.match(_NUMBER.sub(" ", bare)):
            numbers += _NUMBER.findall(bare)
        else:
            pure = False
    return numbers, pure


def _json(text: str) -> tuple[list[str], bool] | None:
    stripped = text.strip()
    fenced = stripped.startswith("```")
    if fenced:
        stripped = stripped.strip("`").removeprefix("json").strip()
    if not stripped.startswith(("[", "{")):
        return None
    try:
        value = json.loads(stripped, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    within = isinstance(value, dict)
    if isinstance(value, dict):
        value = next((v for v in value.values() if isinstance(v, list)), None)
    if not isinstance(value, list) or not value:
        return None
    plain = [v for v in value if isinstance(v, str) and re.fullmatch(r"\s*-?\d+\s*", v)]
    return plain, not fenced and not within and len(plain) == len(value)


def _valid(numbers: Sequence[str], n: int, counts: dict[str, int]) -> list[int]:
    """Return the places that numbers mean, each once; others are counted."""
    kept: dict[int, None] = {}
    for number in numbers:
        # A number of thousands of digits is refused by int() itself.
        place = int(number) - 1 if len(number) <= 9 else -1
        if not 0 <= place < n:
            counts["out_of_range"] = counts.get("out_of_range", 0) + 1
        elif place in kept:
            counts["repetition"] = counts.get("repetition", 0) + 1
        else:
            kept[place] = None
    return list(kept)
