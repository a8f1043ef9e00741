"""Keeps what a language model writes within the slots of its case: all that it must hold, none twice, none foreign."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.explain.slots import slot_names
from recsys.runtime.tokens import Tokens

Ids = NDArray[np.int64]
_ENDS = (".", "!", "?")
# What a reason has no use for, in any token: slots are spelt as a whole, and a reason is one line of plain text.
_UNUSED = "[]{}<>\n\r\t"


@dataclass(frozen=True, slots=True)
class State:
    """What was written: the slots that are used, the ids of one that is begun, whether a sentence ends here."""

    used: frozenset[str] = frozenset()
    begun: tuple[int, ...] = ()
    ended: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Alphabet:
    """How a tokenizer spells slots and what else may be written.

    Attributes:
        free: (t,) sorted ids of plain text. ends: those after which a text may be complete.
        spelt: slot -> every way in which it is spelt, behind a space and without one.
    """

    free: Ids
    ends: frozenset[int]
    spelt: Mapping[str, tuple[tuple[int, ...], ...]]

    @classmethod
    def of(cls, tokens: Tokens, vocabulary: int, control: Collection[int] = ()) -> Self:
        """Read a tokenizer of ``vocabulary`` tokens; ``control`` are ids that are no text: end tokens, say.

        Raises:
            ConfigError: the tokenizer cannot write some slot.
        """
        spelt = {name: tuple(dict.fromkeys(_spellings(tokens, name))) for name in slot_names()}
        if lost := [name for name, ways in spelt.items() if not ways]:
            raise ConfigError(f"the tokenizer of the model cannot write {lost[0]}")
        texts = [tokens.decode([i]) for i in range(vocabulary)]
        whole = {way[0] for ways in spelt.values() for way in ways if len(way) == 1}
        free = [
            i for i, text in enumerate(texts)
            if text and i not in whole and i not in control and not any(c in text for c in _UNUSED)
        ]  # fmt: skip
        ends = frozenset(i for i in free if texts[i].rstrip().endswith(_ENDS))
        return cls(np.array(free, np.int64), ends, spelt)


class SlotRule:
    """A `recsys.runtime.constraints.Constraint`: a text of whole sentences with the slots of one case.

    Raises:
        ConfigError: a slot that is required and not offered, or that no alphabet has.
    """

    def __init__(self, offered: Collection[str], required: Collection[str], alphabet: Alphabet) -> None:
        if strange := (set(required) - set(offered)) | (set(offered) - set(alphabet.spelt)):
            raise ConfigError(f"no such slot: {', '.join(sorted(strange))}")
        self._ways = {way: name for name in sorted(offered) for way in alphabet.spelt[name]}
        self._required, self._alphabet = frozenset(required), alphabet

    def start(self) -> State:
        """Return the state before the first token."""
        return State()

    def allowed(self, state: State) -> Ids:
        """Return the ids that may come next, sorted."""
        n = len(state.begun)
        nexts = {
            way[n] for way, name in self._ways.items()
            if name not in state.used and len(way) > n and way[:n] == state.begun
        }  # fmt: skip
        slots = np.array(sorted(nexts), np.int64)
        return slots if n else np.union1d(self._alphabet.free, slots)

    def step(self, state: State, token: int) -> State:
        """Return the state after an allowed token. Raises `ValueError` for one that is not."""
        at = int(np.searchsorted(self._alphabet.free, token))
        if not state.begun and at < len(self._alphabet.free) and self._alphabet.free[at] == token:
            return State(state.used, (), token in self._alphabet.ends)
        begun = (*state.begun, token)
        name = self._ways.get(begun)
        if name is not None and name not in state.used:
            return State(state.used | {name})
        open_ways = (w for w, slot in self._ways.items() if slot not in state.used)
        if not any(w[: len(begun)] == begun for w in open_ways):
            raise ValueError(f"token {token} is not allowed here")
        return State(state.used, begun)

    def done(self, state: State) -> bool:
        """Whether every required slot is there and a sentence ends here."""
        return state.ended and not state.begun and self._required <= state.used


def _spellings(tokens: Tokens, name: str) -> list[tuple[int, ...]]:
    """Return the ways in which a tokenizer writes a slot that read back as the slot."""
    ways = [tuple(int(i) for i in tokens.trusted(text)) for text in (name, f" {name}")]
    return [way for way in ways if way and tokens.decode(way).strip() == name]
