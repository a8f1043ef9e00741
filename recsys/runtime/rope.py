"""Rotary position embeddings as tables: the plain kind, linear scaling and Llama 3's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError

KINDS = ("default", "linear", "llama3")
# Whatever else a configuration says of positions would be left out in silence.
_KEYS = frozenset({
    "rope_type", "type", "rope_theta", "factor", "partial_rotary_factor", "low_freq_factor", "high_freq_factor",
    "original_max_position_embeddings",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rope:
    """How positions turn queries and keys (Su et al. 2021; Llama 3's scaling as in its reference code).

    Attributes:
        kind: "default", "linear" or "llama3". theta: base of the wave lengths.
        factor: how much longer than trained a text may be. low, high, trained: of "llama3" alone; wave lengths
            below ``trained / high`` stay, those above ``trained / low`` are stretched, between them it is blended.
    """

    kind: str = "default"
    theta: float = 10000.0
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    trained: int = 8192

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read ``rope_parameters``, or the older ``rope_theta`` and ``rope_scaling``, of a model's config.json.

        Raises:
            ConfigError: a kind or a key that is not known here, or a number that makes no sense.
        """
        given = config.get("rope_parameters") or config.get("rope_scaling") or {}
        if not isinstance(given, Mapping):
            raise ConfigError(f"config.json: rope_parameters must be a table, got {given!r}")
        if other := sorted(str(k) for k, v in given.items() if k not in _KEYS or isinstance(v, Mapping)):
            raise ConfigError(f"config.json: rope_parameters: {', '.join(other)} is not supported")
        kind = str(given.get("rope_type", given.get("type", "default")))
        if kind not in KINDS:
            raise ConfigError(f"config.json: rope type {kind!r} is not supported (known: {', '.join(KINDS)})")
        if given.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0)) not in (1.0, None):
            raise ConfigError("config.json: partial_rotary_factor is not supported")
        numbers = {"theta": given.get("rope_theta", config.get("rope_theta", 10000.0))}
        if kind != "default":
            numbers["factor"] = given.get("factor", 1.0)
        if kind == "llama3":
            numbers |= {
                "low": given.get("low_freq_factor", 1.0),
                "high": given.get("high_freq_factor", 4.0),
                "trained": given.get("original_max_position_embeddings", 8192),
            }
        bad = [n for n, v in numbers.items() if not isinstance(v, int | float) or not 0 < v < math.inf]
        if bad:
            raise ConfigError(f"config.json: rope {', '.join(bad)} must be positive numbers")
        rope = cls(kind, **numbers)
        if rope.kind == "llama3" and rope.high <= rope.low:
            raise ConfigError("config.json: high_freq_factor must exceed low_freq_factor")
        return rope

    def frequencies(self, head_dim: int) -> NDArray[np.float32]:
        """Return the turning speed of each pair of coordinates, (head_dim / 2,), radians a position."""
        plain = 1.0 / np.float32(self.theta) ** (np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim))
        plain = plain.astype(np.float32)
        if self.kind != "llama3":
            return (plain / np.float32(self.factor)).astype(np.float32)
        wave = 2 * np.pi / plain
        smooth = np.clip((self.trained / wave - self.low) / (self.high - self.low), 0.0, 1.0)
        return ((1 - smooth) * plain / self.factor + smooth * plain).astype(np.float32)

    def tables(self, positions: int, head_dim: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return cosines and sines, each (positions, head_dim / 2) float32."""
        # Single precision on purpose: the reference multiplies in it, and far positions would differ otherwise.
        angles = np.arange(positions, dtype=np.float32)[:, None] * self.frequencies(head_dim)
        return np.cos(angles), np.sin(angles)
