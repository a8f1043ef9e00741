"""The list-wise model as ONNX graphs, written by hand from its weights: what serves needs no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from recsys.runtime.graph import Graph
from recsys.runtime.layers import NEVER, Layers, ModuleWeights

HEADS = 4  # attention heads of the list's layers


def codes_graph(encoder: ModuleWeights) -> bytes:
    """Return the graph that turns ``texts`` (n, k * dim) float32 into ``codes`` (n, width) float32."""
    w = Layers(Graph("codes"), encoder)
    x = w.graph.input("texts", "float32", ["n", len(encoder["mean"])])
    x = w.graph.node("MatMul", w.graph.node("Sub", x, w.weight("mean")), w.weight("projection"))
    w.translated(x, "codes")
    w.graph.output("codes", "float32", ["n", encoder["two.weight"].shape[0]])
    return w.graph.finish()


def rank_graph(encoder: ModuleWeights, lists: Sequence[ModuleWeights], *, heads: int) -> bytes:
    """Return the graph that scores lists: the mean of the heads ``lists``.

    Inputs, float32: ``history`` (b, h, width) codes, oldest first, padded at the end; ``history_mask`` (b, h);
    ``history_last`` (b, h), 1 at the latest event, all 0 for who has none; ``candidates`` (b, n, width);
    ``features`` (b, n, f); ``prior`` and ``mask`` (b, n). Output: ``scores`` (b, n).
    """
    width, steps = encoder["place"].shape[1], encoder["place"].shape[0]
    e = _Writer(Graph("listwise"), encoder, "encoder.")
    g = e.graph
    e.histories(steps, width)
    g.input("candidates", "float32", ["b", "n", width])
    g.input("features", "float32", ["b", "n", len(lists[0]["centre"]) - 1])
    g.input("prior", "float32", ["b", "n"])
    g.input("mask", "float32", ["b", "n"])
    one = e.wanted(steps, width, heads)
    fit = g.node("MatMul", "candidates", g.node("Transpose", one, perm=[0, 2, 1]))  # (b, n, 1)
    there = g.node("Unsqueeze", "mask", g.constant([2]))
    x = g.node("Concat", "features", _centred(g, fit, there), axis=2)
    made = [_Writer(g, head, f"head{i}.").head(x, there) for i, head in enumerate(lists)]
    g.node("Mul", g.node("Mean", *made), "mask", name="scored")
    gone = g.node("Mul", g.node("Sub", g.constant(1, "float32"), "mask"), g.constant(NEVER, "float32"))
    g.node("Add", "scored", gone, name="scores")
    g.output("scores", "float32", ["b", "n"])
    return g.finish()


def wanted_graph(encoder: ModuleWeights, *, heads: int) -> bytes:
    """Return the graph that says what follows histories, without any list.

    Inputs ``history``, ``history_mask`` and ``history_last`` as of `rank_graph`. Output: ``wanted`` (b, width), whose
    product with a code says how well that item follows; zeros for who has no history.
    """
    width, steps = encoder["place"].shape[1], encoder["place"].shape[0]
    e = _Writer(Graph("wanted"), encoder)
    e.histories(steps, width)
    e.graph.node("Squeeze", e.wanted(steps, width, heads), e.graph.constant([1]), name="wanted")
    e.graph.output("wanted", "float32", ["b", width])
    return e.graph.finish()


def _centred(g: Graph, fit: str, there: str) -> str:
    """Return (b, n, 1) less its mean over the items that are there, 0 elsewhere."""
    total = g.node("ReduceSum", g.node("Mul", fit, there), g.constant([1]), keepdims=1)
    count = g.node("Max", g.node("ReduceSum", there, g.constant([1]), keepdims=1), g.constant(1, "float32"))
    return g.node("Mul", g.node("Sub", fit, g.node("Div", total, count)), there)


class _Writer(Layers):
    """Writes the layers of `listwise_model` into a graph."""

    def histories(self, steps: int, width: int) -> None:
        """Declare the inputs of histories."""
        self.graph.input("history", "float32", ["b", steps, width])
        self.graph.input("history_mask", "float32", ["b", steps])
        self.graph.input("history_last", "float32", ["b", steps])

    def wanted(self, steps: int, width: int, heads: int) -> str:
        """Return (b, 1, width), what would follow the latest event of each history."""
        g = self.graph
        later = g.constant(np.triu(np.full((1, 1, steps, steps), NEVER), 1), "float32")
        bias = g.node("Add", later, self.missing("history_mask", (1, 2)))
        x = self.blocks(g.node("Add", self.norm("read", "history"), self.weight("place")), bias, heads)
        scale = g.constant(float(self.weights["scale"]) / math.sqrt(width), "float32")
        every = g.node("Mul", self.norm("last", x), scale)
        return g.node("MatMul", g.node("Unsqueeze", "history_last", g.constant([1])), every)

    def missing(self, mask: str, axes: tuple[int, int]) -> str:
        """Return ``mask`` (b, n) as an additive (b, 1, 1, n)."""
        g = self.graph
        gone = g.node("Mul", g.node("Sub", g.constant(1, "float32"), mask), g.constant(NEVER, "float32"))
        return g.node("Unsqueeze", gone, g.constant(list(axes)))

    def blocks(self, x: str, bias: str, heads: int) -> str:
        for i in range(self.depth()):
            x = self._block(f"blocks.{i}", x, bias, heads)
        return x

    def _block(self, name: str, x: str, bias: str, heads: int) -> str:
        g = self.graph
        parts = g.nodes("Split", self.query_key_value(name, x, heads), outputs=3, axis=0)
        query, key, value = (g.node("Squeeze", part, g.constant([0])) for part in parts)
        x = g.node("Add", x, self.attended(name, query, key, value, bias, heads=heads))
        inner = self.gelu(self.linear(f"{name}.up", self.norm(f"{name}.norm2", x)))
        return g.node("Add", x, self.linear(f"{name}.down", inner))

    def head(self, x: str, there: str) -> str:
        """Return (b, n) scores of the features (b, n, f), the prior added."""
        g = self.graph
        x = g.node("Div", g.node("Sub", x, self.weight("centre")), self.weight("spread"))
        x = g.node("Mul", g.node("Clip", x, g.constant(-5, "float32"), g.constant(5, "float32")), there)
        x = self.linear("into", x)
        x = g.node("Add", x, self.linear("more", self.gelu(x)))
        x = self.blocks(x, self.missing("mask", (1, 2)), HEADS)
        out = g.node("Squeeze", self.linear("out", self.norm("last", x)), g.constant([2]))
        trust = g.constant(float(self.weights["trust"]), "float32")
        return g.node("Add", out, g.node("Mul", "prior", trust))
