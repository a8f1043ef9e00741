"""From hidden rows to the vocabulary: logits, log probabilities of given tokens, and single columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.runtime.packing import Rows
from recsys.runtime.session import Session, in_time
from recsys.runtime.weights import Table

Ids = NDArray[np.int64]
# Logits that are held at a time, 64 MB, within bounds: fewer rows read the matrix too often, more gain nothing.
HELD_LOGITS, FEWEST, MOST = 1 << 24, 64, 256


class Head(Protocol):
    """The last product of a language model, (d,) -> (vocabulary,). Many threads may use one."""

    @property
    def matrix(self) -> Table:
        """One row a token, (vocabulary, d), possibly memory-mapped."""
        ...

    def logits(self, hidden: Rows) -> tuple[Rows, NDArray[np.float32]]:
        """Return the logits (r, vocabulary) of rows (r, d), and the logarithm of the sum of their exponentials (r,)."""
        ...

    def picked(self, hidden: Rows, targets: Ids) -> NDArray[np.float32]:
        """Return log p of one token a row, (r,)."""
        ...


class ArrayHead:
    """The product by numpy: for bodies without a graph of the head, and what the graph is compared with."""

    def __init__(self, matrix: Table) -> None:
        self._matrix: NDArray[np.float32] = np.asarray(matrix, np.float32)

    @property
    def matrix(self) -> Table:
        """One row a token."""
        return self._matrix

    def logits(self, hidden: Rows) -> tuple[Rows, NDArray[np.float32]]:
        """Return logits and log sums."""
        out: Rows = hidden @ self._matrix.T
        top = out.max(axis=1, initial=-np.inf)
        sums: NDArray[np.float32] = np.log(np.exp(out - top[:, None]).sum(axis=1)) + top
        return out, sums

    def picked(self, hidden: Rows, targets: Ids) -> NDArray[np.float32]:
        """Return log p of the targets."""
        logits, sums = self.logits(hidden)
        out: NDArray[np.float32] = logits[np.arange(len(targets)), targets] - sums
        return out


class GraphHead:
    """The product by a session of `recsys.runtime.decoder_graph.head_graph`: about twice as fast as numpy."""

    def __init__(self, session: Session, matrix: Table) -> None:
        self._session, self._matrix = session, matrix

    @property
    def matrix(self) -> Table:
        """One row a token."""
        return self._matrix

    def logits(self, hidden: Rows) -> tuple[Rows, NDArray[np.float32]]:
        """Return logits and log sums."""
        out = self._session.run({"hidden": hidden, "targets": np.zeros(len(hidden), np.int64)})
        logits: Rows = out["logits"]
        return logits, logits[:, 0] - out["logp"]

    def picked(self, hidden: Rows, targets: Ids) -> NDArray[np.float32]:
        """Return log p of the targets."""
        return self._session.run({"hidden": hidden, "targets": targets}, ["logp"])["logp"]


def log_probs(head: Head, hidden: Rows, targets: Ids, deadline: float | None = None) -> NDArray[np.float32]:
    """Return log p of one token a row, however many rows there are. Raises `BudgetExceeded` past ``deadline``."""
    out = np.empty(len(targets), np.float32)
    for part in _chunks(head, len(targets), deadline):
        out[part] = head.picked(hidden[part], targets[part])
    return out


def many_logits(head: Head, hidden: Rows, deadline: float | None = None) -> Iterator[tuple[slice, Rows, Rows]]:
    """Give logits and their log sums chunk by chunk. Raises `BudgetExceeded` past ``deadline``."""
    for part in _chunks(head, len(hidden), deadline):
        yield part, *head.logits(hidden[part])


def _chunks(head: Head, rows: int, deadline: float | None) -> Iterator[slice]:
    size = min(max(HELD_LOGITS // len(head.matrix), FEWEST), MOST)
    for start in range(0, rows, size):
        in_time(deadline)
        yield slice(start, start + size)
