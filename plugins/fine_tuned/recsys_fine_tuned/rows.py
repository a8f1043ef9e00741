"""Examples as rows of token ids, and batches of them: of like length, within a budget of rows, numpy only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError
from recsys.runtime.tokens import Tokens
from recsys_fine_tuned.conditioning import Conditioning, padded
from recsys_fine_tuned.tasks import Example
from recsys_fine_tuned.tokenizer import BOS, EOS, SEP, task_token

Ids = NDArray[np.int64]
Batch = dict[str, NDArray[Any]]
IGNORED = -100
# Batches' worth of examples that are sorted by length together: little padding, yet batches differ every epoch.
WINDOW = 40


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """An example as ids: ``source`` = task token, text, separator; ``target`` = text, end."""

    source: Ids
    target: Ids
    example: Example


class Layout:
    """How texts become a prompt: ``<task> source <sep>`` behind the soft rows, then ``target <eos>``.

    A prompt never has more than ``max_tokens`` rows: a source is cut behind, a target too.

    Raises:
        ModelError: the tokenizer lacks the control tokens, or there is no room for any text.
    """

    def __init__(self, tokens: Tokens, conditioning: Conditioning, max_tokens: int, max_target: int = 64) -> None:
        found = {t: tokens.id_of(t) for t in (BOS, EOS, SEP)}
        if None in found.values():
            raise ModelError("the tokenizer lacks control tokens: train it by train_tokenizer")
        self.tokens = tokens
        self.eos, self.sep = found[EOS] or 0, found[SEP] or 0
        self.max_target = min(max_target, max_tokens // 2)
        self.max_source = max_tokens - conditioning.rows - self.max_target - 4
        if self.max_source < 1:
            raise ModelError(f"{max_tokens} rows leave no room for text")

    def source(self, task: str, text: str) -> Ids:
        """Return the ids before the answer, (t,): task token, text, separator."""
        start = self.tokens.id_of(task_token(task))
        if start is None:
            raise ModelError(f"the tokenizer has no task {task!r}")
        return np.concatenate([[start], self.tokens.trusted(text)[: self.max_source], [self.sep]]).astype(np.int64)

    def target(self, text: str) -> Ids:
        """Return the ids of an answer, (t,), the end token last."""
        return np.append(self.tokens.trusted(text)[: self.max_target - 1], self.eos).astype(np.int64)

    def encode(self, examples: Iterable[Example]) -> list[Encoded]:
        """Return every example as ids; equal texts are read once."""
        sources: dict[tuple[str, str], Ids] = {}
        targets: dict[str, Ids] = {}
        out = []
        for e in examples:
            key = (e.task, e.source)
            if key not in sources:
                sources[key] = self.source(*key)
            if e.target not in targets:
                targets[e.target] = self.target(e.target)
            out.append(Encoded(sources[key], targets[e.target], e))
        return out


def batch_of(rows: Sequence[Encoded], c: Conditioning, forgotten: NDArray[np.bool_] | None = None) -> Batch:
    """Return one batch.

    Keys: ``ids`` (b, t) tokens padded by 0; ``labels`` (b, n) the token that the row before it must predict, -100
    elsewhere, n = soft rows and tokens; ``order`` (b, n) which of [soft rows, tokens] stands where; ``last`` (b,) the
    row of the separator; ``source`` (b, t) 1 on rows of the input's text; ``user``, ``known``, ``items`` as
    `recsys_fine_tuned.conditioning.soft_rows` takes them; ``rating`` (b,), NaN where there is none.
    ``forgotten`` (b,): examples whose shopper and input are left out.
    """
    gone = np.zeros(len(rows), np.bool_) if forgotten is None else forgotten
    users = [None if g else r.example.user for r, g in zip(rows, gone, strict=True)]
    user, known = padded(users, c.width, c.history, latest=True)
    items, there = padded([r.example.items for r in rows], c.width, c.items, latest=False)
    soft = c.known(known, there)
    sources = [r.source[[0, -1]] if g else r.source for r, g in zip(rows, gone, strict=True)]
    longest = max(len(s) + len(r.target) for s, r in zip(sources, rows, strict=True))
    width = int(soft.sum(1).max(initial=0)) + longest
    b, slots = len(rows), soft.shape[1]
    ids, text = np.zeros((b, longest), np.int64), np.zeros((b, longest), np.float32)
    labels, order = np.full((b, width), IGNORED, np.int64), np.full((b, width), slots, np.int64)
    last = np.zeros(b, np.int64)
    for i, (source, row) in enumerate(zip(sources, rows, strict=True)):
        whole = np.concatenate([source, row.target])
        ids[i, : len(whole)] = whole
        text[i, 1 : len(source) - 1] = 1
        front = np.flatnonzero(soft[i])
        at = len(front) + len(source) - 1
        order[i, : len(front)] = front
        order[i, len(front) : len(front) + len(whole)] = slots + np.arange(len(whole))
        # Row k predicts the token of row k + 1: the separator predicts the first of the answer.
        labels[i, at : at + len(row.target)] = row.target
        last[i] = at
    rating = np.array([np.nan if r.example.rating is None else r.example.rating for r in rows], np.float32)
    return {
        "ids": ids, "labels": labels, "order": order, "last": last, "source": text, "user": user,
        "known": known.astype(np.float32), "items": items, "rating": rating,
    }  # fmt: skip


def epochs(
    rows: Sequence[Encoded], c: Conditioning, batch_rows: int, forget: float = 0.0
) -> Callable[[np.random.Generator], Iterator[Batch]]:
    """Return a function that gives one epoch of batches from a generator, as `recsys.training.loop` takes it."""
    lengths = np.array([len(r.source) + len(r.target) + c.rows for r in rows])

    def epoch(rng: np.random.Generator) -> Iterator[Batch]:
        gone = rng.random(len(rows)) < forget
        found = groups(lengths, batch_rows, rng)
        for k in rng.permutation(len(found)):
            yield batch_of([rows[i] for i in found[k]], c, gone[found[k]])

    return epoch


def groups(lengths: NDArray[np.int64], budget: int, rng: np.random.Generator | None = None) -> list[NDArray[np.int64]]:
    """Return every index once, in groups whose number times longest length stays within ``budget`` (one may be above).

    With a generator, examples are drawn into windows first; without one, all are sorted by length.
    """
    order = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    window = (
        len(order) if rng is None else max(1, WINDOW * budget // max(1, int(lengths.mean() if len(lengths) else 1)))
    )
    out: list[NDArray[np.int64]] = []
    for start in range(0, len(order), max(1, window)):
        part = order[start : start + window]
        part = part[np.argsort(lengths[part], kind="stable")]
        first = 0
        for k in range(1, len(part) + 1):
            if k == len(part) or (k - first + 1) * lengths[part[k]] > budget:
                out.append(part[first:k])
                first = k
    return out
