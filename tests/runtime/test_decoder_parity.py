"""Our graphs against transformers on torch: the same weights, the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from recsys.runtime.architectures import Architecture
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder_graph import decoder_graph
from recsys.runtime.onnx import OnnxSession
from recsys.runtime.packing import block_inputs, read, run, tree_inputs
from recsys.runtime.prefixes import Prompt
from recsys.runtime.torch_decoder import torch_decoder, tree_spec
from recsys.runtime.weights import WeightFile, Weights

NAMES = ["qwen3", "llama", "qwen2-tied", "mistral-linear"]
Folder = Callable[[str], Path]


def reference(folder: Path) -> transformers.PreTrainedModel:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


def ids(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(3, 400, shape)


def naive(model: transformers.PreTrainedModel, prefix: np.ndarray, continuation: np.ndarray) -> float:
    """Mean log p of one continuation, the whole text in one unpadded pass."""
    whole = torch.from_numpy(np.concatenate([prefix, continuation]))[None]
    with torch.inference_mode():
        logp = model(input_ids=whole).logits[0].log_softmax(-1)
    at = torch.arange(len(prefix) - 1, whole.shape[1] - 1)
    return float(logp[at, whole[0, at + 1]].mean())


@pytest.mark.parametrize("name", NAMES)
def test_both_forms_equal_torch_behind_a_past(name: str, decoder_folder: Folder, tmp_path: Path) -> None:
    folder = decoder_folder(name)
    a, rng = Architecture.from_folder(folder), np.random.default_rng(1)
    past = rng.normal(size=(a.layers, 2, 3, a.kv_heads, 9, a.head_dim)).astype(np.float32)
    groups = [
        [rng.normal(size=(c, a.hidden)).astype(np.float32) for c in counts] for counts in ((5, 2), (1, 4, 3), (2,))
    ]
    block = block_inputs(groups, past, np.array([9, 4, 0]))
    tree = tree_inputs(block)
    reference = torch_decoder(folder)
    want_hidden, want_new = run(reference, block)
    own = np.array([[k < len(g) and r < len(g[k]) for k in range(3) for r in range(5)] for g in groups])
    own = own.reshape(3, 1, 3, 5, 1)
    for form, inputs in (("block", block), ("tree", tree)):
        with WeightFile(tmp_path / f"{form}.bin") as store:
            body = decoder_graph(a, Weights(folder), store, form=form, max_tokens=200)
        (tmp_path / f"{form}.onnx").write_bytes(body)
        session = OnnxSession(tmp_path / f"{form}.onnx", threads=1)
        assert session.spec.output_names == tree_spec(a).output_names
        assert set(session.spec.input_names) == set(inputs)
        hidden, new = run(session, block)
        assert np.abs(hidden - want_hidden).max() < 1e-4
        assert (np.abs(new - want_new) * own).max() < 1e-4
        np.testing.assert_allclose(read(session, block), hidden, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_logits_of_a_ragged_batch(name: str, decoder_folder: Folder, causal: Callable[[str], CausalLM]) -> None:
    model, ours = reference(decoder_folder(name)), causal(name)
    rng = np.random.default_rng(2)
    prompts = [ids(rng, n) for n in (1, 17, 5, 120, 5)]
    got = ours.next_token_logits([Prompt((p,)) for p in prompts])
    for row, prompt in zip(got, prompts, strict=True):
        with torch.inference_mode():
            want = model(input_ids=torch.from_numpy(prompt)[None]).logits[0, -1].numpy()
        assert np.abs(row - want).max() < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_packed_scores_equal_naive_ones(name: str, decoder_folder: Folder, causal: Callable[[str], CausalLM]) -> None:
    model, ours = reference(decoder_folder(name)), causal(name)
    rng = np.random.default_rng(3)
    prefixes = [ids(rng, n) for n in (30, 1, 64)]
    continuations = [[ids(rng, c) for c in sizes] for sizes in ((3, 9, 1, 24), (2,), (5, 5, 40))]
    continuations[0][1][4] = 0  # a token like any other
    got = ours.score([Prompt((p,)) for p in prefixes], [[Prompt((c,)) for c in group] for group in continuations])
    for prefix, group, scores in zip(prefixes, continuations, got, strict=True):
        want = [naive(model, prefix, c) for c in group]
        np.testing.assert_allclose(scores, want, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_greedy_text_is_the_same(name: str, decoder_folder: Folder, causal: Callable[[str], CausalLM]) -> None:
    model, ours = reference(decoder_folder(name)), causal(name)
    rng = np.random.default_rng(4)
    # One prompt is long enough that the store of keys must grow on the way.
    prompts = [ids(rng, n) for n in (3, 20, 40, 37)]
    got = ours.generate([Prompt((p,)) for p in prompts], max_new_tokens=80)
    for reply, prompt in zip(got, prompts, strict=True):
        whole = torch.from_numpy(prompt)[None]
        want = model.generate(
            whole, attention_mask=torch.ones_like(whole), do_sample=False, max_new_tokens=80, use_cache=True
        )[0, len(prompt) :].tolist()
        ended = bool(want) and want[-1] == 2
        assert reply.ids.tolist() == (want[:-1] if ended else want)
        assert reply.reason == ("stop" if ended else "length")


def test_torch_serves_the_same_class(decoder_folder: Folder, causal: Callable[[str], CausalLM]) -> None:
    folder = decoder_folder("qwen3")
    weights, a = Weights(folder), Architecture.from_folder(folder)
    onnx = causal("qwen3")
    ours = CausalLM(
        torch_decoder(folder, attention="sdpa"), weights["model.embed_tokens.weight"], a, head=weights["lm_head.weight"]
    )
    rng = np.random.default_rng(5)
    prefix, group = Prompt((ids(rng, 12),)), [Prompt((ids(rng, n),)) for n in (4, 7)]
    np.testing.assert_allclose(ours.score([prefix], [group])[0], onnx.score([prefix], [group])[0], atol=1e-4)
    one, other = (m.generate([prefix], max_new_tokens=12)[0] for m in (ours, onnx))
    assert one.ids.tolist() == other.ids.tolist()
    assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
