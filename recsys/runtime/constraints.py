"""What a model may write: pure state machines over token ids, so that a reply cannot leave a given set."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.runtime.tokens import Tokens

# (first row, row after the last, depth): the choices that are still possible.
Range = tuple[int, int, int]


class Constraint(Protocol):
    """Says which tokens may follow. It holds no state of its own: one constraint serves many texts at a time."""

    def start(self) -> Hashable:
        """Return the state before the first token."""
        ...

    def allowed(self, state: Any) -> NDArray[np.int64] | None:
        """Return the tokens that may come next, sorted; none means that the text is complete.

        None in place of an array says that they are too many to list: `Tested.accepts` tells of each.
        """
        ...

    def step(self, state: Any, token: int) -> Hashable:
        """Return the state after an allowed token."""
        ...

    def done(self, state: Any) -> bool:
        """Whether the text may end here."""
        ...


@runtime_checkable
class Tested(Constraint, Protocol):
    """A constraint that is asked about one token at a time, the likeliest first."""

    def accepts(self, state: Any, token: int) -> bool:
        """Whether a token may come next."""
        ...


class Trie:
    """Exactly one of many texts: a list of choices, or the titles of a whole catalogue.

    Kept as one sorted matrix rather than as nodes: 100,000 titles of 12 tokens are 5 MB.

    Raises:
        ConfigError: no choice at all, or an empty one.
    """

    def __init__(self, choices: Sequence[NDArray[np.int64]]) -> None:
        if not choices or not all(len(c) for c in choices):
            raise ConfigError("a constraint needs at least one choice, each with at least one token")
        rows = np.full((len(choices), max(len(c) for c in choices) + 1), -1, np.int32)
        for k, choice in enumerate(choices):
            rows[k, : len(choice)] = choice
        # Shorter ones stand before those that they begin, since -1 sorts first.
        self._rows: NDArray[np.int32] = np.ascontiguousarray(np.unique(rows, axis=0).T)
        self._root = np.unique(self._rows[0]).astype(np.int64)

    @classmethod
    def from_texts(cls, texts: Sequence[str], tokens: Tokens) -> Self:
        """Build it from texts as they follow a prompt: begin them with a space where the prompt ends without."""
        return cls(tokens.encode_all(texts))

    @property
    def longest(self) -> int:
        """Tokens of the longest choice."""
        return int(self._rows.shape[0]) - 1

    def __len__(self) -> int:
        return int(self._rows.shape[1])

    def start(self) -> Range:
        """Return the state before the first token."""
        return 0, len(self), 0

    def allowed(self, state: Range) -> NDArray[np.int64]:
        """Return the tokens that lead on to some choice, sorted."""
        first, after, depth = state
        if depth == 0:
            return self._root
        found = np.unique(self._rows[depth, first:after]).astype(np.int64)
        return found[found >= 0]

    def step(self, state: Range, token: int) -> Range:
        """Return the state after a token. Raises `ValueError` for one that is not allowed."""
        first, after, depth = state
        column = self._rows[depth, first:after]
        low, high = (int(np.searchsorted(column, token, side)) for side in ("left", "right"))
        if low == high or token < 0:
            raise ValueError(f"token {token} is not allowed here")
        return first + low, first + high, depth + 1

    def done(self, state: Range) -> bool:
        """Whether what was written is a choice."""
        return bool(self._rows[state[2], state[0]] < 0)
