"""LoRA of any causal language model through peft, merged into plain weights before it is exported.

Hu et al. 2022 (arXiv 2106.09685); library: peft. What `fine_tune` writes is a folder as Hugging Face lays it out:
`recsys export` takes it like any downloaded model. Only training imports torch, transformers and peft.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsys.errors import ConfigError, DataError
from recsys.registry import import_optional
from recsys.runtime.tokens import Tokens
from recsys.training.checkpoints import fingerprint
from recsys.training.loop import TrainSettings, train
from recsys.training.progress import Say
from recsys.training.report import TrainingReport
from recsys_fine_tuned.answers import Row, epochs, row_of
from recsys_fine_tuned.answers import validation as validate
from recsys_fine_tuned.rows import IGNORED

# What a tokenizer of such a folder may consist of: copied as it is.
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
    "vocab.json", "merges.txt",
)  # fmt: skip
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Size and place of the adapters: ``rank`` of each, scaled by ``alpha`` / rank, beside the named projections."""

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.05
    targets: tuple[str, ...] = PROJECTIONS
    batch_rows: int = 2048
    max_tokens: int = 512

    def __post_init__(self) -> None:
        if min(self.rank, self.batch_rows, self.max_tokens) < 1 or not self.targets:
            raise ConfigError("LoRA: rank, batch_rows and max_tokens must be at least 1, targets not empty")


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt, in which control tokens count, and the answer that is learned behind it."""

    prompt: str
    answer: str


def fine_tune(
    source: Path,
    examples: Sequence[Pair],
    validation: Sequence[Pair],
    folder: Path,
    checkpoints: Path,
    settings: LoraSettings | None = None,
    training: TrainSettings | None = None,
    *,
    say: Say | None = None,
) -> TrainingReport:
    """Train adapters on the model in ``source``, merge the best ones, write the model with its tokenizer to ``folder``.

    ``source`` is a folder as Hugging Face lays it out. Only answers are learned. ``checkpoints`` keeps the run: a call
    that its deadline cut writes no model, and the same call goes on with it.

    Raises:
        ConfigError: ``folder`` exists, the model has none of the targets, or ``checkpoints`` holds a run of another
            model, on other examples or with other settings. DataError: no examples.
        PluginUnavailable: torch, transformers or peft is missing.
    """
    if folder.exists():
        raise ConfigError(f"{folder} exists already: give a folder that does not")
    if not examples or not validation:
        raise DataError("LoRA needs examples and validation examples")
    chosen = settings or LoraSettings()
    how = training or TrainSettings(steps=200, learning_rate=2e-4, weight_decay=0.0, title="LoRA")
    tokens = Tokens.from_file(source / "tokenizer.json")
    module = adapted(source, chosen, how.seed)
    end = _end(module.model.config)
    rows, held = (_encoded(part, tokens, end, chosen.max_tokens) for part in (examples, validation))
    report = train(
        module, epochs(rows, chosen.batch_rows), validate(held, chosen.batch_rows, how.device), how, checkpoints,
        fingerprint=fingerprint(rows, held, chosen, _weights(source)), frozen=False, say=say,
    )  # fmt: skip
    if report.stopped != "deadline":
        save_merged(module, source, folder)
    return report


def adapted(source: Path, settings: LoraSettings, seed: int = 0) -> Any:
    """Return a trainable module over the model in ``source``; its ``model`` is peft's.

    Raises:
        ConfigError: the model has none of the target projections.
    """
    torch, peft = import_optional("torch"), import_optional("peft")
    transformers = import_optional("transformers")
    base = transformers.AutoModelForCausalLM.from_pretrained(
        source, dtype="float32", use_safetensors=True, trust_remote_code=False
    )
    present = {name.rsplit(".", 1)[-1] for name, _ in base.named_modules()}
    targets = [t for t in settings.targets if t in present]
    if not targets:
        raise ConfigError(f"LoRA: the model in {source} has none of {', '.join(settings.targets)}")
    torch.manual_seed(seed)
    config = peft.LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=targets,
        bias="none", task_type="CAUSAL_LM",
    )  # fmt: skip
    return _module(peft.get_peft_model(base, config))


def save_merged(module: Any, source: Path, folder: Path) -> Path:
    """Add the adapters to the weights and write the plain model with the tokenizer of ``source``."""
    merged = module.model.merge_and_unload()
    folder.mkdir(parents=True, exist_ok=True)
    merged.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    return folder


def _weights(source: Path) -> list[Path]:
    return [source / "config.json", *sorted(source.glob("*.safetensors"))]


def _module(model: Any) -> Any:
    torch = import_optional("torch")
    base: Any = torch.nn.Module

    class Adapted(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def losses(self, batch: Mapping[str, Any]) -> dict[str, Any]:
            logits = self.model(input_ids=batch["ids"], use_cache=False).logits
            spoken = batch["labels"] != IGNORED
            return {"loss": torch.nn.functional.cross_entropy(logits[spoken].float(), batch["labels"][spoken])}

    return Adapted()


def _encoded(pairs: Sequence[Pair], tokens: Tokens, end: int | None, most: int) -> list[Row]:
    out = []
    for pair in pairs:
        answer = tokens.encode(pair.answer)[: max(1, most // 2)]
        if end is not None:
            answer = np.append(answer, end)
        # The end of a prompt says what is wanted: its beginning is what is left out.
        room = max(1, most - len(answer))
        prompt = tokens.trusted(pair.prompt)[-room:]
        if not len(prompt) or not len(answer):
            raise DataError(f"an example needs a prompt and an answer, got {pair!r}")
        out.append(row_of(prompt, answer))
    return out


def _end(config: Any) -> int | None:
    found = config.eos_token_id
    found = found[0] if isinstance(found, list) and found else found
    return None if found is None or isinstance(found, list) else int(found)
