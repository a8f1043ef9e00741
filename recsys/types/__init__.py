"""The frozen values that cross a stage border, and the public values of a shop.

Inside the engine everything is rows and flat arrays; external ids are ``str`` and live in
`Item`, `Event` and `Result` only. Times are aware datetimes outside, int64 epoch seconds inside.
"""

from recsys.types.requests import NO_EVENTS, Events, Request
from recsys.types.rows import NO_ROWS, ItemRows, Offsets, RowMask, Scores, UserKey, Vectors, offsets_of
from recsys.types.shop import KIND_CODES, KINDS, Event, Filter, Item, Review, Search, now_seconds, utc
from recsys.types.slates import Notes, Slates

__all__ = [
    "KINDS",
    "KIND_CODES",
    "NO_EVENTS",
    "NO_ROWS",
    "Event",
    "Events",
    "Filter",
    "Item",
    "ItemRows",
    "Notes",
    "Offsets",
    "Request",
    "Review",
    "RowMask",
    "Scores",
    "Search",
    "Slates",
    "UserKey",
    "Vectors",
    "now_seconds",
    "offsets_of",
    "utc",
]
