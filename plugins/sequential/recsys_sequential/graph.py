"""The sequence model as ONNX graphs, written by hand from its weights: what serves needs no torch."""

from __future__ import annotations

import math

from recsys.runtime.graph import Graph
from recsys.runtime.layers import NEVER, Layers, ModuleWeights


def said_graph(weights: ModuleWeights) -> bytes:
    """Return the graph that turns ``features`` (n, f) float32 into what they say of items, ``said`` (n, width)."""
    w = Layers(Graph("said"), weights)
    x = w.graph.input("features", "float32", ["n", weights["straight.weight"].shape[1]])
    w.translated(x, "said")
    w.graph.output("said", "float32", ["n", weights["straight.weight"].shape[0]])
    return w.graph.finish()


def state_graph(weights: ModuleWeights, *, heads: int) -> bytes:
    """Return the graph that reads events and goes on from what was read before.

    Inputs: ``events`` (b, k, width) float32 codes, oldest first; ``past`` (layers, 2, b, heads, t, width / heads)
    float32, keys and values of the t events before them. Outputs: ``wanted`` (b, k, width), whose product with a code
    says how well that item follows each event; ``state``, as ``past`` with the new events behind it. Events behind
    the last one of a shorter history change nothing before them: they pad.
    """
    width = len(weights["read.weight"])
    w = _Writer(Graph("sasrec"), weights)
    g, layers = w.graph, w.depth()
    g.input("events", "float32", ["b", "k", width])
    g.input("past", "float32", [layers, 2, "b", heads, "t", width // heads])
    far, bias = w.distances(weights["blocks.0.distance"].shape[1])
    x = w.norm("read", "events")
    parts = g.nodes("Split", "past", outputs=layers, axis=0) if layers > 1 else ["past"]
    states = []
    for i, part in enumerate(parts):
        x, state = w.block(f"blocks.{i}", x, g.node("Squeeze", part, g.constant([0])), far, bias, heads)
        states.append(g.node("Unsqueeze", state, g.constant([0])))
    g.node("Concat", *states, axis=0, name="state")
    scale = g.constant(float(weights["scale"]) / math.sqrt(width), "float32")
    g.node("Mul", w.norm("last", x), scale, name="wanted")
    g.output("wanted", "float32", ["b", "k", width])
    g.output("state", "float32", [layers, 2, "b", heads, "t + k", width // heads])
    return g.finish()


class _Writer(Layers):
    """Writes the layers of `recsys_sequential.model` into a graph."""

    def distances(self, reach: int) -> tuple[str, str]:
        """Return (k, t + k) how far back each event is, and what forbids those ahead."""
        g = self.graph
        zero, one = g.constant(0), g.constant(1)
        new = g.node("Squeeze", g.node("Shape", "events", start=1, end=2))
        before = g.node("Squeeze", g.node("Shape", "past", start=4, end=5))
        every = g.node("Add", before, new)
        queries = g.node("Unsqueeze", g.node("Range", before, every, one), g.constant([1]))
        keys = g.node("Unsqueeze", g.node("Range", zero, every, one), g.constant([0]))
        gap = g.node("Sub", queries, keys)
        ahead = g.node("Cast", g.node("Less", gap, zero), to=1)
        bias = g.node("Mul", ahead, g.constant(NEVER, "float32"))
        return g.node("Clip", gap, zero, g.constant(reach - 1)), bias

    def block(self, name: str, x: str, past: str, far: str, bias: str, heads: int) -> tuple[str, str]:
        """Return the layer's output (b, k, width) and its keys and values (2, b, heads, t + k, each)."""
        g = self.graph
        qkv = self.query_key_value(name, x, heads)
        query, new = g.nodes("Split", qkv, g.constant([1, 2]), outputs=2, axis=0)
        state = g.node("Concat", past, new, axis=3)
        key, value = (g.node("Squeeze", part, g.constant([0])) for part in g.nodes("Split", state, outputs=2, axis=0))
        query = g.node("Squeeze", query, g.constant([0]))
        distance = g.node("Gather", self.weight(f"{name}.distance"), far, axis=1)
        read = self.attended(name, query, key, value, distance, bias, heads=heads)
        x = g.node("Add", x, self._passed(f"{name}.gate1", x, read))
        made = self.linear(f"{name}.up", self.norm(f"{name}.norm2", x))
        if self._gated(name):
            left, right = g.nodes("Split", made, outputs=2, axis=-1)
            made = g.node("Mul", g.node("Mul", left, g.node("Sigmoid", left)), right)
        else:
            made = self.gelu(made)
        return g.node("Add", x, self._passed(f"{name}.gate2", x, self.linear(f"{name}.down", made))), state

    def _gated(self, block: str) -> bool:
        return f"{block}.gate1.weight" in self.weights

    def _passed(self, gate: str, x: str, made: str) -> str:
        if f"{gate}.weight" not in self.weights:
            return made
        return self.graph.node("Mul", made, self.graph.node("Sigmoid", self.linear(gate, x)))
