"""A world small enough to train a language model on in a second: what a shopper had decides what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from recsys_fine_tuned.presets import Preset
from recsys_fine_tuned.tasks import Example

KINDS = ("red kettle", "blue kettle", "oak table", "pine table")
WIDTH = 4
TINY = Preset.model_validate(
    {
        "decoder": {
            "hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2, "inner": 48, "vocabulary": 330,
            "max_tokens": 64, "dropout": 0.0,
        },
        "conditioning": {"inner": 16, "history": 4, "recent": 2, "layers": 1, "items": 1},
        "training": {"learning_rate": 1e-2, "batch_rows": 512, "forget": 0.1},
    }
)  # fmt: skip


def taste(kind: int, n: int = 2, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return n history vectors of a shopper who wants ``kind``."""
    noise = np.random.default_rng(seed).normal(0, 0.05, (n, WIDTH))
    return (np.eye(WIDTH)[kind] + noise).astype(np.float32)


def examples(n: int = 240, seed: int = 0) -> list[Example]:
    """Return examples whose answer follows from the shopper's vectors alone."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(n):
        kind = int(rng.integers(4))
        user = taste(kind, int(rng.integers(1, 6)), seed * 1000 + k)
        if k % 3:
            out.append(Example("next-item", "for the kitchen", KINDS[kind], user))
        else:
            out.append(
                Example("rating", KINDS[kind], f"{kind + 1}", user, np.eye(4, dtype=np.float32)[[kind]], kind + 1.0)
            )
    return out


def trained(folder: Path, **options: Any) -> Any:
    """Return the toy model, trained for a second or two."""
    from recsys_fine_tuned.personalised_training import train_language_model

    settings = {"steps": 150, "validate_every": 50, "threads": 1, "seed": 0, "say": lambda line: None} | options
    return train_language_model(examples(), examples(40, 1), TINY, folder, **settings)
