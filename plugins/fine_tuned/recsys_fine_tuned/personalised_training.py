"""Training a personalised language model end to end: tokenizer, decoder, conditioning, heads; then its folder."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from recsys.errors import DataError, QuantisationRefused, ShapeMismatch
from recsys.runtime.artifact import PARITY, seal, staged, write_table
from recsys.runtime.decoder import decoder_files
from recsys.runtime.quantise import QUANTISED, Precision
from recsys.training.checkpoints import STATE, fingerprint, start_from
from recsys.training.loop import TrainSettings, tensors, train
from recsys.training.progress import Say
from recsys.training.report import TrainingReport
from recsys_fine_tuned import presets
from recsys_fine_tuned.conditioning import Conditioning
from recsys_fine_tuned.decoder import PersonalisedDecoder, save_conditioning, save_decoder
from recsys_fine_tuned.personalised import IDS, TASK, VECTORS, WEIGHTS, PersonalisedLM
from recsys_fine_tuned.personalised_gate import gate_figures
from recsys_fine_tuned.rows import IGNORED, Encoded, Layout, batch_of, epochs, groups
from recsys_fine_tuned.tasks import Example
from recsys_fine_tuned.tokenizer import SLOTS, tokens_of, train_tokenizer


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained model in memory, and how it was trained."""

    module: PersonalisedDecoder
    tokenizer: Any
    preset: presets.Preset
    report: TrainingReport

    def export(
        self,
        folder: Path,
        *,
        precision: Precision = "fp32",
        vectors: Mapping[str, NDArray[np.float32]] | None = None,
        about: Mapping[str, Any] | None = None,
        max_tokens: int | None = None,
        gate: Sequence[Example] = (),
        ungated: bool = False,
    ) -> Path:
        """Write the artifact that `recsys_fine_tuned.personalised.PersonalisedLM.open` reads; return ``folder``.

        ``vectors`` by item id, of the width it was trained with, are kept inside (float16), so that a reranker has
        them. ``about`` is kept in the spec, for example what it was trained on. In eight or four bits it is written
        only if it orders the titles of ``gate``, held-out examples of next items, as the whole model does (see
        `recsys_fine_tuned.personalised_gate`), or if ``ungated`` says that nobody asked; the spec says which.

        Raises:
            ConfigError: ``folder`` exists. PluginUnavailable: the ``onnx`` package is missing.
            ShapeMismatch: vectors of another width.
            QuantisationRefused: a bound of the gate is broken, or there was nothing to judge by.
        """
        if precision in QUANTISED and not gate and not ungated:
            raise QuantisationRefused(
                f"whether {precision} ranks as well can only be seen on held-out examples: give them as gate=, or say "
                "ungated=True for a model that is only tried out"
            )
        trained = {
            "seed": self.report.seed, "steps": self.report.steps, "best_step": self.report.best_step,
            "validation": dict(self.report.best), "parameters": self.report.parameters, **(about or {}),
        }  # fmt: skip
        own = {"vectors": bool(vectors), "trained": trained}
        with staged(folder) as made, tempfile.TemporaryDirectory() as aside:
            source, whole = Path(aside) / "source", Path(aside) / "whole"
            source.mkdir()
            save_decoder(self.module, self.tokenizer, source)
            spec = self._written(source, made, precision, max_tokens) | own
            if vectors:
                self._keep(made, vectors)
            if precision in QUANTISED:
                spec["gated"] = bool(gate)
                if gate:
                    seal(made, spec)
                    whole.mkdir()
                    seal(whole, self._written(source, whole, "fp32", max_tokens) | own | {"vectors": False})
                    figures = gate_figures(PersonalisedLM.open(whole), PersonalisedLM.open(made), gate)
                    (made / PARITY).write_text(json.dumps({"gate": figures}, indent=1) + "\n", encoding="utf-8")
            seal(made, spec)
        return folder

    def _written(self, source: Path, made: Path, precision: Precision, max_tokens: int | None) -> dict[str, Any]:
        """Write decoder and conditioning; return their spec."""
        most = max_tokens or self.preset.decoder.max_tokens
        spec = decoder_files(source, made, max_tokens=most, precision=precision)
        save_conditioning(self.module, made / WEIGHTS, np.float32 if precision == "fp32" else np.float16)
        return {**spec, "task": TASK, "conditioning": self.module.spec.to_dict()}

    def _keep(self, made: Path, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        table = np.array(list(vectors.values()), np.float32)
        if table.shape[1:] != (self.module.spec.width,):
            raise ShapeMismatch(f"vectors are {table.shape[1:]} wide, the model takes {self.module.spec.width}")
        write_table(made, VECTORS, table, "fp16")
        (made / IDS).write_text(json.dumps(list(vectors), ensure_ascii=False), encoding="utf-8")


def train_language_model(
    examples: Sequence[Example],
    validation: Sequence[Example],
    preset: str | presets.Preset,
    folder: Path,
    *,
    width: int | None = None,
    texts: Sequence[str] = (),
    slots: Sequence[str] = SLOTS,
    steps: int | None = None,
    passes: float = 3.0,
    validate_every: int | None = None,
    patience: int | None = 4,
    seed: int = 0,
    deadline_s: float | None = None,
    threads: int | None = None,
    device: str = "cpu",
    start: Path | None = None,
    frozen: bool = False,
    say: Say | None = None,
) -> Trained:
    """Train a preset on examples and return it with its best validated weights.

    ``texts`` are read by the tokenizer beside those of the examples; ``width`` is that of the vectors, found in the
    examples if left out. ``passes`` over the examples give the number of steps, unless ``steps`` does. ``folder`` keeps
    checkpoints: the same call goes on where it was cut, after ``deadline_s`` wall seconds at the latest. A new run
    begins with the last weights of the run in ``start``, if given: it must have been of the same texts and preset.
    ``frozen`` trains soft rows and heads alone, behind a language model that stays as it is: the first stage of
    PEPLER's sequential tuning, whose second one starts from it.

    Raises:
        DataError: no example, no validation example, or vectors of several widths.
        ConfigError: ``folder`` holds a run with other settings or on other data. ArtifactMissing: ``start`` holds none.
        ShapeMismatch: the run in ``start`` was of other sizes.
    """
    chosen = presets.load(preset) if isinstance(preset, str) else preset
    if not examples or not validation:
        raise DataError("training a language model needs examples and validation examples")
    width = width or _width(examples)
    words = sorted({e.source for e in examples} | {e.target for e in examples} | set(texts))
    tokenizer = train_tokenizer(words, chosen.decoder.vocabulary, slots)
    spec = chosen.conditioning.of(width, chosen.decoder.hidden)
    module = PersonalisedDecoder(chosen, spec, tokenizer.get_vocab_size(), seed)
    rated = [e.rating for e in examples if e.rating is not None]
    module.start_ratings(float(np.mean(rated)) if rated else 0.0)
    if start is not None:
        start_from(module, start)
    module.lm.requires_grad_(not frozen)
    layout = Layout(tokens_of(tokenizer), spec, chosen.decoder.max_tokens)
    rows, held = layout.encode(examples), layout.encode(validation)
    t = chosen.training
    # Padding makes groups of fewer rows than asked: count them as they come.
    a_pass = sum(1 for _ in groups(_lengths(rows, spec), t.batch_rows, np.random.default_rng(seed)))
    total = steps or max(1, round(passes * a_pass))
    settings = TrainSettings(
        steps=total, learning_rate=t.learning_rate, weight_decay=t.weight_decay, seed=seed, patience=patience,
        validate_every=validate_every or max(1, min(500, total // 8)), deadline_s=deadline_s, threads=threads,
        precision=t.precision, device=device, title="language model",
    )  # fmt: skip
    module.float()
    model = (chosen.model_dump(mode="json"), spec.to_dict(), frozen)
    report = train(
        module, epochs(rows, spec, t.batch_rows, t.forget), Validation(held, spec, t.batch_rows, device), settings,
        folder, fingerprint=fingerprint(rows, held, model, start and start / STATE), say=say,
    )  # fmt: skip
    return Trained(module, tokenizer, chosen, report)


class Validation:
    """Figures of a model on held-out examples: "loss" a token of the answers, the same a task, "rmse" of ratings."""

    def __init__(self, rows: Sequence[Encoded], spec: Conditioning, batch_rows: int, device: str = "cpu") -> None:
        self._device = device
        self._groups = [[rows[i] for i in g] for g in groups(_lengths(rows, spec), batch_rows)]
        self._spec = spec

    def __call__(self, module: PersonalisedDecoder) -> dict[str, float]:
        """Return the figures; to be called without gradients."""
        sums: dict[str, list[float]] = {}
        for group in self._groups:
            batch = tensors(batch_of(group, self._spec), self._device)
            hidden = module.hidden(batch)
            labels = batch["labels"]
            spoken = labels != IGNORED
            logits = module.logits(hidden[spoken]).float()
            lost = torch.zeros(labels.shape, device=labels.device)
            lost[spoken] = functional.cross_entropy(logits, labels[spoken], reduction="none")
            off = (module.ratings(hidden, batch["last"]) - batch["rating"]).cpu().numpy()
            for row, nll, n, d in zip(group, lost.sum(1).tolist(), spoken.sum(1).tolist(), off, strict=True):
                for name in ("loss", row.example.task):
                    pair = sums.setdefault(name, [0.0, 0.0])
                    pair[0], pair[1] = pair[0] + nll, pair[1] + n
                if not np.isnan(d) and row.example.task == "rating":
                    pair = sums.setdefault("rmse", [0.0, 0.0])
                    pair[0], pair[1] = pair[0] + float(d) ** 2, pair[1] + 1
        out = {name: total / count for name, (total, count) in sums.items()}
        return out | ({"rmse": out["rmse"] ** 0.5} if "rmse" in out else {})


def _lengths(rows: Sequence[Encoded], spec: Conditioning) -> NDArray[np.int64]:
    return np.array([len(r.source) + len(r.target) + spec.rows for r in rows], np.int64)


def _width(examples: Sequence[Example]) -> int:
    found = {v.shape[1] for e in examples for v in (e.user, e.items) if v is not None}
    if len(found) > 1:
        raise DataError(f"vectors of examples have several widths: {sorted(found)}")
    return found.pop() if found else 1
