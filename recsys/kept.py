"""Fits that are kept: what was fitted on the same data with the same settings is read back, not fitted again."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any
from uuid import uuid4

from recsys.artifacts import read_json, write_json
from recsys.dataset import Dataset
from recsys.protocols import Deps, FitOptions
from recsys.training.checkpoints import fingerprint

MARK = "kept.json"  # written last: a folder without it was cut off


def fit_or_read(generator: Any, fold: Dataset, options: FitOptions, deps: Deps) -> tuple[Any, float]:
    """Return ``generator`` fitted on ``fold``, and the seconds that its fit took when it was made.

    With ``options.kept`` it is read from that folder where an equal one was fitted before, and written there where
    not. Equal are: class, version of recsys, settings, seed, device, catalogue and log. The code is not among them:
    whoever changes that takes another folder. Nothing is removed from it; matrices of all items by all items are
    large.
    """
    if options.kept is None:
        return _timed(generator, fold, options)
    folder = options.kept / f"{type(generator).__name__.lower()}-{_key(generator, fold, options)[:24]}"
    if (folder / MARK).exists():
        return type(generator).load(folder, deps), float(read_json(folder / MARK)["fit_s"])
    made, seconds = _timed(generator, fold, options)
    fresh = options.kept / f"{folder.name}.{uuid4().hex[:8]}.part"
    fresh.mkdir(parents=True)
    made.save(fresh)
    write_json(fresh / MARK, {"fit_s": seconds})
    try:
        os.replace(fresh, folder)
    except OSError:
        # Another process was quicker, or an earlier one was cut off before its mark.
        if (folder / MARK).exists():
            shutil.rmtree(fresh)
        else:
            shutil.rmtree(folder)
            os.replace(fresh, folder)
    return made, seconds


def _timed(generator: Any, fold: Dataset, options: FitOptions) -> tuple[Any, float]:
    begin = time.perf_counter()
    made = generator.fit(fold, options)
    return made, time.perf_counter() - begin


def _key(generator: Any, fold: Dataset, options: FitOptions) -> str:
    from recsys import __version__

    kind, items, log = type(generator), fold.items, fold.log
    return fingerprint(
        __version__, f"{kind.__module__}.{kind.__qualname__}", generator.config.model_dump(mode="json"),
        options.seed, options.device,
        items.ids, items.titles, items.texts, items.brands, items.categories, items.prices, items.stock, items.created,
        items.parents, [repr(a) for a in items.attributes], items.available,
        log.events, log.offsets, sorted(log.event_weights.items()),
    )  # fmt: skip
