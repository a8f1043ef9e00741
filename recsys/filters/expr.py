"""The tree of a filter: frozen values that cannot be made wrong, and how large one from outside may be.

A comparison holds only where the field has a value, ``ne`` included; ``not`` is the plain complement. So
``brand != "Acme"`` leaves out items without a brand, and ``NOT brand = "Acme"`` keeps them. Of a field with many
values (category, lists among attributes) one that compares is enough, save for ``ne``: there none may be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from recsys.filters.errors import FilterError, shown
from recsys.filters.fields import (
    COMPARISONS,
    MAX_VALUE_CHARS,
    Value,
    canonical,
    check_operator,
    check_value,
    nearest,
    seconds,
)

MAX_DEPTH = 8  # levels, a lone condition being one
MAX_CONDITIONS = 200
MAX_VALUES = 1_000  # in one list
MAX_ALL_VALUES = 5_000  # in all lists of a filter
MAX_TEXT_CHARS = 5_000  # of the string form; longer lists have the JSON form


@dataclass(frozen=True, slots=True)
class Compare:
    """``field op value``; ``op`` is one of eq, ne, lt, lte, gt, gte, contains."""

    op: str
    field: str
    value: Value

    def __post_init__(self) -> None:
        if self.op not in COMPARISONS:
            raise FilterError(f"no comparison {shown(self.op)}{nearest(str(self.op), COMPARISONS)}")
        check_operator(self.op, self.field)
        object.__setattr__(self, "field", canonical(self.field))
        object.__setattr__(self, "value", check_value(self.op, self.field, self.value))


@dataclass(frozen=True, slots=True)
class OneOf:
    """``field in values``: a value of the field is among them."""

    field: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if isinstance(self.values, str) or not isinstance(self.values, Sequence):
            raise FilterError(f"in takes a list of values, got {shown(self.values)}")
        check_operator("in", self.field)
        object.__setattr__(self, "field", canonical(self.field))
        object.__setattr__(self, "values", tuple(check_value("in", self.field, v) for v in self.values))


@dataclass(frozen=True, slots=True)
class Between:
    """``low <= field <= high``."""

    field: str
    low: Value
    high: Value

    def __post_init__(self) -> None:
        check_operator("between", self.field)
        object.__setattr__(self, "field", canonical(self.field))
        for name in ("low", "high"):
            object.__setattr__(self, name, check_value("between", self.field, getattr(self, name)))
        low, high = (seconds(v) if isinstance(v, str) else v for v in (self.low, self.high))
        if low > high:
            raise FilterError(f"between takes the lower bound first, got {shown(self.low)} and {shown(self.high)}")


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value."""

    field: str

    def __post_init__(self) -> None:
        check_operator("exists", self.field)
        object.__setattr__(self, "field", canonical(self.field))


@dataclass(frozen=True, slots=True)
class Not:
    """All items but those that meet ``part``."""

    part: Expr


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; without parts, always."""

    parts: tuple[Expr, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds; without parts, never."""

    parts: tuple[Expr, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))


Condition = Compare | OneOf | Between | Exists
Expr = Condition | Not | And | Or
EVERYTHING = And(())
NOTHING = Or(())


def all_of(parts: Iterable[Expr]) -> Expr:
    """Return the parts joined by and; a single one is itself."""
    listed = tuple(parts)
    return listed[0] if len(listed) == 1 else And(listed)


def any_of(parts: Iterable[Expr]) -> Expr:
    """Return the parts joined by or; a single one is itself."""
    listed = tuple(parts)
    return listed[0] if len(listed) == 1 else Or(listed)


def conditions(expr: Expr) -> Iterator[Condition]:
    """Yield every condition of a tree, from left to right."""
    if isinstance(expr, And | Or):
        for part in expr.parts:
            yield from conditions(part)
    elif isinstance(expr, Not):
        yield from conditions(expr.part)
    else:
        yield expr


def values_of(condition: Condition) -> tuple[Value, ...]:
    """Return what a condition compares its field with."""
    match condition:
        case OneOf(_, values):
            return values
        case Between(_, low, high):
            return (low, high)
        case Compare(_, _, value):
            return (value,)
    return ()


def leaves(expr: Expr) -> int:
    """Return how many conditions a tree has; an empty and/or counts as one."""
    if isinstance(expr, And | Or):
        return sum(leaves(part) for part in expr.parts) if expr.parts else 1
    return leaves(expr.part) if isinstance(expr, Not) else 1


def depth(expr: Expr) -> int:
    """Return how many levels a tree has."""
    if isinstance(expr, And | Or):
        return 1 + max((depth(part) for part in expr.parts), default=0)
    return 1 + depth(expr.part) if isinstance(expr, Not) else 1


def check_size(expr: Expr) -> Expr:
    """Return ``expr`` if it is within the limits of this module.

    Raises:
        FilterError: it is not; the message names the limit.
    """
    if depth(expr) > MAX_DEPTH:
        raise FilterError(f"nested {depth(expr)} levels deep, at most {MAX_DEPTH} are allowed")
    if leaves(expr) > MAX_CONDITIONS:
        raise FilterError(f"{leaves(expr)} conditions, at most {MAX_CONDITIONS} are allowed")
    if any(len(v) > MAX_VALUE_CHARS for c in conditions(expr) for v in values_of(c) if isinstance(v, str)):
        raise FilterError(f"a value of more than {MAX_VALUE_CHARS} characters")
    sizes = [len(c.values) for c in conditions(expr) if isinstance(c, OneOf)]
    if max(sizes, default=0) > MAX_VALUES:
        raise FilterError(f"a list of {max(sizes)} values, at most {MAX_VALUES} are allowed")
    if sum(sizes) > MAX_ALL_VALUES:
        raise FilterError(f"{sum(sizes)} values in all lists, at most {MAX_ALL_VALUES} are allowed")
    return expr
