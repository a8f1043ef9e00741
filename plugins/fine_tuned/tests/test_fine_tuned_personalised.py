"""The personalised language model end to end: trained on a toy world, exported, served without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import fine_tuned_toys as toys
import numpy as np
import pytest
from recsys_fine_tuned import presets
from recsys_fine_tuned.personalised import PersonalisedLM
from recsys_fine_tuned.personalised_gate import gate_figures
from recsys_fine_tuned.rows import Layout, batch_of
from recsys_fine_tuned.tokenizer import tokens_of

from recsys.errors import (
    ArtifactDamaged,
    ArtifactMissing,
    ConfigError,
    DataError,
    ModelError,
    QuantisationRefused,
    ShapeMismatch,
)
from recsys.runtime.artifact import Artifact, seal

torch = pytest.importorskip("torch")
from recsys_fine_tuned.decoder import PersonalisedDecoder  # noqa: E402
from recsys_fine_tuned.personalised_training import train_language_model  # noqa: E402

from recsys.training.loop import tensors  # noqa: E402


@pytest.fixture(scope="module")
def lm(toy_artifact: Path) -> PersonalisedLM:
    return PersonalisedLM.open(toy_artifact, threads=1)


def test_it_learns_whom_it_speaks_to(toy_model: Any, lm: PersonalisedLM) -> None:
    figures = toy_model.report.validation
    assert figures[-1]["next-item"] < 0.6 * figures[0]["next-item"]
    assert toy_model.report.best["rmse"] < 0.7
    words = [row["context"] for row in toy_model.report.training]
    assert words[-1] < 0.7 * words[0]
    users = [toys.taste(k, seed=77 + k) for k in range(4)]
    prompts = lm.prompts("next-item", ["for the kitchen"] * 4, users)
    chances = np.array(lm.likelihoods(prompts, [toys.KINDS] * 4))
    assert (chances.argmax(1) == np.arange(4)).all()
    assert [r.text for r in lm.write(prompts, max_new_tokens=12)] == list(toys.KINDS)
    items = [np.eye(4, dtype=np.float32)[[k]] for k in range(4)]
    ratings = lm.ratings(lm.prompts("rating", toys.KINDS, users, items))
    assert np.abs(ratings - np.arange(1, 5)).max() < 1.0
    assert lm.about["on"] == "toys"
    assert lm.about["seed"] == 0


def test_ratings_and_summaries_of_foreign_text(lm: PersonalisedLM) -> None:
    hostile = ["<eos>[ITEM]" * 50_000, "", "\u202e\x00 red kettle <sep>"]
    users = [toys.taste(k) for k in range(3)]
    rated = lm.rate(hostile, users)
    assert rated.shape == (3,)
    assert ((rated >= 1) & (rated <= 5)).all()
    told = lm.summarise(hostile, users, max_new_tokens=4)
    assert len(told) == 3
    assert told[2] == lm.summarise(["red kettle"], users[2:], max_new_tokens=4)[0]
    assert lm.summarise([]) == []


def test_serving_gives_what_training_computed(toy_model: Any, lm: PersonalisedLM) -> None:
    rows = Layout(tokens_of(toy_model.tokenizer), toy_model.module.spec, 64).encode(toys.examples(9, seed=5))
    batch = tensors(batch_of(rows, toy_model.module.spec))
    with torch.no_grad():
        hidden = toy_model.module.hidden(batch)
        logp = toy_model.module.logits(hidden).log_softmax(-1).numpy()
        rating = toy_model.module.ratings(hidden, batch["last"]).numpy()
    labels = batch["labels"].numpy()
    wanted = [sum(logp[i, k, t] for k, t in enumerate(row) if t >= 0) for i, row in enumerate(labels)]
    served, rated = [], []
    for row in rows:  # one by one: single must equal batch
        e = row.example
        prompts = lm.prompts(e.task, [e.source], [e.user], [e.items])
        served.append(float(lm.likelihoods(prompts, [[e.target]])[0][0]))
        rated.append(float(lm.ratings(prompts)[0]))
    np.testing.assert_allclose(served, wanted, atol=1e-4)
    np.testing.assert_allclose(rated, rating, atol=1e-4)


def test_single_equals_batch(lm: PersonalisedLM) -> None:
    users = [toys.taste(k, n, seed=n) for k, n in ((0, 1), (1, 5), (2, 3))] + [None]
    sources = ["", "for the kitchen", "a", "table " * 100]
    answers = [["red kettle"], ["x", "oak table"], [], ["pine table"]]
    together = lm.likelihoods(lm.prompts("next-item", sources, users), answers)
    for i, user in enumerate(users):
        alone = lm.likelihoods(lm.prompts("next-item", [sources[i]], [user]), [answers[i]])[0]
        np.testing.assert_allclose(alone, together[i], atol=2e-5)
    assert lm.prompts("next-item", []) == []
    assert lm.ratings([]).shape == (0,)


def test_nobody_known_is_a_prompt_without_soft_rows(lm: PersonalisedLM) -> None:
    prompt = lm.prompts("next-item", ["for the kitchen"])[0]
    assert len(prompt.pieces) == 1
    zeros = lm.prompts("next-item", ["for the kitchen"], [np.zeros((3, toys.WIDTH), np.float32)])[0]
    assert len(zeros.pieces) == 1


def test_each_soft_row_matters(toy_model: Any) -> None:
    """Changing the shopper, the input or the item changes the rows; PETER's setting has two."""
    from recsys_fine_tuned.conditioning import Conditioner

    spec = toy_model.module.spec
    weights = {n: p.detach().numpy() for n, p in toy_model.module.conditioning.items()}
    conditioner = Conditioner(spec, weights)
    user, item = toys.taste(0, 4), toys.taste(1, 1)
    queries = np.random.default_rng(0).normal(size=(2, spec.hidden)).astype(np.float32)
    one, other = conditioner.rows([user, user], [item, item], queries)
    assert one.shape == (spec.rows, spec.hidden)
    assert not np.allclose(one[0], other[0])  # persona: depends on the input
    np.testing.assert_allclose(one[1:], other[1:], atol=1e-6)
    changed = conditioner.rows([user], [toys.taste(2, 1)], queries[:1])[0]
    np.testing.assert_allclose(changed[:-1], one[:-1], atol=1e-6)
    assert not np.allclose(changed[-1], one[-1])
    peter = presets.load("peter").conditioning.of(4, 32)
    assert (peter.rows, peter.persona) == (2, False)


def test_serving_imports_no_torch(toy_artifact: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from recsys_fine_tuned.personalised import PersonalisedLM;"
        f"lm = PersonalisedLM.open(Path({str(toy_artifact)!r}), threads=1);"
        "print(lm.write(lm.prompts('next-item', ['a']), max_new_tokens=3));"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_a_damaged_artifact_is_refused(toy_model: Any, tmp_path: Path) -> None:
    folder = toy_model.export(tmp_path / "lm", vectors={"a": np.ones(4, np.float32)})
    with pytest.raises(ConfigError, match="exists"):
        toy_model.export(folder)
    with pytest.raises(ShapeMismatch, match="wide"):
        toy_model.export(tmp_path / "odd", vectors={"a": np.ones(5, np.float32)})
    assert not (tmp_path / "odd").exists()
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps(spec))
    with pytest.raises(ArtifactDamaged):
        PersonalisedLM.open(folder)
    for changed, error in (
        ({"task": "causal"}, ConfigError),
        ({"conditioning": {"size": 1}}, ArtifactDamaged),
        ({"conditioning": {**spec["conditioning"], "inner": 8}}, ShapeMismatch),
    ):
        (folder / "manifest.json").unlink(missing_ok=True)
        seal(folder, {**spec, **changed})
        with pytest.raises(error):
            PersonalisedLM.open(folder)
    (folder / "ids.json").write_text('["a", "b"]')
    seal(folder, spec)
    with pytest.raises(ShapeMismatch, match="vectors"):
        PersonalisedLM.open(folder)
    (folder / "ids.json").write_text("no")
    seal(folder, spec)
    with pytest.raises(ArtifactDamaged, match="vectors"):
        PersonalisedLM.open(folder)


def test_vectors_of_items_travel_with_the_model(toy_model: Any, tmp_path: Path) -> None:
    folder = toy_model.export(
        tmp_path / "lm", vectors={"a": np.arange(4, dtype=np.float32), "b": np.ones(4, np.float32)}
    )
    lm = PersonalisedLM.open(folder, threads=1)
    np.testing.assert_allclose(lm.vectors_of(["b", "?", "a"]), [[1] * 4, [0] * 4, [0, 1, 2, 3]])


@pytest.mark.parametrize(("precision", "far"), [("fp16", 0.02), ("int8", 0.3)])
def test_smaller_weights_say_nearly_the_same(
    toy_model: Any, lm: PersonalisedLM, tmp_path: Path, precision: Any, far: float
) -> None:
    folder = toy_model.export(tmp_path / "lm", precision=precision, ungated=True)
    assert Artifact.open(folder).spec.get("gated") == (False if precision == "int8" else None)
    # Products of whole numbers are tried on the processor when the model is opened.
    assert (folder / "exact.onnx").is_file() == (precision == "int8")
    small = PersonalisedLM.open(folder, threads=1)
    users = [toys.taste(k, seed=9 + k) for k in range(4)]
    one, two = (
        np.array(m.likelihoods(m.prompts("next-item", ["for the kitchen"] * 4, users), [toys.KINDS] * 4))
        for m in (lm, small)
    )
    assert np.abs(one - two).max() < far
    assert (two.argmax(1) == np.arange(4)).all()


def test_eight_bits_go_through_the_gate(toy_model: Any, lm: PersonalisedLM, tmp_path: Path) -> None:
    asked = [e for e in toys.examples(60, 5) if e.task == "next-item"]
    with pytest.raises(QuantisationRefused, match="gate="):
        toy_model.export(tmp_path / "lm", precision="int8")
    with pytest.raises(QuantisationRefused, match="too few"):
        toy_model.export(tmp_path / "lm", precision="int8", gate=asked[:3])
    assert list(tmp_path.iterdir()) == []
    folder = toy_model.export(tmp_path / "lm", precision="int8", gate=asked)
    assert Artifact.open(folder).spec["gated"] is True
    figures = json.loads((folder / "parity.json").read_text())["gate"]
    assert figures["lists"] == len(asked)
    assert figures["ndcg"] > 0.9  # it does know whose title is whose
    with pytest.raises(DataError, match="rating"):
        gate_figures(lm, lm, toys.examples(30, 5))


def test_the_gate_refuses_a_model_that_orders_otherwise(lm: PersonalisedLM, tmp_path: Path) -> None:
    toys.trained(tmp_path / "run", steps=1).export(tmp_path / "lm")
    with pytest.raises(QuantisationRefused, match="Kendall"):
        gate_figures(lm, PersonalisedLM.open(tmp_path / "lm"), [e for e in toys.examples(60, 5) if e.rating is None])


def test_a_cut_run_goes_on(tmp_path: Path) -> None:
    first = toys.trained(tmp_path / "cut", deadline_s=0.0, steps=6)
    assert first.report.stopped == "deadline"
    again = toys.trained(tmp_path / "cut", steps=6)
    whole = toys.trained(tmp_path / "whole", steps=6)
    assert again.report.training == whole.report.training
    one, two = again.module.state_dict(), whole.module.state_dict()
    assert all(torch.equal(one[n], two[n]) for n in one)


def test_prompts_are_tuned_before_the_model(toy_model: Any, tmp_path: Path) -> None:
    """Sequential tuning: soft rows first, behind a model that stays as it is; then all."""
    first = toys.trained(tmp_path / "a", steps=2)
    second = toys.trained(tmp_path / "b", steps=2, start=tmp_path / "a", frozen=True)
    third = toys.trained(tmp_path / "c", steps=2, start=tmp_path / "b")
    assert second.report.parameters < 0.4 * third.report.parameters
    states = [m.module.state_dict() for m in (first, second, third)]
    for name in (n for n in states[0] if not n.startswith("heads.")):
        assert torch.equal(states[0][name], states[1][name]) == name.startswith("lm."), name
    assert not torch.equal(states[1]["lm.model.norm.weight"], states[2]["lm.model.norm.weight"])
    with pytest.raises(ArtifactMissing, match="no run"):
        toys.trained(tmp_path / "d", start=tmp_path / "nothing")


def test_what_cannot_be_trained_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="validation"):
        train_language_model(toys.examples(3), [], toys.TINY, tmp_path)
    odd = [toys.Example("rating", "a", "b", np.zeros((1, 3), np.float32))]
    with pytest.raises(DataError, match="widths"):
        train_language_model(toys.examples(3) + odd, odd, toys.TINY, tmp_path)
    with pytest.raises(ShapeMismatch, match="vectors"):
        train_language_model(toys.examples(3), odd, toys.TINY, tmp_path, steps=1)


@pytest.mark.parametrize("name", ["nano", "peter", "small", "base"])
def test_presets_have_the_sizes_they_promise(name: str) -> None:
    assert name in presets.names()
    preset = presets.load(name)
    with torch.device("meta"):
        lm = PersonalisedDecoder.language_model(preset, preset.decoder.vocabulary)
    millions = sum(p.numel() for p in lm.parameters()) / 1e6
    low, high = {"nano": (5, 8), "peter": (5, 8), "small": (20, 40), "base": (90, 130)}[name]
    assert low < millions < high


def test_a_preset_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no preset"):
        presets.load("huge")
    path = tmp_path / "own.toml"
    path.write_text(
        "[decoder]\nhidden = 30\nlayers = 1\nheads = 4\nkv_heads = 2\ninner = 8\nvocabulary = 400\nmax_tokens = 64"
    )
    with pytest.raises(ConfigError, match="multiple"):
        presets.load(str(path))
    with pytest.raises(ModelError, match="no room"):
        Layout(tokens_of(_tokenizer()), toys.TINY.conditioning.of(4, 32), 16)


def _tokenizer() -> Any:
    from recsys_fine_tuned.tokenizer import train_tokenizer

    return train_tokenizer(["a red kettle"], 300)
