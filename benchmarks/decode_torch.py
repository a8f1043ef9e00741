"""Torch as its users use it, for comparison: candidates behind one prefix with and without sharing it, and generate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
# Sequences of one call: of 10, 25, 50 and 100 the fastest on two cores.
CHUNK = 25


class TorchModel:
    """A causal model of transformers in float32, eager mode with fused attention, on so many threads."""

    def __init__(self, folder: Path, threads: int) -> None:
        import torch
        import transformers

        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(threads)
        self._torch, self._cache = torch, transformers.DynamicCache
        self._model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="sdpa", dtype="float32"
        ).eval()

    def separate(self, prefix: Ids, titles: list[Ids]) -> NDArray[np.float32]:
        """Return the mean log p of each title, every candidate a whole text; the head sees the titles' rows alone."""

        def rows(batch: Any, mask: Any) -> Any:
            whole = self._torch.cat([self._tensor(prefix).expand(len(batch), -1), batch], 1)
            seen = self._torch.cat([mask.new_ones(len(batch), len(prefix)), mask], 1)
            out = self._model.model(input_ids=whole, attention_mask=seen, use_cache=False).last_hidden_state
            return out[:, len(prefix) - 1 : -1]

        return self._scores(titles, rows)

    def shared(self, prefix: Ids, titles: list[Ids]) -> NDArray[np.float32]:
        """Return the same scores, the prefix read once and its keys and values handed to every candidate."""
        with self._torch.inference_mode():
            read = self._model.model(input_ids=self._tensor(prefix), use_cache=True)
        before, last = read.past_key_values, read.last_hidden_state[:, -1:]

        def rows(batch: Any, mask: Any) -> Any:
            cache = self._cache(config=self._model.config)
            for k, layer in enumerate(before.layers):
                cache.update(*(x.expand(len(batch), -1, -1, -1) for x in (layer.keys, layer.values)), k)
            seen = self._torch.cat([mask.new_ones(len(batch), len(prefix)), mask], 1)[:, :-1]
            out = self._model.model(input_ids=batch[:, :-1], attention_mask=seen, past_key_values=cache)
            return self._torch.cat([last.expand(len(batch), -1, -1), out.last_hidden_state], 1)

        return self._scores(titles, rows)

    def generate(self, prompt: Ids, tokens: int) -> list[int]:
        """Return so many tokens behind a prompt, the likeliest each time."""
        ids = self._tensor(prompt)
        out = self._model.generate(
            ids, attention_mask=self._torch.ones_like(ids), do_sample=False, max_new_tokens=tokens,
            min_new_tokens=tokens, pad_token_id=0,
        )  # fmt: skip
        found: list[int] = out[0, len(prompt) :].tolist()
        return found

    def _tensor(self, ids: Ids) -> Any:
        return self._torch.from_numpy(ids)[None]

    def _scores(self, titles: list[Ids], rows: Any) -> NDArray[np.float32]:
        torch, out = self._torch, np.empty(len(titles), np.float32)
        # Titles of like length together, as anyone would who pads.
        order = sorted(range(len(titles)), key=lambda k: len(titles[k]))
        for start in range(0, len(order), CHUNK):
            chosen = order[start : start + CHUNK]
            longest = max(len(titles[k]) for k in chosen)
            batch, mask = (torch.zeros(len(chosen), longest, dtype=torch.int64) for _ in range(2))
            for row, k in enumerate(chosen):
                batch[row, : len(titles[k])] = torch.from_numpy(titles[k])
                mask[row, : len(titles[k])] = 1
            with torch.inference_mode():
                logp = self._model.lm_head(rows(batch, mask)).log_softmax(-1)
                logp = logp.gather(-1, batch[..., None])[..., 0] * mask
                out[chosen] = (logp.sum(1) / mask.sum(1)).numpy()
        return out
