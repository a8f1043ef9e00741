"""One slip of the finger in a query: how much does a search lose by it?"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

import numpy as np

MIN_LETTERS = 4
_WORD = re.compile(r"[^\W\d_]+")
EDITS = ("insert", "delete", "substitute", "transpose")


def with_typos(queries: Sequence[str], seed: int = 0) -> list[str]:
    """Return each query with one random edit in one of its words of four letters or more.

    The edit is an insertion, deletion, substitution or transposition of neighbours, each as likely; a word with a
    digit or mark inside is left alone, and a query without a word to edit stays as it is.
    """
    rng = np.random.default_rng(seed)
    return [with_typo(query, rng) for query in queries]


def with_typo(query: str, rng: np.random.Generator) -> str:
    """Return ``query`` with one edit; it differs from ``query`` wherever a word can be edited."""
    spans = [m.span() for m in _WORD.finditer(query) if _alone(query, *m.span())]
    if not spans:
        return query
    begin, end = spans[int(rng.integers(len(spans)))]
    return query[:begin] + edited(query[begin:end], rng) + query[end:]


def edited(word: str, rng: np.random.Generator) -> str:
    """Return a word of at least two letters after one edit: never the word itself."""
    edit = EDITS[int(rng.integers(len(EDITS)))]
    swaps = [i for i in range(len(word) - 1) if word[i] != word[i + 1]]
    letter = string.ascii_lowercase[int(rng.integers(26))]
    if edit == "transpose" and swaps:
        i = swaps[int(rng.integers(len(swaps)))]
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    at = int(rng.integers(len(word)))
    if edit == "insert":
        return word[:at] + letter + word[at:]
    if edit == "delete":
        return word[:at] + word[at + 1 :]
    other = letter if letter != word[at].casefold() else string.ascii_lowercase[(ord(letter) - ord("a") + 1) % 26]
    return word[:at] + other + word[at + 1 :]


def _alone(query: str, begin: int, end: int) -> bool:
    """Whether the letters are a whole word: "wh1000" and "o'neill" are codes and names, not slips."""
    around = query[max(begin - 1, 0) : begin] + query[end : end + 1]
    return end - begin >= MIN_LETTERS and not any(c.isalnum() or c in "_'’-" for c in around)
