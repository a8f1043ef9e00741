"""From texts to unit vectors with a transformer: batch by length, run, pool, normalise. Used by every model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys.embed.vectors import unit
from recsys.runtime.session import Session
from recsys.types import Vectors

Tokenise = Callable[[Sequence[str]], list[list[int]]]
Pooling = Literal["mean", "cls"]
# Padded tokens of one model call: large enough to fill the cores, small enough for a shop's process.
BATCH_TOKENS = 4096


class Encoder:
    """A session and its tokeniser.

    The session takes the integer inputs ``input_ids`` and ``attention_mask`` (b, t) and its first output
    is ``(b, t, dim)`` float32, one vector a token.
    ``tokenise`` returns the ids of each text, special tokens included, cut to the model's length. A text that
    consists of ``mute`` ids alone (special, unknown) has nothing to say and becomes zeros.
    """

    def __init__(
        self,
        session: Session,
        tokenise: Tokenise,
        dim: int,
        *,
        pooling: Pooling = "mean",
        mute: Collection[int] = (),
        pad: int = 0,
    ) -> None:
        self._session = session
        self._tokenise = tokenise
        self.dim = dim
        self._pooling = pooling
        self._mute = np.array(sorted(mute), dtype=np.int64)
        self._pad = pad
        self._dtype = np.dtype(session.spec.inputs[0].dtype)
        self._output = session.spec.output_names[0]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return ``(len(texts), dim)`` unit vectors, in the order of ``texts``."""
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        if not texts:
            return out
        # Half a surrogate pair is no UTF-8: tokenisers refuse it.
        clean = [t.encode("utf-8", "replace").decode("utf-8") for t in texts]
        ids = [np.asarray(i, dtype=np.int64) for i in self._tokenise(clean)]
        speaking = [k for k, i in enumerate(ids) if not np.isin(i, self._mute).all()]
        # Texts of like length share a batch, so that almost nothing is padding.
        for batch in _batches(sorted(speaking, key=lambda k: len(ids[k])), ids):
            out[batch] = self._run([ids[k] for k in batch])
        return out

    def _run(self, ids: list[NDArray[np.int64]]) -> Vectors:
        lengths = np.array([len(i) for i in ids])
        mask = np.arange(lengths.max()) < lengths[:, None]
        tokens = np.full(mask.shape, self._pad, dtype=self._dtype)
        tokens[mask] = np.concatenate(ids)
        hidden = self._session.run({"input_ids": tokens, "attention_mask": mask.astype(self._dtype)})[self._output]
        if self._pooling == "cls":
            return unit(hidden[:, 0])
        return unit(np.einsum("btd,bt->bd", hidden, mask.astype(np.float32)))


def _batches(order: list[int], ids: list[NDArray[np.int64]]) -> Iterator[list[int]]:
    """Cut ``order``, sorted by length, so that no padded batch exceeds `BATCH_TOKENS`."""
    batch: list[int] = []
    for k in order:
        if batch and (len(batch) + 1) * len(ids[k]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(k)
    if batch:
        yield batch
