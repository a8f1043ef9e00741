"""The JSON form of a filter: ``{"and": [{"eq": ["availability", "in_stock"]}, {"lte": ["price", 80]}]}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recsys.filters.errors import FilterError, shown
from recsys.filters.expr import (
    MAX_ALL_VALUES,
    MAX_CONDITIONS,
    MAX_DEPTH,
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
from recsys.filters.fields import COMPARISONS, MAX_VALUE_CHARS, OPERATORS, nearest

# Every value at its longest, each character escaped: a longer text cannot be a filter within the limits.
MAX_JSON_CHARS = 6 * MAX_ALL_VALUES * MAX_VALUE_CHARS


def from_json(value: Any) -> Expr:
    """Return the tree of plain values as `json.loads` makes them.

    Raises:
        FilterError: with the path of what is wrong.
    """
    return check_size(_Reader().expr(value, "", 1))


def from_json_text(text: str) -> Expr:
    """Return the tree of a JSON text; an object that names a key twice is refused.

    Raises:
        FilterError: with the path, or with the character where the text stops being JSON.
    """
    if len(text) > MAX_JSON_CHARS:
        raise FilterError(f"{len(text)} characters, at most {MAX_JSON_CHARS} are allowed")
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise FilterError(f"not JSON: {error.msg}", position=error.pos) from error
    except RecursionError as error:
        raise FilterError(f"nested too deep, at most {MAX_DEPTH} levels are allowed") from error
    except FilterError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise FilterError(f"not JSON: {shown(str(error))}") from error
    return from_json(value)


def to_json(expr: Expr) -> dict[str, Any]:
    """Return the JSON form as plain values, new ones each time."""
    match expr:
        case Compare(op, field, value):
            return {op: [field, _plain(value)]}
        case OneOf(field, values):
            return {"in": [field, [_plain(v) for v in values]]}
        case Between(field, low, high):
            return {"between": [field, _plain(low), _plain(high)]}
        case Exists(field):
            return {"exists": field}
        case Not(part):
            return {"not": to_json(part)}
        case And(parts):
            return {"and": [to_json(part) for part in parts]}
        case Or(parts):
            return {"or": [to_json(part) for part in parts]}


def _plain(value: Any) -> Any:
    """Return 80 for 80.0: what people write."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if whole else value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise FilterError("an object names one key twice")
    return out


def _no_constant(name: str) -> Any:
    raise FilterError(f"{name} is no number")


class _Reader:
    """Reads one filter; counts its conditions, so that a huge one is refused before it is built."""

    def __init__(self) -> None:
        self.leaves = 0

    def expr(self, value: Any, path: str, level: int) -> Expr:
        """Return the tree at ``path``, which lies ``level`` deep."""
        if level > MAX_DEPTH:
            raise FilterError(f"nested too deep, at most {MAX_DEPTH} levels are allowed", path=path)
        if not isinstance(value, Mapping):
            raise FilterError(
                f'expected an object such as {{"eq": ["brand", "Acme"]}}, got {_kind(value)}', path=path or "the top"
            )
        if len(value) != 1:
            hint = ": join conditions with and" if len(value) else ""
            raise FilterError(f"expected one operator, got {len(value)}{hint}", path=path or "the top")
        ((op, args),) = value.items()
        if op not in OPERATORS:
            raise FilterError(
                f"no operator {shown(op)}{nearest(str(op), OPERATORS)} (operators: {', '.join(OPERATORS)})",
                path=path or "the top",
            )
        here = f"{path}.{op}" if path else str(op)
        if op in ("and", "or"):
            if not isinstance(args, list | tuple):
                raise FilterError(f"{op} takes a list of conditions, got {_kind(args)}", path=here)
            if not args:
                self._count(here)
            parts = (self.expr(part, f"{here}[{i}]", level + 1) for i, part in enumerate(args))
            return all_of(parts) if op == "and" else any_of(parts)
        if op == "not":
            return Not(self.expr(args, here, level + 1))
        self._count(here)
        try:
            return _condition(op, args, here)
        except FilterError as error:
            raise error.at(path=here) from None

    def _count(self, path: str) -> None:
        self.leaves += 1
        if self.leaves > MAX_CONDITIONS:
            raise FilterError(f"more than {MAX_CONDITIONS} conditions", path=path)


def _condition(op: str, args: Any, path: str) -> Expr:
    if op == "exists":
        field = args[0] if isinstance(args, list | tuple) and len(args) == 1 else args
        return Exists(_field(field, path))
    shape = {"between": "[field, low, high]", "in": "[field, [value, ...]]"}.get(op, "[field, value]")
    if not isinstance(args, list | tuple) or len(args) != shape.replace("value, ...", "").count(",") + 1:
        got = f"{len(args)} parts" if isinstance(args, list | tuple) else _kind(args)
        raise FilterError(f"{op} takes {shape}, got {got}", path=path)
    field = _field(args[0], f"{path}[0]")
    try:
        if op == "between":
            return Between(field, args[1], args[2])
        if op == "in":
            if not isinstance(args[1], list | tuple):
                raise FilterError(f"in takes {shape}, got {_kind(args[1])}")
            return OneOf(field, tuple(args[1]))
        assert op in COMPARISONS
        return Compare(op, field, args[1])
    except FilterError as error:
        raise error.at(path=f"{path}[1]") from None


def _field(value: Any, path: str) -> str:
    try:
        return str(Exists(value).field)
    except FilterError as error:
        raise error.at(path=path) from None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), f"a {type(value).__name__}") + (f" {shown(value)}" if isinstance(value, str) else "")
