"""The reranker `late-interaction`: each token of what was chosen looks for its nearest token of the candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys_zero_shot.encoded import Encoded


class TokenEncoder(Protocol):
    """Gives one vector a token, as `recsys.embed.minilm.MiniLM` does."""

    def token_states(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return (t_i, dim) for each text."""
        ...


class LateInteraction(Encoded):
    """ColBERT's MaxSim (Khattab & Zaharia 2020, arXiv 2004.12832) between history items, the query and each candidate.

    The similarity of two texts is the mean, over the tokens of the first, of the largest cosine with a token of the
    second. Token vectors of an item are computed once and kept by content hash.
    """

    class Config(Encoded.Config):
        """``tokens``: so many are read of a text."""

        tokens: int = Field(24, ge=1, le=128)

    embedder: TokenEncoder

    def __init__(self, config: Config, items: ItemTable, embedder: TokenEncoder) -> None:
        super().__init__(config, items, embedder)

    def encode(self, texts: Sequence[str], query: bool = False) -> list[NDArray[np.float32]]:
        """Return (t_i, d): one vector a token."""
        return [states[: self.config.tokens] for states in self.embedder.token_states(texts)]
