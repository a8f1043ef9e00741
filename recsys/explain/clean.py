"""Makes text that anybody could have written fit to be shown and compared: one line, visible characters, bounded."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

MAX_CHARS = 400
# Combining marks may follow a letter, but never in heaps.
_MARKS = re.compile("([\u0300-\u036f]{3})[\u0300-\u036f]+")
_TAG = re.compile(r"<[^<>]{0,200}>|<!--.*?-->|\[/?INST\]|<\|[^|]{0,40}\|>", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]{0,200})\]\([^)]{0,400}\)|\bhttps?://\S+|\bwww\.\S+", re.IGNORECASE)
_MARKUP = re.compile(r"[*_`~#|\\{}<>\[\]^]+")
_SPACES = re.compile(r"\s+")
_DOUBLE = str.maketrans(dict.fromkeys("“”„‟«»″〝〞＂", '"'))
_SINGLE = str.maketrans(dict.fromkeys("‘’‚‛′´`＇", "'"))
_DASHES = str.maketrans({"‐": "-", "‑": "-", "‒": "-", "–": "—", "―": "—", "−": "-"})


def visible(text: str, most: int = MAX_CHARS) -> str:
    """Return ``text`` on one line, without controls, invisible and bidirectional characters; at most ``most`` long.

    Letters are composed (NFC); nothing that can be seen is lost, so a quote stays the exact characters of its review.
    """
    # A megabyte is cut before anything looks at it twice.
    text = text[: 4 * most]
    if text.isascii() and text.isprintable():
        return _SPACES.sub(" ", text).strip()[:most].strip()
    text = unicodedata.normalize("NFC", text)
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " if c in "\t\n\r\v\f\x85" else "" for c in text)
    return _SPACES.sub(" ", _MARKS.sub(r"\1", kept)).strip()[:most].strip()


def plain(text: str, most: int = MAX_CHARS) -> str:
    """Return ``text`` as `visible` does, and without tags, links and characters of markup."""
    return _plain(text[: 8 * most], most)  # what is remembered is bounded, whatever a shop calls its products


@lru_cache(maxsize=16384)
def _plain(text: str, most: int) -> str:
    shown = html.unescape(visible(text, 2 * most))
    shown = _TAG.sub(" ", visible(shown, 2 * most))
    shown = _LINK.sub(lambda m: m[1] or " ", shown)
    return _SPACES.sub(" ", _MARKUP.sub(" ", shown)).strip()[:most].strip()


def level(text: str) -> str:
    """Return ``text`` with typewriter quotes, apostrophes and dashes; every character keeps its place."""
    return text.translate(_DOUBLE).translate(_SINGLE).translate(_DASHES)
