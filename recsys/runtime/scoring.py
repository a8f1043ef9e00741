"""From hidden rows to the likelihood of whole continuations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.runtime.heads import Head, log_probs, many_logits
from recsys.runtime.packing import Rows
from recsys.runtime.prefixes import Prompt


def log_likelihoods(
    head: Head,
    before: Sequence[NDArray[np.float32]],
    continuations: Sequence[Sequence[Prompt]],
    rows: Sequence[Sequence[Rows]],
    mean: bool,
    deadline: float | None = None,
) -> list[NDArray[np.float32]]:
    """Return the sum, or the mean, of log p over the tokens of each continuation, (n_i,) a prefix.

    ``before`` are the last rows (d,) of the prefixes, ``rows`` the rows (c - 1, d) of each continuation but its
    last. What is a vector is not predicted; without a token a continuation is NaN.

    Raises:
        BudgetExceeded: ``deadline`` passed.
    """
    targets = [_targets(c) for group in continuations for c in group]
    prefix = np.repeat(np.arange(len(before)), [len(group) for group in continuations])
    counts = np.array([(t >= 0).sum() for t in targets], np.int64)
    sums = _first_tokens(head, before, prefix, np.array([t[0] if len(t) else -1 for t in targets], np.int64), deadline)
    spoken = [np.flatnonzero(t[1:] >= 0) for t in targets]
    if any(len(s) for s in spoken):
        flat = [r for group in rows for r in group]
        hidden = np.concatenate([r[s] for r, s in zip(flat, spoken, strict=True)])
        wanted = np.concatenate([t[1:][s] for t, s in zip(targets, spoken, strict=True)])
        owner = np.repeat(np.arange(len(targets)), [len(s) for s in spoken])
        np.add.at(sums, owner, log_probs(head, hidden, wanted, deadline))
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(counts > 0, sums / counts if mean else sums, np.float32(np.nan)).astype(np.float32)
    return np.split(scores, np.cumsum([len(group) for group in continuations])[:-1])


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


def _targets(continuation: Prompt) -> NDArray[np.int64]:
    """Return the token at every row, -1 where it is a vector."""
    parts = [p if p.ndim == 1 else np.full(len(p), -1) for p in continuation.pieces]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
