"""A BERT encoder as one ONNX graph, built straight from its weights: no torch, no exporter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ShapeMismatch
from recsys.registry import import_optional

# Raised whenever the graph below changes, so that a cached file of an older shape is not used.
GRAPH_VERSION = 1


def bert_graph(weights: Mapping[str, NDArray[np.float32]], *, layers: int, heads: int, epsilon: float = 1e-12) -> bytes:
    """Return the serialised graph: ``input_ids``, ``attention_mask`` (b, t) int32 -> ``hidden`` (b, t, d) float32.

    ``weights`` carry Hugging Face's names of a ``BertModel`` (post-norm, exact GELU, absolute positions); the
    token type is 0 throughout and the pooler is left out. The fused operators of ONNX Runtime
    (EmbedLayerNormalization, Attention, SkipLayerNormalization, BiasGelu) do the work.

    Raises:
        ShapeMismatch: a weight is missing. PluginUnavailable: the ``onnx`` package is not installed.
    """
    onnx = import_optional("onnx")
    build = _Builder(onnx, weights)
    hidden = build.embeddings(epsilon)
    for layer in range(layers):
        hidden = build.layer(f"encoder.layer.{layer}", hidden, heads, epsilon, last=layer == layers - 1)
    return build.finish()


class _Builder:
    """Collects nodes and initialisers; every method returns the name of the tensor it makes."""

    def __init__(self, onnx: Any, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._onnx = onnx
        self._weights = weights
        self._nodes: list[Any] = []
        self._tensors: list[Any] = []

    def _weight(self, name: str) -> NDArray[np.float32]:
        if name not in self._weights:
            raise ShapeMismatch(f"the weights hold no {name!r}: this is not a BertModel")
        return self._weights[name]

    def _put(self, name: str, value: NDArray[np.float32] | None = None) -> str:
        array = self._weight(name) if value is None else value
        self._tensors.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    def _node(self, op: str, inputs: list[str], outputs: list[str], fused: bool = True, **attributes: Any) -> str:
        domain = "com.microsoft" if fused else ""
        self._nodes.append(self._onnx.helper.make_node(op, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def embeddings(self, epsilon: float) -> str:
        # Only token type 0 occurs: its row is added to every position beforehand.
        positions = self._weight("embeddings.position_embeddings.weight")
        positions = positions + self._weight("embeddings.token_type_embeddings.weight")[0]
        inputs = [
            "input_ids", "", self._put("embeddings.word_embeddings.weight"),
            self._put("embeddings.position_embeddings.weight", positions), "",
            self._put("embeddings.LayerNorm.weight"), self._put("embeddings.LayerNorm.bias"), "attention_mask",
        ]  # fmt: skip
        return self._node("EmbedLayerNormalization", inputs, ["embedded", "unused_lengths"], epsilon=epsilon)

    def layer(self, at: str, hidden: str, heads: int, epsilon: float, last: bool) -> str:
        own = f"{at}.attention.self"
        parts = ("query", "key", "value")
        packed = np.concatenate([self._weight(f"{own}.{p}.weight").T for p in parts], axis=1)
        bias = np.concatenate([self._weight(f"{own}.{p}.bias") for p in parts])
        inputs = [hidden, self._put(f"{own}.weight", packed), self._put(f"{own}.bias", bias), "attention_mask"]
        mixed = self._node("Attention", inputs, [f"{own}.out"], num_heads=heads)
        hidden = self._sublayer(f"{at}.attention.output", mixed, hidden, epsilon)
        wide = self._dense(f"{at}.intermediate.dense", hidden)
        wide = self._node("BiasGelu", [wide, self._put(f"{at}.intermediate.dense.bias")], [f"{at}.gelu"])
        return self._sublayer(f"{at}.output", wide, hidden, epsilon, "hidden" if last else None)

    def _dense(self, at: str, source: str) -> str:
        weight = self._put(f"{at}.weight", self._weight(f"{at}.weight").T)
        return self._node("MatMul", [source, weight], [f"{at}.out"], fused=False)

    def _sublayer(self, at: str, source: str, skip: str, epsilon: float, name: str | None = None) -> str:
        inputs = [
            self._dense(f"{at}.dense", source), skip, self._put(f"{at}.LayerNorm.weight"),
            self._put(f"{at}.LayerNorm.bias"), self._put(f"{at}.dense.bias"),
        ]  # fmt: skip
        return self._node("SkipLayerNormalization", inputs, [name or f"{at}.normed"], epsilon=epsilon)

    def finish(self) -> bytes:
        helper, types = self._onnx.helper, self._onnx.TensorProto
        width = self._weight("embeddings.LayerNorm.weight").shape[0]
        graph = helper.make_graph(
            self._nodes,
            "bert",
            [
                helper.make_tensor_value_info(n, types.INT32, ["batch", "tokens"])
                for n in ("input_ids", "attention_mask")
            ],
            [helper.make_tensor_value_info("hidden", types.FLOAT, ["batch", "tokens", width])],
            self._tensors,
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="recsys")
        out: bytes = model.SerializeToString()
        return out
