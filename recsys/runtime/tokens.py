"""Text to token ids and back; words of the shop never turn into the model's own control tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ArtifactDamaged, ArtifactMissing
from recsys.registry import import_optional

Ids = NDArray[np.int64]


class Tokens:
    """A tokenizer of the ``tokenizers`` library with its padding, truncation and added specials switched off."""

    def __init__(self, tokenizer: Any) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        # Some models list plain white space among their added tokens: that is text.
        self._control = np.array(sorted(i for i, t in added.items() if t.special or t.content.strip()), np.int64)

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


def _clean(text: str) -> str:
    # Half a surrogate pair cannot be written as UTF-8, and the library would refuse the whole text.
    return text.encode("utf-8", "replace").decode("utf-8")
