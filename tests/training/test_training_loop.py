"""The training loop: seeded, resumed bit-equal, stopped early, reported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError, ModelError, ShapeMismatch
from recsys.training.checkpoints import Checkpoints, fingerprint, weights_of
from recsys.training.loop import TrainSettings, train
from recsys.training.progress import Progress
from recsys.training.report import TrainingReport

torch = pytest.importorskip("torch")
X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
Y = X @ np.array([1.0, -2.0, 0.5, 0.0, 3.0], np.float32)
SETTINGS = TrainSettings(steps=25, learning_rate=0.2, validate_every=5, threads=1, seed=3)


class Line(torch.nn.Module):  # type: ignore[misc]
    """A linear model with drop-out, so that the order of random draws matters; its head is tied."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.line = torch.nn.Linear(width, 1)
        self.same = self.line
        self.drop = torch.nn.Dropout(0.2)

    def losses(self, batch: Any) -> dict[str, Any]:
        wrong = (self.line(self.drop(batch["x"]))[:, 0] - batch["y"]) ** 2
        return {"loss": wrong.mean(), "most": wrong.max()}


def batches(rng: np.random.Generator) -> Any:
    order = rng.permutation(len(X))
    return ({"x": X[part], "y": Y[part]} for part in np.split(order, 7 + np.arange(0, 49, 7)) if len(part))


def validate(module: Any) -> dict[str, float]:
    with torch.no_grad():
        return {"loss": float(((module.line(torch.as_tensor(X))[:, 0] - torch.as_tensor(Y)) ** 2).mean())}


def quiet(line: str) -> None:
    """Say nothing."""


def run(folder: Path, settings: TrainSettings = SETTINGS, check: Any = validate) -> tuple[Any, TrainingReport]:
    module = Line()
    return module, train(module, batches, check, settings, folder, say=quiet)


def test_it_learns_and_reports(tmp_path: Path) -> None:
    module, report = run(tmp_path)
    assert (report.stopped, report.steps, report.seed, report.parameters) == ("done", 25, 3, 6)
    assert [row["step"] for row in report.validation] == [5, 10, 15, 20, 25]
    assert report.best["loss"] == min(row["loss"] for row in report.validation) < report.validation[0]["loss"]
    assert {"loss", "most"} <= set(report.training[0])
    assert validate(module)["loss"] == report.best["loss"]
    assert json.loads((tmp_path / "report.json").read_text())["best_step"] == report.best_step
    if report.picture() is not None:
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("cut", [1, 5, 8, 17])
def test_a_run_that_was_cut_ends_bit_equal(tmp_path: Path, cut: int) -> None:
    whole, report = run(tmp_path / "whole")
    _, first = run(tmp_path / "cut", replace(SETTINGS, stop_after=cut))
    assert (first.stopped, first.steps) == ("deadline", cut)
    again, second = run(tmp_path / "cut")
    for name, tensor in weights_of(whole).items():
        assert torch.equal(tensor, weights_of(again)[name])
    assert (report.training, report.validation) == (second.training, second.validation)
    assert len(list((tmp_path / "cut").glob("*.safetensors"))) <= 2


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    module, report = run(tmp_path)
    again, same = run(tmp_path)
    assert same == replace(report, seconds=same.seconds)
    assert torch.equal(module.line.weight, again.line.weight)


def test_seeds_differ(tmp_path: Path) -> None:
    one, _ = run(tmp_path / "a")
    two, _ = run(tmp_path / "b", replace(SETTINGS, seed=4))
    assert not torch.equal(one.line.weight, two.line.weight)


def test_patience_and_deadline_end_a_run(tmp_path: Path) -> None:
    worse = iter(range(100))
    _, report = run(tmp_path / "p", replace(SETTINGS, patience=2), lambda m: {"loss": float(next(worse))})
    assert (report.stopped, report.steps, report.best_step) == ("patience", 15, 5)
    _, report = run(tmp_path / "d", replace(SETTINGS, deadline_s=0.0))
    assert (report.stopped, report.steps) == ("deadline", 0)


def test_higher_may_be_better(tmp_path: Path) -> None:
    scores = iter([0.1, 0.5, 0.3, 0.2, 0.1])
    settings = replace(SETTINGS, metric="ndcg", lower=False)
    _, report = run(tmp_path, settings, lambda m: {"ndcg": next(scores)})
    assert (report.best_step, report.best["ndcg"]) == (10, 0.5)


def test_without_validation_the_last_weights_stay(tmp_path: Path) -> None:
    module, report = run(tmp_path, check=None)
    assert (report.best_step, report.validation) == (-1, ())
    assert validate(module)["loss"] < 10


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path, replace(SETTINGS, stop_after=3))
    with pytest.raises(ConfigError, match="other settings"):
        run(tmp_path, replace(SETTINGS, learning_rate=0.1))
    with pytest.raises(ShapeMismatch, match="line"):
        train(Line(4), batches, validate, SETTINGS, tmp_path, say=quiet)
    next(tmp_path.glob("last-*")).unlink()
    with pytest.raises(ArtifactMissing, match="last-"):
        run(tmp_path)
    (tmp_path / "checkpoint.json").write_text("{}")
    with pytest.raises(ArtifactDamaged, match="no checkpoint"):
        Checkpoints(tmp_path).state()
    (tmp_path / "checkpoint.json").write_text('{"format": 99}')
    with pytest.raises(ArtifactDamaged, match="format 99"):
        Checkpoints(tmp_path).state()


def test_what_cannot_be_trained_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no batch"):
        train(Line(), lambda rng: [], None, SETTINGS, tmp_path / "a", say=quiet)
    broken = [{"x": X, "y": Y * np.float32(np.inf)}]
    with pytest.raises(ModelError, match="learning rate"):
        train(Line(), lambda rng: broken, None, SETTINGS, tmp_path / "b", say=quiet)
    with pytest.raises(ModelError, match="validation"):
        run(tmp_path / "c", check=lambda m: {"loss": float("nan")})
    with pytest.raises(ConfigError, match="steps"):
        TrainSettings(steps=0)
    with pytest.raises(ConfigError, match="device 'abacus'"):
        run(tmp_path / "d", replace(SETTINGS, device="abacus"))


def test_rates_rise_and_fall() -> None:
    for schedule in ("cosine", "linear", "constant"):
        settings = TrainSettings(steps=100, learning_rate=1.0, warm_up=0.1, schedule=schedule)  # type: ignore[arg-type]
        rates = [settings.rate(k) for k in range(100)]
        assert rates[0] == pytest.approx(0.1)
        assert max(rates) == pytest.approx(1.0)
        assert rates[-1] == 1.0 if schedule == "constant" else rates[-1] < 0.03


def test_progress_speaks_lines_or_draws_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    with Progress(10, "work", said.append) as progress:
        progress.step(1, {"loss": 1.5})
        progress.step(2, {"loss": 1.4})
        progress.note("half")
    assert said == ["work: step 1/10 loss 1.5000", "work: half"]
    progress = Progress(10, "work")
    progress._wants_bar = True
    with progress:
        progress.step(4, {"loss": 0.5})
        progress.note("stays")
    assert "stays" in capsys.readouterr().err


def test_a_run_on_other_data_is_not_gone_on_with(tmp_path: Path) -> None:
    def go(*data: Any, **free: Any) -> TrainingReport:
        settings = replace(SETTINGS, **free)
        return train(Line(), batches, validate, settings, tmp_path, fingerprint=fingerprint(*data), say=quiet)

    go(X, Y, stop_after=7)
    with pytest.raises(ConfigError, match="other data"):
        go(X, -Y)
    with pytest.raises(ConfigError, match="other data"):
        run(tmp_path)
    assert go(X, Y).stopped == "done"
    with pytest.raises(ConfigError, match="other data"):
        go(X, -Y)


def test_a_fingerprint_tells_contents_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    things: list[Any] = [
        None, 1, 1.0, True, "1", b"1", (), ("1",), ("1", "1"), ("11",), [("1",), "1"], X, X.T, X.astype(float),
        X[:1], {"a": 1}, {"b": 1}, {"a": 2}, SETTINGS, replace(SETTINGS, seed=9), tmp_path / "a", tmp_path / "b",
        "\ud800", np.float32(1),
    ]  # fmt: skip
    assert len({fingerprint(t) for t in things}) == len(things)
    assert fingerprint({"a": 1, "b": X}) == fingerprint({"b": X.copy(), "a": 1})
    assert fingerprint(X[::2]) == fingerprint(X[::2].copy())
    with pytest.raises(TypeError, match="no fingerprint of set"):
        fingerprint({1})


@pytest.mark.parametrize("frozen", [True, False])
def test_what_is_not_trained_need_not_be_kept(tmp_path: Path, frozen: bool) -> None:
    class Adapted(Line):
        def __init__(self) -> None:
            super().__init__()
            self.base = torch.nn.Linear(5, 2000).requires_grad_(False)
            self.register_buffer("scale", torch.ones(1))

        def losses(self, batch: Any) -> dict[str, Any]:
            self.scale += 1
            return super().losses(batch)

    def go(folder: str, **free: Any) -> Any:
        module = Adapted()
        train(module, batches, validate, replace(SETTINGS, **free), tmp_path / folder, frozen=frozen, say=quiet)
        return module

    whole = go("whole")
    go("cut", stop_after=8)
    again = go("cut")
    assert again.scale > 9
    for name, tensor in weights_of(whole).items():
        assert torch.equal(tensor, weights_of(again)[name])
    sizes = [p.stat().st_size for p in (tmp_path / "cut").glob("*.safetensors")]
    assert len(sizes) == 2
    assert all((size > 4 * 5 * 2000) == frozen for size in sizes)
