"""What shoppers changed in their profiles: lines in their own words, and lines that they had forgotten."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.ids import check_id

MAX_TEXT_CHARS = 160
MAX_EDITS = 200


@dataclass(frozen=True, slots=True)
class Edit:
    """``text`` in place of a line's own; None takes the line out."""

    text: str | None


class Edits:
    """Changes by shopper and line. It lives beside the store: all about a shopper goes with `erase`."""

    def __init__(self) -> None:
        self._by_user: dict[str, dict[str, Edit]] = {}
        self._lock = threading.Lock()

    def edit(self, user: str, line_id: str, text: str) -> None:
        """Say a line in the shopper's own words.

        Raises:
            DataError: no text, one of more than `MAX_TEXT_CHARS`, or too many changed lines.
        """
        said = clean_text(text, MAX_TEXT_CHARS + 1)
        if not said or len(said) > MAX_TEXT_CHARS:
            raise DataError(f"the text of a line must have 1 to {MAX_TEXT_CHARS} characters")
        self._put(user, line_id, Edit(said))

    def hide(self, user: str, line_id: str) -> None:
        """Take a line out for good, whatever speaks for it later."""
        self._put(user, line_id, Edit(None))

    def _put(self, user: str, line_id: str, edit: Edit) -> None:
        check_id(user, "user_id")
        check_id(line_id, "line_id")
        with self._lock:
            mine = dict(self._by_user.get(user, {}))
            if line_id not in mine and len(mine) >= MAX_EDITS:
                raise DataError(f"a profile holds at most {MAX_EDITS} changes: restore some lines first")
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
                both = {**moved, **self._by_user.get(customer, {})}
                self._by_user[customer] = dict(list(both.items())[-MAX_EDITS:])
            return len(moved)

    def export(self, user: str) -> list[dict[str, Any]]:
        """Return all changes of a shopper as plain dicts ready for JSON."""
        return [
            {"type": "profile-edit", "line_id": line_id, "text": edit.text, "hidden": edit.text is None}
            for line_id, edit in self.of_user(user).items()
        ]
