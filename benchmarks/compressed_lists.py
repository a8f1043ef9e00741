"""Lists of sample shops, and a cross-encoder that learns to read texts: what compressed items are held against."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.llmrank import print_progress
from benchmarks.transfer_target import cascade_alone
from recsys.config import EngineConfig
from recsys.data.shop import make_shop
from recsys.data.splits import Split, split
from recsys.dataset import Dataset, ItemTable
from recsys.errors import QuantisationRefused
from recsys.fitting import Fitted, Labelled, fit_all, plan_for
from recsys.fitting_rerank import Lists, head, subset, validation_lists, with_hit
from recsys.funnel import Funnel
from recsys.ndcg import labelled
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.rerank.encoder import CrossEncoded, pairs_of
from recsys.runtime.encoder import by_length
from recsys.runtime.export import export
from recsys.runtime.gate import GateData
from recsys.runtime.segments import Segments
from recsys.runtime.tokens import Tokens
from recsys.settings import settings_for

TOP, DEEPEST = 20, 100
# As it is served: the logit beside the place, as it was trained.
READING = {"scale": "logit", "weight": 0.5}
BATCH = 25  # pairs of one call of torch: of 10, 25, 50 and 100 the fastest on two cores


@dataclass(frozen=True, slots=True, eq=False)
class Shop:
    """A sample shop behind its cascade, everything fitted but rerankers."""

    data: Dataset
    config: EngineConfig
    folds: Split
    fitted: Fitted
    registry: Registry

    @classmethod
    def fit(cls, seed: int, shoppers: int, config: EngineConfig | None = None, threads: int = 1) -> Shop:
        """Make and fit the shop of a seed."""
        data, registry = make_shop(seed, shoppers).dataset, Registry()
        # One that has yet to learn: so the ranker's own lists are kept.
        waiting = {"waiting": {"use": "compressed", "text": "none"}}
        config = cascade_alone(data, config or settings_for("shop"), waiting)
        folds = split(data.log, "leave-one-out")
        options = FitOptions(seed=seed, threads=threads)
        fitted = fit_all(config, registry, data, folds.rank, folds.test.fit, options, print_progress)
        return cls(data, config, folds, fitted, registry)

    def to_learn(self) -> tuple[Labelled, Labelled]:
        """Return lists whose scores saw no label of theirs, and those of shoppers that are not among them."""
        lists = Lists(self.config, self.registry, self.data, self.fitted, FitOptions(), print_progress)
        learn, held = lists.to_learn(self.config.variants[self.config.variant], (), hold_out=True)
        assert held is not None
        return learn, held

    def to_judge(self, count: int) -> Labelled:
        """Return at most ``count`` lists of the test, up to `DEEPEST` items long, with the choice in the first 20."""
        plan = plan_for(self.config, self.fitted, self.config.variants[self.config.variant])
        funnel = Funnel(plan, strict=True)
        every = validation_lists(self.config, self.data, funnel, self.folds.test, DEEPEST)
        among = every.slates.request_index[(every.labels > 0) & (every.slates.places < TOP)]
        keep = np.zeros(len(every.slates), np.bool_)
        keep[np.unique(among)[:count]] = True
        return subset(every, keep)


class TorchPairs:
    """A cross-encoder of transformers in float32, eager mode with fused attention, every pair a whole text."""

    def __init__(self, folder: Path, threads: int) -> None:
        import torch
        import transformers

        transformers.utils.logging.set_verbosity_error()
        torch.set_num_threads(threads)
        self._torch = torch
        self._model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, attn_implementation="sdpa", dtype="float32"
        ).eval()
        self._tokens = Tokens.from_file(folder / "tokenizer.json")
        self._segments = Segments.from_file(folder / "tokenizer.json")

    def score(
        self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None, max_tokens: int | None = None
    ) -> NDArray[np.float32]:
        """Return one logit a pair, (m,); texts are cut up as `recsys.runtime.pairs` does it."""
        torch, out = self._torch, np.empty(len(pairs), np.float32)
        texts = {t: k for k, t in enumerate(dict.fromkeys(t for pair in pairs for t in pair))}
        ids = self._tokens.encode_all(list(texts))
        read = [self._segments.double(ids[texts[a]], ids[texts[b]], max_tokens or 512) for a, b in pairs]
        order = [k for batch in by_length([len(r[0]) for r in read]) for k in batch]
        for begin in range(0, len(order), BATCH):
            chosen = order[begin : begin + BATCH]
            longest = max(len(read[k][0]) for k in chosen)
            tokens, types, mask = (torch.zeros(len(chosen), longest, dtype=torch.int64) for _ in range(3))
            for row, k in enumerate(chosen):
                n = len(read[k][0])
                tokens[row, :n], types[row, :n] = torch.from_numpy(read[k][0]), torch.from_numpy(read[k][1])
                mask[row, :n] = 1
            with torch.inference_mode():
                said = self._model(input_ids=tokens, attention_mask=mask, token_type_ids=types).logits
            out[chosen] = said[:, 0].numpy()
        return out


def taught(shop: Shop, folder: Path, base: str, steps: int, threads: int) -> dict[str, Any]:
    """Teach a cross-encoder on the shop's lists, export it as "fp32" and "int8", and return figures.

    Without an int8 that the gate accepts, one is written all the same, and the figures hold the gate's words.
    """
    from recsys_fine_tuned import crossencoder_bases
    from recsys_fine_tuned.crossencoder import CrossSettings, train_cross_encoder
    from recsys_fine_tuned.crossencoder_lists import Lists as Given

    from recsys.training.loop import TrainSettings

    reading, items = CrossEncoded.Config(), shop.data.items
    learn, held = shop.to_learn()
    texts = [text for row in range(len(items)) for text in (items.titles[row], items.text(row))]
    begin = time.perf_counter()
    if base == "minilm":
        crossencoder_bases.minilm(texts, folder / "base")
        settings = CrossSettings(reading, frozen=4, hard=3, drawn=2)
    else:
        crossencoder_bases.small_bert(texts, folder / "base", layers=1, hidden=64, vocabulary=500)
        settings = CrossSettings(reading, hard=3, drawn=2)
    how = TrainSettings(
        steps=steps, learning_rate=4e-4, warm_up=0.1, validate_every=max(1, steps // 10), threads=threads,
        title="cross-encoder",
    )  # fmt: skip
    report = train_cross_encoder(
        folder / "base", items, Given(learn.requests, learn.slates, learn.labels),
        Given(held.requests, held.slates, held.labels), folder / "hub", folder / "run", settings, how,
        say=print_progress,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    export(f"file://{folder / 'hub'}", folder / "fp32", task="cross-encoder")
    refused = ""
    try:
        export(
            f"file://{folder / 'hub'}", folder / "int8", task="cross-encoder", precision="int8",
            gate=gate_of(held, items, reading),
        )  # fmt: skip
    except QuantisationRefused as error:
        refused = str(error)
        export(f"file://{folder / 'hub'}", folder / "int8", task="cross-encoder", precision="int8", ungated=True)
    return {
        "lists": len(learn.requests), "held_out_lists": len(held.requests), "seconds": round(seconds, 1),
        "best": dict(report.best), "trained_parameters": report.parameters, "parameters": parameters_of(folder / "hub"),
        "int8_refused": refused,
    }  # fmt: skip


def parameters_of(folder: Path) -> int:
    """Return how many numbers the weights of a model are."""
    from safetensors.numpy import load_file

    return sum(int(weights.size) for weights in load_file(folder / "model.safetensors").values())


def gate_of(lists: Labelled, items: ItemTable, reading: CrossEncoded.Config) -> GateData:
    """Return held-out lists as the gate of `recsys export` reads them: the first 20 of each that holds its choice."""
    some = with_hit(head(lists, TOP))
    places, pairs = pairs_of(reading, items, some.requests, some.slates)
    owner = some.slates.request_index[places]
    kept = np.unique(owner)
    starts = np.concatenate([np.searchsorted(owner, kept), [len(owner)]]).astype(np.int64)
    queries = tuple(pairs[int(first)][0] for first in starts[:-1])
    return GateData(queries, tuple(text for _, text in pairs), starts, some.labels[places])


def gains(slates: Any, label: str) -> NDArray[np.float32]:
    """Return NDCG@10 (b,) of lists with one choice each, marked in a column."""
    return labelled(slates, slates.columns[label]).astype(np.float32)


def options_of(case: Mapping[str, Any]) -> EngineConfig | None:
    """Return the settings of a case, None = those of the sample shop."""
    return EngineConfig.of(case["config"]) if case["config"] else None
