"""The values of a record, checked: ids, ratings, times, prices, lists.

Each function raises `DataError` with a fixed text, which is what a reader's drops are counted by.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from recsys.data.literal import python_literal
from recsys.errors import DataError
from recsys.ids import MAX_ID_CHARS

# Before 1970 nobody logged events; after 2100 the unit is wrong.
LAST_SECOND = 4_102_444_800
MAX_LIST = 100
MAX_PRICE = 1e9
_MISSING = frozenset(("", "nan", "NaN", "null", "NULL", "None", "<NA>", "NaT", "\\N"))
_NO_ID = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_AMOUNT = re.compile(r"\d[\d,]*(?:\.\d+)?")
# Epoch numbers by size: seconds reach 1e11 in the year 5138, milliseconds pass it in 1973.
_UNITS = ((1e17, 1_000_000_000), (1e14, 1_000_000), (1e11, 1_000))


def missing(value: object) -> bool:
    """Return True for None, NaN and the words that exports write for them."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and value.strip() in _MISSING)


def first_of(record: Mapping[str, Any], *names: str) -> Any:
    """Return the first value that is there; fields are renamed from edition to edition. None if none is."""
    return next((record[name] for name in names if not missing(record.get(name))), None)


def identifier(value: object, name: str) -> str:
    """Return an external id as a string; whole numbers are written without a point."""
    if isinstance(value, str) and value.isalnum() and len(value) <= MAX_ID_CHARS and value not in _MISSING:
        return value  # nearly all of millions: letters and digits need no further look
    if missing(value):
        raise DataError(f"{name} is missing")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**30 else None
    if not isinstance(value, str):
        raise DataError(f"{name} is neither a string nor a whole number")
    value = value.strip()
    if len(value) > MAX_ID_CHARS:
        raise DataError(f"{name} is longer than {MAX_ID_CHARS} characters")
    if _NO_ID.search(value):
        raise DataError(f"{name} holds control characters")
    return value


def number(value: object, name: str) -> float:
    """Return a finite number, given as one or as a string."""
    if missing(value):
        raise DataError(f"{name} is missing")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise DataError(f"{name} is not a number")
    try:
        result = float(value)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{name} is not a number") from error
    if not math.isfinite(result):
        raise DataError(f"{name} is not finite")
    return result


def rating(value: object, low: float, high: float) -> float:
    """Return a rating of ``low`` to ``high``."""
    result = number(value, "rating")
    if not low <= result <= high:
        raise DataError(f"rating is outside {low:g}..{high:g}")
    return result


def seconds(value: object) -> int:
    """Return epoch seconds of an epoch number (s, ms, µs or ns, by its size), a datetime or an ISO 8601 text.

    A text without a zone is UTC.
    """
    if missing(value):
        raise DataError("time is missing")
    if isinstance(value, str):
        value = _spelt(value.strip())
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
        result = value.timestamp()
    else:
        result = number(value, "time")
        for above, unit in _UNITS:
            if result > above:
                result /= unit
                break
    if not 0 <= result <= LAST_SECOND:
        raise DataError("time is outside 1970..2100")
    return int(result)


def _spelt(value: str) -> datetime | float:
    # fromisoformat reads some digits as a date: "20181231" is meant as one, "1545730073" is not.
    if _NUMBER.fullmatch(value) and len(value) != 8:
        return float(value)
    for form in (None, "%b %d, %Y", "%B %d, %Y", "%m %d, %Y", "%m/%d/%Y %I:%M:%S %p"):
        try:
            return datetime.fromisoformat(value) if form is None else datetime.strptime(value, form)
        except ValueError:
            continue
    raise DataError("time is neither a number nor an ISO 8601 date")


def price(value: object) -> float | None:
    """Return a price, the lower end of a range ("$1 - $3"), or None where there is none to read."""
    if isinstance(value, str):
        # "var x = 12" in a price cell is a script: prices are short.
        found = _AMOUNT.search(value) if len(value) <= 40 else None
        value = float(found.group().replace(",", "")) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MAX_PRICE else None


def listed(value: object) -> list[Any]:
    """Return the entries of a list, a list of lists or a list spelt as a Python literal; a string is one entry."""
    if isinstance(value, str):
        value = python_literal(value) or [value]
    if isinstance(value, Mapping) or not isinstance(value, list | tuple):
        return []
    flat: list[Any] = []
    for entry in value:
        flat.extend(entry if isinstance(entry, list | tuple) else [entry])
    return flat[:MAX_LIST]


def mapping(value: object) -> Mapping[str, Any]:
    """Return a dict, given as one or spelt as a Python literal, else an empty one."""
    if isinstance(value, str):
        value = python_literal(value)
    return value if isinstance(value, dict) else {}
