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
    """Return the inputs of form "block" for groups of continuations, each (c, d); their rows stand in this order.

    ``past`` (layers, 2, b, kv_heads, p, head_dim) holds the prefixes of the groups, ``lengths`` (b,) how many of
    its p places count. Every continuation starts at the position after its prefix.
    """
    rows = [r for group in groups for r in group]
    sizes = np.array([len(r) for r in rows], np.int64)
    counts = np.array([len(group) for group in groups], np.int64)
    n, c = int(counts.max()), int(sizes.max())
    # Which group, which of its continuations, and which place in it, row by row.
    group = np.repeat(np.repeat(np.arange(len(groups)), counts), sizes)
    member = np.repeat(_within(counts), sizes)
    offset = _within(sizes)
    back = (group * n + member) * c + offset
    place = np.zeros(len(groups) * n * c, np.int64)
    place[back] = np.arange(len(back))
    # A row sees itself and what stands before it in its continuation; what is behind the last is never read.
    own = np.where(np.tri(c, dtype=bool), np.float32(0), HIDDEN)
    out: Inputs = {
        "inputs_embeds": rows[0] if len(rows) == 1 else np.concatenate(rows),
        "position_ids": lengths[group] + offset,
        "place": place.reshape(len(groups), n, c),
        "back": back,
        "prefix_bias": np.where(np.arange(past.shape[4]) < lengths[:, None], np.float32(0), HIDDEN),
        "own_bias": own,
    }
    for layer, (keys, values) in enumerate(past):
        out[f"past_key_{layer}"], out[f"past_value_{layer}"] = keys, values
    return out


def _within(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, .. for each count, one after another."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def tree_inputs(inputs: Inputs) -> Inputs:
    """Turn inputs of form "block" into those of form "tree": the same rows, padded, under one mask."""
    out = dict(inputs)
    prefix, own, back = out.pop("prefix_bias"), out.pop("own_bias"), out.pop("back")
    place = out.pop("place")
    b, n, c = place.shape
    p = prefix.shape[1]
    bias = np.full((b, n, c, p + n * c), HIDDEN, np.float32)
    bias[..., :p] = prefix[:, None, None]
    for j in range(n):
        bias[:, j, :, p + j * c : p + (j + 1) * c] = own
    # Padding is row 0 at position 0, whoever's that is.
    real = np.zeros(b * n * c, bool)
    real[back] = True
    flat = place.reshape(b, n * c)
    out["position_ids"] = np.where(real.reshape(flat.shape), inputs["position_ids"][flat], 0)
    out["inputs_embeds"] = inputs["inputs_embeds"][flat]
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


def run(body: Session, inputs: Inputs) -> tuple[Rows, NDArray[np.float32]]:
    """Call a body of either form on inputs of form "block".

    Returns hidden (r, d) and new keys and values (layers, 2, b, kv_heads, n, c, head_dim).
    """
    out = _call(body, inputs, None)
    b, n, c = inputs["place"].shape
    layers = (len(out) - 1) // 2
    first = out["new_key_0"]
    new = np.empty((layers, 2, b, first.shape[1], n, c, first.shape[-1]), np.float32)
    for layer in range(layers):
        for k, part in enumerate(("key", "value")):
            new[layer, k] = out[f"new_{part}_{layer}"].reshape(new.shape[2:])
    return out["hidden"], new


def read(body: Session, inputs: Inputs) -> Rows:
    """Call a body of either form, on inputs of form "block", for its hidden rows alone, (r, d)."""
    return _call(body, inputs, ["hidden"])["hidden"]


def _call(body: Session, inputs: Inputs, outputs: Sequence[str] | None) -> dict[str, NDArray[np.float32]]:
    if "bias" not in body.spec.input_names:
        return body.run(inputs, outputs)
    out = body.run(tree_inputs(inputs), outputs)
    hidden = out["hidden"]
    return out | {"hidden": hidden.reshape(-1, hidden.shape[-1])[inputs["back"]]}


def parts(sizes: Sequence[int], limit: int) -> Iterator[slice]:
    """Cut 0..len(sizes) into runs whose sum stays within ``limit`` (one at least)."""
    start, total = 0, 0
    for k, size in enumerate(sizes):
        if k > start and total + size > limit:
            yield slice(start, k)
            start, total = k, 0
        total += size
    if start < len(sizes):
        yield slice(start, len(sizes))


def batches(sizes: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Cut 0..len(sizes) into batches of like size whose padded sum stays within ``limit`` (one at least)."""
    batch: list[int] = []
    total = 0
    for k in sorted(range(len(sizes)), key=lambda k: sizes[k]):
        padded = (len(batch) + 1) * sizes[k]
        # Attention is padded: where it would be more than half of it, the longer ones go apart.
        if batch and (padded > limit or padded > 2 * (total + sizes[k]) + 64):
            yield batch
            batch, total = [], 0
        batch.append(k)
        total += sizes[k]
    if batch:
        yield batch
