"""One tenant of the service: its engine, the lists that it was served, and what is swapped under it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recsys.engine import Engine
from recsys.filters import Expr
from recsys.filters.expr import all_of
from recsys.filters.where import parse
from recsys.result import Result
from recsys.serving.attribution import Tokens
from recsys.serving.experiments import Experiment
from recsys.serving.listlog import ListLog

if TYPE_CHECKING:
    from recsys.serving.shadow import Shadow
    from recsys.serving.shelf import Shelf


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """What serves at a moment. A request takes one generation at its beginning and keeps it to its end.

    ``shadow`` answers the same requests beside it and is compared, never shown.
    """

    engine: Engine
    shadow: Shadow | None = None


class Tenant:
    """One shop in the service: all that its requests need, bound to it; nothing here knows of another one."""

    def __init__(
        self, name: str, engine: Engine, tokens: Tokens, *, lists: ListLog | None = None,
        experiments: Mapping[str, Experiment] | None = None, shelf: Shelf | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.tokens = tokens
        self.lists = lists or ListLog()
        self.experiments = dict(experiments or {})
        self.shelf = shelf
        self._generation = Generation(engine)
        self._swapping = threading.Lock()
        self.changing = threading.Lock()  # of what is read, changed and written back

    @property
    def generation(self) -> Generation:
        """What serves now."""
        return self._generation

    @property
    def engine(self) -> Engine:
        """The engine that serves now."""
        return self._generation.engine

    def remembers(self, user: str | None) -> bool:
        """Return whether what is done for a shopper may be written down; of nobody in particular it may."""
        return user is None or self.shelf is None or self.shelf.store.consent(user)

    def swap(self, engine: Engine) -> None:
        """Serve another engine from the next request on; those under way keep theirs."""
        with self._swapping:
            self._generation = replace(self._generation, engine=engine)

    def shade(self, shadow: Shadow | None) -> None:
        """Let another engine answer beside the one that serves; None ends that."""
        with self._swapping:
            old, self._generation = self._generation.shadow, replace(self._generation, shadow=shadow)
        if old is not None:
            old.close()

    def close(self) -> None:
        """Write what waits."""
        self.shade(None)
        self.lists.close()


def within(forced: str, where: Expr | None) -> Expr | None:
    """Return a caller's filter within that which their key forces on them, "" for none."""
    if not forced:
        return where
    bound = parse(forced)
    return bound if where is None else all_of((bound, where))


def known(engine: Engine, item_ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which of the ids the catalogue has, in their order and once each, and which it lacks."""
    ids = list(dict.fromkeys(item_ids))
    rows = engine.store.items().vocabulary.rows(ids)
    return (
        [i for i, row in zip(ids, rows.tolist(), strict=True) if row >= 0],
        [i for i, row in zip(ids, rows.tolist(), strict=True) if row < 0],
    )


def worded(engine: Engine, ask: Callable[[], Result], wait_s: float) -> Result:
    """Return a list whose reasons are worded by a slow model, if that is done within ``wait_s``; else by template."""
    result = ask()
    if result.pending and engine.wait_for_reasons(wait_s):
        result = ask()
    return result
