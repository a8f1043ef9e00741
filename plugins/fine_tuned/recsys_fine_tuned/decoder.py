"""A personalised decoder for training: a Llama of transformers behind soft rows, with rating and context heads.

This module imports torch and transformers: only training imports it. What it saves serves without either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from recsys.runtime.models import write_whole
from recsys_fine_tuned.conditioning import Conditioning, soft_rows
from recsys_fine_tuned.presets import Preset
from recsys_fine_tuned.rows import IGNORED

CONDITIONING, HEADS = "conditioning.", "heads."
_Module: Any = torch.nn.Module


class TorchOperations:
    """The operations of `recsys_fine_tuned.conditioning.soft_rows` on tensors."""

    def softmax(self, x: Any) -> Any:
        """Over the last axis."""
        return x.softmax(-1)

    def sigmoid(self, x: Any) -> Any:
        """Return 1 / (1 + exp(-x))."""
        return torch.sigmoid(x)

    def sqrt(self, x: Any) -> Any:
        """Return the square root."""
        return torch.sqrt(x)

    def concatenate(self, parts: Sequence[Any], axis: int) -> Any:
        """Join tensors."""
        return torch.cat(list(parts), axis)


class PersonalisedDecoder(_Module):  # type: ignore[misc]
    """The language model, the conditioning module and the heads of PETER's further tasks, one ``torch`` module.

    Everything is read causally, soft rows first; where PETER lets the rows of user and item see each other, our heads
    read the row before the answer, which sees them all, so that the runtime stays causal.
    """

    def __init__(self, preset: Preset, conditioning: Conditioning, vocabulary: int, seed: int = 0) -> None:
        super().__init__()
        d = preset.decoder
        torch.manual_seed(seed)
        self.preset, self.spec = preset, conditioning
        self.lm = self.language_model(preset, vocabulary)
        weights = conditioning.initial(seed)
        self.conditioning = torch.nn.ParameterDict(
            {n: torch.nn.Parameter(torch.from_numpy(w)) for n, w in weights.items()}
        )
        self.heads = torch.nn.ModuleDict(
            {
                "rating": torch.nn.Sequential(
                    torch.nn.Linear(d.hidden, d.hidden), torch.nn.Sigmoid(), torch.nn.Linear(d.hidden, 1)
                ),
                "context": torch.nn.Linear(d.hidden, d.hidden),
            }
        )
        self.drop = torch.nn.Dropout(d.dropout)

    @staticmethod
    def language_model(preset: Preset, vocabulary: int) -> Any:
        """Return the preset's Llama with fresh weights."""
        d = preset.decoder
        config = LlamaConfig(
            vocab_size=vocabulary, hidden_size=d.hidden, intermediate_size=d.inner, num_hidden_layers=d.layers,
            num_attention_heads=d.heads, num_key_value_heads=d.kv_heads, max_position_embeddings=d.max_tokens,
            rope_theta=d.rope_theta, tie_word_embeddings=True, attention_bias=False, mlp_bias=False,
            pad_token_id=0, bos_token_id=1, eos_token_id=2, use_cache=False,
        )  # fmt: skip
        config._attn_implementation = "sdpa"
        return LlamaForCausalLM(config)

    def start_ratings(self, mean: float) -> None:
        """Let the rating head begin at the mean of what it will learn."""
        torch.nn.init.constant_(self.heads["rating"][2].bias, mean)

    def hidden(self, batch: Mapping[str, Any]) -> Any:
        """Return the last rows of a batch of `recsys_fine_tuned.rows.batch_of`, (b, n, hidden)."""
        words = self.lm.get_input_embeddings()(batch["ids"])
        text = batch["source"][..., None]
        query = (words * text).sum(1) / text.sum(1).clamp(min=1.0)
        soft = soft_rows(
            self.spec, self.conditioning, batch["user"], batch["known"], batch["items"], query, TorchOperations()
        )
        both = torch.cat([soft.to(words.dtype), words], 1)
        rows = both.gather(1, batch["order"][..., None].expand(-1, -1, both.shape[2]))
        # Padding stands behind and is never seen by what stands before: causal attention needs no mask.
        out = self.lm.model(inputs_embeds=self.drop(rows), use_cache=False)
        return out.last_hidden_state

    def logits(self, hidden: Any) -> Any:
        """Return the logits of the next token of rows (..., hidden)."""
        return self.lm.lm_head(hidden)

    def ratings(self, hidden: Any, last: Any) -> Any:
        """Return the rating of each example, (b,)."""
        return self.heads["rating"](_rows_at(hidden, last))[:, 0]

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return "loss" and its parts: "text" a token of the answers, "rating" squared, "context" a word."""
        hidden = self.hidden(batch)
        labels = batch["labels"]
        spoken = labels != IGNORED
        text = functional.cross_entropy(self.logits(hidden[spoken]).float(), labels[spoken])
        t = self.preset.training
        out = {"loss": text, "text": text}
        rated = ~torch.isnan(batch["rating"])
        if t.rating_weight and bool(rated.any()):
            off = self.ratings(hidden, batch["last"])[rated] - batch["rating"][rated]
            out["rating"] = (off * off).mean()
            out["loss"] = out["loss"] + t.rating_weight * out["rating"]
        if t.context_weight:
            out["context"] = self._context(hidden, labels, spoken, batch["last"])
            out["loss"] = out["loss"] + t.context_weight * out["context"]
        return out

    def _context(self, hidden: Any, labels: Any, spoken: Any, last: Any) -> Any:
        """Return how badly the row before an answer foresees its words, in no order (PETER's context prediction)."""
        logits = self.logits(functional.silu(self.heads["context"](_rows_at(hidden, last)))).float()
        logp = logits.log_softmax(-1).gather(1, labels.clamp(min=0))
        return -(logp * spoken).sum() / spoken.sum()


def _rows_at(hidden: Any, places: Any) -> Any:
    return hidden.gather(1, places[:, None, None].expand(-1, 1, hidden.shape[2]))[:, 0]


def save_decoder(module: PersonalisedDecoder, tokenizer: Any, folder: Path) -> Path:
    """Write the language model as Hugging Face lays it out, with its tokenizer; return ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    module.lm.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def save_conditioning(module: PersonalisedDecoder, path: Path, dtype: Any = np.float32) -> Path:
    """Write the weights of conditioning and rating head as one safetensors file, in float32 or float16."""
    from safetensors.numpy import save

    arrays = {CONDITIONING + n: _array(p) for n, p in module.conditioning.items()}
    rating = module.heads["rating"]
    for k in (0, 2):
        arrays |= {f"{HEADS}rating{k}.{n}": _array(getattr(rating[k], n)) for n in ("weight", "bias")}
    write_whole(path, save({n: a.astype(dtype) for n, a in arrays.items()}))
    return path


def _array(tensor: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    out: np.ndarray[Any, np.dtype[np.float32]] = np.ascontiguousarray(tensor.detach().cpu().float().numpy())
    return out
