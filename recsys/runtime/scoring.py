"""From hidden rows to the likelihood of whole continuations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.runtime.heads import Head, log_probs, many_logits
from recsys.runtime.packing import Rows
from recsys.runtime.prefixes import Prompt

# A continuation: which prefix it is behind, and its place among those.
Owner = tuple[int, int]


def log_likelihoods(
    head: Head,
    before: Sequence[NDArray[np.float32]],
    continuations: Sequence[Sequence[Prompt]],
    read: Iterable[tuple[Sequence[Owner], Sequence[Rows]]],
    mean: bool,
    deadline: float | None = None,
) -> list[NDArray[np.float32]]:
    """Return the sum, or the mean, of log p over the tokens of each continuation, (n_i,) a prefix.

    ``before`` are the last rows (d,) of the prefixes. ``read`` gives, some at a time, the rows (c - 1, d) of each
    continuation but its last, which are used up at once: however many continuations there are, the rows of one call
    are held. What is a vector is not predicted; without a token a continuation is NaN.

    Raises:
        BudgetExceeded: ``deadline`` passed.
    """
    targets = [targets_of(c) for group in continuations for c in group]
    prefix = np.repeat(np.arange(len(before)), [len(group) for group in continuations])
    counts = np.array([(t >= 0).sum() for t in targets], np.int64)
    sums = _first_tokens(head, before, prefix, np.array([t[0] if len(t) else -1 for t in targets], np.int64), deadline)
    ends = np.cumsum([len(group) for group in continuations])
    for owners, rows in read:
        at = [int(ends[i]) - len(continuations[i]) + member for i, member in owners]
        wanted = [targets[k][1:] for k in at]
        hidden = np.concatenate([r[t >= 0] for r, t in zip(rows, wanted, strict=True)])
        logp = log_probs(head, hidden, np.concatenate([t[t >= 0] for t in wanted]), deadline)
        np.add.at(sums, np.repeat(at, [(t >= 0).sum() for t in wanted]), logp)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(counts > 0, sums / counts if mean else sums, np.float32(np.nan)).astype(np.float32)
    return np.split(scores, ends[:-1])


def _first_tokens(
    head: Head,
    before: Sequence[NDArray[np.float32]],
    prefix: NDArray[np.int64],
    first: NDArray[np.int64],
    deadline: float | None,
) -> NDArray[np.float32]:
    """Return log p of the token ``first`` behind each one's ``prefix``, 0 where it is -1.

    A prefix's own last row predicts the first tokens of all that follows it: one row of the head.
    """
    out = np.zeros(len(first), np.float32)
    used = np.unique(prefix[first >= 0])
    if not len(used):
        return out
    at = np.searchsorted(used, prefix)
    for part, logits, log_sums in many_logits(head, np.array([before[i] for i in used], np.float32), deadline):
        here = np.flatnonzero((first >= 0) & (at >= part.start) & (at < part.stop))
        row = at[here] - part.start
        out[here] = logits[row, first[here]] - log_sums[row]
    return out


def targets_of(continuation: Prompt) -> NDArray[np.int64]:
    """Return the token at every row, -1 where it is a vector."""
    parts = [p if p.ndim == 1 else np.full(len(p), -1) for p in continuation.pieces]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
