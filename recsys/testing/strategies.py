"""Hypothesis strategies: histories, requests and slates, with all that can be odd about them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from recsys.signal import preference
from recsys.types import KINDS, Events, Notes, Request, Slates

Draw = st.DrawFn
TIMES = st.integers(0, 2**33)
SCORES = st.floats(width=32, allow_nan=False, allow_infinity=False)
ODD_SCORES = st.floats(width=32, allow_nan=True, allow_infinity=True)


@st.composite
def events(draw: Draw, n_items: int, max_size: int = 12, unknown: bool = False) -> Events:
    """Return a history of at most ``max_size`` events, oldest first, of any kind, weighed as the engine does.

    With ``unknown`` rows may also be -1 or beyond the catalogue.
    """
    low, high = (-1, n_items + 2) if unknown else (0, n_items - 1)
    rows = draw(st.lists(st.integers(low, high), max_size=max_size if n_items or unknown else 0))
    n = len(rows)

    def many(values: st.SearchStrategy[float]) -> list[float]:
        return draw(st.lists(values, min_size=n, max_size=n))

    times = sorted(draw(st.lists(TIMES, min_size=n, max_size=n)))
    kinds = np.array(draw(st.lists(st.integers(0, len(KINDS) - 1), min_size=n, max_size=n)), dtype=np.int8)
    values = np.array(many(st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0])), dtype=np.float32)
    return Events.of(rows, times=times, kinds=kinds, values=values, weights=preference(kinds, values, {}))


@st.composite
def requests(draw: Draw, n_items: int, max_size: int = 12, unknown: bool = False) -> Request:
    """Return a request with a history, perhaps a mask over the catalogue or a longer one, perhaps a text."""
    history = draw(events(n_items, max_size, unknown))
    allowed = None
    if draw(st.booleans()):
        grown = n_items + draw(st.integers(0, 3))
        allowed = np.array(draw(st.lists(st.booleans(), min_size=grown, max_size=grown)), dtype=np.bool_)
    text = draw(st.none() | st.text(max_size=20))
    now = int(history.times[-1]) + 1 if len(history) else draw(TIMES)
    return Request(user=draw(st.none() | st.just("someone")), text=text, history=history, allowed=allowed, now=now)


@st.composite
def slates(draw: Draw, n_items: int, size: int | None = None, odd: bool = False, columns: bool = True) -> Slates:
    """Return ``size`` lists (0 to 4 by default) of distinct rows in any order, not sorted by score.

    With ``odd`` scores may be NaN or infinite. With ``columns`` there is "row_twice", ``2 * row``, which shows
    whether columns moved along, and a note for each list.
    """
    b = draw(st.integers(0, 4)) if size is None else size
    lists = [draw(st.lists(st.integers(0, n_items - 1), unique=True, max_size=n_items)) for _ in range(b)]
    wanted = ODD_SCORES if odd else SCORES
    scores = [draw(st.lists(wanted, min_size=len(one), max_size=len(one))) for one in lists]
    plain = Slates.of(lists, scores)
    if not columns:
        return plain
    notes = tuple(Notes(warnings=(f"request {i}",)) for i in range(b))
    return Slates(plain.items, plain.scores, plain.offsets, {"row_twice": plain.items.astype(np.int64) * 2}, notes)
