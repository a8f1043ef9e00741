"""What shoppers changed in their profiles: lines in their own words, and lines that they had forgotten.

It lives in memory beside the events of a store: all about a shopper goes with `erase`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.ids import check_id

MAX_TEXT_CHARS = 160
MAX_EDITS = 200
_LENGTH = f"the text of a line must have 1 to {MAX_TEXT_CHARS} characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change: ``text`` stands in place of a line's own words; None takes the line out."""

    user_id: str
    line_id: str
    text: str | None = None


def said(text: str) -> str:
    """Return the words of a shopper as they are kept.

    Raises:
        DataError: none, or more than `MAX_TEXT_CHARS`.
    """
    out = clean_text(text, MAX_TEXT_CHARS + 1)
    if not out or len(out) > MAX_TEXT_CHARS:
        raise DataError(_LENGTH)
    return out


def checked_edit(edit: Edit) -> Edit:
    """Return a change that was accepted before; it is not cleaned once more: it stays as it is.

    Raises:
        DataError: its text could not have been accepted.
    """
    if edit.text is not None and not 0 < len(edit.text) <= MAX_TEXT_CHARS:
        raise DataError(f"line {edit.line_id!r}: {_LENGTH}")
    return edit


def check_room(line_id: str, mine: Collection[str]) -> None:
    """Check that a line may be changed by who has changed the lines ``mine`` already.

    Raises:
        DataError: they are too many.
    """
    if line_id not in mine and len(mine) >= MAX_EDITS:
        raise DataError(f"a profile holds at most {MAX_EDITS} changes: restore some lines first")


def merged_edits(guest: Mapping[str, Edit], customer: Mapping[str, Edit], user: str) -> dict[str, Edit]:
    """Return the changes of two as those of ``user``, the customer's own ones last and for sure."""
    both = {**{line: replace(edit, user_id=user) for line, edit in guest.items()}, **customer}
    return dict(list(both.items())[-MAX_EDITS:])


def exported_edits(edits: Mapping[str, Edit]) -> list[dict[str, Any]]:
    """Return changes as plain dicts ready for JSON."""
    return [
        {"type": "profile-edit", "line_id": line_id, "text": edit.text, "hidden": edit.text is None}
        for line_id, edit in edits.items()
    ]


class Edits:
    """Changes by shopper and line, at most `MAX_EDITS` a shopper."""

    def __init__(self, edits: Iterable[Edit] = ()) -> None:
        self._by_user: dict[str, dict[str, Edit]] = {}
        self._lock = threading.Lock()
        self.put(edits)

    def __len__(self) -> int:
        return sum(len(mine) for mine in self._by_user.values())

    def __iter__(self) -> Iterator[Edit]:
        """Yield all changes, shopper by shopper."""
        return iter([edit for mine in list(self._by_user.values()) for edit in mine.values()])

    def put(self, edits: Iterable[Edit]) -> int:
        """Take in changes as they were, from a dump, and return how many.

        Raises:
            DataError: a text or an id that could not have been accepted; the changes before it are in.
        """
        n = 0
        for edit in edits:
            self._put(checked_edit(edit))
            n += 1
        return n

    def edit(self, user: str, line_id: str, text: str) -> None:
        """Say a line in the shopper's own words.

        Raises:
            DataError: no text, one of more than `MAX_TEXT_CHARS`, or too many changed lines.
        """
        self._put(Edit(user_id=user, line_id=line_id, text=said(text)))

    def hide(self, user: str, line_id: str) -> None:
        """Take a line out for good, whatever speaks for it later."""
        self._put(Edit(user_id=user, line_id=line_id))

    def _put(self, edit: Edit) -> None:
        user, line_id = edit.user_id, edit.line_id
        check_id(user, "user_id")
        check_id(line_id, "line_id")
        with self._lock:
            mine = dict(self._by_user.get(user, {}))
            check_room(line_id, mine)
            mine[line_id] = edit
            self._by_user[user] = mine

    def restore(self, user: str, line_id: str) -> bool:
        """Undo the change of a line; return whether there was one."""
        with self._lock:
            mine = dict(self._by_user.get(user, {}))
            found = mine.pop(line_id, None) is not None
            if mine:
                self._by_user[user] = mine
            else:
                self._by_user.pop(user, None)
            return found

    def of_user(self, user: str) -> Mapping[str, Edit]:
        """Return the changes of a shopper by line."""
        return self._by_user.get(user, {})

    def erase(self, user: str) -> int:
        """Forget a shopper; return how many changes are gone."""
        with self._lock:
            return len(self._by_user.pop(user, {}))

    def merge(self, guest: str, customer: str) -> int:
        """Move the changes of ``guest`` to ``customer``, whose own ones stay; return how many were the guest's."""
        check_id(customer, "user_id")
        with self._lock:
            moved = self._by_user.pop(guest, {}) if guest != customer else {}
            if moved:
                self._by_user[customer] = merged_edits(moved, self._by_user.get(customer, {}), customer)
            return len(moved)

    def export(self, user: str) -> list[dict[str, Any]]:
        """Return all changes of a shopper as plain dicts ready for JSON."""
        return exported_edits(self.of_user(user))
