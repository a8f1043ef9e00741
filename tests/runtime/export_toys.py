"""Lists that an export is held to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recsys.runtime.artifact import Artifact, model_from
from recsys.runtime.export import export
from recsys.runtime.gate import GateData

WORDS = ("kettle", "desk", "lamp", "chair", "cable", "book", "soft", "red", "quiet", "long")


def lists(source: Path, folder: Path, n: int = 40) -> GateData:
    """Lists whose relevant items are those that the model itself puts first: a head that is worth something."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 6)) for _ in range(n * 10)]
    starts = np.arange(0, n * 10 + 1, 10)
    queries = tuple(" ".join(rng.choice(WORDS, 3)) for _ in range(n))
    data = GateData(queries, tuple(texts), starts, np.zeros(n * 10, np.float32))
    if not folder.exists():
        export(str(source), folder, parity=False)
    scores = data.scores(model_from(Artifact.open(folder))).reshape(n, 10)
    labels = (scores >= np.sort(scores, axis=1)[:, -2:-1]).astype(np.float32).ravel()
    return GateData(queries, data.texts, starts, labels)
