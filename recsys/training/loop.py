"""One training loop for every model: seeded, resumable, stopped by validation or by the clock."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from recsys.errors import ConfigError, ModelError
from recsys.training.checkpoints import Checkpoints
from recsys.training.progress import Progress, Say
from recsys.training.report import TrainingReport

Batch = Mapping[str, Any]
Batches = Callable[[np.random.Generator], Iterable[Batch]]
Validate = Callable[[Any], Mapping[str, float]]
# Settings that a resumed run may change: they do not touch what a step computes.
FREE = ("deadline_s", "threads", "checkpoint_s", "title", "stop_after")


class Trainee(Protocol):
    """A ``torch.nn.Module`` that knows its losses."""

    def losses(self, batch: Batch) -> Mapping[str, Any]:
        """Return scalar tensors by name; "loss" is minimised, the others are shown in the curves."""
        ...


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How to train.

    Attributes:
        steps: optimiser steps in all. learning_rate: its peak, after ``warm_up`` (share of the steps) of rising.
        schedule: what follows: "cosine" or "linear" down to a tenth of a percent, or "constant".
        weight_decay: of matrices; vectors (norms, biases) have none. clip: largest norm of the gradient.
        validate_every: steps between validations. metric: the validation figure that decides, ``lower`` if less is
            better. patience: validations without a better one before the run ends; None = never.
        seed: initial weights are the caller's; order of data and drop-out follow from it.
        deadline_s: wall seconds that this call may take, None = all it needs. threads: of torch, None = as it is.
        checkpoint_s: seconds between checkpoints. stop_after: end the call at this step; a later call goes on.
        precision: "fp32", or "bf16" for mixed precision on a GPU. device: torch's name.
    """

    steps: int
    learning_rate: float = 1e-3
    warm_up: float = 0.05
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    validate_every: int = 200
    metric: str = "loss"
    lower: bool = True
    patience: int | None = None
    seed: int = 0
    deadline_s: float | None = None
    threads: int | None = None
    checkpoint_s: float = 120.0
    stop_after: int | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    device: str = "cpu"
    title: str = "training"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.validate_every < 1 or not 0 <= self.warm_up < 1:
            raise ConfigError("steps and validate_every must be at least 1, warm_up in [0, 1)")

    def rate(self, step: int) -> float:
        """Return the learning rate of ``step``, counted from 0."""
        warm = math.ceil(self.warm_up * self.steps)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        done = (step - warm) / max(1, self.steps - warm)
        factor = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[self.schedule]
        return self.learning_rate * max(factor, 0.001)


@dataclass(slots=True)
class _State:
    """Where a run is; with the weights and the optimiser that is all it needs to go on."""

    step: int = 0
    epoch: int = 0
    taken: int = 0  # batches of this epoch that are done
    seconds: float = 0.0
    best: float | None = None
    best_step: int = -1
    best_file: str = ""
    best_figures: dict[str, float] = field(default_factory=dict)
    waited: int = 0
    training: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)
    summed: int = 0


def train(
    module: Any,
    batches: Batches,
    validate: Validate | None,
    settings: TrainSettings,
    folder: Path,
    *,
    fingerprint: str = "",
    frozen: bool = True,
    say: Say | None = None,
) -> TrainingReport:
    """Train ``module`` (see `Trainee`) and leave it with its best weights, the last ones without validation.

    ``batches(rng)`` gives one epoch of batches, mappings of arrays (numpy or torch), which must follow from ``rng``
    alone; it is called once an epoch. ``validate(module)`` gives figures, among them ``settings.metric``. If ``folder``
    holds checkpoints of this run, it goes on from there: a run that was cut anywhere ends bit-equal to one that was
    not, on the same machine and number of threads. ``fingerprint`` (see `recsys.training.checkpoints`) says what
    data and model the run is of: one of others is not gone on with. ``frozen`` keeps parameters that are not trained
    in the checkpoints too. The report is written into ``folder``.

    Raises:
        ConfigError: ``folder`` holds a run with other settings, or of another fingerprint.
        ModelError: the loss is not finite, or an epoch has no batch.
        ArtifactDamaged, ArtifactMissing, ShapeMismatch: its checkpoints do not fit.
    """
    with _threads(settings.threads):
        run = _Run(module, batches, validate, settings, Checkpoints(folder, frozen), fingerprint, say)
        return run.finish(run.go())


class _Run:
    def __init__(
        self,
        module: Any,
        batches: Batches,
        validate: Validate | None,
        settings: TrainSettings,
        checkpoints: Checkpoints,
        fingerprint: str,
        say: Say | None,
    ) -> None:
        self.module, self.settings = _placed(module, settings.device), settings
        self.batches, self.validate = batches, validate
        self.checkpoints, self.say, self.folder = checkpoints, say, checkpoints.folder
        self.fingerprint = fingerprint
        self.optimiser = _optimiser(module, settings)
        self.state = _State()
        self.called = self.counted = time.monotonic()
        self._resume()

    def go(self) -> str:
        """Take steps until something ends the run; return what."""
        saved = time.monotonic()
        ended = self._ended()
        with Progress(self.settings.steps, self.settings.title, self.say) as progress:
            for batch in self._stream() if not ended else ():
                self._step(batch, progress)
                if self.state.step % self.settings.validate_every == 0 or self.state.step == self.settings.steps:
                    self._validate(progress)
                ended = self._ended()
                if ended or time.monotonic() - saved >= self.settings.checkpoint_s:
                    self._save()
                    saved = time.monotonic()
                if ended:
                    break
        return ended

    def finish(self, stopped: str) -> TrainingReport:
        """Put the best weights back, write the report."""
        s = self.state
        if s.best_file:
            self.checkpoints.load(s.best_file, self.module)
        self.module.eval()
        report = TrainingReport(
            stopped, s.step, s.epoch, round(s.seconds, 3), self.settings.seed, s.best_step, dict(s.best_figures),
            tuple(s.training), tuple(s.validation),
            sum(p.numel() for p in self.module.parameters() if p.requires_grad),
        )  # fmt: skip
        report.write(self.folder)
        return report

    def _resume(self) -> None:
        found = self.checkpoints.state()
        if found is None:
            return
        if found["settings"] != _fixed(self.settings):
            raise ConfigError(f"{self.folder} holds a run with other settings: give an empty folder or the same ones")
        if found.get("fingerprint") != self.fingerprint:
            raise ConfigError(f"{self.folder} holds a run on other data or of another model: give an empty folder")
        names = {f.name for f in dataclasses.fields(_State)}
        self.state = _State(**{n: v for n, v in found.items() if n in names})
        self.checkpoints.load(found["last"], self.module, self.optimiser)

    def _save(self) -> None:
        now = time.monotonic()
        self.state.seconds += now - self.counted
        self.counted = now
        state = dataclasses.asdict(self.state) | {"settings": _fixed(self.settings), "fingerprint": self.fingerprint}
        self.checkpoints.save(self.module, self.optimiser, self.state.step, state)

    def _ended(self) -> str:
        s, settings = self.state, self.settings
        if s.step >= settings.steps:
            return "done"
        if settings.patience is not None and s.waited >= settings.patience:
            return "patience"
        late = settings.deadline_s is not None and time.monotonic() - self.called >= settings.deadline_s
        if late or (settings.stop_after is not None and s.step >= settings.stop_after):
            return "deadline"
        return ""

    def _stream(self) -> Iterator[Batch]:
        while True:
            rng = np.random.default_rng([self.settings.seed, self.state.epoch])
            count = 0
            for batch in self.batches(rng):
                count += 1
                if count > self.state.taken:
                    self.state.taken = count
                    yield batch
            if not count:
                raise ModelError("an epoch of the training data has no batch")
            self.state.epoch, self.state.taken = self.state.epoch + 1, 0

    def _step(self, batch: Batch, progress: Progress) -> None:
        import torch

        s, settings = self.state, self.settings
        # Drop-out follows from the seed and the step alone: nothing of a generator has to be kept.
        torch.manual_seed(int(np.random.SeedSequence([settings.seed, s.step]).generate_state(1)[0]))
        self.module.train()
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate(s.step)
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(settings.device.split(":")[0], torch.bfloat16, enabled=settings.precision == "bf16"):
            losses = self.module.losses(tensors(batch, settings.device))
        values = {name: float(value.detach()) for name, value in losses.items()}
        if not math.isfinite(values["loss"]):
            raise ModelError(f"the loss is {values['loss']} at step {s.step}: a lower learning rate may help")
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_([p for g in self.optimiser.param_groups for p in g["params"]], settings.clip)
        self.optimiser.step()
        s.step += 1
        s.summed += 1
        for name, value in values.items():
            s.sums[name] = s.sums.get(name, 0.0) + value
        progress.step(s.step, values)

    def _validate(self, progress: Progress) -> None:
        s = self.state
        s.training.append({"step": s.step, **{n: v / s.summed for n, v in s.sums.items()}})
        s.sums, s.summed = {}, 0
        if self.validate is None:
            return
        import torch

        self.module.eval()
        with torch.no_grad():
            figures = {n: float(v) for n, v in self.validate(self.module).items()}
        s.validation.append({"step": s.step, **figures})
        value = figures[self.settings.metric]
        if not math.isfinite(value):
            raise ModelError(f"validation gives {self.settings.metric} = {value} at step {s.step}")
        better = s.best is None or (value < s.best if self.settings.lower else value > s.best)
        s.waited = 0 if better else s.waited + 1
        if better:
            s.best, s.best_step, s.best_figures = value, s.step, figures
            s.best_file = self.checkpoints.save_best(self.module, s.step)
        words = " ".join(f"{n} {v:.5f}" for n, v in figures.items())
        progress.note(f"step {s.step}, validation {words}{' (best so far)' if better else ''}")


def _placed(module: Any, device: str) -> Any:
    try:
        return module.to(device)
    except (AssertionError, RuntimeError) as error:  # torch's own words for a GPU that is not there
        raise ConfigError(f"device {device!r}: torch cannot train there, name another: {error}") from error


def tensors(batch: Batch, device: str = "cpu") -> dict[str, Any]:
    """Return the arrays of a batch as torch tensors on ``device``."""
    import torch

    return {name: torch.as_tensor(value).to(device) for name, value in batch.items()}


def _optimiser(module: Any, settings: TrainSettings) -> Any:
    import torch

    free = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in free if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in free if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=settings.learning_rate, betas=settings.betas)


def _fixed(settings: TrainSettings) -> dict[str, Any]:
    out = {k: v for k, v in dataclasses.asdict(settings).items() if k not in FREE}
    return out | {"betas": list(settings.betas)}


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """Let torch compute on ``wanted`` threads in the block."""
    import torch

    before = torch.get_num_threads()
    if wanted is not None:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
