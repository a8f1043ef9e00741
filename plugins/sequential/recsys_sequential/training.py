"""Training of the sequence model: only this module and `recsys_sequential.model` import torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recsys.dataset import EventLog
from recsys.errors import DataError
from recsys.ndcg import DEPTH, worth
from recsys.protocols import FitOptions
from recsys.training.loop import TrainSettings
from recsys.training.modules import arrays
from recsys.training.runs import run
from recsys.training.sequences import sampled
from recsys_sequential.model import SequenceModel
from recsys_sequential.windows import Rows, Window, training_windows

BATCH = 256  # validations of one call
Batch = Mapping[str, NDArray[Any]]


def trained(
    config: Any, log: EventLog, features: NDArray[np.float32], chosen: NDArray[np.bool_], options: FitOptions
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return weights by name and the report of the run. Raises `DataError` where nothing follows anything."""
    windows = training_windows(log, config.reach)
    if not windows:
        raise DataError("no shopper of the log chose two items: nothing follows anything")
    learned, asked = held_out(windows, config.held_out, options.seed)
    torch.manual_seed(options.seed)
    module = SequenceModel(
        torch.from_numpy(features), torch.from_numpy(chosen), width=config.width, layers=config.layers,
        heads=config.heads, reach=config.reach, dropout=config.dropout, blank=config.blank, gated=config.gated,
    )  # fmt: skip
    batches = list_of_batches(learned, config.events, np.random.default_rng(options.seed))
    left = None if options.deadline is None else max(0.0, options.deadline - time.monotonic())
    minutes = 60 * config.minutes
    settings = TrainSettings(
        steps=config.epochs * len(batches), learning_rate=config.rate, warm_up=0.1, weight_decay=0.02,
        validate_every=len(batches), metric="ndcg@10", lower=False, patience=config.patience, seed=options.seed,
        deadline_s=minutes if left is None else min(left, minutes), threads=options.threads, device=options.device,
        title="sasrec",
    )  # fmt: skip
    report = run(
        module, epochs(learned, len(chosen), config), (lambda m: validated(m, asked)) if asked else None, settings,
        config.checkpoints, "sasrec", (features, chosen, [w.rows for w in windows], config.model_dump(mode="json")),
    )  # fmt: skip
    return arrays(module), report.to_dict()


def held_out(windows: Sequence[Window], count: int, seed: int) -> tuple[list[Window], list[Rows]]:
    """Return windows to learn from, and up to ``count`` rows whose last one is asked for and was not learned.

    At most a tenth of the windows give their last choice away; those that would be left with one event give none.
    """
    able = [i for i, w in enumerate(windows) if len(w.rows) > max(2, w.first + 1)]
    picked = np.random.default_rng([seed, 1]).permutation(len(able))[: min(count, len(windows) // 10)]
    asked = {able[i] for i in picked.tolist()}
    learned = [Window(w.rows[:-1], w.first) if i in asked else w for i, w in enumerate(windows)]
    return learned, [windows[i].rows for i in sorted(asked)]


def list_of_batches(windows: Sequence[Window], events: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Return which windows go together: of like length, so that little is padded; about ``events`` events each."""
    lengths = np.array([len(w.rows) - 1 for w in windows])
    order = np.argsort(lengths + rng.random(len(lengths)), kind="stable")
    out, begin = [], 0
    while begin < len(order):
        size = max(1, events // int(lengths[order[begin]]))
        # The longest of a batch is its last.
        while size > 1 and size * int(lengths[order[min(begin + size, len(order)) - 1]]) > 1.25 * events:
            size -= 1
        out.append(order[begin : begin + size])
        begin += size
    return [out[i] for i in rng.permutation(len(out))]


def epochs(windows: Sequence[Window], n: int, config: Any) -> Callable[[np.random.Generator], Iterator[Batch]]:
    """Return one epoch of batches for `SequenceModel.losses`."""
    share = np.bincount(np.concatenate([w.rows[w.first :] for w in windows]), minlength=n).astype(np.float64)
    share /= share.sum()

    def epoch(rng: np.random.Generator) -> Iterator[Batch]:
        for part in list_of_batches(windows, config.events, rng):
            width = max(len(windows[i].rows) - 1 for i in part)
            rows = np.full((len(part), width), -1, np.int64)
            following = rows.copy()
            for place, i in enumerate(part.tolist()):
                window = windows[i]
                rows[place, : len(window.rows) - 1] = window.rows[:-1]
                following[place, window.first - 1 : len(window.rows) - 1] = window.rows[window.first :]
            yield sampled(rows, following, share, config.negatives, rng)

    return epoch


def validated(module: Any, asked: Sequence[Rows]) -> dict[str, float]:
    """Return NDCG@10 and HR@10 of each last row among all items; ties count as lost."""
    n, device = len(module.bias), module.bias.device
    codes = torch.cat([module.codes(part) for part in torch.arange(n, device=device).split(4096)])
    places = []
    for begin in range(0, len(asked), BATCH):
        part = asked[begin : begin + BATCH]
        lengths = np.array([len(rows) - 1 for rows in part])
        rows = np.zeros((len(part), lengths.max()), np.int64)
        rows[np.arange(rows.shape[1]) < lengths[:, None]] = np.concatenate([r[:-1] for r in part])
        wanted = module.wanted(codes[torch.from_numpy(rows).to(device)])[torch.arange(len(part)), lengths - 1]
        scores = wanted @ codes.T + module.bias
        last = torch.from_numpy(np.array([r[-1] for r in part])).to(device)[:, None]
        places.append((scores >= scores.gather(1, last)).sum(dim=1).cpu().numpy() - 1)
    place = np.concatenate(places)
    return {"ndcg@10": float(worth(place).mean()), "hr@10": float((place < DEPTH).mean())}
