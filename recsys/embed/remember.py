"""Query vectors kept for a while: one search asks for the same one several times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys.protocols import Embedder
from recsys.types import Vectors

SIZE = 1024  # of 384 floats each: 1.5 MB
MAX_CHARS = 512  # a longer query is not kept: memory stays bounded whatever is typed


class Remembered:
    """An embedder that keeps the vectors of the latest ``size`` queries; items go straight through.

    A search finds candidates by the vector of its query and then scores those of the other generators with it. Any
    number of threads may ask at a time.
    """

    def __init__(self, embedder: Embedder, size: int = SIZE) -> None:
        self.embedder, self.size = embedder, size
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.embedder.dim

    @property
    def model_id(self) -> str:
        """That of the embedder; "" where it names none."""
        return str(getattr(self.embedder, "model_id", ""))

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Vectors:
        """Return ``(len(texts), dim)`` what the embedder returns; each query that is not kept is read once."""
        if role != "query":
            return self.embedder.embed(texts, role)
        with self._lock:
            known = {text: self._kept[text] for text in texts if text in self._kept}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            known |= zip(missing, self.embedder.embed(missing, role), strict=True)
        with self._lock:
            for text in dict.fromkeys(texts):
                if len(text) <= MAX_CHARS:
                    self._kept[text] = known[text]
                    self._kept.move_to_end(text)
            while len(self._kept) > self.size:
                self._kept.popitem(last=False)
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        return np.stack([known[text] for text in texts])
