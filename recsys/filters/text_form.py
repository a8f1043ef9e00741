"""The string form of a filter: ``price <= 80 AND brand IN ("Acme", "Bolt") AND NOT category = "Shoes"``.

Written as SQL writes conditions: NOT binds strongest, then AND, then OR; keywords in any case; texts in single or
double quotes with backslash escapes; ``attributes."name with spaces"``; ``price EXISTS``; TRUE and FALSE.
"""

from __future__ import annotations

from collections.abc import Sequence

from recsys.filters.errors import FilterError
from recsys.filters.expr import (
    EVERYTHING,
    MAX_DEPTH,
    MAX_TEXT_CHARS,
    NOTHING,
    And,
    Between,
    Compare,
    Exists,
    Expr,
    Not,
    OneOf,
    Or,
    all_of,
    any_of,
    check_size,
)
from recsys.filters.fields import ATTRIBUTES, Value, kind_of, nearest
from recsys.filters.tokens import PLAIN_NAME, Token, quote, tokens

SIGNS = {"=": "eq", "==": "eq", "!=": "ne", "<>": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
SIGN_OF = {"eq": "=", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "contains": "CONTAINS"}
WORDS = ("IN", "NOT IN", "BETWEEN", "CONTAINS", "EXISTS")


def from_text(text: str) -> Expr:
    """Return the tree of a string.

    Raises:
        FilterError: with the character where it goes wrong, and what was expected there.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise FilterError(
            f"{len(text)} characters, at most {MAX_TEXT_CHARS} are allowed (the JSON form takes longer lists)"
        )
    return check_size(_Parser(tokens(text)).whole())


class _Parser:
    """Recursive descent over the words of one string."""

    def __init__(self, listed: Sequence[Token]) -> None:
        self.listed = listed
        self.place = 0
        self.open = 0  # groups and NOTs around the current word: bounds the recursion

    @property
    def now(self) -> Token:
        return self.listed[self.place]

    def next(self) -> Token:
        token = self.now
        self.place += token.kind != "end"
        return token

    def take(self, *words: str) -> bool:
        """Take the next words if they are these."""
        ahead = self.listed[self.place : self.place + len(words)]
        if len(ahead) < len(words):
            return False
        if any(t.kind not in ("word", "sign") or t.value.upper() != w for t, w in zip(ahead, words, strict=True)):
            return False
        self.place += len(words)
        return True

    def expected(self, what: str, token: Token | None = None) -> FilterError:
        at = token or self.now
        return FilterError(f"expected {what}, got {at.named}", position=at.start)

    def whole(self) -> Expr:
        out = self.either()
        if self.now.kind != "end":
            raise self.expected("AND, OR or the end")
        return out

    def either(self) -> Expr:
        parts = [self.both()]
        while self.take("OR"):
            parts.append(self.both())
        return any_of(parts)

    def both(self) -> Expr:
        parts = [self.one()]
        while self.take("AND"):
            parts.append(self.one())
        return all_of(parts)

    def one(self) -> Expr:
        if self.open >= MAX_DEPTH:
            raise FilterError(f"nested too deep, at most {MAX_DEPTH} levels are allowed", position=self.now.start)
        self.open += 1
        try:
            if self.take("NOT"):
                return Not(self.one())
            if self.take("("):
                out = self.either()
                if not self.take(")"):
                    raise self.expected("AND, OR or ')'")
                return out
            if self.take("TRUE"):
                return EVERYTHING
            if self.take("FALSE"):
                return NOTHING
            return self.condition()
        finally:
            self.open -= 1

    def condition(self) -> Expr:
        field = self.field()
        try:
            return self.compared(field)
        except FilterError as error:  # the word that was read last does not fit the field
            raise error.at(position=self.listed[self.place - 1].start) from None

    def field(self) -> str:
        token = self.next()
        if token.kind != "word":
            raise self.expected("a field such as price or attributes.colour", token)
        name = token.value
        if name == ATTRIBUTES and self.now.kind == "text" and self.now.start == token.stop:
            name += self.next().value
        try:
            kind_of(name)
        except FilterError as error:
            raise error.at(position=token.start) from None
        return name

    def compared(self, field: str) -> Expr:
        sign = self.now
        if sign.kind == "sign" and sign.value in SIGNS:
            self.next()
            return Compare(SIGNS[sign.value], field, self.value(sign.value))
        if self.take("IN"):
            return OneOf(field, self.values())
        if self.take("NOT", "IN"):
            return Not(OneOf(field, self.values()))
        if self.take("EXISTS"):
            return Exists(field)
        if self.take("CONTAINS"):
            return Compare("contains", field, self.value("CONTAINS"))
        if self.take("BETWEEN"):
            low = self.value("BETWEEN")
            if not self.take("AND"):
                raise self.expected("AND and the upper bound")
            return Between(field, low, self.value("AND"))
        near = nearest(sign.value.upper(), WORDS) if sign.kind == "word" else ""
        known = ", ".join([*SIGNS, *WORDS])
        raise FilterError(f"expected an operator after {field}, got {sign.named}{near} (operators: {known})",
                          position=sign.start)  # fmt: skip

    def values(self) -> tuple[Value, ...]:
        if not self.take("("):
            raise self.expected("'(' and a list of values")
        out: list[Value] = []
        if self.take(")"):
            return ()
        while True:
            out.append(self.value("in the list"))
            if self.take(")"):
                return tuple(out)
            if not self.take(","):
                raise self.expected("',' or ')'")

    def value(self, after: str) -> Value:
        token = self.next()
        if token.kind == "text":
            return token.value
        if token.kind == "number":
            return float(token.value)
        if token.kind == "word" and token.value.upper() in ("TRUE", "FALSE"):
            return token.value.upper() == "TRUE"
        hint = f": a text stands in quotes, {quote(token.value[:40])}" if token.kind == "word" else ""
        where = after if after == "in the list" else f"after {after}"
        raise FilterError(f"expected a value {where}, got {token.named}{hint}", position=token.start)


def to_text(expr: Expr) -> str:
    """Return the string form; `from_text` reads it back wherever it is no longer than that allows."""
    match expr:
        case Compare(op, field, value):
            return f"{_name(field)} {SIGN_OF[op]} {_value(value)}"
        case OneOf(field, values):
            return f"{_name(field)} IN ({', '.join(map(_value, values))})"
        case Between(field, low, high):
            return f"{_name(field)} BETWEEN {_value(low)} AND {_value(high)}"
        case Exists(field):
            return f"{_name(field)} EXISTS"
        case Not(part):
            return f"NOT {_grouped(part, And, Or)}"
        case And(parts):
            return " AND ".join(_grouped(part, And, Or) for part in parts) if parts else "TRUE"
        case Or(parts):
            return " OR ".join(_grouped(part, Or) for part in parts) if parts else "FALSE"


def _grouped(part: Expr, *kinds: type) -> str:
    text = to_text(part)
    return f"({text})" if isinstance(part, kinds) and isinstance(part, And | Or) and part.parts else text


def _name(field: str) -> str:
    plain = not field.startswith(ATTRIBUTES) or PLAIN_NAME.fullmatch(field[len(ATTRIBUTES) :])
    return field if plain else ATTRIBUTES + quote(field[len(ATTRIBUTES) :])


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
