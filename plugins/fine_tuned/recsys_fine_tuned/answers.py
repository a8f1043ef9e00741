"""Rows of a prompt and the answer that is learned behind it, for any causal model: batches, epochs, validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.training.loop import tensors
from recsys_fine_tuned.rows import IGNORED, Batch, groups

# The ids of prompt and answer, (t,), and where the answer begins.
Row = tuple[NDArray[np.int64], int]


def row_of(prompt: NDArray[np.integer[Any]], answer: NDArray[np.integer[Any]]) -> Row:
    """Return the row of one example."""
    return np.concatenate([prompt, answer]).astype(np.int64), len(prompt)


def batch_of(rows: Sequence[Row]) -> Batch:
    """Return ``ids`` (b, t), padded by 0, and ``labels`` (b, t): the next token within the answer, else `IGNORED`.

    Padding stands behind what is read: causal attention never sees it, and no mask is needed.
    """
    width = max(len(ids) for ids, _ in rows)
    ids, labels = np.zeros((len(rows), width), np.int64), np.full((len(rows), width), IGNORED, np.int64)
    for k, (row, start) in enumerate(rows):
        ids[k, : len(row)] = row
        labels[k, start - 1 : len(row) - 1] = row[start:]
    return {"ids": ids, "labels": labels}


def epochs(rows: Sequence[Row], budget: int) -> Callable[[np.random.Generator], Iterator[Batch]]:
    """Return what gives an epoch of batches of like length, each of at most ``budget`` tokens with its padding."""
    lengths = _lengths(rows)

    def epoch(rng: np.random.Generator) -> Iterator[Batch]:
        found = groups(lengths, budget, rng)
        for k in rng.permutation(len(found)).tolist():
            yield batch_of([rows[i] for i in found[k].tolist()])

    return epoch


def validation(rows: Sequence[Row], budget: int, device: str = "cpu") -> Callable[[Any], dict[str, float]]:
    """Return what gives the "loss" of a module a token of the answers; ``module.losses`` is the mean over a batch."""
    batches = [batch_of([rows[i] for i in part.tolist()]) for part in groups(_lengths(rows), budget)]
    spoken = [int((batch["labels"] != IGNORED).sum()) for batch in batches]

    def validate(module: Any) -> dict[str, float]:
        lost = [float(module.losses(tensors(batch, device))["loss"]) for batch in batches]
        return {"loss": float(np.average(lost, weights=spoken))}

    return validate


def _lengths(rows: Sequence[Row]) -> NDArray[np.int64]:
    return np.array([len(ids) for ids, _ in rows], np.int64)
