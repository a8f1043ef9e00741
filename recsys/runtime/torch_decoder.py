"""A Hugging Face decoder under the inputs and outputs of our own graph: the reference, and the torch runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsys.registry import import_optional
from recsys.runtime.architectures import Architecture
from recsys.runtime.session import SessionSpec, TensorSpec
from recsys.runtime.torch import TorchSession


def torch_decoder(folder: Path, attention: str = "eager", device: str = "cpu") -> TorchSession:
    """Load a model folder as a session in form "tree" (see `recsys.runtime.decoder_graph`).

    ``attention`` is transformers' name: "eager" to compare with, "sdpa" for speed. Weights are read from
    safetensors only and no code that comes with a model is run.

    Raises:
        ConfigError: an architecture that is not supported. PluginUnavailable: torch or transformers is missing.
    """
    transformers = import_optional("transformers")
    architecture = Architecture.from_folder(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation=attention, dtype="float32", use_safetensors=True, trust_remote_code=False
    )
    return TorchSession(_body(model.base_model), tree_spec(architecture), device)


def tree_spec(architecture: Architecture) -> SessionSpec:
    """Return what a decoder in form "tree" takes and gives."""
    a = architecture
    past = [
        TensorSpec(f"past_{part}_{layer}", "float32", ("batch", a.kv_heads, "past", a.head_dim))
        for layer in range(a.layers)
        for part in ("key", "value")
    ]
    new = [
        TensorSpec(f"new_{part}_{layer}", "float32", ("batch", a.kv_heads, "rows", a.head_dim))
        for layer in range(a.layers)
        for part in ("key", "value")
    ]
    rows = TensorSpec("inputs_embeds", "float32", ("batch", "rows", a.hidden))
    positions = TensorSpec("position_ids", "int64", ("batch", "rows"))
    bias = TensorSpec("bias", "float32", ("batch", "rows", "seen"))
    hidden = TensorSpec("hidden", "float32", ("batch", "rows", a.hidden))
    return SessionSpec((rows, positions, bias, *past), (hidden, *new))


def _body(model: Any) -> Any:
    """Wrap ``model`` (a module that gives last_hidden_state) into a module over flat tensors."""
    base: Any = import_optional("torch").nn.Module
    cache_class = import_optional("transformers").DynamicCache

    class Body(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs_embeds: Any, position_ids: Any, bias: Any, **past: Any) -> dict[str, Any]:
            # Without the configuration: a window that slides would drop rows, and texts are never longer than it.
            cache = cache_class()
            layers = len(past) // 2
            for layer in range(layers):
                cache.update(past[f"past_key_{layer}"], past[f"past_value_{layer}"], layer)
            # A mask of four dimensions is taken as it is; none at all would let the library guess.
            out = self.model(
                inputs_embeds=inputs_embeds,
                position_ids=position_ids,
                attention_mask=bias[:, None],
                past_key_values=cache,
                use_cache=True,
            )
            found = {"hidden": out.last_hidden_state}
            before = past["past_key_0"].shape[2]
            for layer in range(layers):
                found[f"new_key_{layer}"] = cache.layers[layer].keys[:, :, before:]
                found[f"new_value_{layer}"] = cache.layers[layer].values[:, :, before:]
            return found

    return Body()
