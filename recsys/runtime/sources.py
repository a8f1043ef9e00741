"""What an encoder-decoder reads side by side: sources, and the continuations of one source in one row of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.runtime.packing import HIDDEN

Rows = NDArray[np.float32]
# Rows of continuations that are read side by side: every row of them is compared with every other.
JOB_ROWS = 256


@dataclass(frozen=True, slots=True)
class Job:
    """Some continuations of one source, and the rows that they have together."""

    source: int
    members: tuple[int, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Across:
    """What decoders look at beside their own rows: sources side by side (layers, 2, b, heads, s, head_dim)."""

    states: Rows
    bias: Rows

    @classmethod
    def of(cls, sources: Sequence[Rows]) -> Self:
        """Put sources side by side, hiding what the longest has more."""
        lengths = np.array([s.shape[3] for s in sources])
        layers, two, heads, _, dim = sources[0].shape
        states = np.zeros((layers, two, len(sources), heads, int(lengths.max()), dim), np.float32)
        for i, source in enumerate(sources):
            states[:, :, i, :, : source.shape[3]] = source
        return cls(states, np.where(np.arange(lengths.max()) < lengths[:, None], np.float32(0), HIDDEN))


def jobs_of(source: int, sizes: Sequence[int]) -> Iterator[Job]:
    """Cut the continuations of one source, by their sizes, into jobs of at most `JOB_ROWS`; empty ones have none."""
    members: list[int] = []
    rows = 0
    for k, size in enumerate(sizes):
        if not size:
            continue
        if members and rows + size > JOB_ROWS:
            yield Job(source, tuple(members), rows)
            members, rows = [], 0
        members.append(k)
        rows += size
    if members:
        yield Job(source, tuple(members), rows)


def side_by_side(rows: Sequence[Rows]) -> tuple[Rows, Rows]:
    """Return texts (b, s, d), filled behind with zeros, and what hides the filling (b, s)."""
    lengths = np.array([len(r) for r in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    out = np.zeros((*mask.shape, rows[0].shape[1]), np.float32)
    out[mask] = np.concatenate(rows)
    return out, np.where(mask, np.float32(0), HIDDEN)


def layers_of(made: Mapping[str, NDArray[Any]], kind: str, layers: int) -> Rows:
    """Return the keys and values that a graph gave layer by layer as one array (layers, 2, b, heads, r, head_dim)."""
    return np.stack([np.stack([made[f"{kind}_{part}_{x}"] for part in ("key", "value")]) for x in range(layers)])
