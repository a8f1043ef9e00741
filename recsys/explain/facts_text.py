"""Words of strangers, made fit to stand in evidence: one plain line, without markup, control marks or chat tokens."""

from __future__ import annotations

import re
from functools import lru_cache

from recsys.data.text import clean_text

TITLE_LIMIT = 120
# Escaped twice or thrice, markup comes out of one cleaning as markup; whoever escapes more often gets no markup.
_ROUNDS = 3
_CHAT = re.compile(
    r"<\|[^|<>]{0,64}\|>|<{1,2}/?\s*(?:SYS|INST)\s*>{1,2}|\[/?\s*(?:SYS|INST|SYSTEM)\s*\]", re.IGNORECASE
)
# Tag characters spell invisible words, interlinear and object marks hide text, variation selectors carry bytes.
_INVISIBLE = re.compile("[\u061c\u180e\u2028\u2029\ufe00-\ufe0f\ufff9-\ufffc\U000e0000-\U000e0fff]")
_BRACKETS = re.compile(r"[<>]")
_KEPT = 300


def clean(text: object, limit: int = TITLE_LIMIT) -> str:
    """Return ``text`` as one plain line of at most ``limit`` characters; "" for anything that is not a string.

    Markup, control and direction marks, invisible signs and the special tokens of chat templates are gone, and no
    angle bracket is left. Cleaning a clean text changes nothing.
    """
    # Titles and values come back with every list; what is longer would only fill the memory.
    if isinstance(text, str) and len(text) <= _KEPT:
        return _kept(text, limit)
    return _clean(text, limit)


def _clean(text: object, limit: int) -> str:
    # Twice the limit: what a later round takes away should not leave a short stub of a cut text.
    out = clean_text(text, 2 * limit + 200)
    for _ in range(_ROUNDS):
        before = out
        out = clean_text(_CHAT.sub(" ", _INVISIBLE.sub("", out)), 2 * limit + 200)
        if out == before:
            break
    out = " ".join(_BRACKETS.sub(" ", out).split())
    while _CHAT.search(out):  # what was taken out may have joined two halves
        out = " ".join(_CHAT.sub(" ", out).split())
    return out if len(out) <= limit else out[: limit - 1].rstrip() + "…"


_kept = lru_cache(maxsize=50_000)(_clean)
