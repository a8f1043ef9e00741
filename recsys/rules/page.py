"""One page with several lists: what one of them shows, the others do not repeat."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from recsys.dataset import ItemTable
from recsys.rules.model import Rules
from recsys.types import NO_ROWS, ItemRows, RowMask


class Page:
    """Collects what the lists of a page show. Make one a page view; lists may be asked for from several threads.

    Two lists that are made at the same moment cannot know of one another: make them one after the other.
    """

    def __init__(self, item_ids: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._shown: dict[str, None] = dict.fromkeys(item_ids)

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def item_ids(self) -> tuple[str, ...]:
        """What the page shows, in the order in which it came."""
        with self._lock:
            return tuple(self._shown)

    def add(self, item_ids: Iterable[str]) -> None:
        """Note what a list shows."""
        with self._lock:
            self._shown.update(dict.fromkeys(item_ids))

    def rows(self, items: ItemTable) -> ItemRows:
        """Return the rows of what the page shows; ids that the catalogue lacks are left out."""
        shown = self.item_ids
        if not shown:
            return NO_ROWS
        rows = items.vocabulary.rows(shown)
        return rows[rows >= 0]

    def hides(self, rules: Rules, items: ItemTable, base: RowMask) -> ItemRows:
        """Return the rows that ``base`` (n_items,) lets through, and that a list leaves out for the page has them."""
        rows = self.rows(items) if rules.exclude_shown else NO_ROWS
        return rows[base[rows]]
