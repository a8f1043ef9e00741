"""The token loop: one row a step for every text of a batch, keys and values kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys.runtime.packing import block_inputs, run, stacked
from recsys.runtime.prefixes import PrefixState
from recsys.runtime.session import Session
from recsys.runtime.tokens import Tokens

# Places by which the store of keys and values grows: a view of exact size would be copied at every step.
STEP = 64


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote.

    ``text`` is "" without a tokenizer, and ends before a stop string; ``ids`` (t,) int64 are without the end token.
    ``logprob`` is the sum over ``ids``, natural logarithm. ``reason``: "stop" (end token or stop string) or "length".
    """

    text: str
    ids: NDArray[np.int64]
    logprob: float
    reason: Literal["stop", "length"]
    tokens_in: int
    tokens_out: int


class Sampler:
    """Picks tokens for one text: the likeliest at ``temperature`` 0, else by draws seeded by ``seed`` and ``key``."""

    def __init__(self, temperature: float, seed: int, key: str) -> None:
        self._temperature = temperature
        self._rng = np.random.default_rng([seed, int(key[:16], 16)])

    def pick(self, logits: NDArray[np.float32]) -> int:
        """Return a token id."""
        if self._temperature <= 0:
            return int(logits.argmax())
        scaled = logits.astype(np.float64) / self._temperature
        weights = np.cumsum(np.exp(scaled - scaled.max()))
        return min(int(np.searchsorted(weights, self._rng.random() * weights[-1], side="right")), len(logits) - 1)


@dataclass(slots=True)
class _Text:
    index: int
    sampler: Sampler
    length: int
    ids: list[int]
    logprob: float = 0.0


def decode(
    body: Session,
    states: Sequence[PrefixState],
    embeddings: NDArray[np.float32],
    logits: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    samplers: Sequence[Sampler],
    *,
    eos: Sequence[int],
    tokens: Tokens | None,
    stop: Sequence[str],
    max_new_tokens: int,
) -> list[Reply]:
    """Write on behind each state; texts that end leave the batch."""
    replies: list[Reply | None] = [None] * len(states)
    open_texts = [_Text(i, s, len(states[i]), []) for i, s in enumerate(samplers)]
    past, _ = stacked(states)
    past = _grown(past, STEP)
    hidden = np.array([s.hidden for s in states], np.float32)
    while open_texts:
        scores = logits(hidden)
        going = []
        for k, text in enumerate(open_texts):
            reason = _advance(text, scores[k], eos, tokens, stop, max_new_tokens)
            if reason is None:
                going.append(k)
            else:
                replies[text.index] = _reply(text, reason, tokens, stop, len(states[text.index]))
        if len(going) < len(open_texts):
            past, open_texts = past[:, :, going], [open_texts[k] for k in going]
        if open_texts:
            past, hidden = _step(body, past, open_texts, embeddings)
    return [r for r in replies if r is not None]


def _advance(
    text: _Text, logits: NDArray[np.float32], eos: Sequence[int], tokens: Tokens | None, stop: Sequence[str], most: int
) -> Literal["stop", "length"] | None:
    if len(text.ids) >= most:
        return "length"
    token = text.sampler.pick(logits)
    if token in eos:
        return "stop"
    text.ids.append(token)
    top = float(logits.max())
    text.logprob += float(logits[token]) - top - float(np.log(np.exp(logits - top).sum()))
    if stop and tokens is not None and _cut(tokens.decode(text.ids), stop) is not None:
        return "stop"
    return "length" if len(text.ids) == most else None


def _step(
    body: Session, past: NDArray[np.float32], texts: Sequence[_Text], embeddings: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    lengths = np.array([t.length for t in texts], np.int64)
    if lengths.max() >= past.shape[4]:
        past = _grown(past, STEP)
    rows = [[np.asarray(embeddings[[t.ids[-1]]], np.float32)] for t in texts]
    hidden, new = run(body, block_inputs(rows, past, lengths))
    for k, text in enumerate(texts):
        past[:, :, k, :, text.length] = new[:, :, k, :, 0]
        text.length += 1
    return past, hidden[:, 0]


def _grown(past: NDArray[np.float32], more: int) -> NDArray[np.float32]:
    layers, two, b, kv, places, dim = past.shape
    out = np.zeros((layers, two, b, kv, places + more, dim), np.float32)
    out[:, :, :, :, :places] = past
    return out


def _cut(text: str, stop: Sequence[str]) -> int | None:
    """Return where the first stop string begins, None for none."""
    found = [at for at in (text.find(s) for s in stop) if at >= 0]
    return min(found, default=None)


def _reply(
    text: _Text, reason: Literal["stop", "length"], tokens: Tokens | None, stop: Sequence[str], read: int
) -> Reply:
    written = "" if tokens is None else tokens.decode(text.ids)
    at = _cut(written, stop)
    ids = np.array(text.ids, np.int64)
    return Reply(written if at is None else written[:at], ids, text.logprob, reason, read, len(ids))
