"""Layers of a trained torch module, written into a graph: what a small model of ours is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.runtime.graph import Graph

NEVER = -1e9  # added to what attention must not read
ModuleWeights = Mapping[str, NDArray[Any]]  # by their names in the module's state


class Layers:
    """Writes layers into ``graph`` by the names that they have in the module.

    ``prefix`` keeps the weights of two modules in one graph apart. Tensors are float32; every method returns the name
    of the tensor that it makes.
    """

    def __init__(self, graph: Graph, weights: ModuleWeights, prefix: str = "") -> None:
        self.graph, self.weights, self.prefix = graph, weights, prefix

    def weight(self, name: str) -> str:
        """Put a weight into the graph as it is."""
        return self.graph.weight(self.prefix + name, self.weights[name].astype(np.float32))

    def linear(self, name: str, x: str) -> str:
        """Return `torch.nn.Linear` of rows (..., k)."""
        kernel = self.graph.weight(f"{self.prefix}{name}.kernel", self.weights[f"{name}.weight"].T.astype(np.float32))
        return self.graph.node("Add", self.graph.node("MatMul", x, kernel), self.weight(f"{name}.bias"))

    def norm(self, name: str, x: str) -> str:
        """Return `torch.nn.LayerNorm` over the last axis."""
        inputs = (x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"))
        return self.graph.node("LayerNormalization", *inputs, axis=-1, epsilon=1e-5)

    def gelu(self, x: str) -> str:
        """Return the exact GELU."""
        g = self.graph
        half = g.node("Mul", x, g.constant(0.5, "float32"))
        erf = g.node("Erf", g.node("Mul", x, g.constant(math.sqrt(0.5), "float32")))
        return g.node("Mul", half, g.node("Add", erf, g.constant(1, "float32")))

    def translated(self, x: str, name: str) -> str:
        """Return ``two(gelu(one(x))) + straight(x)``, called ``name``."""
        hidden = self.linear("two", self.gelu(self.linear("one", x)))
        return self.graph.node("Add", hidden, self.linear("straight", x), name=name)

    def depth(self) -> int:
        """Return how many modules are called ``blocks.0``, ``blocks.1``, ..."""
        return len({name.split(".")[1] for name in self.weights if name.startswith("blocks.")})

    def query_key_value(self, block: str, x: str, heads: int) -> str:
        """Return (3, b, heads, n, each) of the block's input (b, n, width), which is normed first."""
        each = len(self.weights[f"{block}.norm1.weight"]) // heads
        made = self.graph.reshape(self.linear(f"{block}.qkv", self.norm(f"{block}.norm1", x)), 0, 0, 3, heads, each)
        return self.graph.node("Transpose", made, perm=[2, 0, 3, 1, 4])

    def attended(self, block: str, query: str, key: str, value: str, *bias: str, heads: int) -> str:
        """Return (b, n, width), what the heads read; each ``bias`` is added to their scores (b, heads, n, m)."""
        g = self.graph
        width = len(self.weights[f"{block}.norm1.weight"])
        near = g.node("MatMul", query, g.node("Transpose", key, perm=[0, 1, 3, 2]))
        near = g.node("Div", near, g.constant(math.sqrt(width // heads), "float32"))
        for more in bias:
            near = g.node("Add", near, more)
        read = g.node("MatMul", g.node("Softmax", near, axis=-1), value)
        return self.linear(f"{block}.out", g.reshape(g.node("Transpose", read, perm=[0, 2, 1, 3]), 0, 0, width))
