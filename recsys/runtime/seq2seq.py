"""An encoder-decoder language model (T5): scoring behind sources that are read once, next tokens, generation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import BudgetExceeded, ModelError, ShapeMismatch
from recsys.runtime.constraints import Constraint
from recsys.runtime.decoding import STEP, Ending, Reply, Sampler, decode, grown, rules_of, unread
from recsys.runtime.heads import Head, log_probs, many_logits
from recsys.runtime.packing import HIDDEN, batches, parts
from recsys.runtime.prefixes import Prompt
from recsys.runtime.scoring import targets_of
from recsys.runtime.session import Session, in_time
from recsys.runtime.sources import Across, Job, Rows, jobs_of, layers_of, side_by_side
from recsys.runtime.t5_graph import T5Architecture
from recsys.runtime.tokens import Tokens
from recsys.runtime.weights import Table

# Sources whose keys and values are held at a time, in calls.
HELD_CALLS = 4


class Seq2Seq:
    """A T5 ``encoder`` and ``decoder`` (see `recsys.runtime.t5_graph`), their embedding and head.

    The methods are those of `CausalLM`: a prompt is what the encoder reads, ended by the model's end token as
    `prompt` makes it, and a continuation is what the decoder would write. Answers do not depend on what else is in a
    batch, up to rounding (of quantised models see `recsys.runtime.quantise`); many threads may call one model.

    Raises:
        ShapeMismatch: the arrays do not fit the architecture.
    """

    def __init__(
        self,
        encoder: Session,
        decoder: Session,
        embeddings: Table,
        architecture: T5Architecture,
        head: Head,
        *,
        tokens: Tokens | None = None,
        max_tokens: int = 512,
        batch_rows: int = 2048,
    ) -> None:
        for name, array in (("embeddings", embeddings), ("head", head.matrix)):
            if array.shape != (architecture.vocabulary, architecture.hidden):
                raise ShapeMismatch(f"{name} have shape {array.shape}, which the architecture does not say")
        self._encoder, self._decoder, self._embeddings, self._a = encoder, decoder, embeddings, architecture
        self._head, self.tokens, self._max, self._batch_rows = head, tokens, max_tokens, batch_rows

    @property
    def architecture(self) -> T5Architecture:
        """Sizes of the model."""
        return self._a

    @property
    def max_tokens(self) -> int:
        """Rows that a prompt may have, and a continuation as well."""
        return self._max

    def prompt(self, text: str, tag: str = "") -> Prompt:
        """Return a text from outside as the encoder reads it. Raises `ModelError` without a tokenizer."""
        if self.tokens is None:
            raise ModelError("a prompt from text needs a tokenizer")
        return Prompt((np.append(self.tokens.encode(text), self._a.eos[:1]).astype(np.int64),), tag)

    def score(
        self,
        prefixes: Sequence[Prompt],
        continuations: Sequence[Sequence[Prompt]],
        *,
        mean: bool = True,
        deadline: float | None = None,
    ) -> list[Rows]:
        """Return log p of every continuation behind its source: one (n_i,) float32 array a prefix.

        ``continuations[i]`` belong to ``prefixes[i]``, which is read once for all of them. The sum, or the mean, is
        over the continuation's tokens; rows that are vectors are read but not predicted. NaN = no token at all.

        Raises:
            ModelError: an empty prefix, a token that does not exist, or more rows than `max_tokens`.
            BudgetExceeded: ``deadline`` passed before all were scored.
        """
        if len(prefixes) != len(continuations):
            raise ModelError(f"{len(prefixes)} prefixes need as many groups of continuations, got {len(continuations)}")
        out = [np.full(len(group), np.nan, np.float32) for group in continuations]
        for prompt in (p for group in continuations for p in group):
            self._check(prompt)
        for part in self._parts(prefixes):
            sources = self._read(prefixes[part], deadline)
            jobs = [j for i, group in enumerate(continuations[part]) for j in jobs_of(i, [len(c) for c in group])]
            # What is held side by side is the sources as well.
            for batch in batches([j.rows + sources[j.source].shape[3] for j in jobs], self._batch_rows):
                in_time(deadline)
                chosen = [jobs[k] for k in batch]
                texts = [[continuations[part][j.source][m] for m in j.members] for j in chosen]
                hidden = self._written([sources[j.source] for j in chosen], texts)
                self._fill(out[part], chosen, texts, hidden, mean, deadline)
        return out

    def next_token_logits(self, prompts: Sequence[Prompt]) -> Rows:
        """Return the logits of the first token that would be written for each prompt, (b, vocabulary)."""
        out = np.zeros((len(prompts), self._a.vocabulary), np.float32)
        for part in self._parts(prompts):
            sources, to = self._read(prompts[part]), out[part]
            for batch in batches([s.shape[3] for s in sources], self._batch_rows):
                hidden = _Steps(self, [sources[k] for k in batch], 1).hidden
                for chunk, logits, _ in many_logits(self._head, hidden):
                    to[batch[chunk]] = logits
        return out

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        stop: Sequence[str] = (),
        constraint: Constraint | Sequence[Constraint] | None = None,
        temperature: float = 0.0,
        seed: int = 0,
        deadline: float | None = None,
    ) -> list[Reply]:
        """Write for each prompt until an end token, a stop string (left out) or ``max_new_tokens``.

        All arguments, and what comes at the deadline, are those of `CausalLM.generate`.

        Raises:
            ModelError: a prompt that is too long or too short, ``max_new_tokens`` above `max_tokens`, stop strings
                without a tokenizer, or another number of constraints than of prompts.
        """
        if stop and self.tokens is None:
            raise ModelError("stop strings need a tokenizer")
        rules = rules_of(constraint, len(prompts))
        if max_new_tokens > self._max:
            raise ModelError(f"a text of {max_new_tokens} tokens is asked for, the model writes {self._max}")
        ending = Ending(self._a.eos, tuple(stop), max_new_tokens, deadline)
        out: list[Reply] = []
        for part in self._parts(prompts):
            out += self._replies(prompts[part], rules[part], ending, temperature, seed)
        return out

    def _replies(
        self,
        prompts: Sequence[Prompt],
        rules: Sequence[Constraint | None],
        ending: Ending,
        temperature: float,
        seed: int,
    ) -> list[Reply]:
        try:
            sources = self._read(prompts, ending.deadline)
        except BudgetExceeded:
            return [unread(rule) for rule in rules]
        out: dict[int, Reply] = {}
        lengths = [s.shape[3] for s in sources]
        for batch in batches([n + ending.most for n in lengths], self._batch_rows):
            steps = _Steps(self, [sources[k] for k in batch], ending.most)
            samplers = [Sampler(temperature, seed, prompts[k].content()) for k in batch]
            read, own = [lengths[k] for k in batch], [rules[k] for k in batch]
            replies = decode(steps, read, self._head, samplers, own, ending, self.tokens)
            out.update(zip(batch, replies, strict=True))
        return [out[k] for k in range(len(prompts))]

    def forget(self, tag: str) -> int:
        """Nothing is kept of any prompt: always 0."""
        return 0

    def _parts(self, prompts: Sequence[Prompt]) -> Iterator[slice]:
        """Cut many prompts into runs whose keys and values are held in memory together."""
        for prompt in prompts:
            self._check(prompt)
            if not len(prompt):
                raise ModelError("a prompt must have at least one row: end it with the model's end token")
        return parts([len(p) for p in prompts], HELD_CALLS * self._batch_rows)

    def _check(self, prompt: Prompt) -> None:
        if len(prompt) > self._max:
            raise ModelError(f"a text has {len(prompt)} rows, the model takes {self._max}")
        prompt.check(self._a.vocabulary, self._a.hidden)

    def _rows(self, prompt: Prompt) -> Rows:
        parts = [self._embeddings[p] if p.ndim == 1 else p for p in prompt.pieces]
        return np.concatenate([np.zeros((0, self._a.hidden), np.float32), *parts]).astype(np.float32)

    def _read(self, prompts: Sequence[Prompt], deadline: float | None = None) -> list[Rows]:
        """Return keys and values of each source, (layers, 2, heads, s, head_dim); equal prompts are read once."""
        keys = [p.key() for p in prompts]
        once = dict(zip(keys, prompts, strict=True))
        found: dict[str, Rows] = {}
        names = list(once)
        for batch in batches([len(once[n]) for n in names], self._batch_rows):
            in_time(deadline)
            rows = [self._rows(once[names[k]]) for k in batch]
            embeds, bias = side_by_side(rows)
            place = np.arange(embeds.shape[1])
            buckets = self._a.places(place[None] - place[:, None], both=True)
            made = self._encoder.run({"inputs_embeds": embeds, "bias": bias, "buckets": buckets})
            cross = layers_of(made, "cross", self._a.written)
            for i, k in enumerate(batch):
                found[names[k]] = np.ascontiguousarray(cross[:, :, i, :, : len(rows[i])])
        return [found[key] for key in keys]

    def _written(self, sources: Sequence[Rows], texts: Sequence[Sequence[Prompt]]) -> list[list[Rows]]:
        """Return the rows that predict each token of each text (one group a source, packed in one row of a batch)."""
        start = np.asarray(self._embeddings[[self._a.start]], np.float32)
        groups = [[np.concatenate([start, self._rows(t)[:-1]]) for t in group] for group in texts]
        rows = max(sum(len(t) for t in group) for group in groups)
        embeds = np.zeros((len(groups), rows, self._a.hidden), np.float32)
        owner = np.full((len(groups), rows), -1)
        place = np.zeros((len(groups), rows), np.int64)
        for i, group in enumerate(groups):
            lengths = [len(t) for t in group]
            total = sum(lengths)
            embeds[i, :total] = np.concatenate(group)
            owner[i, :total] = np.repeat(np.arange(len(group)), lengths)
            place[i, :total] = np.concatenate([np.arange(n) for n in lengths])
        distance = place[:, None] - place[:, :, None]
        sees = (owner[:, None] == owner[:, :, None]) & (distance <= 0)
        # One place before the rows that none of them sees: the graph wants some past.
        bias = np.pad(np.where(sees, np.float32(0), HIDDEN), ((0, 0), (0, 0), (1, 0)), constant_values=HIDDEN)
        buckets = np.pad(self._a.places(distance, both=False), ((0, 0), (0, 0), (1, 0)))
        past = np.zeros((self._a.written, 2, len(groups), self._a.heads, 1, self._a.head_dim), np.float32)
        hidden, _ = self._decoded(embeds, bias, buckets, past, Across.of(sources))
        ends = [np.cumsum([len(t) for t in group]) for group in groups]
        return [
            [hidden[i, end - len(t) : end] for t, end in zip(group, ends[i], strict=True)]
            for i, group in enumerate(groups)
        ]

    def _decoded(
        self, embeds: Rows, bias: Rows, buckets: NDArray[np.int64], past: Rows, across: Across
    ) -> tuple[Rows, Rows]:
        inputs: dict[str, NDArray[Any]] = {"inputs_embeds": embeds, "bias": bias, "buckets": buckets}
        inputs["source_bias"] = across.bias
        for kind, held in (("past", past), ("cross", across.states)):
            for layer, (keys, values) in enumerate(held):
                inputs[f"{kind}_key_{layer}"], inputs[f"{kind}_value_{layer}"] = keys, values
        out = self._decoder.run(inputs)
        return out["hidden"], layers_of(out, "new", self._a.written)

    def _fill(
        self,
        out: Sequence[Rows],
        jobs: Sequence[Job],
        texts: Sequence[Sequence[Prompt]],
        hidden: Sequence[Sequence[Rows]],
        mean: bool,
        deadline: float | None,
    ) -> None:
        """Put the scores of some jobs where they belong."""
        flat = [(j.source, m) for j in jobs for m in j.members]
        targets = [targets_of(t) for group in texts for t in group]
        spoken = [np.flatnonzero(t >= 0) for t in targets]
        rows = np.concatenate([h[s] for h, s in zip((h for group in hidden for h in group), spoken, strict=True)])
        logp = log_probs(
            self._head, rows, np.concatenate([t[s] for t, s in zip(targets, spoken, strict=True)]), deadline
        )
        owners = np.repeat(np.arange(len(flat)), [len(s) for s in spoken])
        sums = np.bincount(owners, logp, len(flat))
        for (source, member), total, some in zip(flat, sums, spoken, strict=True):
            if len(some):
                out[source][member] = total / len(some) if mean else total


class _Steps:
    """Texts of at most ``most`` tokens, each behind its own source. All have written equally many."""

    def __init__(self, model: Seq2Seq, sources: Sequence[Rows], most: int) -> None:
        a = model._a
        self._model, self._across = model, Across.of(sources)
        self._room = max(1, min(STEP, most))
        self._past = np.zeros((a.written, 2, len(sources), a.heads, self._room, a.head_dim), np.float32)
        self._count = 0
        self.hidden: Rows = np.zeros((len(sources), a.hidden), np.float32)
        self.advance([a.start] * len(sources))

    def keep(self, going: Sequence[int]) -> None:
        """Drop the other texts."""
        some = list(going)
        self._past, self.hidden = self._past[:, :, some], self.hidden[some]
        self._across = Across(self._across.states[:, :, some], self._across.bias[some])

    def advance(self, tokens: Sequence[int]) -> None:
        """Read one token a text."""
        if self._count >= self._past.shape[4]:
            self._past = grown(self._past, self._room)
        b, places = len(tokens), self._past.shape[4]
        # The new row stands behind all places of the store, at the distance 0.
        distance = np.append(np.arange(places) - self._count, 0)
        seen = np.append(np.arange(places) < self._count, True)
        bias = np.where(seen, np.float32(0), HIDDEN)
        buckets = self._model._a.places(np.where(seen, distance, 0), both=False)
        rows = np.asarray(self._model._embeddings[list(tokens)], np.float32)[:, None]
        shape = (b, 1, places + 1)
        hidden, new = self._model._decoded(
            rows, np.broadcast_to(bias, shape), np.broadcast_to(buckets, shape), self._past, self._across
        )
        self._past[:, :, :, :, self._count] = new[:, :, :, :, 0]
        self._count += 1
        self.hidden = hidden[:, 0]
