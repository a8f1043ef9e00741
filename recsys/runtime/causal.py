"""A causal language model over any session: scoring behind shared prefixes, next tokens, generation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys.errors import BudgetExceeded, ModelError, ShapeMismatch
from recsys.runtime.architectures import Architecture
from recsys.runtime.constraints import Constraint
from recsys.runtime.decoding import BodySteps, Ending, Reply, Sampler, decode, rules_of, unread
from recsys.runtime.heads import ArrayHead, Head, many_logits
from recsys.runtime.packing import Rows, batches, block_inputs, parts, read, run, stacked
from recsys.runtime.prefixes import PrefixCache, PrefixState, Prompt
from recsys.runtime.scoring import Owner, log_likelihoods
from recsys.runtime.session import Session, in_time
from recsys.runtime.tokens import Tokens
from recsys.runtime.weights import Table

# Calls' worth of prefix rows whose states are held at a time, so that thousands of users fit in memory.
HELD_CALLS = 4


@dataclass(frozen=True, slots=True)
class _Job:
    """Some continuations of one prefix that go through the body together."""

    prefix: int
    members: tuple[int, ...]
    rows: int


class CausalLM:
    """A decoder ``body`` (form "block" or "tree", see `recsys.runtime.decoder_graph`), its embedding and its head.

    ``embeddings`` are (vocabulary, d) float32, memory-mapped or not; ``head`` is a matrix of this shape or a
    `Head`, and without one the embedding is the head. ``prefixes`` keeps states of tagged prompts. ``batch_rows``
    bounds the rows of one call. Answers do not depend on what else is in a batch, up to rounding (of quantised models
    see `recsys.runtime.quantise`); many threads may call one model. A ``deadline`` is a value of `time.monotonic`,
    looked at between calls of the body.

    Raises:
        ShapeMismatch: the arrays do not fit the architecture.
    """

    def __init__(
        self,
        body: Session,
        embeddings: Table,
        architecture: Architecture,
        *,
        tokens: Tokens | None = None,
        head: Head | NDArray[np.float32] | None = None,
        max_tokens: int | None = None,
        prefixes: PrefixCache | None = None,
        batch_rows: int = 2048,
    ) -> None:
        wanted = (architecture.vocabulary, architecture.hidden)
        if head is None or isinstance(head, np.ndarray):
            head = ArrayHead(embeddings if head is None else head)
        for name, array in (("embeddings", embeddings), ("head", head.matrix)):
            if array.shape != wanted:
                raise ShapeMismatch(f"{name} have shape {array.shape}, the architecture says {wanted}")
        self._body, self._embeddings, self._a, self._head = body, embeddings, architecture, head
        self._max = architecture.max_tokens if max_tokens is None else min(max_tokens, architecture.max_tokens)
        self._prefixes = PrefixCache(0) if prefixes is None else prefixes
        self._batch_rows = batch_rows
        self.tokens = tokens

    @property
    def architecture(self) -> Architecture:
        """Sizes of the model."""
        return self._a

    @property
    def max_tokens(self) -> int:
        """Rows that a prompt with its continuation may have."""
        return self._max

    def warm_up(self) -> None:
        """Read, score and write a token once, so that the first caller does not pay for what is set up then."""
        one = Prompt((np.zeros(1, np.int64),))
        self.score([one], [[one, one]])
        if self._max > 1:
            self.generate([one], max_new_tokens=1)

    def score(
        self,
        prefixes: Sequence[Prompt],
        continuations: Sequence[Sequence[Prompt]],
        *,
        mean: bool = True,
        deadline: float | None = None,
    ) -> list[NDArray[np.float32]]:
        """Return log p of every continuation behind its prefix: one (n_i,) float32 array a prefix.

        ``continuations[i]`` belong to ``prefixes[i]``, which is read once for all of them. The sum, or the mean, is
        over the continuation's tokens; rows that are vectors are read but not predicted. NaN = no token at all.

        Raises:
            ModelError: an empty prefix, a token that does not exist, or more rows than `max_tokens`.
            BudgetExceeded: ``deadline`` passed before all were scored.
        """
        out = []
        for part in self._parts(prefixes, continuations):
            states = self._states(prefixes[part], continuations[part], deadline)
            # A last row predicts what comes after the continuation: nobody asks.
            rows = self._continued(states, continuations[part], 1, deadline)
            before = [state.hidden for state in states]
            out += log_likelihoods(self._head, before, continuations[part], rows, mean, deadline)
        return out

    def hidden(
        self,
        prefixes: Sequence[Prompt],
        continuations: Sequence[Sequence[Prompt]],
        *,
        deadline: float | None = None,
    ) -> list[NDArray[np.float32]]:
        """Return the last row after each continuation, (n_i, d) a prefix; an empty one gives the prefix's own.

        Raises:
            ModelError, BudgetExceeded: as `score`.
        """
        out = []
        for part in self._parts(prefixes, continuations):
            states = self._states(prefixes[part], continuations[part], deadline)
            found = [np.tile(s.hidden, (len(group), 1)) for s, group in zip(states, continuations[part], strict=True)]
            for owners, rows in self._continued(states, continuations[part], 0, deadline):
                for (i, member), r in zip(owners, rows, strict=True):
                    found[i][member] = r[-1]
            out += found
        return out

    def choice_logits(
        self,
        prefixes: Sequence[Prompt],
        continuations: Sequence[Sequence[Prompt]],
        ids: NDArray[np.int64],
        *,
        deadline: float | None = None,
    ) -> list[NDArray[np.float32]]:
        """Return the logits of some next tokens alone, (n_i, len(ids)) a prefix: no full head is computed.

        Raises:
            ModelError, BudgetExceeded: as `score`.
        """
        Prompt((ids,)).check(self._a.vocabulary, self._a.hidden)
        head = np.asarray(self._head.matrix[ids], np.float32).T
        return [rows @ head for rows in self.hidden(prefixes, continuations, deadline=deadline)]

    def next_token_logits(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Return the logits of the token after each prompt, (b, vocabulary)."""
        out = np.zeros((len(prompts), self._a.vocabulary), np.float32)
        for part in self._parts(prompts):
            rows = np.array([s.hidden for s in self._states(prompts[part])], np.float32)
            for chunk, logits, _ in many_logits(self._head, rows):
                out[part][chunk] = logits
        return out

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        stop: Sequence[str] = (),
        constraint: Constraint | Sequence[Constraint | None] | None = None,
        temperature: float = 0.0,
        seed: int = 0,
        deadline: float | None = None,
    ) -> list[Reply]:
        """Write on from each prompt until an end token, a stop string (left out) or ``max_new_tokens``.

        ``constraint``, one for all or one a prompt, leaves only what it allows; the model's end token counts where
        the text may end. `Reply.complete` tells of a text that was cut off before its constraint was met.
        ``temperature`` 0 takes the likeliest token. Above it, a draw depends on ``seed`` and the prompt alone. At
        ``deadline`` every text ends as it is, and prompts that nobody has read by then stay empty.

        Raises:
            ModelError: a prompt that leaves no room for ``max_new_tokens``, stop strings without a tokenizer, or
                another number of constraints than of prompts.
        """
        if stop and self.tokens is None:
            raise ModelError("stop strings need a tokenizer")
        rules = rules_of(constraint, len(prompts))
        for prompt in prompts:
            self._check_length(len(prompt) + max_new_tokens)
        ending = Ending(self._a.eos, tuple(stop), max_new_tokens, deadline)
        out: list[Reply] = []
        for part in self._parts(prompts):
            out += self._written(prompts[part], rules[part], ending, temperature, seed)
        return out

    def forget(self, tag: str) -> int:
        """Remove what is kept of prompts with this tag; return how many states there were."""
        return self._prefixes.forget(tag)

    def _parts(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[Prompt]] | None = None
    ) -> Iterator[slice]:
        """Cut many prompts into runs whose states are held in memory together."""
        if continuations is not None and len(continuations) != len(prompts):
            raise ModelError(f"{len(prompts)} prefixes need as many groups of continuations, got {len(continuations)}")
        return parts([len(p) for p in prompts], HELD_CALLS * self._batch_rows)

    def _written(
        self,
        prompts: Sequence[Prompt],
        rules: Sequence[Constraint | None],
        ending: Ending,
        temperature: float,
        seed: int,
    ) -> list[Reply]:
        try:
            states = self._states(prompts, deadline=ending.deadline)
        except BudgetExceeded:
            return [unread(rule) for rule in rules]
        out: dict[int, Reply] = {}
        # What a text may become counts from the beginning: its keys and values are held until it ends.
        for batch in batches([len(s) + ending.most for s in states], self._batch_rows):
            steps = BodySteps(self._body, [states[k] for k in batch], self._embeddings, ending.most)
            samplers = [Sampler(temperature, seed, prompts[k].content()) for k in batch]
            read = [len(states[k]) for k in batch]
            replies = decode(steps, read, self._head, samplers, [rules[k] for k in batch], ending, self.tokens)
            out.update(zip(batch, replies, strict=True))
        return [out[k] for k in range(len(prompts))]

    def _states(
        self,
        prompts: Sequence[Prompt],
        continuations: Sequence[Sequence[Prompt]] | None = None,
        deadline: float | None = None,
    ) -> list[PrefixState]:
        """Return the state of every prompt: from the cache, or read now, equal ones once."""
        groups: Sequence[Sequence[Prompt]] = [()] * len(prompts) if continuations is None else continuations
        for prompt, group in zip(prompts, groups, strict=True):
            if not len(prompt):
                raise ModelError("a prompt must have at least one row: begin it with the model's first token")
            self._check_length(len(prompt) + max((len(c) for c in group), default=0))
            for given in (prompt, *group):
                given.check(self._a.vocabulary, self._a.hidden)
        known: dict[str, PrefixState] = {}
        missing: dict[str, Prompt] = {}
        keys = [p.key() for p in prompts]
        with self._prefixes.reading() as forgotten:
            for key, prompt in zip(keys, prompts, strict=True):
                held = self._prefixes.get(prompt)
                if held is not None:
                    known[key] = held
                elif key not in known:
                    missing[key] = prompt
            order = list(missing)
            for batch in batches([len(missing[k]) for k in order], self._batch_rows):
                in_time(deadline)
                chosen = [missing[order[i]] for i in batch]
                for prompt, i, state in zip(chosen, batch, self._read(chosen), strict=True):
                    known[order[i]] = state
                    self._prefixes.put(prompt, state, forgotten)
        return [known[k] for k in keys]

    def _read(self, prompts: Sequence[Prompt]) -> list[PrefixState]:
        a = self._a
        # Nothing stands before a prompt: one place that is hidden, since some operators dislike having none.
        past = np.zeros((a.layers, 2, len(prompts), a.kv_heads, 1, a.head_dim), np.float32)
        rows = [[self._rows(p)] for p in prompts]
        hidden, new = run(self._body, block_inputs(rows, past, np.zeros(len(prompts), np.int64)))
        ends = np.cumsum([len(p) for p in prompts])
        return [
            PrefixState(np.ascontiguousarray(new[:, :, i, :, 0, : len(p)]), hidden[ends[i] - 1].copy())
            for i, p in enumerate(prompts)
        ]

    def _continued(
        self,
        states: Sequence[PrefixState],
        continuations: Sequence[Sequence[Prompt]],
        drop: Literal[0, 1],
        deadline: float | None,
    ) -> Iterator[tuple[list[Owner], list[Rows]]]:
        """Give the hidden rows of continuations, call by call: nothing is held of all of them.

        The last ``drop`` rows of each are neither read nor given; one without any other row is left out.
        """
        jobs = [job for i, group in enumerate(continuations) for job in self._jobs(i, [len(c) - drop for c in group])]
        for batch in batches([j.rows for j in jobs], self._batch_rows):
            in_time(deadline)
            chosen = [jobs[k] for k in batch]
            feed = [[self._rows(continuations[j.prefix][m], drop) for m in j.members] for j in chosen]
            past, lengths = stacked([states[j.prefix] for j in chosen])
            hidden = read(self._body, block_inputs(feed, past, lengths))
            ends = np.cumsum([len(rows) for member_rows in feed for rows in member_rows])
            yield [(j.prefix, m) for j in chosen for m in j.members], np.split(hidden, ends[:-1])

    def _jobs(self, prefix: int, sizes: Sequence[int]) -> list[_Job]:
        some = [k for k, size in enumerate(sizes) if size > 0]
        return [
            _Job(prefix, tuple(some[i] for i in batch), len(batch) * sizes[some[batch[-1]]])
            for batch in batches([sizes[k] for k in some], self._batch_rows)
        ]

    def _rows(self, prompt: Prompt, drop: int = 0) -> Rows:
        parts = [self._embeddings[p] if p.ndim == 1 else p for p in prompt.pieces]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return np.asarray(whole[: len(whole) - drop], np.float32)

    def _check_length(self, rows: int) -> None:
        if rows > self._max:
            raise ModelError(f"a prompt with its continuation has {rows} rows, the model takes {self._max}")
