"""Llama-like decoders as one ONNX graph, built straight from their weights: no torch, no exporter.

The graph reads rows (``inputs_embeds``), not token ids: tokens, soft prompts and compressed items are rows alike.
It gives the hidden rows after the last norm; the head is applied outside, to the rows that are asked for.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ShapeMismatch
from recsys.runtime.architectures import Architecture
from recsys.runtime.graph import FUSED, Graph
from recsys.runtime.quantise import Precision
from recsys.runtime.weights import WeightFile, Weights

# Raised whenever the graph below changes, so that a cached file of an older shape is not used.
GRAPH_VERSION = 3
Form = Literal["block", "tree"]


def decoder_graph(
    architecture: Architecture,
    weights: Weights,
    store: WeightFile,
    *,
    form: Form = "block",
    max_tokens: int = 2048,
    precision: Precision = "fp32",
) -> bytes:
    """Return the serialised graph; its weights are appended to ``store``.

    Inputs of both forms: ``past_key_L`` and ``past_value_L`` (b, kv_heads, p, head_dim) float32 for each layer,
    p >= 1; positions are below ``max_tokens``.
    "tree": ``inputs_embeds`` (b, r, d) float32 and ``position_ids`` (b, r) int64 see by one mask, ``bias``
    (b, r, p + r) float32, added to the scores.
    "block": n continuations of at most c rows a prefix, that see the past and themselves but not one another.
    ``inputs_embeds`` (r, d) and ``position_ids`` (r,) are the rows that there are; ``place`` (b, n, c) int64 says
    which of them stands where (any one where there is none) and ``back`` (r,) int64 its place counted through, so
    that all but the attention works without padding. Masks: ``prefix_bias`` (b, p) and ``own_bias`` (c, c). The cost
    of attention grows with n * c * (p + c), not with (n * c)^2.

    Outputs: ``hidden`` of the rows, the last norm applied; ``new_key_L``, ``new_value_L`` of the rows given, (b,
    kv_heads, r, head_dim) or (b, kv_heads, n, c, head_dim), keys already turned. A mask hides by large negative
    numbers (-1e9), never infinite ones.

    Raises:
        ShapeMismatch: a weight is missing or does not fit. PluginUnavailable: ``onnx`` is not installed.
    """
    graph = Graph("decoder", store, precision)
    return _Decoder(architecture, weights, graph, form, max_tokens).build()


class Sizes(Protocol):
    """What a head must know of its model."""

    @property
    def vocabulary(self) -> int:
        """Tokens."""
        ...

    @property
    def hidden(self) -> int:
        """Width of a row."""
        ...


def head_graph(
    architecture: Sizes, matrix: NDArray[np.float32], store: WeightFile, precision: Precision = "fp32"
) -> bytes:
    """Return the serialised graph of the head, one row of ``matrix`` (vocabulary, d) a token.

    Inputs: ``hidden`` (r, d) float32, ``targets`` (r,) int64. Outputs: ``logits`` (r, vocabulary) and ``logp`` (r,),
    log p of each row's target.

    Raises:
        ShapeMismatch: the matrix does not fit. PluginUnavailable: ``onnx`` is not installed.
    """
    a, g = architecture, Graph("head", store, precision)
    if matrix.shape != (a.vocabulary, a.hidden):
        raise ShapeMismatch(f"the head has shape {matrix.shape}, the architecture says {(a.vocabulary, a.hidden)}")
    hidden, targets = g.input("hidden", "float32", ["rows", a.hidden]), g.input("targets", "int64", ["rows"])
    logits = g.dense("head", hidden, matrix.T, output="logits")
    column = g.node("Unsqueeze", targets, g.constant([1]))
    # One operator for maximum, exponentials and their sum: spelt out, or as ReduceLogSumExp, it takes up to twice.
    picked = g.node("GatherElements", g.node("LogSoftmax", logits, axis=-1), column, axis=1)
    g.reshape(picked, -1, name="logp")
    g.output("logits", "float32", ["rows", a.vocabulary])
    g.output("logp", "float32", ["rows"])
    return g.finish()


class _Decoder:
    def __init__(self, arch: Architecture, weights: Weights, graph: Graph, form: Form, max_tokens: int) -> None:
        self._a, self._w, self._form = arch, weights, form
        self._g = g = graph
        lead = ["batch", "rows"] if form == "tree" else ["rows"]
        self._rows = g.input("inputs_embeds", "float32", [*lead, arch.hidden])
        positions = g.input("position_ids", "int64", lead)
        if form == "tree":
            bias = g.input("bias", "float32", ["batch", "rows", "seen"])
            self._bias = g.node("Unsqueeze", bias, g.constant([1, 2]))
            self._count, self._seen = g.size(bias, 1), g.size(bias, 2)
            self._batch = g.size(self._rows, 0)
        else:
            self._place = g.input("place", "int64", ["batch", "continuations", "own"])
            self._back = g.input("back", "int64", ["rows"])
            past = g.input("prefix_bias", "float32", ["batch", "past"])
            self._past_bias = g.node("Unsqueeze", past, g.constant([1, 2]))
            self._bias = g.input("own_bias", "float32", ["own", "own"])
            self._n, self._c = g.size(self._place, 1), g.size(self._place, 2)
            self._parts = g.node("Concat", g.size(past, 1), self._c, axis=0)
        self._single, self._lead = g.reshape(positions, -1, 1), lead
        cos, sin = arch.rope.tables(max_tokens, arch.head_dim)
        self._cos, self._sin = g.weight("rope.cos", cos), g.weight("rope.sin", sin)

    def build(self) -> bytes:
        g, a = self._g, self._a
        self._past = [
            [g.input(f"past_{p}_{x}", "float32", ["batch", a.kv_heads, "past", a.head_dim]) for p in ("key", "value")]
            for x in range(a.layers)
        ]
        rest = self._rows
        first = self._norm("model.layers.0.input_layernorm.weight", a.hidden)
        normed = g.node("SimplifiedLayerNormalization", rest, first, axis=-1, epsilon=a.epsilon)
        for layer in range(a.layers):
            at = f"model.layers.{layer}"
            mixed = self._attention(layer, normed)
            normed, rest = self._add_norm(mixed, rest, f"{at}.post_attention_layernorm.weight")
            last = layer == a.layers - 1
            after = "model.norm.weight" if last else f"model.layers.{layer + 1}.input_layernorm.weight"
            normed, rest = self._add_norm(self._gated(at, normed), rest, after, "hidden" if last else "")
        g.output("hidden", "float32", [*self._lead, a.hidden])
        places = ["rows"] if self._form == "tree" else ["continuations", "own"]
        for layer in range(a.layers):
            for part in ("key", "value"):
                g.output(f"new_{part}_{layer}", "float32", ["batch", a.kv_heads, *places, a.head_dim])
        return g.finish()

    def _norm(self, name: str, width: int) -> str:
        return self._g.weight(name, self._w.take(name, width))

    def _add_norm(self, source: str, rest: str, weight: str, name: str = "") -> tuple[str, str]:
        outputs = [name or f"{weight}.normed", "", "", f"{weight}.sum"]
        made = self._g.nodes(
            "SkipSimplifiedLayerNormalization", source, rest, self._norm(weight, self._a.hidden),
            outputs=outputs, domain=FUSED, epsilon=self._a.epsilon,
        )  # fmt: skip
        return made[0], made[3]

    def _dense(self, at: str, source: str, parts: dict[str, int], inner: int, bias: bool = False) -> str:
        """One product for all ``parts`` (name -> width), which share their input."""
        name = f"{at}.{'|'.join(parts)}"
        packed = [self._w.take(f"{at}.{p}.weight", width, inner).T for p, width in parts.items()]
        out = self._g.dense(f"{name}.weight", source, _joined(packed, 1))
        if not bias:
            return out
        packed = [self._w.take(f"{at}.{p}.bias", width) for p, width in parts.items()]
        return self._g.node("Add", out, self._g.weight(f"{name}.bias", _joined(packed, 0)))

    def _several(self, at: str, source: str, parts: dict[str, int], inner: int, bias: bool = False) -> list[str]:
        """One product a part; but of whole numbers one for all, since the rows are rounded for each product."""
        if self._g.precision in ("fp32", "fp16"):
            return [self._dense(at, source, {part: width}, inner, bias) for part, width in parts.items()]
        widths = self._g.constant(list(parts.values()))
        return self._g.nodes("Split", self._dense(at, source, parts, inner, bias), widths, outputs=len(parts), axis=-1)

    def _gated(self, at: str, normed: str) -> str:
        g, inner, hidden = self._g, self._a.inner, self._a.hidden
        gate, up = self._several(f"{at}.mlp", normed, {"gate_proj": inner, "up_proj": inner}, hidden)
        # x * sigmoid(x) as one operator.
        gate = g.node("QuickGelu", gate, domain=FUSED, alpha=1.0)
        return self._dense(f"{at}.mlp", g.node("Mul", gate, up), {"down_proj": hidden}, inner)

    def _attention(self, layer: int, normed: str) -> str:
        a, at = self._a, f"model.layers.{layer}.self_attn"
        wide, narrow = a.heads * a.head_dim, a.kv_heads * a.head_dim
        parts = {"q_proj": wide, "k_proj": narrow, "v_proj": narrow}
        q, k, v = self._several(at, normed, parts, a.hidden, a.bias)
        q = self._turned(f"{at}.q_norm.weight", q, a.heads)
        k = self._turned(f"{at}.k_norm.weight", k, a.kv_heads)
        mixed = self._tree(layer, q, k, v) if self._form == "tree" else self._block(layer, q, k, v)
        return self._dense(at, mixed, {"o_proj": a.hidden}, wide, a.out_bias)

    def _turned(self, norm: str, source: str, heads: int) -> str:
        g, a = self._g, self._a
        if a.qk_norm:
            apart = g.reshape(source, -1, heads, a.head_dim)
            source = g.node(
                "SimplifiedLayerNormalization", apart, self._norm(norm, a.head_dim), axis=-1, epsilon=a.epsilon
            )
        # Row by row: the operator refuses more rows a sequence than its tables have positions, and rows of many
        # continuations, all at the same few positions, may well be more.
        rows = g.reshape(source, -1, 1, heads * a.head_dim)
        inputs = (rows, self._single, self._cos, self._sin)
        turned = g.node("RotaryEmbedding", *inputs, domain=FUSED, num_heads=heads)
        return g.reshape(turned, self._batch, -1, heads * a.head_dim) if self._form == "tree" else turned

    def _scores(self, q: str, k: str) -> str:
        return self._g.node("FusedMatMul", q, k, domain=FUSED, transB=1, alpha=self._a.head_dim**-0.5)

    def _tree(self, layer: int, q: str, k: str, v: str) -> str:
        g, a, past = self._g, self._a, self._past[layer]
        kv, shared, dim = a.kv_heads, a.heads // a.kv_heads, a.head_dim
        q = g.node("Transpose", g.reshape(q, 0, 0, kv, shared, dim), perm=[0, 2, 3, 1, 4])
        keys, values = (
            g.node("Transpose", g.reshape(x, 0, 0, kv, dim), perm=[0, 2, 1, 3], name=f"new_{part}_{layer}")
            for x, part in ((k, "key"), (v, "value"))
        )
        keys = g.node("Concat", past[0], keys, axis=2)
        values = g.node("Concat", past[1], values, axis=2)
        # Heads that share keys are rows of one product, so that keys are never repeated.
        scores = g.reshape(self._scores(g.reshape(q, 0, 0, -1, dim), keys), 0, 0, shared, self._count, self._seen)
        shares = g.node("Softmax", g.node("Add", scores, self._bias), axis=-1)
        mixed = g.node("MatMul", g.reshape(shares, 0, 0, -1, self._seen), values)
        mixed = g.reshape(mixed, 0, 0, shared, self._count, dim)
        return g.reshape(g.node("Transpose", mixed, perm=[0, 3, 1, 2, 4]), 0, 0, a.heads * dim)

    def _block(self, layer: int, q: str, k: str, v: str) -> str:
        g, a, past = self._g, self._a, self._past[layer]
        kv, shared, dim, n, c = a.kv_heads, a.heads // a.kv_heads, a.head_dim, self._n, self._c
        q, k, v = (g.node("Gather", x, self._place, axis=0) for x in (q, k, v))
        # (b, kv, n, shared, c, dim): read flat it meets the past, read by continuation it meets its own rows.
        q = g.node("Transpose", g.reshape(q, 0, 0, 0, kv, shared, dim), perm=[0, 3, 1, 4, 2, 5])
        keys, values = (
            g.node("Transpose", g.reshape(x, 0, 0, 0, kv, dim), perm=[0, 3, 1, 2, 4], name=f"new_{part}_{layer}")
            for x, part in ((k, "key"), (v, "value"))
        )
        far = g.node("Add", self._scores(g.reshape(q, 0, 0, -1, dim), past[0]), self._past_bias)
        near = g.reshape(self._scores(g.reshape(q, 0, 0, 0, -1, dim), keys), 0, 0, 0, shared, c, c)
        near = g.reshape(g.node("Add", near, self._bias), 0, 0, -1, c)
        shares = g.node("Softmax", g.node("Concat", far, near, axis=-1), axis=-1)
        far, near = g.nodes("Split", shares, self._parts, outputs=2, axis=-1)
        near = g.node("MatMul", g.reshape(near, 0, 0, n, -1, c), values)
        mixed = g.node("Add", g.node("MatMul", far, past[1]), g.reshape(near, 0, 0, -1, dim))
        mixed = g.reshape(mixed, 0, 0, n, shared, c, dim)
        mixed = g.reshape(g.node("Transpose", mixed, perm=[0, 2, 4, 1, 3, 5]), -1, a.heads * dim)
        return g.node("Gather", mixed, self._back, axis=0)


def _joined(arrays: list[NDArray[np.float32]], axis: int) -> NDArray[np.float32]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=axis)
