"""Who asks, for what, and what they did before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ContractError
from recsys.types.rows import NO_ROWS, ItemRows, RowMask, UserKey


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Aligned arrays of one or many histories, oldest first; dislikes included.

    Attributes:
        rows: (n,) item rows. times: (n,) epoch seconds. kinds: (n,) int8 codes of `KINDS`.
        values: (n,) as logged. weights: (n,) signed strength of preference: > 0 liked, < 0 disliked, 0 = no signal.
        positions: (n,) int16, where the item was shown, 0 = not logged. ids: event ids, or () when there are none.
    """

    rows: ItemRows
    times: NDArray[np.int64]
    kinds: NDArray[np.int8]
    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    positions: NDArray[np.int16]
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.rows)
        for name in ("times", "kinds", "values", "weights", "positions"):
            if len(getattr(self, name)) != n:
                raise ContractError(f"Events.{name} has {len(getattr(self, name))} entries, rows has {n}")
        if self.ids and len(self.ids) != n:
            raise ContractError(f"Events.ids has {len(self.ids)} entries, rows has {n}")

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: NDArray[Any] | slice) -> Events:
        """Return the events at ``index`` (a slice, a mask or positions)."""
        ids: tuple[str, ...] = ()
        if self.ids:
            # A slice must not cost a copy of every id: one history is cut out of a log of millions.
            if isinstance(index, slice):
                ids = self.ids[index]
            else:
                ids = tuple(np.asarray(self.ids, dtype=object)[index].tolist())
        return Events(
            self.rows[index], self.times[index], self.kinds[index],
            self.values[index], self.weights[index], self.positions[index], ids,
        )  # fmt: skip

    @classmethod
    def of(
        cls,
        rows: Iterable[int],
        *,
        times: Iterable[int] | None = None,
        kinds: Iterable[int] | None = None,
        values: Iterable[float] | None = None,
        weights: Iterable[float] | None = None,
        positions: Iterable[int] | None = None,
        ids: Sequence[str] = (),
    ) -> Events:
        """Build events from plain sequences; what is left out is filled (weights 1, times 0, 1, 2, ...)."""
        r = np.asarray(list(rows) if not isinstance(rows, np.ndarray) else rows, dtype=np.int32)
        n = len(r)

        def column(given: Iterable[float] | None, fill: float, dtype: type) -> NDArray[Any]:
            if given is None:
                return np.full(n, fill, dtype=dtype)
            return np.asarray(given if isinstance(given, np.ndarray) else list(given), dtype=dtype)

        t = np.arange(n, dtype=np.int64) if times is None else column(times, 0, np.int64)
        return cls(
            r, t, column(kinds, 0, np.int8), column(values, 1, np.float32),
            column(weights, 1, np.float32), column(positions, 0, np.int16), tuple(ids),
        )  # fmt: skip


NO_EVENTS = Events.of(())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """Who asks, and for what, in rows; ``text=None`` means recommend, else search.

    ``allowed`` is compiled once by the engine from filters, stock and seen items, before any generator runs;
    None allows every item. ``context`` holds seed items, the cart or the page. ``deadline`` is a
    `time.monotonic` value or None.
    """

    user: UserKey | None = None
    text: str | None = None
    history: Events = field(default_factory=lambda: NO_EVENTS)
    context: ItemRows = field(default_factory=lambda: NO_ROWS)
    allowed: RowMask | None = None
    now: int = 0
    deadline: float | None = None
    k: int = 10
