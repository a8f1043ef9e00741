"""What a list-wise reply may be: the numbers of listed candidates, each at most once, and nothing else."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.runtime.tokens import Tokens

# (candidates named, as bits; tokens of the number or the separator that is being written)
State = tuple[int, tuple[int, ...]]


class Ranking:
    """A constraint: "[3] > [1] > [2]", every number once, ``top`` of the ``n``.

    It is a pure state machine over tokens: a hostile title may sway the order, never the form of the reply.
    """

    def __init__(self, n: int, tokens: Tokens, top: int | None = None) -> None:
        """Raises `ConfigError` for no candidate, or a tokenizer that writes two numbers alike."""
        self._top = min(top or n, n)
        self._labels = [tuple(tokens.encode(f"[{k + 1}]").tolist()) for k in range(n)]
        self._between = tuple(tokens.encode(" > ").tolist())
        if not n or len(set(self._labels)) < n or not all(self._labels) or not self._between:
            raise ConfigError(f"numbers of {n} candidates cannot be written with this tokenizer")

    @property
    def longest(self) -> int:
        """Tokens of the longest reply."""
        longest = sorted(map(len, self._labels))[-self._top :]
        return sum(longest) + (self._top - 1) * len(self._between)

    def start(self) -> State:
        """Return the state before the first token."""
        return 0, ()

    def allowed(self, state: State) -> NDArray[np.int64]:
        """Return the tokens that may come next, sorted; none when the reply is complete."""
        named, written = state
        if named.bit_count() >= self._top:
            return np.empty(0, np.int64)
        if named and len(written) < len(self._between):
            return np.array([self._between[len(written)]], np.int64)
        start = written[len(self._between) :] if named else written
        at = len(start)
        following = {
            label[at]
            for k, label in enumerate(self._labels)
            if not named >> k & 1 and len(label) > at and label[:at] == start
        }
        return np.array(sorted(following), np.int64)

    def step(self, state: State, token: int) -> State:
        """Return the state after an allowed token."""
        named, written = state[0], (*state[1], token)
        number = written[len(self._between) :] if named else written
        for k, label in enumerate(self._labels):
            if label == number and not named >> k & 1:
                return named | 1 << k, ()
        return named, written

    def done(self, state: State) -> bool:
        """Whether the reply may end here: not before all numbers are written."""
        return state[0].bit_count() >= self._top


@lru_cache(maxsize=256)
def ranking(n: int, tokens: Tokens, top: int | None = None) -> Ranking:
    """Return the constraint for ``n`` candidates, made once."""
    return Ranking(n, tokens, top)
