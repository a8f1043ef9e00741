"""What rules did to each list, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.rules.fill import Filled, labels_of
from recsys.rules.model import Cap, Rules
from recsys.types import ItemRows, Notes, Request, Slates

Bools = NDArray[np.bool_]
MAX_VALUES = 5  # of a cap that the trace names
SHOWN = "shown already"
RULED = "ruled"  # column: a tuple of the names of the rules that are about an entry


@dataclass(frozen=True, slots=True, eq=False)
class Met:
    """A rule in one call: how it is called, which items ``mask`` (n_items,) and requests ``holds`` (b,) it is about."""

    label: str
    mask: Bools
    holds: Bools


@dataclass(slots=True, eq=False)
class Work:
    """One call under way.

    Attributes:
        rules, requests, items: as they were handed in.
        lifted, lowered, hidden: the boosts, burials and hide rules, in their order.
        shown: rows that the page shows already.
        repeats: (b,) how many candidates were left out because of that.
    """

    rules: Rules
    requests: Sequence[Request]
    items: ItemTable
    lifted: list[Met]
    lowered: list[Met]
    hidden: list[Met]
    shown: ItemRows
    repeats: NDArray[np.int64]


def traces(work: Work, rows: ItemRows, filled: Filled) -> list[tuple[str, ...]]:
    """Return the applied rules of each list; ``rows`` (b, p) are the pools it was made from."""
    out: list[list[str]] = [[] for _ in work.requests]
    shown = listed_rows(rows, filled)
    for sort, rules, pool in (("boost", work.lifted, shown), ("bury", work.lowered, rows)):
        for met in rules:
            some = met.mask[pool] & (pool >= 0) if len(work.items) else pool >= 0
            _count(out, f"{sort}:{met.label}", some.sum(axis=1) * met.holds)
    for met in work.hidden:
        _say(out, f"hide:{met.label}", met.holds)
    _count(out, SHOWN, work.repeats)
    for name in ("diversity", "calibration"):
        if strength := getattr(work.rules, name):
            _say(out, f"{name}:{strength:g}", (filled.picks >= 0).sum(axis=1) > 1)
    for pin in work.rules.pin:
        row = work.items.vocabulary.row(pin.item_id)
        there = (shown == row) & pin.applies(work.requests)[:, None] & (row >= 0) & (pin.position <= shown.shape[1])
        for i in np.flatnonzero(there.any(axis=1)).tolist():
            place = int(np.argmax(there[i])) + 1
            moved = "" if place == pin.position else f" (shown at {place})"
            out[i].append(f"pin:{pin.name or pin.item_id}@{pin.position}{moved}")
    for c, cap in enumerate(work.rules.caps):
        for i in np.flatnonzero(filled.capped[:, :, c].any(axis=1)).tolist():
            left_out = rows[i][filled.capped[i, :, c]]
            out[i] += _capped(cap, work.items, shown[i][shown[i] >= 0], left_out)
    explored = filled.explored.sum(axis=1)
    for n in np.unique(explored[explored > 0]).tolist():
        _say(out, f"explore:{n}", explored == n)
    return [tuple(one) for one in out]


def names_of(work: Work, out: Slates, filled: Filled, moved: Bools | None) -> NDArray[np.object_]:
    """Return (m,) a tuple of the names of the rules that are about each entry of the lists ``out``, as in `traces`.

    ``moved`` (m,) is True where diversity or calibration gave an entry another place; None without either.
    """
    owner, rows = out.request_index, out.items
    told: list[list[str]] = [[] for _ in rows]
    for sort, rules in (("boost", work.lifted), ("bury", work.lowered)):
        for met in rules:
            _say(told, f"{sort}:{met.label}", met.mask[rows] & met.holds[owner])
    for name in ("diversity", "calibration"):
        if moved is not None and (strength := getattr(work.rules, name)):
            _say(told, f"{name}:{strength:g}", moved)
    for pin in work.rules.pin:
        here = (rows == work.items.vocabulary.row(pin.item_id)) & pin.applies(work.requests)[owner]
        if pin.position <= filled.picks.shape[1]:
            _say(told, f"pin:{pin.name or pin.item_id}@{pin.position}", here)
    _say(told, "explore", filled.explored[owner, out.places])
    names = np.empty(len(rows), dtype=object)
    names[:] = [tuple(one) for one in told]
    return names


def listed_rows(rows: ItemRows, filled: Filled) -> ItemRows:
    """Return (b, k) the listed rows, -1 pads."""
    if not rows.shape[1]:
        return np.full(filled.picks.shape, -1, dtype=np.int32)
    picked = np.take_along_axis(rows, np.maximum(filled.picks, 0), axis=1)
    return np.where(filled.picks >= 0, picked, -1).astype(np.int32)


def notes_of(work: Work, rows: ItemRows, filled: Filled, old: tuple[Notes, ...]) -> tuple[Notes, ...]:
    """Return the notes of the lists, with the rules applied and a warning for every pin that could not be shown."""
    shown = listed_rows(rows, filled)
    warnings: list[list[str]] = [[] for _ in work.requests]
    for pin in work.rules.pin:
        row = work.items.vocabulary.row(pin.item_id)
        lacking = pin.applies(work.requests) & ~((shown == row) & (row >= 0)).any(axis=1)
        why = "no item has this id" if row < 0 else "the item may not be shown here"
        if pin.position <= shown.shape[1]:
            for i in np.flatnonzero(lacking).tolist():
                warnings[i].append(f"pin {pin.name or pin.item_id}@{pin.position}: {why}")
    new = [
        Notes(warnings=tuple(told), applied=applied)
        for told, applied in zip(warnings, traces(work, rows, filled), strict=True)
    ]
    if not old and not any(note.warnings or note.applied for note in new):
        return ()
    return tuple(a.plus(b) for a, b in zip(old or (Notes(),) * len(new), new, strict=True))


def _say(out: list[list[str]], text: str, lists: Bools) -> None:
    for i in np.flatnonzero(lists).tolist():
        out[i].append(text)


def _count(out: list[list[str]], name: str, counts: NDArray[Any]) -> None:
    for i in np.flatnonzero(counts).tolist():
        out[i].append(_counted(name, counts[i]))


def with_shown(slates: Slates, n: int) -> Slates:
    """Return the lists with the note that ``n`` items were left out because the page has them; without it for none."""
    return slates.note(Notes(applied=(_counted(SHOWN, n),))) if n else slates


def _counted(name: str, n: int) -> str:
    return f"{name} ({n} item{'' if n == 1 else 's'})"


def _capped(cap: Cap, items: ItemTable, shown: ItemRows, left_out: ItemRows) -> list[str]:
    """Return "cap:field=value" for every value of which a list holds all that it may and an item was left out."""
    labels = labels_of(items, cap.field)
    held = Counter(labels.take(shown).ravel().tolist())
    names = list(labels.codes)
    full = [
        names[code]
        for code in dict.fromkeys(labels.take(left_out).ravel().tolist())
        if code >= 0 and held[code] >= cap.at_most and (cap.value is None or names[code] == cap.value)
    ]
    more = [f"cap:{cap.label}: {len(full) - MAX_VALUES} more"] if len(full) > MAX_VALUES else []
    return [f"cap:{cap.label}={value[:60]}" for value in full[:MAX_VALUES]] + more
