"""Language models at work: candidates scored behind one prefix, and texts written, beside torch in the same run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.decode_torch import TorchModel
from benchmarks.facts import hardware
from benchmarks.real_size import make_source
from benchmarks.timing import memory, rounded, timed
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder import open_decoder, write_decoder
from recsys.runtime.graph import Graph
from recsys.runtime.onnx import OnnxSession
from recsys.runtime.prefixes import Prompt

PREFIX, TITLE, COUNTS, TOKENS, TEXTS = 160, (12, 24), [20, 50, 100], 48, 8
REPEATS = 3
# Random weights: what they write means nothing, what they cost is real.
COMMON = {"max_position_embeddings": 1024, "rope_theta": 1e4, "rms_norm_eps": 1e-6, "tie_word_embeddings": True}
MODELS: Mapping[str, dict[str, Any]] = {
    "25M": COMMON | {
        "model_type": "qwen3", "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 7,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64, "vocab_size": 8000,
    },
    "100M": COMMON | {
        "model_type": "llama", "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12,
        "num_attention_heads": 12, "num_key_value_heads": 4, "head_dim": 64, "vocab_size": 32_000,
    },
    "tiny": COMMON | {
        "model_type": "qwen3", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 500,
    },
}  # fmt: skip
RUNTIMES = ("fp32", "int8", "int4")


def cases(quick: bool) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for model in ["tiny"] if quick else ["25M", "100M"]:
        counts, tokens = ([5], 8) if quick else (COUNTS, TOKENS)
        common = {"model": model, "repeats": 1 if quick else REPEATS}
        out.append({"part": "rerank", **common, "candidates": counts})
        out.append({"part": "generate", **common, "tokens": tokens})
        out += [{"part": "memory", "model": model, "runtime": name} for name in (*RUNTIMES, "torch")]
    return out


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    threads = hardware()["cores"]
    if case["part"] == "memory":
        return [footprint(case, scratch, threads)]
    ours = {name: open_decoder(written(case["model"], name, scratch), threads=threads) for name in RUNTIMES}
    torch = TorchModel(source(case["model"], scratch), threads)
    if case["part"] == "generate":
        return texts(case, ours, torch)
    warm = open_decoder(written(case["model"], "fp32", scratch), threads=threads, prefix_bytes=1 << 28)
    rates = matmul_rates(threads, 256 if case["model"] == "tiny" else 2048)
    return [line for count in case["candidates"] for line in rerank(case, count, ours, warm, torch, rates)]


def source(model: str, scratch: Path) -> Path:
    """Return the folder of a random model as Hugging Face lays it out, made once a run."""
    folder = scratch / f"decode-{model}"
    if not folder.exists():
        make_source(folder, MODELS[model])
    return folder


def written(model: str, precision: Any, scratch: Path) -> Path:
    """Return the same model as an artifact, made once a run."""
    folder = scratch / f"decode-{model}-{precision}"
    return folder if folder.exists() else write_decoder(source(model, scratch), folder, precision=precision)


def sample(vocabulary: int, count: int, seed: int = 0) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Return the ids of a prefix and of ``count`` titles."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(TITLE[0], TITLE[1] + 1, count)
    return rng.integers(3, vocabulary, PREFIX), [rng.integers(3, vocabulary, size) for size in sizes]


def interleaved(
    work: Mapping[str, Callable[[], Any]], repeats: int, warm: bool = True
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return what each work gives and its median seconds, all in turn; ``warm``: after a round that does not count."""
    found: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for k in range(repeats + warm):
        for name, call in work.items():
            found[name], took = timed(call)
            if k >= warm:
                seconds[name].append(took)
    return found, {name: float(np.median(took)) for name, took in seconds.items()}


def rerank(
    case: dict[str, Any],
    count: int,
    ours: Mapping[str, CausalLM],
    warm: CausalLM,
    torch: TorchModel,
    rates: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Measure every way to score ``count`` titles; torch without sharing is what the others are compared with."""
    a = warm.architecture
    prefix, titles = sample(a.vocabulary, count)
    one, behind = [Prompt((prefix,))], [[Prompt((t,)) for t in titles]]
    # One item as two vectors and one answer, rather than a title token by token.
    vectors = np.random.default_rng(1).normal(size=(count, 2, a.hidden)).astype(np.float32)
    short = [[Prompt((v,)) for v in vectors]]
    yes = np.array([5], np.int64)

    def scoring(model: CausalLM, prompts: list[Prompt]) -> Callable[[], NDArray[np.float32]]:
        return lambda: model.score(prompts, behind)[0]

    work: dict[str, Callable[[], Any]] = {
        "torch": lambda: torch.separate(prefix, titles),
        "torch, shared prefix": lambda: torch.shared(prefix, titles),
        **{name: scoring(model, one) for name, model in ours.items()},
        "fp32, prefix kept": scoring(warm, [Prompt((prefix,), "someone")]),
        "fp32, items as vectors": lambda: ours["fp32"].choice_logits(one, short, yes),
        "int8, items as vectors": lambda: ours["int8"].choice_logits(one, short, yes),
    }
    # Every size is like the first one, but for how long it takes.
    found, seconds = interleaved(work, case["repeats"], warm=count == case["candidates"][0])
    body = a.layers * a.hidden * ((2 * a.heads + 2 * a.kv_heads) * a.head_dim + 3 * a.inner)
    spoken = sum(len(t) for t in titles)
    useful = 2 * (body * (PREFIX + spoken - count) + a.hidden * a.vocabulary * (1 + spoken - count))
    parameters = {
        "model": case["model"],
        "candidates": count,
        "prefix": PREFIX,
        "title": list(TITLE),
        "repeats": case["repeats"],
    }
    out = []
    for name, took in seconds.items():
        figures: dict[str, Any] = {
            "ms": rounded(1000 * took),
            "x_torch": rounded(seconds["torch"] / took),
            "x_torch_shared": rounded(seconds["torch, shared prefix"] / took),
        }
        if "vectors" not in name:
            figures["max_difference"] = float(f"{np.abs(found[name] - found['torch']).max():.1e}")
            figures["kendall"] = rounded(stats.kendalltau(found[name], found["torch"]).statistic)
        if name == "fp32":
            figures["gflop_per_s"] = rounded(useful / took / 1e9)
            figures["share_of_matmul_rate"] = rounded(useful / took / max(rates.values()))
            figures["matmul_gflop_per_s"] = {who: rounded(rate / 1e9) for who, rate in rates.items()}
        out.append({"name": name, "parameters": parameters, "figures": figures})
    return out


def texts(case: dict[str, Any], ours: Mapping[str, CausalLM], torch: TorchModel) -> list[dict[str, Any]]:
    """Measure greedy texts behind a prompt of the same length, one at a time and several."""
    most = case["tokens"]
    prompt, _ = sample(ours["fp32"].architecture.vocabulary, 0)
    many = [Prompt((sample(ours["fp32"].architecture.vocabulary, 0, k)[0],)) for k in range(TEXTS)]

    def writing(model: CausalLM, prompts: list[Prompt]) -> Callable[[], list[int]]:
        return lambda: [int(i) for i in model.generate(prompts, max_new_tokens=most)[0].ids]

    work: dict[str, Callable[[], list[int]]] = {"transformers": lambda: torch.generate(prompt, most)}
    work |= {name: writing(model, [Prompt((prompt,))]) for name, model in ours.items()}
    work |= {f"{name}, {TEXTS} texts": writing(ours[name], many) for name in ("fp32", "int8")}
    found, seconds = interleaved(work, case["repeats"])
    parameters = {"model": case["model"], "prompt": PREFIX, "tokens": most, "repeats": case["repeats"]}
    out = []
    for name, took in seconds.items():
        count = TEXTS if "texts" in name else 1
        rate = count * most / took
        figures: dict[str, Any] = {
            "tokens_per_s": rounded(rate), "x_transformers": rounded(rate * seconds["transformers"] / most)
        }  # fmt: skip
        if count == 1:
            figures["same_text"] = found[name] == found["transformers"]
        out.append({"name": name, "parameters": parameters, "figures": figures})
    return out


def footprint(case: dict[str, Any], scratch: Path, threads: int) -> dict[str, Any]:
    """Measure the memory of one runtime alone in its process, which loads the model and scores many candidates."""
    torch = case["runtime"] == "torch"
    folder = source(case["model"], scratch) if torch else written(case["model"], case["runtime"], scratch)
    prefix, titles = sample(MODELS[case["model"]]["vocab_size"], COUNTS[1])
    if torch:
        TorchModel(folder, threads).separate(prefix, titles)
    else:
        model = open_decoder(folder, threads=threads)
        model.score([Prompt((prefix,))], [[Prompt((t,)) for t in titles]])
    files = sum(p.stat().st_size for p in folder.iterdir() if p.is_file())
    figures = {"files_mb": rounded(files / 2**20), **memory()}
    parameters = {"model": case["model"], "candidates": COUNTS[1]}
    return {"name": f"memory, {case['runtime']}", "parameters": parameters, "figures": figures}


def matmul_rates(threads: int, size: int) -> dict[str, float]:
    """Return the floating point operations a second of one large product, by who computes it."""
    import torch

    a = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    graph = Graph("rate")
    made = graph.dense("w", graph.input("x", "float32", ["r", size]), a, output="y")
    graph.output(made, "float32", ["r", size])
    session, tensor = OnnxSession(graph.finish(), threads=threads), torch.from_numpy(a)
    ways: dict[str, Callable[[], Any]] = {
        "numpy": lambda: a @ a, "torch": lambda: tensor @ tensor, "onnxruntime": lambda: session.run({"x": a}),
    }  # fmt: skip
    seconds = {name: min(timed(way)[1] for _ in range(6)) for name, way in ways.items()}
    return {name: 2 * size**3 / took for name, took in seconds.items()}
