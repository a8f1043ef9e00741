"""The token loop: one row a step for every text of a batch, keys and values kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError
from recsys.runtime.constraints import Constraint, Tested
from recsys.runtime.heads import Head, many_logits
from recsys.runtime.packing import block_inputs, run, stacked
from recsys.runtime.prefixes import PrefixState
from recsys.runtime.session import Session
from recsys.runtime.tokens import Tokens
from recsys.runtime.weights import Table

# Places by which the store of keys and values grows: a view of exact size would be copied at every step.
STEP = 64
# Tokens that are tried before all are put in order.
FEW = 64
Reason = Literal["stop", "length", "constraint", "deadline"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote.

    ``text`` is "" without a tokenizer, and ends before a stop string; ``ids`` (t,) int64 are without the end token.
    ``logprob`` is the sum over ``ids``, natural logarithm, of the model's own probabilities, whatever a constraint
    left of them. ``reason``: "stop" (end token or stop string), "constraint" (complete: nothing may follow), "length"
    or "deadline". ``complete`` says whether the text is one that its constraint asks for, rather than the beginning
    of one that was cut off; without a constraint it always is.
    """

    text: str
    ids: NDArray[np.int64]
    logprob: float
    reason: Reason
    tokens_in: int
    tokens_out: int
    complete: bool = True


def unread(constraint: Constraint | None) -> Reply:
    """Return the reply to a prompt for which there was no time."""
    complete = constraint is None or constraint.done(constraint.start())
    return Reply("", np.zeros(0, np.int64), 0.0, "deadline", 0, 0, complete)


def rules_of(constraint: Constraint | Sequence[Constraint | None] | None, count: int) -> list[Constraint | None]:
    """Return one constraint a prompt. Raises `ModelError` where they are neither one for all nor ``count``."""
    rules = list(constraint) if isinstance(constraint, Sequence) else [constraint] * count
    if len(rules) != count:
        raise ModelError(f"{count} prompts need one constraint or as many, got {len(rules)}")
    return rules


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

    def pick_where(self, logits: NDArray[np.float32], fits: Callable[[int], bool]) -> int | None:
        """Return a token id that ``fits``, None where none does: `pick` among those, without listing them.

        Falling values of logits with Gumbel noise are draws without replacement (Kool et al. 2019, arXiv 1903.06059):
        the first one that fits is a draw among all that fit.
        """
        values = logits.astype(np.float64)
        if self._temperature > 0:
            values = values / self._temperature + self._rng.gumbel(size=len(logits))
        # As a rule one of the first few fits: only else all are sorted.
        few = min(FEW, len(values))
        first = np.argpartition(-values, few - 1)[:few]
        for token in first[np.argsort(-values[first], kind="stable")]:
            if fits(int(token)):
                return int(token)
        return next((int(t) for t in np.argsort(-values, kind="stable") if fits(int(t))), None)


@dataclass(slots=True)
class _Text:
    index: int
    sampler: Sampler
    ids: list[int]
    constraint: Constraint | None
    state: Hashable = None
    logprob: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """When a text ends: at a token of ``eos``, a string of ``stop``, after ``most`` tokens, at the time ``deadline``.

    ``deadline`` is a value of `time.monotonic`; None is never.
    """

    eos: tuple[int, ...]
    stop: tuple[str, ...]
    most: int
    deadline: float | None = None


class Steps(Protocol):
    """Texts that are written side by side: what each has read so far, and how to read one token more."""

    @property
    def hidden(self) -> NDArray[np.float32]:
        """The last row of each text (k, d), which predicts its next token."""
        ...

    def keep(self, going: Sequence[int]) -> None:
        """Go on with some of the texts alone, by their places among those that are left."""
        ...

    def advance(self, tokens: Sequence[int]) -> None:
        """Read one token a text."""
        ...


def decode(
    steps: Steps,
    read: Sequence[int],
    head: Head,
    samplers: Sequence[Sampler],
    constraints: Sequence[Constraint | None],
    ending: Ending,
    tokens: Tokens | None,
) -> list[Reply]:
    """Write on behind what each text has ``read`` (tokens); texts that end leave the batch."""
    replies: list[Reply | None] = [None] * len(read)
    open_texts = [
        _Text(i, sampler, [], constraint, None if constraint is None else constraint.start())
        for i, (sampler, constraint) in enumerate(zip(samplers, constraints, strict=True))
    ]
    while open_texts:
        going = []
        for part, scores, log_sums in many_logits(head, steps.hidden):
            for k, text in enumerate(open_texts[part], part.start):
                row = k - part.start
                reason = _advance(text, scores[row], float(log_sums[row]), ending, tokens)
                if reason is None:
                    going.append(k)
                else:
                    replies[text.index] = _reply(text, reason, tokens, ending.stop, read[text.index])
        if len(going) < len(open_texts):
            steps.keep(going)
            open_texts = [open_texts[k] for k in going]
        if open_texts:
            steps.advance([t.ids[-1] for t in open_texts])
    return [r for r in replies if r is not None]


class BodySteps:
    """The steps of a decoder ``body`` behind prompts that it has read, of texts of at most ``most`` tokens."""

    def __init__(self, body: Session, states: Sequence[PrefixState], embeddings: Table, most: int) -> None:
        self._body, self._embeddings = body, embeddings
        past, self._lengths = stacked(states)
        self._room = max(1, min(STEP, most))
        self._past = grown(past, self._room)
        self.hidden: NDArray[np.float32] = np.array([s.hidden for s in states], np.float32)

    def keep(self, going: Sequence[int]) -> None:
        """Drop the other texts."""
        some = list(going)
        self._past, self._lengths, self.hidden = self._past[:, :, some], self._lengths[some], self.hidden[some]

    def advance(self, tokens: Sequence[int]) -> None:
        """Read one token a text, at its own place."""
        if self._lengths.max() >= self._past.shape[4]:
            self._past = grown(self._past, self._room)
        rows = [[np.asarray(self._embeddings[[t]], np.float32)] for t in tokens]
        hidden, new = run(self._body, block_inputs(rows, self._past, self._lengths))
        for k, length in enumerate(self._lengths):
            self._past[:, :, k, :, length] = new[:, :, k, :, 0, 0]
        self._lengths = self._lengths + 1
        self.hidden = hidden


def _advance(
    text: _Text, logits: NDArray[np.float32], log_sum: float, ending: Ending, tokens: Tokens | None
) -> Reason | None:
    """Add one token to a text, or say why it ends."""
    if len(text.ids) >= ending.most:
        return "length"
    if ending.deadline is not None and time.monotonic() >= ending.deadline:
        return "deadline"
    token = _choice(text, logits, ending.eos)
    if token is None:
        return "constraint"
    # An end token that a constraint asks for as text is text.
    if token in ending.eos and (text.constraint is None or text.constraint.done(text.state)):
        return "stop"
    text.ids.append(token)
    text.logprob += float(logits[token]) - log_sum
    if text.constraint is not None:
        text.state = text.constraint.step(text.state, token)
        follow = text.constraint.allowed(text.state)
        if follow is not None and not len(follow):
            return "constraint"
    if ending.stop and tokens is not None and _cut(tokens.decode(text.ids), ending.stop) is not None:
        return "stop"
    return "length" if len(text.ids) == ending.most else None


def _choice(text: _Text, logits: NDArray[np.float32], eos: tuple[int, ...]) -> int | None:
    """Return the next token, None where the constraint lets nothing follow."""
    rule, state = text.constraint, text.state
    if rule is None:
        return text.sampler.pick(logits)
    ends = eos if rule.done(state) else ()
    open_ids = rule.allowed(state)
    if open_ids is None:
        if not isinstance(rule, Tested):
            raise ModelError(f"{type(rule).__name__} lists no tokens and cannot be asked about one: it needs accepts()")
        return text.sampler.pick_where(logits, lambda token: token in ends or rule.accepts(state, token))
    if not len(open_ids):
        return None
    open_ids = np.union1d(open_ids, np.array(ends, np.int64))
    return int(open_ids[text.sampler.pick(logits[open_ids])])


def grown(past: NDArray[np.float32], more: int) -> NDArray[np.float32]:
    """Return keys and values (layers, 2, b, kv_heads, p, head_dim) with room for ``more`` places."""
    layers, two, b, kv, places, dim = past.shape
    out = np.zeros((layers, two, b, kv, places + more, dim), np.float32)
    out[:, :, :, :, :places] = past
    return out


def _cut(text: str, stop: Sequence[str]) -> int | None:
    """Return where the first stop string begins, None for none."""
    found = [at for at in (text.find(s) for s in stop) if at >= 0]
    return min(found, default=None)


def _reply(text: _Text, reason: Reason, tokens: Tokens | None, stop: Sequence[str], read: int) -> Reply:
    written = "" if tokens is None else tokens.decode(text.ids)
    at = _cut(written, stop)
    ids = np.array(text.ids, np.int64)
    complete = text.constraint is None or (at is None and text.constraint.done(text.state))
    return Reply(written if at is None else written[:at], ids, text.logprob, reason, read, len(ids), complete)
