"""Text to token ids and back; words of the shop never turn into the model's own control tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError
from recsys.registry import import_optional

Ids = NDArray[np.int64]


class Tokens:
    """A tokenizer of the ``tokenizers`` library with its padding, truncation and added specials switched off."""

    def __init__(self, tokenizer: Any) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        # What stands for a word out of the vocabulary: the model was taught to read it. None where all is spelt out.
        name = getattr(tokenizer.model, "unk_token", "<unk>")
        self.unknown: int | None = None if name is None else self.id_of(name)
        # Some models list plain white space among their added tokens: that is text.
        control = {i for i, t in added.items() if t.special or t.content.strip()} - {self.unknown}
        self._control = np.array(sorted(control), np.int64)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a tokenizer.json. Raises `ArtifactMissing`, or `ArtifactDamaged` for what the library refuses."""
        library = import_optional("tokenizers")
        if not path.is_file():
            raise ArtifactMissing(f"{path} is missing")
        try:
            return cls(library.Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises the bare class
            raise ArtifactDamaged(f"{path} is no tokenizer: {error}") from error

    def check_rows(self, rows: int) -> None:
        """Refuse a tokenizer that gives ids for which an embedding of so many rows has none. Raises `ConfigError`."""
        largest = max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
        if largest >= rows:
            raise ConfigError(f"the tokenizer gives ids up to {largest}, but the model's embedding has {rows} rows")

    def encode(self, text: str) -> Ids:
        """Return the ids of text from outside, (t,): control tokens spelt out in it are dropped."""
        ids = self.trusted(text)
        return ids[~np.isin(ids, self._control)]

    def encode_all(self, texts: Sequence[str]) -> list[Ids]:
        """Return `encode` of every text; the library works on them side by side."""
        found = self._tokenizer.encode_batch([_clean(t) for t in texts], add_special_tokens=False)
        arrays = [np.asarray(f.ids, np.int64) for f in found]
        return [ids[~np.isin(ids, self._control)] for ids in arrays]

    def trusted(self, text: str) -> Ids:
        """Return the ids of a template's own text, (t,): control tokens in it count as such."""
        return np.asarray(self._tokenizer.encode(_clean(text), add_special_tokens=False).ids, np.int64)

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """Return the text of ids, control tokens left out."""
        out: str = self._tokenizer.decode([int(i) for i in ids], skip_special_tokens=True)
        return out

    def id_of(self, token: str) -> int | None:
        """Return the id of one token of the vocabulary, None for no such token."""
        found = self._tokenizer.token_to_id(token)
        return None if found is None else int(found)

    @cached_property
    def drops_space(self) -> bool:
        """Whether `decode` leaves out a space at the very beginning."""
        return any(
            part.get("start", 0) > 0 or part.get("prepend_scheme", "never") != "never" for part in self._decoders()
        )

    def spelling(self) -> tuple[bytes, ...]:
        """Return the bytes that each token adds to a text, by id; none for control tokens.

        Raises:
            ConfigError: a tokenizer that writes neither bytes (as GPT-2) nor words after "\u2581" (as Llama 2).
        """
        return self._spelling

    @cached_property
    def _spelling(self) -> tuple[bytes, ...]:
        kinds = {str(part.get("type")) for part in self._decoders()}
        if "ByteLevel" in kinds:
            letters = _byte_letters()
        elif kinds & {"Metaspace", "ByteFallback"}:
            letters = {"\u2581": 0x20}
        else:
            raise ConfigError(f"the bytes of tokens are not known with the decoder {', '.join(sorted(kinds)) or None}")
        added = self._tokenizer.get_added_tokens_decoder()
        out = []
        for token in range(self._tokenizer.get_vocab_size(with_added_tokens=True)):
            name = self._tokenizer.id_to_token(token)
            if name is None or token in self._control_set:
                out.append(b"")
            elif token in added:
                out.append(str(added[token].content).encode())
            elif "ByteFallback" in kinds and len(name) == 6 and name.startswith("<0x"):
                out.append(bytes([int(name[3:5], 16)]))
            else:
                out.append(b"".join(bytes([letters[c]]) if c in letters else c.encode() for c in name))
        return tuple(out)

    @cached_property
    def _control_set(self) -> frozenset[int]:
        return frozenset(self._control.tolist())

    def _decoders(self) -> Iterator[Mapping[str, Any]]:
        # The library tells the parts of a decoder only by writing them down; without its vocabulary that is little.
        decoder = self._tokenizer.decoder
        waiting: list[Mapping[str, Any]] = [] if decoder is None else [json.loads(decoder.__getstate__())]
        while waiting:
            part = waiting.pop()
            waiting += part.get("decoders", [])
            yield part


def _byte_letters() -> dict[str, int]:
    """Return the byte for which each letter of a byte-level vocabulary stands (GPT-2's table)."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in shown]
    return {chr(b): b for b in shown} | {chr(256 + k): b for k, b in enumerate(hidden)}


def _clean(text: str) -> str:
    # Half a surrogate pair cannot be written as UTF-8, and the library would refuse the whole text.
    return text.encode("utf-8", "replace").decode("utf-8")


def told_apart(tokens: Tokens, texts: Sequence[str]) -> tuple[Ids, NDArray[np.int64]] | None:
    """Return the tokens that all texts begin with, and the first token of each in which they differ.

    Many tokenizers write " 1" and " 2" as a space and a digit: the space then belongs to what comes before. None where
    one text is empty or the beginning of another, or two are equal.
    """
    for lead, rest in (("", texts), (" ", [text.removeprefix(" ") for text in texts])):
        found = _parted([tokens.encode(text) for text in rest])
        if found is not None and all(tokens.decode([i]).strip() for i in found[1]):
            return np.concatenate([tokens.encode(lead), found[0]]), found[1]
    return None


def _parted(encoded: Sequence[Ids]) -> tuple[Ids, NDArray[np.int64]] | None:
    """Return what all begin with and the token in which each differs; None where one does not."""
    shortest = min(map(len, encoded), default=0)
    same = next((k for k in range(shortest) if len({int(ids[k]) for ids in encoded}) > 1), shortest)
    firsts = [int(ids[same]) for ids in encoded if len(ids) > same]
    return (encoded[0][:same], np.array(firsts, np.int64)) if 0 < len(set(firsts)) == len(encoded) else None
