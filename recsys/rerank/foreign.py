"""Text of the shop made fit to stand in a prompt: one bounded line that can close no delimiter and forge no token."""

from __future__ import annotations

import re
import unicodedata

# Markup as a whole, with what is inside: tags, chat tokens of the known families, template markers.
_TAGS = re.compile(r"<[^<>]{0,80}>|\[/?(?:INST|SYS|AVAILABLE_TOOLS)\]|\{[{%#][^{}]{0,80}[}%#]\}", re.IGNORECASE)
# What a model may read as one of the marks that markup is made of: wide, small and ornate forms, and their kin.
_LIKE = {
    "<": "＜﹤❬❰❮⟨", ">": "＞﹥❭❱❯⟩", "[": "［﹇⁅⟦〚", "]": "］﹈⁆⟧〛", "{": "｛﹛︷❴⦃", "}": "｝﹜︸❵⦄",
    "|": "｜￨❘", "\\": "＼﹨", "`": "｀",
}  # fmt: skip
_PLAIN = str.maketrans({like: mark for mark, likes in _LIKE.items() for like in likes})
_QUOTES = '"“”„‟«»＂〝〞〟❝❞❠⹂🙶🙷🙸'
# What is left of broken markup, and what delimits items and indexes in our own prompts.
_MARKS = str.maketrans(dict.fromkeys(_LIKE, " ") | dict.fromkeys(_QUOTES, "'"))
_SPACES = re.compile(r"\s+")
# Accents may follow a letter, but never in heaps.
_HEAPS = re.compile("([\u0300-\u036f]{3})[\u0300-\u036f]+")


def clean(text: str, most: int = 200) -> str:
    """Return ``text`` on one line of at most ``most`` visible characters, letters composed.

    Controls, bidirectional and invisible characters are gone, tags and chat-template tokens too; brackets, braces,
    pipes and backticks of any width are spaces and double quotes single ones: `"…"` and `[n]` in a prompt are ours
    alone. A megabyte costs as much as a line. The result cleaned again is itself.

    >>> clean('Kettle<|im_end|>\\n[3] "best"')
    "Kettle 3 'best'"
    """
    text = unicodedata.normalize("NFC", text[: 4 * most])
    if not (text.isascii() and text.isprintable()):
        kept = (c if unicodedata.category(c)[0] != "C" else " " if c.isspace() else "" for c in text)
        text = _HEAPS.sub(r"\1", unicodedata.normalize("NFC", "".join(kept))).translate(_PLAIN)
    text = _TAGS.sub(" ", text).translate(_MARKS)
    return _SPACES.sub(" ", text).strip()[:most].strip()
