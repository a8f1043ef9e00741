"""LoRA: adapters learn, merge to the same logits, and the merged model is exported like any other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recsys_fine_tuned.lora import LoraSettings, Pair, adapted, fine_tune, save_merged

from recsys.errors import ConfigError, DataError
from recsys.runtime.decoder import open_decoder, write_decoder
from recsys.runtime.prefixes import Prompt
from recsys.runtime.tokens import Tokens
from recsys.testing.tiny import tiny_decoder
from recsys.training.loop import TrainSettings

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
# peft asks transformers in a way that transformers will give up.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")

ITEMS = ("red kettle", "blue kettle", "oak table", "pine table")
PAIRS = [Pair(f"<bos>for the {room}:", item) for room, item in zip(("tea", "milk", "hall", "desk"), ITEMS, strict=True)]
SETTINGS = LoraSettings(rank=8, dropout=0.0, batch_rows=200, max_tokens=40)
TRAINING = TrainSettings(steps=40, learning_rate=0.008, weight_decay=0.0, validate_every=10, threads=1)


def quiet(line: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [p.prompt + p.answer for p in PAIRS] * 5
    return tiny_decoder(tmp_path_factory.mktemp("base") / "qwen3", texts, "qwen3", hidden_size=64)


@pytest.fixture(scope="module")
def tuned(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("tuned")
    report = fine_tune(source, PAIRS, PAIRS, folder / "merged", folder / "run", SETTINGS, TRAINING, say=quiet)
    return folder / "merged", report


def test_it_learns_answers_and_few_numbers(tuned: tuple[Path, Any], source: Path) -> None:
    folder, report = tuned
    assert report.best["loss"] < 0.5 * report.training[0]["loss"]
    base = adapted(source, SETTINGS).model
    assert report.parameters == sum(p.numel() for p in base.parameters() if p.requires_grad)
    assert report.parameters < sum(p.numel() for p in base.parameters() if not p.requires_grad)
    assert (folder / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()


def test_merged_weights_give_the_adapters_logits(source: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    module = adapted(source, SETTINGS, seed=1)
    for name, weight in module.named_parameters():
        if "lora_B" in name:  # fresh adapters do nothing
            weight.data.normal_(0.0, 0.05)
    ids = torch.arange(3, 30).reshape(3, 9)
    with torch.no_grad():
        wanted = module.eval().model(input_ids=ids).logits
        plain = AutoModelForCausalLM.from_pretrained(source)(input_ids=ids).logits
        save_merged(module, source, tmp_path / "merged")
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")(input_ids=ids).logits
    assert (wanted - plain).abs().max() > 1e-2
    assert (wanted - merged).abs().max() < 1e-5


def test_the_merged_model_is_exported_and_scores_equal(tuned: tuple[Path, Any], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    folder, _ = tuned
    lm = open_decoder(write_decoder(folder, tmp_path / "onnx"), threads=1)
    tokens = Tokens.from_file(folder / "tokenizer.json")
    reference = AutoModelForCausalLM.from_pretrained(folder).eval()
    prompts = [Prompt((tokens.trusted(p.prompt),)) for p in PAIRS]
    answers = [tokens.encode(item) for item in ITEMS]
    found = np.array(lm.score(prompts, [[Prompt((a,)) for a in answers]] * 4, mean=False))
    for i, pair in enumerate(PAIRS):
        for j, answer in enumerate(answers):
            start = tokens.trusted(pair.prompt)
            whole = torch.as_tensor(np.concatenate([start, answer]))[None]
            with torch.no_grad():
                logp = reference(input_ids=whole).logits[0].log_softmax(-1)
            wanted = sum(float(logp[len(start) - 1 + k, t]) for k, t in enumerate(answer))
            assert found[i, j] == pytest.approx(wanted, abs=1e-4)
    assert (found.argmax(1) == np.arange(4)).all()


def test_what_cannot_be_tuned_is_said(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists"):
        fine_tune(source, PAIRS, PAIRS, tmp_path, tmp_path / "run")
    with pytest.raises(DataError, match="examples"):
        fine_tune(source, PAIRS, [], tmp_path / "new", tmp_path / "run")
    with pytest.raises(DataError, match="prompt"):
        fine_tune(source, [Pair("", "a")], PAIRS, tmp_path / "new", tmp_path / "run")
    with pytest.raises(ConfigError, match="none of"):
        adapted(source, LoraSettings(targets=("c_attn",)))
    with pytest.raises(ConfigError, match="rank"):
        LoraSettings(rank=0)


def test_a_run_that_was_cut_writes_no_model_and_goes_on(
    source: Path, tuned: tuple[Path, Any], tmp_path: Path
) -> None:  # fmt: skip
    def tune(**free: Any) -> Any:
        how = dataclasses.replace(TRAINING, **free)
        return fine_tune(source, PAIRS, PAIRS, tmp_path / "merged", tmp_path / "run", SETTINGS, how, say=quiet)

    for free, steps in (({"deadline_s": 1e-6}, 0), ({"stop_after": 15}, 15)):
        cut = tune(**free)
        assert (cut.stopped, cut.steps) == ("deadline", steps)
        assert not (tmp_path / "merged").exists()
    whole, report = tuned
    assert tune().best == report.best
    assert (tmp_path / "merged" / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_adapters_of_other_examples_or_models_are_not_taken(source: Path, tmp_path: Path) -> None:
    import shutil

    short = TrainSettings(steps=4, validate_every=2, threads=1)

    def tune(base: Path, pairs: list[Pair], name: str) -> None:
        fine_tune(base, pairs, PAIRS, tmp_path / name, tmp_path / "run", SETTINGS, short, say=quiet)

    tune(source, PAIRS, "one")
    with pytest.raises(ConfigError, match="other data"):
        tune(source, PAIRS[:2], "two")
    other = shutil.copytree(source, tmp_path / "other")
    weights = (other / "model.safetensors").read_bytes()
    (other / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(ConfigError, match="another model"):
        tune(other, PAIRS, "two")
    # The run keeps adapters, not the model that they stand beside.
    whole = (source / "model.safetensors").stat().st_size
    assert all(path.stat().st_size < whole for path in (tmp_path / "run").glob("best-*.safetensors"))
    tune(source, PAIRS, "two")
    assert (tmp_path / "two" / "model.safetensors").read_bytes() == (
        tmp_path / "one" / "model.safetensors"
    ).read_bytes()
