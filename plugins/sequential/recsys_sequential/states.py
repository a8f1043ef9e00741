"""What was read of histories: one request at a time, only the events that are new are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.runtime.onnx import OnnxSession
from recsys.runtime.prefixes import PrefixCache, PrefixState, Prompt
from recsys_sequential.windows import Rows

# So many events may have come since a history was read last: further back nobody looks for what is kept.
LATELY = 8


class States:
    """States of the histories of known shoppers within ``megabytes``; 0 keeps none. Many threads may use it.

    Histories of at most ``short`` events are read anew: that costs less than to look for what was kept of them.
    """

    def __init__(self, megabytes: float, short: int = 0) -> None:
        self._short = short
        self._cache = PrefixCache(int(megabytes * 2**20))
        self._keeps = megabytes > 0

    def __len__(self) -> int:
        return len(self._cache)

    def wanted(
        self, session: OnnxSession, codes: NDArray[np.float32], read: Sequence[Rows], users: Sequence[str | None]
    ) -> NDArray[np.float32]:
        """Return (b, width) what follows each history of at least one row; ``codes`` (n, width) are the items'."""
        if len(read) == 1 and users[0] and self._keeps and len(read[0]) > self._short:
            return self._one(session, codes, read[0], users[0])
        lengths = np.array([len(rows) for rows in read])
        events = np.zeros((len(read), int(lengths.max()), codes.shape[1]), np.float32)
        events[np.arange(events.shape[1]) < lengths[:, None]] = codes[np.concatenate(read)]
        every = session.run({"events": events, "past": nothing(session, len(read))}, ["wanted"])["wanted"]
        out: NDArray[np.float32] = every[np.arange(len(read)), lengths - 1]
        return out

    def _one(self, session: OnnxSession, codes: NDArray[np.float32], rows: Rows, user: str) -> NDArray[np.float32]:
        with self._cache.reading() as forgotten:
            held = None
            for end in range(len(rows), max(0, len(rows) - LATELY) - 1, -1):
                held = self._cache.get(Prompt((rows[:end],), user)) if end else None
                if held is not None or not end:
                    break
            known = 0 if held is None else len(held)
            if held is None or known < len(rows):
                past = nothing(session, 1) if held is None else held.cache[:, :, None]
                made = session.run({"events": codes[rows[known:]][None], "past": past})
                held = PrefixState(made["state"][:, :, 0], made["wanted"][0, -1].copy())  # a view would keep every row
                self._cache.put(Prompt((rows,), user), held, forgotten)
        return held.hidden[None]

    def forget(self, user: str) -> int:
        """Drop all that is kept of a shopper; return how many states."""
        return self._cache.forget(user)


def nothing(session: OnnxSession, count: int) -> NDArray[np.float32]:
    """Return the state of ``count`` histories of which nothing was read."""
    shape = next(t.shape for t in session.spec.inputs if t.name == "past") or ()
    layers, _, _, heads, _, each = shape
    return np.zeros((int(layers or 0), 2, count, int(heads or 0), 0, int(each or 0)), np.float32)
