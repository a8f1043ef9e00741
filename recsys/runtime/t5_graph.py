"""T5 as two ONNX graphs, built straight from its weights: an encoder, and a decoder behind what the encoder read.

The encoder gives the keys and values of every layer's cross attention at once, so that they are computed once for a
source however many continuations are read behind it (Raffel et al. 2020, arXiv 1910.10683).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.runtime.architectures import epsilon_of, ids_of, read_json, size_of
from recsys.runtime.graph import FUSED, Graph
from recsys.runtime.quantise import Precision
from recsys.runtime.weights import WeightFile, Weights

GRAPH_VERSION = 1
_ACTIVATIONS = ("relu", "gated-gelu")


@dataclass(frozen=True, slots=True)
class T5Architecture:
    """The sizes and switches of one model.

    Attributes:
        hidden, inner, heads, head_dim, epsilon, vocabulary: as usual; ``layers`` of the encoder, ``written`` of the
            decoder. buckets, reach: of the relative positions. gated: the inner layer is a product with a GELU (T5
            1.1, FLAN-T5). scaled: hidden rows are divided by the root of their width before the head.
        pad, start: special tokens; ``start`` is what every written text begins with. eos: what ends one.
    """

    hidden: int
    inner: int
    layers: int
    written: int
    heads: int
    head_dim: int
    epsilon: float
    vocabulary: int
    buckets: int
    reach: int
    gated: bool
    scaled: bool
    pad: int = 0
    start: int = 0
    eos: tuple[int, ...] = (1,)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Read the folder of a model. Raises `ArtifactMissing`, `ArtifactDamaged` or `ConfigError`."""
        return cls.from_config(read_json(folder / "config.json"))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read the content of a config.json.

        Raises:
            ConfigError: another family, a switch that the graph does not know, or a size that makes no sense.
        """
        family = str(config.get("model_type"))
        if family not in ("t5", "mt5"):
            raise ConfigError(f"config.json: model_type {family!r} is not supported (known: t5, mt5)")
        inner = str(config.get("feed_forward_proj", "relu"))
        if inner not in _ACTIVATIONS:
            known = ", ".join(_ACTIVATIONS)
            raise ConfigError(f"config.json: feed_forward_proj {inner!r} is not supported (known: {known})")
        layers = size_of(config, "num_layers")
        # A head that is the embedding itself was trained on rows scaled down, one of its own was not.
        scaled = config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True))
        made = cls(
            hidden=size_of(config, "d_model"),
            inner=size_of(config, "d_ff"),
            layers=layers,
            written=size_of(config, "num_decoder_layers", layers),
            heads=size_of(config, "num_heads"),
            head_dim=size_of(config, "d_kv"),
            epsilon=epsilon_of(config, "layer_norm_epsilon", 1e-6),
            vocabulary=size_of(config, "vocab_size"),
            buckets=size_of(config, "relative_attention_num_buckets", 32),
            reach=size_of(config, "relative_attention_max_distance", 128),
            gated=inner == "gated-gelu",
            scaled=bool(scaled),
            pad=next(iter(ids_of(config, "pad_token_id")), 0),
            start=next(iter(ids_of(config, "decoder_start_token_id")), 0),
            eos=ids_of(config, "eos_token_id") or (1,),
        )
        if made.buckets % 4 or made.reach <= made.buckets // 2:
            raise ConfigError(
                "config.json: relative_attention_num_buckets must be a multiple of 4, max_distance larger"
            )
        return made

    def places(self, distance: NDArray[np.int64], *, both: bool) -> NDArray[np.int64]:
        """Return the bucket of each distance (key's place - query's place), any shape.

        Near distances have buckets of their own, far ones share them by their logarithm; ``both`` directions count
        in the encoder, the past alone in the decoder.
        """
        count = self.buckets // 2 if both else self.buckets
        ahead = (distance > 0) * count if both else 0
        away = np.abs(distance) if both else -np.minimum(distance, 0)
        near = count // 2
        # Single precision, as the reference has it: at the border of two buckets it decides.
        ratio = np.log(np.maximum(away, 1).astype(np.float32) / np.float32(near)) / np.float32(
            math.log(self.reach / near)
        )
        far = near + (ratio * np.float32(count - near)).astype(np.int64)
        return np.where(away < near, away, np.minimum(far, count - 1)) + ahead


def t5_encoder_graph(
    architecture: T5Architecture, weights: Weights, store: WeightFile, precision: Precision = "fp32"
) -> bytes:
    """Return the serialised encoder.

    Inputs: ``inputs_embeds`` (b, s, d) float32; ``bias`` (b, s) float32, 0 or -1e9 for padding; ``buckets`` (s, s)
    int64 from `T5Architecture.places`. Outputs: ``cross_key_L``, ``cross_value_L`` (b, heads, s, head_dim) for each
    layer of the decoder.

    Raises:
        ShapeMismatch: a weight is missing or does not fit. PluginUnavailable: ``onnx`` is not installed.
    """
    a, build = architecture, _T5(architecture, weights, Graph("t5_encoder", store, precision))
    g = build.graph
    rows = g.input("inputs_embeds", "float32", ["batch", "source", a.hidden])
    mask = g.node("Unsqueeze", g.input("bias", "float32", ["batch", "source"]), g.constant([1, 2]))
    buckets = g.input("buckets", "int64", ["source", "source"])
    near = build.distances("encoder", buckets, [2, 0, 1])
    # (1, heads, s, s) and (b, 1, 1, s): one bias for all layers.
    bias = g.node("Add", g.node("Unsqueeze", near, g.constant([0])), mask)
    for layer in range(a.layers):
        at = f"encoder.block.{layer}.layer"
        normed = build.norm(f"{at}.0.layer_norm", rows)
        own = build.three(f"{at}.0.SelfAttention", normed)
        rows = g.node("Add", rows, build.attended(f"{at}.0.SelfAttention", own[0], own[1], own[2], bias))
        rows = g.node("Add", rows, build.inner(f"{at}.1", rows))
    source = build.norm("encoder.final_layer_norm", rows)
    shape: list[int | str] = ["batch", a.heads, "source", a.head_dim]
    for layer in range(a.written):
        at = f"decoder.block.{layer}.layer.1.EncDecAttention"
        parts = build.packed(at, ("k", "v"), source)
        for part, made in zip(("key", "value"), parts, strict=True):
            build.by_head(made, f"cross_{part}_{layer}")
            g.output(f"cross_{part}_{layer}", "float32", shape)
    return g.finish()


def t5_decoder_graph(
    architecture: T5Architecture, weights: Weights, store: WeightFile, precision: Precision = "fp32"
) -> bytes:
    """Return the serialised decoder.

    Inputs: ``inputs_embeds`` (b, r, d) float32; ``bias`` (b, r, p + r) float32 over what was written before and the
    rows themselves; ``buckets`` (b, r, p + r) int64; ``source_bias`` (b, s) float32; ``past_key_L``,
    ``past_value_L`` (b, heads, p, head_dim), p >= 1; ``cross_key_L``, ``cross_value_L`` (b, heads, s, head_dim) of
    the encoder. Outputs: ``hidden`` (b, r, d), ready for the head; ``new_key_L``, ``new_value_L``
    (b, heads, r, head_dim).

    Raises:
        ShapeMismatch: a weight is missing or does not fit. PluginUnavailable: ``onnx`` is not installed.
    """
    a, build = architecture, _T5(architecture, weights, Graph("t5_decoder", store, precision))
    g = build.graph
    rows = g.input("inputs_embeds", "float32", ["batch", "rows", a.hidden])
    mask = g.node("Unsqueeze", g.input("bias", "float32", ["batch", "rows", "seen"]), g.constant([1]))
    buckets = g.input("buckets", "int64", ["batch", "rows", "seen"])
    bias = g.node("Add", build.distances("decoder", buckets, [0, 3, 1, 2]), mask)
    across = g.node("Unsqueeze", g.input("source_bias", "float32", ["batch", "source"]), g.constant([1, 2]))
    past = build.inputs("past", "past")
    cross = build.inputs("cross", "source")
    for layer in range(a.written):
        at = f"decoder.block.{layer}.layer"
        normed = build.norm(f"{at}.0.layer_norm", rows)
        own = build.three(f"{at}.0.SelfAttention", normed, (f"new_key_{layer}", f"new_value_{layer}"))
        k, v = (g.node("Concat", p, x, axis=2) for p, x in zip(past[layer], own[1:], strict=True))
        rows = g.node("Add", rows, build.attended(f"{at}.0.SelfAttention", own[0], k, v, bias))
        normed, (k, v) = build.norm(f"{at}.1.layer_norm", rows), cross[layer]
        q = build.by_head(build.packed(f"{at}.1.EncDecAttention", ("q",), normed)[0])
        rows = g.node("Add", rows, build.attended(f"{at}.1.EncDecAttention", q, k, v, across))
        rows = g.node("Add", rows, build.inner(f"{at}.2", rows))
    build.norm("decoder.final_layer_norm", rows, "hidden", a.hidden**-0.5 if a.scaled else 1.0)
    g.output("hidden", "float32", ["batch", "rows", a.hidden])
    for layer in range(a.written):
        for part in ("key", "value"):
            g.output(f"new_{part}_{layer}", "float32", ["batch", a.heads, "rows", a.head_dim])
    return g.finish()


class _T5:
    """What both graphs are made of."""

    def __init__(self, arch: T5Architecture, weights: Weights, graph: Graph) -> None:
        self._a, self._w, self.graph = arch, weights, graph

    def inputs(self, kind: str, length: str) -> list[list[str]]:
        shape: list[int | str] = ["batch", self._a.heads, length, self._a.head_dim]
        return [
            [self.graph.input(f"{kind}_{part}_{layer}", "float32", shape) for part in ("key", "value")]
            for layer in range(self._a.written)
        ]

    def norm(self, at: str, rows: str, name: str = "", scale: float = 1.0) -> str:
        weight = self._w.take(f"{at}.weight", self._a.hidden) * np.float32(scale)
        inputs = (rows, self.graph.weight(f"{at}.weight", weight))
        return self.graph.node("SimplifiedLayerNormalization", *inputs, name=name, axis=-1, epsilon=self._a.epsilon)

    def distances(self, side: str, buckets: str, order: list[int]) -> str:
        """Look up the bias of each distance a head; the first layer's table serves all layers."""
        name = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        table = self.graph.weight(name, self._w.take(name, self._a.buckets, self._a.heads))
        return self.graph.node("Transpose", self.graph.node("Gather", table, buckets, axis=0), perm=order)

    def packed(self, at: str, parts: tuple[str, ...], rows: str) -> list[str]:
        """One product for several projections of the same rows."""
        g, wide = self.graph, self._a.heads * self._a.head_dim
        weight = [self._w.take(f"{at}.{p}.weight", wide, self._a.hidden).T for p in parts]
        made = g.dense(f"{at}.{'|'.join(parts)}", rows, np.concatenate(weight, axis=1))
        return g.nodes("Split", made, g.constant([wide] * len(parts)), outputs=len(parts), axis=-1)

    def by_head(self, source: str, name: str = "") -> str:
        apart = self.graph.reshape(source, 0, 0, self._a.heads, self._a.head_dim)
        return self.graph.node("Transpose", apart, perm=[0, 2, 1, 3], name=name)

    def three(self, at: str, rows: str, names: tuple[str, str] = ("", "")) -> list[str]:
        parts = self.packed(at, ("q", "k", "v"), rows)
        return [self.by_head(p, n) for p, n in zip(parts, ("", *names), strict=True)]

    def attended(self, at: str, q: str, k: str, v: str, bias: str) -> str:
        g, a = self.graph, self._a
        # Scores are not scaled: the model was trained to begin without.
        scores = g.node("Add", g.node("FusedMatMul", q, k, domain=FUSED, transB=1), bias)
        mixed = g.node("MatMul", g.node("Softmax", scores, axis=-1), v)
        wide = a.heads * a.head_dim
        mixed = g.reshape(g.node("Transpose", mixed, perm=[0, 2, 1, 3]), 0, 0, wide)
        return g.dense(f"{at}.o", mixed, self._w.take(f"{at}.o.weight", a.hidden, wide).T)

    def inner(self, at: str, rows: str) -> str:
        g, a = self.graph, self._a
        normed, dense = self.norm(f"{at}.layer_norm", rows), f"{at}.DenseReluDense"
        names = ("wi_0", "wi_1") if a.gated else ("wi",)
        weight = [self._w.take(f"{dense}.{n}.weight", a.inner, a.hidden).T for n in names]
        made = g.dense(f"{dense}.wi", normed, np.concatenate(weight, axis=1))
        if a.gated:
            gate, up = g.nodes("Split", made, g.constant([a.inner] * 2), outputs=2, axis=-1)
            made = g.node("Mul", g.node("FastGelu", gate, domain=FUSED), up)
        else:
            made = g.node("Relu", made)
        weight_out = self._w.take(f"{dense}.wo.weight", a.hidden, a.inner).T
        return g.dense(f"{dense}.wo", made, weight_out, floor=None if a.gated else 0.0)
