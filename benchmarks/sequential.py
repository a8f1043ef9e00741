"""SASRec at work: its training, then lists from a kept state, from whole histories, and from torch with its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.collaborative import overlap
from benchmarks.facts import hardware
from benchmarks.shops import make_shop
from benchmarks.timing import latency, memory, rounded, timed
from recsys.dataset import Dataset, ItemTable
from recsys.protocols import Deps, FitOptions
from recsys.requests import seen, without
from recsys.types import Events, ItemRows, Request

NAME = "sequential"
TOP, CHUNK, WARM, LENGTHS = 100, 256, 5, (10, 50)
ONE, WHOLE, TORCH = "recsys, one new event", "recsys, whole history", "torch, whole history"
Lists = list[NDArray[Any]]


def cases(quick: bool) -> list[dict[str, Any]]:
    size = {"items": 300, "shoppers": 600, "epochs": 1} if quick else {"items": 12_000, "shoppers": 22_000, "epochs": 3}
    asked = {"single": 10, "batch": 40} if quick else {"single": 200, "batch": 2048}
    answers = [{"step": "answer", **size, "history": length, **asked} for length in LENGTHS]
    return [{"step": "fit", **size}, {"step": "serve", **size}, *answers]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    data = make_shop(case["items"], case["shoppers"])
    parameters = {k: v for k, v in case.items() if k != "step"} | {"events": len(data.log), "top": TOP}
    if case["step"] == "answer":
        found = answer(case, data, scratch)
    else:
        step = fit if case["step"] == "fit" else serve
        found = {case["step"]: step(case, data, scratch) | memory()}
    return [{"name": name, "parameters": parameters, "figures": figures} for name, figures in found.items()]


def fit(case: Mapping[str, Any], data: Dataset, scratch: Path) -> dict[str, Any]:
    """Train in the default sizes and save; each epoch ends with a look at what was held out."""
    from recsys_sequential.sasrec import SASRec

    # So many epochs, whatever they bring: what one takes is the question.
    # Of short histories, too, the state is kept here, to see from where on that pays.
    config = SASRec.Config(epochs=case["epochs"], patience=case["epochs"], minutes=600, short=0)
    options = FitOptions(seed=0, threads=hardware()["cores"])
    model, fit_s = timed(lambda: SASRec.from_config(config, Deps()).fit(data, options))
    if model.report["stopped"] != "done":
        raise RuntimeError(f"the training was stopped by {model.report['stopped']}: its time means nothing")
    folder = where(case, scratch)
    folder.mkdir()
    model.save(folder)
    files = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "fit_s": rounded(fit_s), "epoch_s": rounded(model.report["seconds"] / case["epochs"]),
        "steps": model.report["steps"], "trained": model.report["parameters"], "files_mb": rounded(files / 2**20),
    }  # fmt: skip


def where(case: Mapping[str, Any], scratch: Path) -> Path:
    return scratch / f"{NAME}-{case['items']}"


def load(case: Mapping[str, Any], data: Dataset, scratch: Path) -> tuple[Any, float]:
    """Return the trained generator, and the seconds that loading it took."""
    from recsys_sequential.sasrec import SASRec

    if not where(case, scratch).is_dir():
        fit(case, data, scratch)
    return timed(lambda: SASRec.load(where(case, scratch), Deps()))


def serve(case: Mapping[str, Any], data: Dataset, scratch: Path) -> dict[str, Any]:
    """Answer shoppers of the log, each for the first time, in a process without torch."""
    model, load_s = load(case, data, scratch)
    requests = [request(data, data.log.history(user), f"u{user}") for user in range(100)]
    first, *others = [timed(lambda r=r: model.generate([r], TOP))[1] for r in requests]
    return {"load_s": rounded(load_s), "first_ms": rounded(1000 * first), **latency(others)}


def answer(case: Mapping[str, Any], data: Dataset, scratch: Path) -> dict[str, dict[str, float]]:
    """Measure lists of histories of one length in every way: one by one, then many at once."""
    model, _ = load(case, data, scratch)
    torch = TorchEager(model, data.items, hardware()["cores"])
    single, batch, length = case["single"] + WARM, case["batch"], case["history"]
    # What was chosen one after the other in the log, cut into histories: who chose it does not matter here.
    rows = np.resize(data.log.liked().events.rows, (max(single, batch), length))
    whole = [request(data, events(r)) for r in rows]
    known = [request(data, events(r), f"u{i}") for i, r in enumerate(rows[:single])]
    for i, r in enumerate(rows[:single]):  # read while the newest event had not come yet
        model.generate([request(data, events(r[:-1]), f"u{i}")], TOP)
    lists, took = in_turn(
        {
            ONE: lambda i: model.generate([known[i]], TOP).items,
            WHOLE: lambda i: model.generate([whole[i]], TOP).items,
            TORCH: lambda i: torch.best(rows[i : i + 1])[0],
        },
        single,
    )
    speed = {name: latency(seconds[WARM:]) for name, seconds in took.items()}
    parts = [slice(at, min(at + CHUNK, batch)) for at in range(0, batch, CHUNK)]
    many, took = in_turn(
        {
            WHOLE: lambda i: model.generate(whole[parts[i]], TOP).items,
            TORCH: lambda i: torch.best(rows[parts[i]]).ravel(),
        },
        len(parts),
    )
    return {
        name: {
            **figures, "x_torch": rounded(figures["qps"] / speed[TORCH]["qps"]),
            "x_whole": rounded(figures["qps"] / speed[WHOLE]["qps"]), "overlap": overlap(lists[name], lists[TORCH]),
            **_many(name, batch, took, many),
        }
        for name, figures in speed.items()
    }  # fmt: skip


def _many(name: str, batch: int, took: Mapping[str, list[float]], lists: Mapping[str, Lists]) -> dict[str, float]:
    """Return the figures of many at once; nothing is kept for them: there is no row of new events."""
    if name not in took:
        return {}
    found, theirs = (np.concatenate(lists[n]).reshape(batch, TOP) for n in (name, TORCH))
    return {
        "batch_qps": rounded(batch / sum(took[name])), "batch_x_torch": rounded(sum(took[TORCH]) / sum(took[name])),
        "batch_overlap": overlap(list(found), list(theirs)),
    }  # fmt: skip


def in_turn(ways: Mapping[str, Callable[[int], Any]], count: int) -> tuple[dict[str, Lists], dict[str, list[float]]]:
    """Return what every way gives for each of ``count`` questions, and its seconds, all ways in turn at each."""
    found: dict[str, Lists] = {name: [] for name in ways}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(count):
        for name, way in ways.items():
            one, took = timed(lambda way=way, i=i: way(i))
            found[name].append(one)
            seconds[name].append(took)
    return found, seconds


def events(rows: ItemRows) -> Events:
    return Events.of(rows.astype(np.int32), times=np.arange(1, len(rows) + 1))


def request(data: Dataset, history: Events, user: str | None = None) -> Request:
    """Return the request of somebody with this history, whose items are masked; of nobody known without ``user``."""
    allowed = without(np.ones(len(data.items), dtype=np.bool_), seen(history))
    return Request(user=user, history=history, allowed=allowed, k=TOP)


class TorchEager:
    """The same weights in torch, as their authors would ask: histories read whole, all items scored, the best taken."""

    def __init__(self, model: Any, items: ItemTable, threads: int) -> None:
        import torch
        from recsys_sequential.model import SequenceModel

        torch.set_num_threads(threads)
        c, factors = model.config, model.fitted()
        module = SequenceModel(
            torch.from_numpy(model.features.of(items, range(len(items)))), torch.ones(len(items)), width=c.width,
            layers=c.layers, heads=c.heads, reach=c.reach, dropout=c.dropout, blank=c.blank, gated=c.gated,
        ).eval()  # fmt: skip
        weights = {**model.weights, "own.weight": model.own, "bias": factors[:, -1]}
        module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
        self._torch, self._module = torch, module
        with torch.inference_mode():
            self._codes = module.codes(torch.arange(len(items)))

    def best(self, rows: ItemRows) -> NDArray[np.int64]:
        """Return (b, TOP) items for histories (b, h) of one length, best first, their own items left out."""
        torch, read = self._torch, self._torch.from_numpy(rows.astype(np.int64))
        with torch.inference_mode():
            wanted = self._module.wanted(self._codes[read])[:, -1]
            scores = wanted @ self._codes.T + self._module.bias
            found: NDArray[np.int64] = scores.scatter_(1, read, -torch.inf).topk(TOP).indices.numpy()
        return found
