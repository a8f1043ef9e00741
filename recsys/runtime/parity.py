"""How far an exported model is from the reference: torch on the same weights, measured at export."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError
from recsys.registry import import_optional
from recsys.runtime.artifact import TOKENIZER
from recsys.runtime.causal import CausalLM
from recsys.runtime.encoder import Encoder
from recsys.runtime.pairs import CrossEncoder
from recsys.runtime.prefixes import Prompt
from recsys.runtime.reference import load_reference
from recsys.runtime.segments import Segments
from recsys.runtime.seq2seq import Seq2Seq

Model = CausalLM | CrossEncoder | Encoder | Seq2Seq
Ids = NDArray[np.int64]
# Of different lengths on purpose: padding must not show.
TEXTS = (
    "kettle",
    "A red enamel kettle with a whistle, two litres, for gas and induction.",
    "She bought a walnut desk and, a week later, a lamp that was too bright for it; what she wants now is a chair.",
    "quiet headphones, 0.5 m cable",
)
NEW_TOKENS = 16
# What a model may differ, as a share of the largest number compared: in fp32 by rounding in another order. What
# eight and four bits lose is for lists to judge.
BOUNDS = {"fp32": 1e-4, "fp16": 1e-2}


def measure(source: Path, model: Model, task: str) -> dict[str, Any]:
    """Return the figures of ``parity.json``: "reference" says what was compared with, None = torch is not here.

    ``max_abs`` is the largest difference of logits (of token rows, for an encoder) and ``scale`` the largest of
    them; a language model adds ``greedy_equal`` (texts of 16 tokens) and ``packed_vs_naive``, the largest difference
    of mean log p between continuations packed behind one prefix and each text read on its own by the reference.
    """
    if find_spec("torch") is None or find_spec("transformers") is None:
        return {"reference": None}
    reference = load_reference(source, task)
    if isinstance(model, CausalLM | Seq2Seq):
        found = _language(reference, model)
    elif isinstance(model, CrossEncoder):
        found = _pairs(reference, source, model)
    else:
        found = _rows(reference, model)
    return {"reference": f"torch {version('torch')}, transformers {version('transformers')}"} | found


def check(figures: dict[str, Any], precision: str) -> None:
    """Refuse a model that is not its reference: by `BOUNDS`, in fp32 by its greedy texts, and what is not finite.

    Raises:
        ModelError: with the figures.
    """
    if figures["reference"] is None:
        return
    far, scale = max(figures["max_abs"], figures.get("packed_vs_naive", 0.0)), figures["scale"]
    if not np.isfinite([figures["max_abs"], figures.get("packed_vs_naive", 0.0), scale]).all():
        raise ModelError(f"the model in {precision} gives numbers that are not finite: nothing was written")
    if far > BOUNDS.get(precision, np.inf) * max(1.0, scale):
        raise ModelError(
            f"the exported model differs from {figures['reference']} by {far:.2e} where numbers reach "
            f"{scale:.1f}: models like this one are not read rightly, and nothing was written"
        )
    if precision == "fp32" and not figures.get("greedy_equal", True):
        raise ModelError(
            f"the exported model writes other texts than {figures['reference']}: models like this one are not read "
            "rightly, and nothing was written"
        )


def _differences(got: list[NDArray[np.float32]], want: list[NDArray[np.float32]]) -> dict[str, float]:
    # Of all numbers at once: the larger of a number and none may be either.
    apart = np.concatenate([np.abs(g - w).ravel() for g, w in zip(got, want, strict=True)])
    reach = np.concatenate([np.abs(w).ravel() for w in want])
    return {"max_abs": float(apart.max(initial=0.0)), "scale": float(reach.max(initial=0.0))}


def _language(reference: Any, model: CausalLM | Seq2Seq) -> dict[str, Any]:
    judge = _Written(reference, model) if isinstance(model, Seq2Seq) else _Read(reference)
    tokens = model.tokens
    if tokens is None:
        raise ModelError("parity is measured on text: the model needs its tokenizer")
    texts = [ids for ids in tokens.encode_all(TEXTS) if len(ids)]
    sources = [np.append(t, model.architecture.eos[:1]).astype(np.int64) for t in texts]
    room = model.max_tokens // 3
    sources = [s[-room:] for s in sources]
    prompts = [Prompt((s,)) for s in sources]
    want = [judge.logits(s) for s in sources]
    found: dict[str, Any] = _differences(list(model.next_token_logits(prompts)), want)
    new = min(NEW_TOKENS, room)
    replies = model.generate(prompts, max_new_tokens=new)
    found["greedy_equal"] = all(r.ids.tolist() == judge.greedy(s, new) for r, s in zip(replies, sources, strict=True))
    continuations = [t[:room] for t in texts]
    packed = model.score(prompts[:2], [[Prompt((c,)) for c in continuations]] * 2)
    naive = [np.array([judge.mean(s, c) for c in continuations], np.float32) for s in sources[:2]]
    return found | {"packed_vs_naive": _differences(packed, naive)["max_abs"]}


class _Read:
    """What a decoder-only reference says of token ids."""

    def __init__(self, reference: Any) -> None:
        self._torch, self._reference = import_optional("torch"), reference

    def _all(self, ids: Ids) -> NDArray[np.float32]:
        with self._torch.inference_mode():
            out: NDArray[np.float32] = self._reference(input_ids=self._torch.from_numpy(ids)[None]).logits[0].numpy()
        return out

    def logits(self, source: Ids) -> NDArray[np.float32]:
        """Return the logits of the token after a prompt."""
        out: NDArray[np.float32] = self._all(source)[-1]
        return out

    def mean(self, source: Ids, text: Ids) -> float:
        """Return the mean log p of a text behind a prompt, both read anew."""
        return _mean(self._all(np.concatenate([source, text]))[len(source) - 1 : -1], text)

    def greedy(self, source: Ids, new: int) -> list[int]:
        """Return the likeliest tokens, without the end token."""
        begun = self._torch.from_numpy(source)[None]
        return self._written(begun, new)[len(source) :]

    def _written(self, begun: Any, new: int) -> list[int]:
        config = self._reference.generation_config
        eos = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        # Without its cache: that of an encoder-decoder with unequal sides is broken in some versions.
        made = self._reference.generate(
            input_ids=begun, attention_mask=self._torch.ones_like(begun), do_sample=False, num_beams=1,
            max_new_tokens=new, use_cache=False, repetition_penalty=1.0,
        )  # fmt: skip
        ids: list[int] = made[0].tolist()
        return ids[:-1] if ids[-1] in eos else ids


class _Written(_Read):
    """What an encoder-decoder reference says: sources are read, texts are written from the start token on."""

    def __init__(self, reference: Any, model: Seq2Seq) -> None:
        super().__init__(reference)
        self._start = model.architecture.start

    def _after(self, source: Ids, text: Ids) -> NDArray[np.float32]:
        torch = self._torch
        begun = torch.from_numpy(np.concatenate([[self._start], text]).astype(np.int64))[None]
        with torch.inference_mode():
            made = self._reference(input_ids=torch.from_numpy(source)[None], decoder_input_ids=begun)
        out: NDArray[np.float32] = made.logits[0].numpy()
        return out

    def logits(self, source: Ids) -> NDArray[np.float32]:
        out: NDArray[np.float32] = self._after(source, np.zeros(0, np.int64))[-1]
        return out

    def mean(self, source: Ids, text: Ids) -> float:
        return _mean(self._after(source, text[:-1]), text)

    def greedy(self, source: Ids, new: int) -> list[int]:
        return self._written(self._torch.from_numpy(source)[None], new)[1:]


def _mean(logits: NDArray[np.float32], text: Ids) -> float:
    wide = logits.astype(np.float64)
    top = wide.max(axis=1, keepdims=True)
    sums = np.log(np.exp(wide - top).sum(axis=1)) + top[:, 0]
    return float((wide[np.arange(len(text)), text] - sums).mean())


def _pairs(reference: Any, source: Path, model: CrossEncoder) -> dict[str, Any]:
    torch, segments = import_optional("torch"), Segments.from_file(source / TOKENIZER)
    pairs = [(a, b) for a in TEXTS[:2] for b in TEXTS]
    ids = dict(zip(TEXTS, model.tokens.encode_all(TEXTS), strict=True))
    want = []
    for a, b in pairs:
        tokens, types = segments.double(ids[a], ids[b], model.max_tokens)
        inputs = {"input_ids": torch.from_numpy(tokens)[None], "attention_mask": torch.ones((1, len(tokens)))}
        if getattr(reference.config, "type_vocab_size", 1) > 1:
            inputs["token_type_ids"] = torch.from_numpy(types)[None]
        with torch.inference_mode():
            logits = reference(**inputs).logits[0].numpy()
        want.append(logits[0] if len(logits) == 1 else logits[1] - logits[0])
    return dict(_differences([model.score(pairs)], [np.array(want, np.float32)]))


def _rows(reference: Any, model: Encoder) -> dict[str, Any]:
    torch = import_optional("torch")
    want = []
    for ids in model.tokenise(TEXTS):
        with torch.inference_mode():
            tokens = torch.tensor([ids])
            rows = reference(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state[0].numpy()
        want.append(rows[~np.isin(ids, sorted(model.mute))])
    return dict(_differences(model.token_states(TEXTS), want))
