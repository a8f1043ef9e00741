"""Titles, descriptions and reviews of strangers as plain text."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

# What is looked at of a value at all: no description of a product is longer, and time stays bounded.
MAX_RAW_CHARS = 20_000
# Line control, direction marks, zero-width signs and tags (E0000: letters that no reader sees and a model reads) hide
# text from a reader; joiners (200C, 200D) are letters' own.
_CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKUP = re.compile(r"[<&]")
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")
# A "<" that no ">" follows before the next "<" opens no tag. As an entity it stays text, and the standard parser,
# whose time grows with the square of the number of open tags, never sees it.
_NO_TAG = re.compile(r"<(?=[^<>]*(?:<|$))")
_INLINE = frozenset(
    (
        "a",
        "abbr",
        "b",
        "big",
        "code",
        "em",
        "font",
        "i",
        "mark",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "tt",
        "u",
    )
)
_SILENT = frozenset(("script", "style"))


def clean_text(value: object, limit: int) -> str:
    """Return ``value`` as one line of text of at most ``limit`` characters; "" if it is not a string.

    HTML tags go (with the content of script and style), entities are resolved, control characters and direction
    marks go, lone surrogates become U+FFFD, white space is collapsed. A cut text ends with an ellipsis.
    """
    if not isinstance(value, str) or not value:
        return ""
    text = value[:MAX_RAW_CHARS]
    if _MARKUP.search(text):
        text = _without_html(text)
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    text = " ".join(_CONTROL.sub("", text).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _without_html(text: str) -> str:
    # "<![" makes the standard parser raise on unknown declarations; nothing readable begins with it.
    parser = _Text()
    parser.feed(_NO_TAG.sub("&lt;", _without_comments(text.replace("<![", " "))))
    parser.close()
    plain = "".join(parser.parts)
    # Feeds are often escaped twice: "&amp;quot;" is "&quot;" by now. What this uncovers is text and stays text.
    return unescape(plain) if _ENTITY.search(plain) else plain


def _without_comments(text: str) -> str:
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return " ".join((*kept, text[at:].replace("<!--", " ")))


class _Text(HTMLParser):
    """Collects the text between tags; a tag that starts a new line or cell becomes a space."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag not in _INLINE:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag not in _INLINE:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)
