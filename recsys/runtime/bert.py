"""BERT and RoBERTa encoders as one ONNX graph, built straight from their weights: no torch, no exporter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError, ShapeMismatch
from recsys.runtime.architectures import epsilon_of, ids_of, read_json, size_of
from recsys.runtime.graph import FUSED, Graph
from recsys.runtime.quantise import Calibration, Precision
from recsys.runtime.weights import WeightFile, Weights

# Raised whenever the graph below changes, so that a cached file of an older shape is not used.
GRAPH_VERSION = 2
FAMILIES = ("bert", "roberta", "xlm-roberta")
# No GELU, exact or by tanh, goes below this.
GELU_FLOOR = 0.1701
# Activation -> the fused operator that adds the bias as well.
_ACTIVATIONS = {"gelu": "BiasGelu", "gelu_new": "FastGelu", "gelu_pytorch_tanh": "FastGelu"}


@dataclass(frozen=True, slots=True)
class BertArchitecture:
    """The sizes of one encoder.

    Attributes:
        family: one of `FAMILIES`. hidden, inner, layers, heads, epsilon, vocabulary, types: as usual; ``types`` is
            how many kinds of segment there are. offset: rows of the position table that no text uses (RoBERTa).
        max_tokens: the longest text, special tokens included. pad: the token that fills. activation: "gelu"...
    """

    family: str
    hidden: int
    inner: int
    layers: int
    heads: int
    epsilon: float
    vocabulary: int
    max_tokens: int
    types: int = 2
    offset: int = 0
    pad: int = 0
    activation: str = "gelu"

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
        if family not in FAMILIES:
            raise ConfigError(f"config.json: model_type {family!r} is not supported (known: {', '.join(FAMILIES)})")
        activation = str(config.get("hidden_act", "gelu"))
        if activation not in _ACTIVATIONS:
            known = ", ".join(_ACTIVATIONS)
            raise ConfigError(f"config.json: hidden_act {activation!r} is not supported (known: {known})")
        kind = config.get("position_embedding_type") or "absolute"
        if kind != "absolute":
            raise ConfigError(f"config.json: position_embedding_type {kind!r} is not supported (known: absolute)")
        pad = next(iter(ids_of(config, "pad_token_id")), 0)
        # RoBERTa counts positions from the row after its padding token's.
        offset = 0 if family == "bert" else pad + 1
        made = cls(
            family=family,
            hidden=size_of(config, "hidden_size"),
            inner=size_of(config, "intermediate_size"),
            layers=size_of(config, "num_hidden_layers"),
            heads=size_of(config, "num_attention_heads"),
            epsilon=epsilon_of(config, "layer_norm_eps", 1e-12),
            vocabulary=size_of(config, "vocab_size"),
            max_tokens=size_of(config, "max_position_embeddings", 512) - offset,
            types=size_of(config, "type_vocab_size", 2),
            offset=offset,
            pad=pad,
            activation=activation,
        )
        if made.hidden % made.heads or made.max_tokens < 1:
            raise ConfigError("config.json: hidden_size must be a multiple of num_attention_heads, positions enough")
        return made


def bert_graph(
    architecture: BertArchitecture,
    weights: Weights,
    store: WeightFile | None = None,
    *,
    precision: Precision = "fp32",
    head: bool = False,
    calibration: Calibration | None = None,
) -> bytes:
    """Return the serialised graph; its weights go to ``store``, or inside the graph without one.

    ``input_ids``, ``attention_mask`` (b, t) int32 -> ``hidden`` (b, t, d) float32; or, with ``head``, those and
    ``token_type_ids`` (where the model has types) -> ``logits`` (b, labels) float32 of the classifier on the first
    token. Padding stands behind the text. Without a head the token type is 0 throughout and the pooler is left out.

    Raises:
        ShapeMismatch: a weight is missing or does not fit. PluginUnavailable: ``onnx`` is not installed.
    """
    build = _Bert(architecture, weights, Graph("bert", store, precision, calibration), head)
    hidden = build.embeddings()
    for layer in range(architecture.layers):
        last = layer == architecture.layers - 1
        hidden = build.layer(f"encoder.layer.{layer}", hidden, "hidden" if last else "")
    if head:
        build.classifier(hidden)
    else:
        build.graph.output("hidden", "float32", ["batch", "tokens", architecture.hidden])
    return build.graph.finish()


class _Bert:
    def __init__(self, arch: BertArchitecture, weights: Weights, graph: Graph, head: bool) -> None:
        self._a, self._w, self.graph, self._head = arch, weights, graph, head
        word = "embeddings.word_embeddings.weight"
        self._prefix = next((p for p in ("", "bert.", "roberta.") if p + word in weights), None)
        if self._prefix is None:
            raise ShapeMismatch(f"the weights hold no {word!r}: this is no BERT")
        shape = ["batch", "tokens"]
        self._ids = graph.input("input_ids", "int32", shape)
        self._mask = graph.input("attention_mask", "int32", shape)
        self._types = graph.input("token_type_ids", "int32", shape) if head and arch.types > 1 else ""

    def _take(self, name: str, *shape: int) -> NDArray[np.float32]:
        return self._w.take(f"{self._prefix}{name}", *shape)

    def _put(self, name: str, *shape: int) -> str:
        return self.graph.weight(name, self._take(name, *shape))

    def _norm(self, at: str) -> tuple[str, str]:
        return self._put(f"{at}.weight", self._a.hidden), self._put(f"{at}.bias", self._a.hidden)

    def embeddings(self) -> str:
        a, g, at = self._a, self.graph, "embeddings"
        words = g.table(f"{at}.words", self._take(f"{at}.word_embeddings.weight", a.vocabulary, a.hidden))
        rows = a.max_tokens + a.offset
        places = self._take(f"{at}.position_embeddings.weight", rows, a.hidden)[a.offset :]
        types = self._take(f"{at}.token_type_embeddings.weight", a.types, a.hidden)
        if not self._types:
            # One type alone occurs: its row is added to every position beforehand.
            places = places + types[0]
        inputs = (
            self._ids, self._types, words, g.weight(f"{at}.places", places),
            g.weight(f"{at}.types", types) if self._types else "", *self._norm(f"{at}.LayerNorm"), self._mask,
        )  # fmt: skip
        outputs = ["embedded", "unused_lengths"]
        return g.nodes("EmbedLayerNormalization", *inputs, outputs=outputs, domain=FUSED, epsilon=a.epsilon)[0]

    def layer(self, at: str, hidden: str, name: str) -> str:
        a, g = self._a, self.graph
        mixed = self._attention(f"{at}.attention.self", hidden)
        hidden = self._sublayer(f"{at}.attention.output", mixed, hidden, a.hidden)
        wide = g.dense(f"{at}.wide", hidden, self._take(f"{at}.intermediate.dense.weight", a.inner, a.hidden).T)
        bias = self._put(f"{at}.intermediate.dense.bias", a.inner)
        wide = g.node(_ACTIVATIONS[a.activation], wide, bias, domain=FUSED)
        return self._sublayer(f"{at}.output", wide, hidden, a.inner, name, GELU_FLOOR)

    def _attention(self, at: str, hidden: str) -> str:
        a, g, parts = self._a, self.graph, ("query", "key", "value")
        packed = np.concatenate([self._take(f"{at}.{p}.weight", a.hidden, a.hidden).T for p in parts], axis=1)
        bias = g.weight(f"{at}.bias", np.concatenate([self._take(f"{at}.{p}.bias", a.hidden) for p in parts]))
        if g.plain:
            inputs = (hidden, g.table(f"{at}.weight", packed), bias, self._mask)
            return g.node("Attention", *inputs, domain=FUSED, num_heads=a.heads)
        # The fused operator multiplies by floats only: the product stands apart from what follows it.
        three = g.node("Add", g.dense(f"{at}.weight", hidden, packed), bias)
        q, k, v = g.nodes("Split", three, g.constant([a.hidden] * 3), outputs=3, axis=-1)
        return g.node("MultiHeadAttention", q, k, v, "", self._mask, domain=FUSED, num_heads=a.heads)

    def _sublayer(self, at: str, source: str, skip: str, width: int, name: str = "", floor: float | None = None) -> str:
        a, g = self._a, self.graph
        made = g.dense(f"{at}.dense", source, self._take(f"{at}.dense.weight", a.hidden, width).T, floor=floor)
        inputs = (made, skip, *self._norm(f"{at}.LayerNorm"), self._put(f"{at}.dense.bias", a.hidden))
        return g.node("SkipLayerNormalization", *inputs, domain=FUSED, name=name, epsilon=a.epsilon)

    def classifier(self, hidden: str) -> None:
        """The head is small and decides: it keeps its full precision."""
        g, d = self.graph, self._a.hidden
        pool, out = ("classifier.dense", "classifier.out_proj")
        if self._a.family == "bert":
            pool, out = f"{self._prefix}pooler.dense", "classifier"
        labels = labels_of(self._w, f"{out}.weight")
        first = g.node("Gather", hidden, g.constant(0), axis=1)
        pooled = g.node("Tanh", self._linear(pool, first, d, d))
        self._linear(out, pooled, d, labels, "logits")
        g.output("logits", "float32", ["batch", labels])

    def _linear(self, name: str, source: str, inner: int, width: int, output: str = "") -> str:
        g = self.graph
        weight = g.weight(f"{name}.weight", self._w.take(f"{name}.weight", width, inner))
        bias = g.weight(f"{name}.bias", self._w.take(f"{name}.bias", width))
        return g.node("Gemm", source, weight, bias, name=output, transB=1)


def labels_of(weights: Weights, name: str) -> int:
    """Return how many labels a classifier tells apart. Raises `ShapeMismatch` where there is none."""
    if name not in weights:
        raise ShapeMismatch(f"the weights hold no {name!r}: this model has no classifier, so it is no cross-encoder")
    return int(weights.shape(name)[0])
