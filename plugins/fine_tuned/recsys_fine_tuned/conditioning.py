"""Who reads: vectors of a shopper and of items become rows that a language model reads before its text.

One module holds three systems, each a row or more, in this order:

- **persona**: history vectors weighed by how much they have to do with the input text, one row (Persona-Plug,
  Liu 2024);
- **user**: the shopper as a whole, one row (soft prompts of PEPLER, Li 2023, from collaborative vectors in the place of
  id tables, so that nobody new needs training);
- **recent**: the latest history vectors, each mixed with the others by a small transformer (user embedding module,
  Doddapaneni 2024);
- **item**: one row an item in question (PEPLER again).

`soft_rows` is the only definition: it is written over operations that numpy and torch share, training calls it on
torch parameters and serving on numpy arrays.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError, ShapeMismatch

Rows = NDArray[np.float32]
EPSILON = 1e-6
FAR = -1e9


@dataclass(frozen=True, slots=True)
class Conditioning:
    """The sizes of the module.

    Attributes:
        width: numbers in a vector of a shopper or item. hidden: numbers in a row of the language model.
        inner: width inside. history: vectors that are read, the latest. recent: rows made of single latest vectors.
        layers: of the transformer between history vectors. items: most item rows. persona, user: whether these rows
            are there.
    """

    width: int
    hidden: int
    inner: int = 128
    history: int = 20
    recent: int = 8
    layers: int = 1
    items: int = 2
    persona: bool = True
    user: bool = True

    def __post_init__(self) -> None:
        if min(self.width, self.hidden, self.inner, self.history) < 1 or min(self.recent, self.layers, self.items) < 0:
            raise ConfigError("conditioning: width, hidden, inner and history must be positive, the rest not negative")
        if self.recent > self.history:
            raise ConfigError(f"conditioning: recent ({self.recent}) must not be above history ({self.history})")

    @property
    def rows(self) -> int:
        """Rows of a shopper with a full history and of all items."""
        return self.persona + self.user + self.recent + self.items

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every weight."""
        c, h = self.inner, self.hidden
        out: dict[str, tuple[int, ...]] = {
            "vector": (self.width, c), "recency": (self.history, c), "norm": (c,), "kinds": (4, h),
            "item": (self.width, c), "item_out": (c, h), "user_out": (c, h), "recent_out": (c, h),
            "persona_query": (h, c), "persona_key": (c, c), "persona_out": (c, h),
        }  # fmt: skip
        for k in range(self.layers):
            out |= {f"layer{k}_{n}": (c, c) for n in ("query", "key", "value", "out")}
            out |= {f"layer{k}_up": (c, 2 * c), f"layer{k}_down": (2 * c, c)}
            out |= {f"layer{k}_norm": (c,), f"layer{k}_norm2": (c,)}
        return out

    def initial(self, seed: int) -> dict[str, Rows]:
        """Return weights to begin with; rows have the scale of a fresh embedding, .02."""
        rng = np.random.default_rng(seed)
        out: dict[str, Rows] = {}
        for name, shape in self.shapes().items():
            if len(shape) == 1:
                out[name] = np.ones(shape, np.float32)
                continue
            spread = 1.0 / math.sqrt(shape[0])
            if name in ("kinds", "recency"):
                spread = 0.02
            elif name.endswith(("_out", "_down")):
                # Layers begin near the identity; what leaves the module is small, see above.
                spread *= 0.1 if name.startswith("layer") else 0.02
            out[name] = rng.normal(0.0, spread, shape).astype(np.float32)
        return out

    def known(self, user: NDArray[np.bool_], items: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rows of `soft_rows` mean something, (b, rows), from the masks (b, u) and (b, i) of vectors."""
        some = user.any(axis=1, keepdims=True)
        recent = user[:, user.shape[1] - min(self.recent, user.shape[1]) :]
        parts = [some] * (self.persona + self.user) + [recent, items]
        return np.concatenate(parts, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return dataclasses.asdict(self)


class Operations(Protocol):
    """What numpy and torch call differently."""

    def softmax(self, x: Any) -> Any:
        """Over the last axis."""
        ...

    def sigmoid(self, x: Any) -> Any:
        """Return 1 / (1 + exp(-x))."""
        ...

    def sqrt(self, x: Any) -> Any:
        """Return the square root."""
        ...

    def concatenate(self, parts: Sequence[Any], axis: int) -> Any:
        """Join arrays."""
        ...


class NumpyOperations:
    """The operations on arrays."""

    def softmax(self, x: Any) -> Any:
        """Over the last axis."""
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def sigmoid(self, x: Any) -> Any:
        """Return 1 / (1 + exp(-x)), by tanh: no overflow."""
        return 0.5 * (1.0 + np.tanh(0.5 * x))

    def sqrt(self, x: Any) -> Any:
        """Return the square root."""
        return np.sqrt(x)

    def concatenate(self, parts: Sequence[Any], axis: int) -> Any:
        """Join arrays."""
        return np.concatenate(list(parts), axis)


def soft_rows(
    c: Conditioning, w: Mapping[str, Any], user: Any, known: Any, items: Any, query: Any, o: Operations
) -> Any:
    """Return the rows of a batch, (b, rows, hidden); `Conditioning.known` says which of them mean something.

    ``user`` (b, u, width) with u <= history: history vectors, the latest last, padded in front; ``known`` (b, u) is 1
    where there is one and 0 in the padding; ``items`` (b, i, width); ``query`` (b, hidden): mean of the input's
    embedding rows, zeros without input.
    """
    u = user.shape[1]
    x = _normed(user, o) @ w["vector"] + w["recency"][c.history - u :]
    bias = ((1.0 - known) * FAR)[:, None, :]
    scale = 1.0 / math.sqrt(c.inner)
    asked = (_normed(query, o) @ w["persona_query"])[:, None, :]
    weights = o.softmax(asked @ _turned(x @ w["persona_key"]) * scale + bias) if u else None
    persona = (weights @ x)[:, 0] if u else None
    for k in range(c.layers if u else 0):
        y = _normed(x, o) * w[f"layer{k}_norm"]
        near = o.softmax((y @ w[f"layer{k}_query"]) @ _turned(y @ w[f"layer{k}_key"]) * scale + bias)
        x = x + near @ (y @ w[f"layer{k}_value"]) @ w[f"layer{k}_out"]
        y = (_normed(x, o) * w[f"layer{k}_norm2"]) @ w[f"layer{k}_up"]
        x = x + (y * o.sigmoid(y)) @ w[f"layer{k}_down"]
    x = _normed(x, o) * w["norm"]
    kinds, parts = w["kinds"], []
    if c.persona:
        row = kinds[0] + (0.0 * query if persona is None else _normed(persona, o) @ w["persona_out"])
        parts.append(row[:, None])
    if c.user:
        count = known.sum(-1)[:, None] + EPSILON
        parts.append(((x * known[..., None]).sum(-2) / count @ w["user_out"] + kinds[1])[:, None])
    parts.append(x[:, u - min(c.recent, u) :] @ w["recent_out"] + kinds[2])
    parts.append(_normed(items, o) @ w["item"] @ w["item_out"] + kinds[3])
    return o.concatenate(parts, 1)


def _normed(x: Any, o: Operations) -> Any:
    return x / o.sqrt((x * x).mean(-1)[..., None] + EPSILON)


def _turned(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def padded(vectors: Sequence[Rows | None], width: int, most: int, *, latest: bool) -> tuple[Rows, NDArray[np.bool_]]:
    """Return (b, n, width) and its mask (b, n), n the longest of the batch and at most ``most``.

    ``latest`` keeps the last vectors and pads in front; else the first ones, padded behind. Vectors of zeros are
    unknown items: they are left out.

    Raises:
        ShapeMismatch: vectors of another width.
    """
    kept: list[Rows] = []
    for v in vectors:
        if v is None or not len(v):
            kept.append(np.zeros((0, width), np.float32))
            continue
        if v.ndim != 2 or v.shape[1] != width:
            raise ShapeMismatch(f"vectors have shape {v.shape}, the module takes (n, {width})")
        some = v[np.abs(v).max(axis=1) > 0]
        kept.append(some[-most:] if latest and most else some[:most])
    n = max((len(k) for k in kept), default=0)
    out, mask = np.zeros((len(kept), n, width), np.float32), np.zeros((len(kept), n), np.bool_)
    for i, k in enumerate(kept):
        place = slice(n - len(k), n) if latest else slice(0, len(k))
        out[i, place], mask[i, place] = k, True
    return out, mask


class Conditioner:
    """The module at serving: numpy only, thread-safe.

    Raises:
        ShapeMismatch: weights of another shape than ``spec`` says, or missing ones.
    """

    def __init__(self, spec: Conditioning, weights: Mapping[str, Rows]) -> None:
        self.spec = spec
        for name, shape in spec.shapes().items():
            if name not in weights or weights[name].shape != shape:
                found = weights[name].shape if name in weights else "nothing"
                raise ShapeMismatch(f"conditioning weight {name!r} must be {shape}, found {found}")
        self._weights = {n: np.asarray(weights[n], np.float32) for n in spec.shapes()}

    def rows(self, users: Sequence[Rows | None], items: Sequence[Rows | None], queries: Rows) -> list[Rows]:
        """Return the rows of each case, (r_i, hidden) float32, ready for a `Prompt`; r_i = 0 if nothing is known.

        ``users[i]`` (u, width): vectors of the history, the latest last, or None; ``items[i]`` (i, width) or None;
        ``queries`` (b, hidden): mean embedding row of each input.
        """
        user, known = padded(users, self.spec.width, self.spec.history, latest=True)
        item, there = padded(items, self.spec.width, self.spec.items, latest=False)
        if not len(user):
            return []
        out = soft_rows(
            self.spec, self._weights, user, known.astype(np.float32), item, queries.astype(np.float32), _NUMPY
        )
        return [rows[mask].astype(np.float32) for rows, mask in zip(out, self.spec.known(known, there), strict=True)]


_NUMPY = NumpyOperations()
