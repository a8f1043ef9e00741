"""The words of the string form: strings in quotes, numbers, names, signs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from recsys.filters.errors import FilterError, shown

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])
    |(?P<word>[A-Za-z_][A-Za-z0-9_.\-]*)
    |(?P<sign><=|>=|!=|<>|==|[=<>(),])
    |(?P<end>\Z)
    |(?P<other>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {'"': '"', "'": "'", "\\": "\\", "/": "/", "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
PLAIN_NAME = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]*")


@dataclass(frozen=True, slots=True)
class Token:
    """One word: its kind ("text", "number", "word", "sign", "end"), what it says, and where it stands."""

    kind: str
    value: str
    start: int
    stop: int

    @property
    def named(self) -> str:
        """How a message calls it."""
        return "the end" if self.kind == "end" else shown(self.value)


def tokens(text: str) -> list[Token]:
    """Return the words of ``text``, the last one being the end.

    Raises:
        FilterError: with the character that begins no word.
    """
    out: list[Token] = []
    place = 0
    while not out or out[-1].kind != "end":
        found = _TOKEN.match(text, place)
        assert found is not None
        assert found.lastgroup is not None
        kind, start = found.lastgroup, found.start(found.lastgroup)
        value = found[kind]
        if kind == "other":
            problem = "a quote that is not closed" if value in "\"'" else f"{shown(value)} begins nothing"
            raise FilterError(f"{problem}; expected a field, a value in quotes, a number or a sign", position=start)
        out.append(Token(kind, unquote(value, start) if kind == "text" else value, start, found.end()))
        place = found.end()
    return out


def unquote(quoted: str, start: int) -> str:
    """Return what a string in quotes says; ``start`` is where it stands, for errors."""

    def plain(found: re.Match[str]) -> str:
        code = found[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in _ESCAPES:
            raise FilterError(f"unknown escape {shown(found[0])} in a string", position=start + 1 + found.start())
        return _ESCAPES[code]

    out = _ESCAPE.sub(plain, quoted[1:-1])
    # Two escapes may be the halves of one character.
    return re.sub(
        "[\ud800-\udbff][\udc00-\udfff]", lambda m: m[0].encode("utf-16", "surrogatepass").decode("utf-16"), out
    )


def quote(value: str) -> str:
    """Return a string in quotes that `unquote` reads back; what cannot be seen is escaped."""
    out = []
    for char in value:
        if char in '"\\':
            out.append("\\" + char)
        elif char.isprintable():
            out.append(char)
        else:
            units = char.encode("utf-16-be", "surrogatepass").hex()
            out += [f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)]
    return f'"{"".join(out)}"'
