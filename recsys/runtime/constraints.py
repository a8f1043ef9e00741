"""What a model may write: pure state machines over token ids, so that a reply cannot leave a given set."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.runtime.tokens import Tokens

# (first row, row after the last, depth): the choices that are still possible.
Range = tuple[int, int, int]
_ENDS = (bisect_left, bisect_right)


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

    Kept as sorted choices end to end rather than as nodes: four bytes a token and eight a choice, so that 100,000
    titles of 12 tokens are 6 MB, and one long choice costs its own length alone.

    Raises:
        ConfigError: no choice at all, an empty one, or a token below 0.
    """

    def __init__(self, choices: Sequence[NDArray[np.int64]]) -> None:
        if not choices or not all(len(c) for c in choices):
            raise ConfigError("a constraint needs at least one choice, each with at least one token")
        if min(int(np.min(c)) for c in choices) < 0:
            raise ConfigError("the tokens of a choice are whole numbers from 0")
        # Bytes, the highest first, sort as their numbers do; shorter ones stand before those that they begin.
        sorted_choices = sorted({np.asarray(c).astype(">i4").tobytes() for c in choices})
        self._ids: NDArray[np.int32] = np.frombuffer(b"".join(sorted_choices), ">i4").astype(np.int32)
        self._starts = np.cumsum([0, *(len(c) // 4 for c in sorted_choices)])
        self._root = np.unique(self._ids[self._starts[:-1]]).astype(np.int64)

    @classmethod
    def from_texts(cls, texts: Sequence[str], tokens: Tokens) -> Self:
        """Build it from texts as they follow a prompt: begin them with a space where the prompt ends without."""
        return cls(tokens.encode_all(texts))

    @property
    def longest(self) -> int:
        """Tokens of the longest choice."""
        return int(np.diff(self._starts).max())

    def __len__(self) -> int:
        return len(self._starts) - 1

    def start(self) -> Range:
        """Return the state before the first token."""
        return 0, len(self), 0

    def allowed(self, state: Range) -> NDArray[np.int64]:
        """Return the tokens that lead on to some choice, sorted."""
        first, after, depth = state
        if depth == 0:
            return self._root
        first += self.done(state)  # what is complete stands first, and leads nowhere
        return np.unique(self._ids[self._starts[first:after] + depth]).astype(np.int64)

    def step(self, state: Range, token: int) -> Range:
        """Return the state after a token. Raises `ValueError` for one that is not allowed."""
        first, after, depth = state
        rest = range(first + self.done(state), after)
        low, high = (find(rest, token, key=lambda k: self._ids[self._starts[k] + depth]) for find in _ENDS)
        if low == high:
            raise ValueError(f"token {token} is not allowed here")
        return rest.start + low, rest.start + high, depth + 1

    def done(self, state: Range) -> bool:
        """Whether what was written is a choice."""
        first, _, depth = state
        return bool(self._starts[first + 1] - self._starts[first] == depth)
