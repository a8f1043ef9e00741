"""A real size once: 0.6 B parameters shaped as Qwen3-0.6B, random weights, exported, loaded, at work."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.facts import hardware
from benchmarks.timing import memory, rounded, timed
from recsys.runtime.decoder import open_decoder, write_decoder
from recsys.runtime.prefixes import Prompt
from recsys.testing.tiny import tiny_tokenizer

PRECISIONS = ("fp32", "int8", "int4")
CANDIDATES, TOKENS, PREFIX, TITLE = 20, 16, 160, (12, 24)
SHAPE: dict[str, Any] = {
    "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936,
    "max_position_embeddings": 40_960, "rope_theta": 1e6, "rms_norm_eps": 1e-6, "tie_word_embeddings": True,
}  # fmt: skip
QUICK = SHAPE | {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "head_dim": 16, "vocab_size": 999}
# Layers in one file, as large models are handed out in several.
LAYERS_A_SHARD = 7


def cases(quick: bool) -> list[dict[str, Any]]:
    shape = QUICK if quick else SHAPE
    steps = [{"step": step, "precision": p} for p in PRECISIONS for step in ("export", "serve")]
    return [{**step, "shape": shape} for step in [{"step": "source", "precision": "bf16"}, *steps]]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    source, folder = scratch / "real-size", scratch / f"real-size-{case['precision']}"
    parameters: dict[str, Any] = {"precision": case["precision"], "prefix": PREFIX, "title": list(TITLE)}
    if case["step"] == "source":
        count, took = timed(lambda: make_source(source, case["shape"]))
        parameters = {"precision": case["precision"], "parameters": count}
        figures = {"seconds": rounded(took), "files_gb": rounded(size_of(source))}
    elif case["step"] == "export":
        _, took = timed(lambda: write_decoder(source, folder, precision=case["precision"]))
        figures = {
            "seconds": rounded(took),
            "files_gb": rounded(size_of(folder)),
        }
    else:
        figures = serve(folder, case["shape"]["vocab_size"])
        # Gigabytes: gone as soon as they were used.
        shutil.rmtree(folder)
        if case["precision"] == PRECISIONS[-1]:
            shutil.rmtree(source)
    return [{"name": case["step"], "parameters": parameters, "figures": {**figures, **memory()}}]


def serve(folder: Path, vocabulary: int) -> dict[str, float]:
    """Measure loading, one list of candidates cold and again, and one text."""
    model, loading = timed(lambda: open_decoder(folder, threads=hardware()["cores"]))
    loaded = memory()["peak_rss_mb"]
    rng = np.random.default_rng(0)
    prefix = [Prompt((rng.integers(3, vocabulary, PREFIX),))]
    behind = [[Prompt((rng.integers(3, vocabulary, n),)) for n in rng.integers(TITLE[0], TITLE[1] + 1, CANDIDATES)]]
    _, first = timed(lambda: model.score(prefix, behind))
    scores, again = timed(lambda: model.score(prefix, behind))
    [reply], writing = timed(lambda: model.generate(prefix, max_new_tokens=TOKENS))
    if not np.isfinite(scores[0]).all() or len(reply.ids) != TOKENS:
        raise RuntimeError("the model gave scores that are no numbers, or no text")
    return {
        "load_s": rounded(loading), "loaded_rss_mb": loaded, "first_score_s": rounded(first),
        "score_s": rounded(again), "generate_s": rounded(writing),
    }  # fmt: skip


def size_of(folder: Path) -> float:
    """Return the gigabytes of the files of a folder."""
    return sum(p.stat().st_size for p in folder.iterdir()) / 1e9


def make_source(folder: Path, shape: dict[str, Any]) -> int:
    """Write a random model as Hugging Face lays it out, bfloat16, shard by shard; return its number of parameters."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(shape), encoding="utf-8")
    tiny_tokenizer(["a model of a real size"]).save(str(folder / "tokenizer.json"))
    rng, count = np.random.default_rng(0), 0
    index: dict[str, str] = {}
    shards = list(tensors(shape))
    for k, shard in enumerate(shards, 1):
        name = f"model-{k:05}-of-{len(shards):05}.safetensors"
        write_shard(folder / name, shard, rng)
        index |= dict.fromkeys(shard, name)
        count += sum(int(np.prod(dims)) for dims in shard.values())
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": index}), encoding="utf-8"
    )
    return count


def tensors(shape: dict[str, Any]) -> Iterator[dict[str, tuple[int, ...]]]:
    """Give the names and shapes of the weights of each file."""
    d, inner, dim = shape["hidden_size"], shape["intermediate_size"], shape["head_dim"]
    wide, narrow = shape["num_attention_heads"] * dim, shape["num_key_value_heads"] * dim
    yield {"model.embed_tokens.weight": (shape["vocab_size"], d), "model.norm.weight": (d,)}
    layer = {
        "self_attn.q_proj": (wide, d), "self_attn.k_proj": (narrow, d), "self_attn.v_proj": (narrow, d),
        "self_attn.o_proj": (d, wide), "mlp.gate_proj": (inner, d), "mlp.up_proj": (inner, d),
        "mlp.down_proj": (d, inner), "input_layernorm": (d,), "post_attention_layernorm": (d,),
    }  # fmt: skip
    if shape["model_type"] == "qwen3":
        layer |= {"self_attn.q_norm": (dim,), "self_attn.k_norm": (dim,)}
    for first in range(0, shape["num_hidden_layers"], LAYERS_A_SHARD):
        layers = range(first, min(first + LAYERS_A_SHARD, shape["num_hidden_layers"]))
        yield {f"model.layers.{k}.{name}.weight": dims for k in layers for name, dims in layer.items()}


def write_shard(path: Path, shard: dict[str, tuple[int, ...]], rng: np.random.Generator) -> None:
    """Write one safetensors file, one tensor at a time: norms are 1, all else is small noise."""
    header, end = {}, 0
    for name, dims in shard.items():
        start, end = end, end + 2 * int(np.prod(dims))
        header[name] = {"dtype": "BF16", "shape": dims, "data_offsets": [start, end]}
    head = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for dims in shard.values():
            ones = np.ones(dims, np.float32) if len(dims) == 1 else None
            values = rng.standard_normal(dims, np.float32) * np.float32(0.02) if ones is None else ones
            # bfloat16 is the upper half of a float32.
            file.write((values.view(np.uint32) >> 16).astype(np.uint16).tobytes())
