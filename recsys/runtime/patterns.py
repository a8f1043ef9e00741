"""Texts that match a regular expression, letter by letter: tokens may be bytes of half a letter."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.registry import import_optional
from recsys.runtime.tokens import Tokens

# What a text may begin with without ever becoming a letter: these bytes are no UTF-8 at all.
_NEVER = {0xC0, 0xC1, *range(0xF5, 0x100)}
# Of the letters that a first byte may begin, by the number of bytes missing, one in so many is tried. Letters tried
# with one byte more are the same and others: what was begun can be finished.
_STEPS = {1: 1, 2: 64, 3: 1024}
# Letters by number, and what may stand for letters beyond ASCII without naming one.
_NUMBERED = r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2}))"
_OPEN = r"\.|\[\^|\(\?|\\\w"


class Regex:
    """A text that the whole of ``pattern`` matches, in the syntax of the ``regex`` package.

    The state is the text so far, as bytes. A token is allowed where the text with it is the beginning of some match,
    which ``regex`` tells by partial matching; lookarounds may promise more than any text keeps, so leave them out.
    Where a tokenizer drops the space before a reply, the pattern does not see it. A token that is only the first
    bytes of a letter is taken where it can become a letter that the pattern names, or one of a sample of all others:
    rare letters that the pattern allows may be refused, none is wrongly let in.

    Raises:
        ConfigError: a pattern that is wrong or that nothing matches, or a tokenizer that cannot write every byte.
        PluginUnavailable: the ``regex`` package is not installed.
    """

    def __init__(self, pattern: str, tokens: Tokens) -> None:
        regex = import_optional("regex")
        try:
            self._pattern = regex.compile(pattern)
        except regex.error as error:
            raise ConfigError(f"{pattern!r} is no regular expression: {error}") from error
        self._pieces, self._drops = tokens.spelling(), tokens.drops_space
        if len({p for p in self._pieces if len(p) == 1}) < 256 - len(_NEVER):
            raise ConfigError("a regular expression needs a tokenizer that has a token for every byte")
        plain = regex.sub(r"\\[^\w]", "", pattern)
        numbers = [int(next(filter(None, found)), 16) for found in regex.findall(_NUMBERED, pattern)]
        named = {chr(n) for n in numbers if n <= 0x10FFFF and not 0xD800 <= n < 0xE000} | set(pattern)
        self._named = sorted(c for c in named if not c.isascii())
        self._ascii = not self._named and regex.search(_OPEN, plain) is None
        # What a token may begin with: a letter, or the first byte of one.
        letters = {p.decode("utf-8", "ignore")[:1].encode() for p in self._pieces}
        self._heads = sorted({h for h in letters if h} | {p[:1] for p in self._pieces if p and p[0] >= 0xC0})
        self._finishes = lru_cache(4096)(self._some_letter)
        if not self._begins(""):
            raise ConfigError(f"nothing matches {pattern!r}")

    def start(self) -> bytes:
        """Return the state before the first token."""
        return b""

    def allowed(self, state: bytes) -> NDArray[np.int64] | None:
        """Return no token where the text is complete; else None: ask `accepts`."""
        # A text that does not match yet always goes on.
        going = not self.done(state) or any(self._open(state + head) for head in self._heads)
        return None if going else np.zeros(0, np.int64)

    def accepts(self, state: bytes, token: int) -> bool:
        """Whether a token may come next; control tokens never may."""
        piece = self._pieces[token] if 0 <= token < len(self._pieces) else b""
        return bool(piece) and self._open(state + piece)

    def step(self, state: bytes, token: int) -> bytes:
        """Return the state after a token. Raises `ValueError` for one that is not allowed."""
        if not self.accepts(state, token):
            raise ValueError(f"token {token} is not allowed here")
        return state + self._pieces[token]

    def done(self, state: bytes) -> bool:
        """Whether the text matches as it is."""
        text, tail = _whole(state)
        if tail:
            return False
        found = self._pattern.fullmatch(self._shown(text), partial=True)
        return found is not None and not found.partial

    def _shown(self, text: str) -> str:
        return text.removeprefix(" ") if self._drops else text

    def _begins(self, text: str) -> bool:
        return self._pattern.fullmatch(self._shown(text), partial=True) is not None

    def _open(self, state: bytes) -> bool:
        """Whether a text is the beginning of a match, be it that its last letter is still to be finished."""
        try:
            text, tail = _whole(state)
        except UnicodeDecodeError:
            return False
        return self._finishes(text, tail) if tail else self._begins(text)

    def _some_letter(self, text: str, tail: bytes) -> bool:
        if self._ascii or not self._begins(text):
            return False
        return any(self._begins(text + letter) for letter in _letters(tail, self._named))


def _letters(tail: bytes, named: Sequence[str]) -> Iterator[str]:
    """Give letters whose UTF-8 begins with ``tail``: those named, then a sample of all."""
    yield from (letter for letter in named if letter.encode().startswith(tail))
    missing = _width(tail[0]) - len(tail)
    code = tail[0] & (0x7F >> _width(tail[0]))
    for byte in (*tail[1:], *[0] * missing):
        code = code << 6 | (byte & 0x3F)
    for number in range(code, code + 64**missing, _STEPS[missing]):
        # The first places after E0 and F0 and the last after F4 are written otherwise, or are no letters.
        if number <= 0x10FFFF and not 0xD800 <= number < 0xE000 and chr(number).encode().startswith(tail):
            yield chr(number)


def _whole(state: bytes) -> tuple[str, bytes]:
    """Return the finished letters and the bytes of one begun. Raises `UnicodeDecodeError` for what is no text."""
    decoder = getincrementaldecoder("utf-8")()
    text = decoder.decode(state)
    return text, decoder.getstate()[0]


def _width(lead: int) -> int:
    """Return how many bytes a letter has by its first one."""
    return 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
