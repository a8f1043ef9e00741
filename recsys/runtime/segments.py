"""What stands around a text, and between two, as an encoder was trained to see it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ArtifactDamaged, ArtifactMissing, ModelError
from recsys.registry import import_optional

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Segments:
    """The special tokens of one text (``before``, ``after``) and of two (``pair``: before, between, after).

    ``types`` are the segment numbers of the five parts of a pair: before, first, between, second, after.
    """

    before: list[int]
    after: list[int]
    pair: list[list[int]]
    types: list[int]

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read them off a tokenizer.json by letting it encode one text and two.

        Raises:
            ArtifactMissing: no such file. ArtifactDamaged: it is no tokenizer.
        """
        library = import_optional("tokenizers")
        if not path.is_file():
            raise ArtifactMissing(f"{path} is missing: a model is read with its fast tokenizer")
        try:
            tokenizer = library.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises the bare class
            raise ArtifactDamaged(f"{path} is no tokenizer: {error}") from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        one, two = tokenizer.encode("a"), tokenizer.encode("a", "a")
        first = [k for k, s in enumerate(two.sequence_ids) if s == 0]
        second = [k for k, s in enumerate(two.sequence_ids) if s == 1]
        own = [k for k, s in enumerate(one.sequence_ids) if s == 0]
        if not (first and second and own):
            raise ArtifactDamaged(f"{path} reads the letter a as nothing: it is no tokenizer of a text encoder")
        parts = [slice(0, first[0]), slice(first[-1] + 1, second[0]), slice(second[-1] + 1, len(two.ids))]
        type_of = [two.type_ids[first[0]], two.type_ids[second[0]]]
        types = [_first(two.type_ids[p], t) for p, t in zip(parts, (type_of[0], *type_of), strict=True)]
        return cls(
            one.ids[: own[0]],
            one.ids[own[-1] + 1 :],
            [two.ids[p] for p in parts],
            [types[0], type_of[0], types[1], type_of[1], types[2]],
        )

    def fields(self) -> dict[str, Any]:
        """Return what the class is built from, as JSON takes it."""
        return asdict(self)

    def special(self) -> set[int]:
        """Return every token that stands around texts."""
        return {*self.before, *self.after, *(i for part in self.pair for i in part)}

    def single(self, ids: Ids, limit: int) -> tuple[Ids, Ids]:
        """Return tokens and segment numbers of one text, cut to ``limit`` with all its special tokens."""
        room = _room(limit, len(self.before) + len(self.after))
        whole = np.concatenate([self.before, ids[:room], self.after]).astype(np.int64)
        return whole, np.zeros(len(whole), np.int64)

    def double(self, first: Ids, second: Ids, limit: int) -> tuple[Ids, Ids]:
        """Return tokens and segment numbers of two texts; the longer one is cut first."""
        room = _room(limit, sum(len(p) for p in self.pair))
        keep = _shares(len(first), len(second), room)
        before, between, after = self.pair
        parts = [np.asarray(p, np.int64) for p in (before, first[: keep[0]], between, second[: keep[1]], after)]
        return (
            np.concatenate(parts),
            np.repeat(np.array(self.types, np.int64), [len(p) for p in parts]),
        )


def _first(values: list[int], default: int) -> int:
    return int(values[0]) if values else int(default)


def _room(limit: int, special: int) -> int:
    if limit <= special:
        raise ModelError(f"{limit} tokens leave no room for a text: {special} are special")
    return limit - special


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of each text stay, as the tokenizers library's "longest first" has it."""
    if first + second <= room:
        return first, second
    short, long = sorted((first, second))
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short = room // 2
        long = short + room % 2
    return (short, long) if first <= second else (long, short)
