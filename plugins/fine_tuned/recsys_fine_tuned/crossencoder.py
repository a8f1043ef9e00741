"""Training of a cross-encoder on the engine's own lists; torch and transformers are imported by calls alone.

What is written is a folder as Hugging Face lays it out: `recsys export --task cross-encoder` takes it, and the
reranker `cross-encoder` serves it with ``scale = "logit"`` and ``weight = 0.5``: then it orders as it was trained.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recsys.dataset import ItemTable
from recsys.errors import ConfigError
from recsys.registry import import_optional
from recsys.rerank.encoder import CrossEncoded
from recsys.runtime.segments import Segments
from recsys.runtime.tokens import Tokens
from recsys.training.checkpoints import fingerprint
from recsys.training.loop import TrainSettings, tensors, train
from recsys.training.progress import Say
from recsys.training.report import TrainingReport
from recsys_fine_tuned.crossencoder_lists import NEVER, Cut, Lists, cut, epochs, ndcg, prior_scale

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
READ = 64  # validation lists of one forward pass


@dataclass(frozen=True, slots=True)
class CrossSettings:
    """What is read and learned.

    Attributes:
        reading: the texts of a pair, as the reranker will read them; weight and scale do not matter.
        depth: of a list, from the best. hard, drawn: unchosen items of a list that a step sees: the best ones, and
            others that change every epoch. lists: of one step.
        frozen: lower layers that stay as they are, embeddings included; None trains all, 0 all but the embeddings.
        gain: what the head's output is multiplied with, so that at the small learning rate of a pretrained model it
            leaves zero in tens of steps, not in thousands; written into the weights in the end.
    """

    reading: CrossEncoded.Config = field(default_factory=CrossEncoded.Config)
    depth: int = 20
    hard: int = 4
    drawn: int = 4
    lists: int = 16
    frozen: int | None = None
    gain: float = 10.0

    def __post_init__(self) -> None:
        if min(self.depth - 1, self.lists, self.hard + self.drawn) < 1 or min(self.hard, self.drawn) < 0:
            raise ConfigError("depth must be at least 2, lists and hard + drawn at least 1, hard and drawn at least 0")


def train_cross_encoder(
    base: Path,
    items: ItemTable,
    lists: Lists,
    validation: Lists,
    folder: Path,
    checkpoints: Path,
    settings: CrossSettings | None = None,
    training: TrainSettings | None = None,
    *,
    say: Say | None = None,
) -> TrainingReport:
    """Train the BERT-type model in ``base`` on lists, write the best one with its tokenizer to ``folder``.

    The list-wise softmax loss (Cao et al. 2007, ListNet) is over the prior's logit plus the pair's, which starts at
    zero: nothing is lost where texts say nothing. Pairs are read one by one, so no place in the list is ever seen.
    The prior is minus the logarithm of the place times a scale that is fitted first; the pair's logit is written in
    units of it. ``checkpoints`` keeps the run: the same call goes on where it was cut. Validation figures are "loss"
    and "ndcg" (at 10, of the entries in the lists); "ndcg_prior" is that of the incoming order.

    Raises:
        ConfigError: ``folder`` exists, ``checkpoints`` are of other data or another model, or as `pair_scorer`.
        DataError: no list can be learned from.
        PluginUnavailable: torch or transformers is missing.
    """
    if folder.exists():
        raise ConfigError(f"{folder} exists already: give a folder that does not")
    chosen = settings or CrossSettings()
    tokens, segments = Tokens.from_file(base / "tokenizer.json"), Segments.from_file(base / "tokenizer.json")
    learn, held = (cut(p, items, chosen.reading, tokens, segments, chosen.depth) for p in (lists, validation))
    how = training or TrainSettings(
        steps=3 * -(-len(learn.pair) // chosen.lists), learning_rate=5e-5, warm_up=0.1, title="cross-encoder"
    )
    module = pair_scorer(base, prior_scale(learn), chosen.frozen, chosen.gain, how.seed)
    about = (chosen.lists, chosen.hard, chosen.drawn, chosen.frozen, chosen.gain)
    report = train(
        module, epochs(learn, chosen.lists, chosen.hard, chosen.drawn), _Validation(held, how.device), how,
        checkpoints, fingerprint=fingerprint(learn, held, *about, base / "model.safetensors"), frozen=False, say=say,
    )  # fmt: skip
    if report.stopped != "deadline":
        save(module, base, folder, chosen, len(learn.pair))
    return report


def pair_scorer(base: Path, scale: float, frozen: int | None = None, gain: float = 1.0, seed: int = 0) -> Any:
    """Return a trainable module over the model in ``base`` whose score of every pair is 0; ``model`` is the BERT.

    Raises:
        ConfigError: ``base`` is no BERT, or has fewer layers than ``frozen``.
    """
    torch, transformers = import_optional("torch"), import_optional("transformers")
    torch.manual_seed(seed)
    config = transformers.AutoConfig.from_pretrained(base, num_labels=1)
    if config.model_type != "bert":
        raise ConfigError(f"{base}: a cross-encoder is trained from a BERT, not from {config.model_type!r}")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        base, config=config, dtype="float32", use_safetensors=True, trust_remote_code=False
    )
    torch.nn.init.zeros_(model.classifier.weight)
    torch.nn.init.zeros_(model.classifier.bias)
    _freeze(model, frozen)
    parent: Any = torch.nn.Module

    class PairScorer(parent):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model, self.scale, self.gain = model, scale, gain

        def logits(self, batch: Mapping[str, Any]) -> Any:
            """Return (l, w) scores, `NEVER` where no entry is."""
            said = (
                self.gain
                * self.model(
                    input_ids=batch["ids"], attention_mask=batch["mask"], token_type_ids=batch["types"]
                ).logits[:, 0]
            )
            flat = torch.zeros(batch["prior"].numel(), dtype=said.dtype, device=said.device)
            both = self.scale * batch["prior"] + flat.index_put((batch["place"],), said).reshape(batch["prior"].shape)
            return both.masked_fill(~batch["there"], NEVER)

        def losses(self, batch: Mapping[str, Any]) -> dict[str, Any]:
            share = batch["labels"] / batch["labels"].sum(1, keepdim=True)
            return {"loss": -(share * torch.log_softmax(self.logits(batch).float(), 1)).sum(1).mean()}

    return PairScorer()


def save(module: Any, base: Path, folder: Path, settings: CrossSettings, lists: int) -> None:
    """Write the model, logits in units of the prior, with the tokenizer of ``base`` and how it was taught to read."""
    torch = import_optional("torch")
    model = module.model.cpu().eval()
    with torch.no_grad():
        model.classifier.weight *= module.gain / module.scale
        model.classifier.bias *= module.gain / module.scale
    model.save_pretrained(folder)
    with torch.no_grad():  # the caller's module stays what it was
        model.classifier.weight *= module.scale / module.gain
        model.classifier.bias *= module.scale / module.gain
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    reading = settings.reading.model_copy(update={"scale": "logit", "weight": 0.5})
    about = {"prior_scale": module.scale, "lists": lists, "reranker": reading.model_dump()}
    (folder / "cross_encoder.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _freeze(model: Any, frozen: int | None) -> None:
    if frozen is None:
        return
    body = model.base_model
    if frozen > len(body.encoder.layer):
        raise ConfigError(f"frozen = {frozen}: the model has {len(body.encoder.layer)} layers")
    for part in (body.embeddings, *body.encoder.layer[:frozen]):
        part.requires_grad_(False)


class _Validation:
    def __init__(self, held: Cut, device: str) -> None:
        rows = np.arange(len(held.pair))
        whole = np.ones(held.pair.shape, np.bool_)
        parts = [rows[k : k + READ] for k in range(0, len(rows), READ)]
        self._batches = [held.batch(p, whole[p]) for p in parts]
        self._held, self._device = held, device
        self._before = ndcg(np.where(held.pair >= 0, held.prior, NEVER).astype(np.float32), held.labels)

    def __call__(self, module: Any) -> dict[str, float]:
        lost, scores = 0.0, []
        for batch in self._batches:
            given = tensors(batch, self._device)
            found = module.logits(given).float()
            scores.append(found.cpu().numpy())
            share = given["labels"] / given["labels"].sum(1, keepdim=True)
            lost -= float((share * found.log_softmax(1)).sum())
        after = ndcg(np.concatenate(scores), self._held.labels)
        return {"loss": lost / len(self._held.pair), "ndcg": after, "ndcg_prior": self._before}
