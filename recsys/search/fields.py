"""What is read of a product, by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from recsys.dataset import ItemTable

# Characters that are read of a value: a title of a megabyte is no better a title, and a list of 10,000 tags no list.
LIMITS: Mapping[str, int] = {"title": 1_000, "brand": 200, "categories": 2_000, "attributes": 10_000, "text": 20_000}
MAX_VALUES = 500


def limit_of(field: str) -> int:
    """Return how many characters are read of a field; those of an attribute of its own for others."""
    return LIMITS.get(field, 4_000)


def reader(items: ItemTable, field: str, extra: Iterable[str] = ()) -> Callable[[int], str]:
    """Return what gives the text of one row in a field; ``extra`` attributes are left out of "attributes"."""
    own = frozenset(extra)
    readers: Mapping[str, Callable[[int], str]] = {
        "title": items.titles.__getitem__,
        "brand": items.brands.__getitem__,
        "text": items.texts.__getitem__,
        "categories": lambda row: _joined(items.categories[row]),
        "attributes": lambda row: _named(items.attributes[row], own),
    }
    return readers.get(field) or (lambda row: _said(field, items.attributes[row].get(field)))


def texts(items: ItemTable, rows: Sequence[int], field: str, extra: Iterable[str] = ()) -> Iterable[str]:
    """Return the text of each row in a field."""
    return map(reader(items, field, extra), rows)


# A full stop between values keeps "black" of one and "cat" of the next from being read as neighbours in a measure.
def _joined(values: Sequence[str]) -> str:
    if len(values) == 1:
        return values[0]
    return " . ".join(v[:1_000] for v in values[:MAX_VALUES])


def _said(name: str, value: Any) -> str:
    """Return the words of one attribute: texts as they are, the name of what is true; bare numbers say nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple | list):
        return _joined([v for v in value if isinstance(v, str)])
    return name if value is True else ""


def _named(attributes: Mapping[str, Any], own: frozenset[str]) -> str:
    if not attributes:
        return ""
    said = [_said(name, value) for name, value in attributes.items() if name not in own]
    return _joined([s for s in said if s])
