"""Values that were written with Python's ``repr`` instead of as JSON."""

from __future__ import annotations

import ast
import warnings
from typing import Any

MAX_CHARS = 200_000
MAX_DEPTH = 20


def python_literal(text: str, max_chars: int = MAX_CHARS) -> Any:
    """Return the list, dict, tuple or set that ``text`` spells, or None if it does not.

    Only literals are read (`ast.literal_eval`), of at most ``max_chars`` characters and ``MAX_DEPTH`` levels of
    brackets: the parser's memory and stack grow with both, and the text comes from strangers.
    """
    text = text.strip()
    if len(text) > max_chars or not text.startswith(("{", "[", "(")) or _too_deep(text):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string is a warning of the compiler, and none of ours
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _too_deep(text: str) -> bool:
    # Brackets inside strings count as well: a text with twenty unbalanced ones is no loss.
    depth = 0
    for sign in text:
        if sign in "([{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif sign in ")]}":
            depth -= 1
    return False
