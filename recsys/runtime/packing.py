"""Many continuations behind their prefixes as one call of a decoder: rows, positions and masks of both forms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.runtime.prefixes import PrefixState
from recsys.runtime.session import Session

# Added to the score of what must not be seen: finite, since a row that is all padding may see nothing else.
HIDDEN = np.float32(-1e9)
Rows = NDArray[np.float32]
Inputs = dict[str, NDArray[np.float32] | NDArray[np.int64]]


def block_inputs(groups: Sequence[Sequence[Rows]], past: NDArray[np.float32], lengths: NDArray[np.int64]) -> Inputs:
    """Return the inputs of form "block" for groups of continuations, each (c, d).

    ``past`` (layers, 2, b, kv_heads, p, head_dim) holds the prefixes of the groups, ``lengths`` (b,) how many of
    its p places count. Every continuation starts at the position after its prefix.
    """
    b, n = len(groups), max(len(g) for g in groups)
    c = max(len(rows) for g in groups for rows in g)
    width = groups[0][0].shape[1]
    embeds = np.zeros((b, n, c, width), np.float32)
    own = np.full((b, n, c, c), HIDDEN, np.float32)
    # A row sees itself and what stands before it in its continuation; padding stands behind and is never read.
    own[..., np.tril(np.ones((c, c), bool))] = 0
    for i, group in enumerate(groups):
        for j, rows in enumerate(group):
            embeds[i, j, : len(rows)] = rows
    ends = np.array([[len(g[j]) if j < len(g) else 0 for j in range(n)] for g in groups])
    offsets = np.minimum(np.arange(c), np.maximum(ends - 1, 0)[..., None])
    out: Inputs = {
        "inputs_embeds": embeds.reshape(b, n * c, width),
        "position_ids": (lengths[:, None, None] + offsets).reshape(b, n * c).astype(np.int64),
        "prefix_bias": np.where(np.arange(past.shape[4]) < lengths[:, None], np.float32(0), HIDDEN),
        "own_bias": own,
    }
    for layer, (keys, values) in enumerate(past):
        out[f"past_key_{layer}"], out[f"past_value_{layer}"] = keys, values
    return out


def tree_inputs(inputs: Inputs) -> Inputs:
    """Turn inputs of form "block" into those of form "tree": the same rows under one mask."""
    out = dict(inputs)
    prefix, own = out.pop("prefix_bias"), out.pop("own_bias")
    b, n, c, _ = own.shape
    p = prefix.shape[1]
    bias = np.full((b, n, c, p + n * c), HIDDEN, np.float32)
    bias[..., :p] = prefix[:, None, None]
    for j in range(n):
        bias[:, j, :, p + j * c : p + (j + 1) * c] = own[:, j]
    out["bias"] = bias.reshape(b, n * c, p + n * c)
    return out


def stacked(states: Sequence[PrefixState]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return prefixes side by side, (layers, 2, b, kv_heads, p, head_dim), and their lengths (b,)."""
    lengths = np.array([len(s) for s in states], np.int64)
    if len(states) == 1:
        return states[0].cache[:, :, None], lengths
    layers, two, kv, _, dim = states[0].cache.shape
    past = np.zeros((layers, two, len(states), kv, int(lengths.max()), dim), np.float32)
    for i, state in enumerate(states):
        past[:, :, i, :, : len(state)] = state.cache
    return past, lengths


def run(body: Session, inputs: Inputs) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Call a body of either form; return hidden (b, r, d) and new keys and values (layers, 2, b, kv, r, dim)."""
    out = body.run(_as_taken(body, inputs))
    layers = (len(out) - 1) // 2
    new = np.stack([np.stack([out[f"new_{part}_{x}"] for part in ("key", "value")]) for x in range(layers)])
    return out["hidden"], new


def read(body: Session, inputs: Inputs) -> NDArray[np.float32]:
    """Call a body of either form for its hidden rows alone, (b, r, d)."""
    return body.run(_as_taken(body, inputs), ["hidden"])["hidden"]


def _as_taken(body: Session, inputs: Inputs) -> Inputs:
    return tree_inputs(inputs) if "bias" in body.spec.input_names else inputs


def batches(sizes: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Cut 0..len(sizes) into batches of like size whose padded sum stays within ``limit`` (one at least)."""
    batch: list[int] = []
    for k in sorted(range(len(sizes)), key=lambda k: sizes[k]):
        # What would be more than half padding goes apart, as does what would not fit.
        if batch and ((len(batch) + 1) * sizes[k] > limit or sizes[k] > 2 * sizes[batch[0]] + 4):
            yield batch
            batch = []
        batch.append(k)
    if batch:
        yield batch
