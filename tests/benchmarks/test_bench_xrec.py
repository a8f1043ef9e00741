from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import explain_xrec, xrec_tables, xrec_train
from benchmarks.__main__ import main
from benchmarks.runner import write_lines
from benchmarks.xrec_slots import ITEM, MAX_SLOTS, Slots
from benchmarks.xrec_train import Writing, batch_of, epoch, train_writer
from benchmarks.xrec_writer import CONTROL, OwnWords, Vectors, Writer, examples, pieces, target_ids
from recsys.data.xrec import Pair
from recsys.eval.explained_pairs import measure_pairs, rule_texts
from recsys.eval.generation_words import Words
from recsys.testing.fakes import HashEmbedder

FOODS = ("tacos", "salsa", "ramen", "sushi", "waffles", "noodles")
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
         "intermediate_size": 32}  # fmt: skip
FACTS = {
    "versions": {"python": "3.11.7"}, "commit": "abc", "date": "2026-01-01",
    "hardware": {"cpu": "some CPU", "cores": 2, "memory_gib": 8, "system": "Linux"},
}  # fmt: skip


def pair(number: int) -> Pair:
    food, other = FOODS[number % 6], FOODS[(number + 1) % 6]
    return Pair(
        str(number), str(number), f"Place {number}", f"Likes {food}.", f"Known for {other} and fresh {food}.",
        f"The user would enjoy Place {number} for its {food}.", f"It has {food}.", "test",
    )  # fmt: skip


PAIRS = [pair(n) for n in range(60)]
WORDS = Words.of([p.explanation for p in PAIRS])


def test_words_of_the_inputs_are_slots():
    one = pair(0)
    slots = Slots.of(one, WORDS)
    assert slots.words == ("0", "salsa", "fresh", "tacos")
    assert slots.sources == (4, 2, 2, 3) or slots.sources == (4, 1, 1, 3)
    emptied = slots.emptied(one.explanation)
    assert emptied == ["The user would enjoy", ITEM, " for its", 4, "."]
    assert slots.filled(emptied) == one.explanation
    assert slots.filled(['A "', ITEM, '" and', 9, " more"]) == 'A "Place 0" and more'


@given(st.text(max_size=80), st.text(max_size=40))
def test_any_text_survives_its_slots(text, title):
    slots = Slots.of(Pair("u", "i", title, text, "fresh tacos", text, None, "test"), WORDS)
    assert len(slots.words) <= MAX_SLOTS
    emptied = slots.emptied(text)
    assert all(0 <= p <= len(slots.words) for p in emptied if isinstance(p, int))
    slots.filled(emptied)


def test_a_model_names_its_own_words_alone_and_once():
    rule = OwnWords(300, 2, frozenset((7,)))
    state = rule.start()
    assert {300, 301, 302} <= set(rule.allowed(state).tolist())
    assert rule.allowed(state).max() == 302
    state = rule.step(rule.step(state, 301), 300)
    assert 301 not in rule.allowed(state)
    assert 7 in rule.allowed(state)
    assert 7 not in rule.allowed(rule.step(state, 7))
    assert 300 in rule.allowed(state)
    assert rule.done(state)
    assert rule.allowed(state).min() == len(CONTROL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    vectors = Vectors(HashEmbedder(384))
    made = tmp_path_factory.mktemp("xrec") / "yelp-this"
    return train_writer(PAIRS[:48], PAIRS[48:], made, vectors, epochs=2, sizes=SIZES, vocabulary=300)


def test_drawn_slots_mean_the_same_words():
    vectors, slots = Vectors(HashEmbedder(384)), [Slots.of(p, WORDS) for p in PAIRS[:8]]
    targets = [np.array([7, 301 + len(s.words) - 1, 300, 1]) for s in slots]
    found = examples(PAIRS[:8], slots, vectors, targets)
    for batch in [batch_of(found, 300, None), *epoch(found, 300, np.random.default_rng(0))]:
        named = batch["target"][:, 1] - 300
        # The last word of each has the slot that its target names; the title's slot is never drawn.
        last = batch["here"].sum(axis=1) - 1
        assert (batch["slots"][np.arange(8), last] == named).all()
        assert (batch["target"][:, 2] == 300).all()
    assert (batch_of(found, 300, None)["slots"].max(axis=1) == [len(s.words) for s in slots]).all()


def test_trained_models_write_as_torch_does(folder):
    import torch
    from safetensors.torch import load_file

    vectors = Vectors(HashEmbedder(384))
    writer = Writer(folder, vectors)
    tokens, first = writer._lm.tokens, writer._lm.architecture.vocabulary - MAX_SLOTS - 1
    assert writer.facts["steps"] == 6
    words = Words(frozenset(writer.facts["frame"]), frozenset(writer.facts["aspects"]))
    slots = [Slots.of(p, words) for p in PAIRS[:5]]
    wanted = [target_ids(s.emptied(p.explanation), tokens, first) for s, p in zip(slots, PAIRS, strict=False)]
    assert [s.filled(pieces(w[:-1].tolist(), tokens, first)) for s, w in zip(slots, wanted, strict=True)] == [
        p.explanation for p in PAIRS[:5]
    ]
    # What torch finds likely is what ONNX scores: one number a pair, rows in front and all.
    module = Writing(first + MAX_SLOTS + 1, SIZES)
    state = load_file(next((folder / "run").glob("best-*.safetensors")))
    known = module.state_dict()
    module.load_state_dict({k: v for k, v in state.items() if k in known}, strict=False)
    module.eval()
    from recsys.runtime.prefixes import Prompt

    for one, target, p in zip(examples(PAIRS[:5], slots, vectors, wanted), wanted, PAIRS, strict=False):
        with torch.no_grad():
            batch = {k: torch.as_tensor(v) for k, v in batch_of([one], first, None).items()}
            loss = float(module.losses(batch)["loss"])
        [[score]] = writer._lm.score([writer._prompt(one)], [[Prompt((target,))]])
        assert -score == pytest.approx(loss, abs=1e-4), p.title
    assert writer.write(PAIRS[:3]) == [writer.write([p])[0] for p in PAIRS[:3]]
    for text, one in zip(writer.write(PAIRS[:6], closed=True), PAIRS, strict=False):
        begun = words.content(writer.facts["opening"])
        said = words.content(text)
        assert all(words.support(word, one.inputs) or word in begun for word in said), text


def test_pairs_of_the_test_never_teach_their_own_domain(monkeypatch):
    parts = {"train": 5, "valid": 2, "test": 3}
    told = {
        d: tuple(Pair(d, f"{part}{i}", "", "", "", "", None, part) for part, n in parts.items() for i in range(n))
        for d in xrec_train.DOMAINS
    }  # fmt: skip
    monkeypatch.setattr(xrec_train, "pairs_of", lambda domain: told[domain])
    teaching, stopping = xrec_train.pairs_for("yelp", "this")
    assert {(p.user, p.part) for p in teaching} == {("yelp", "train")}
    assert {(p.user, p.part) for p in stopping} == {("yelp", "valid")}
    teaching, stopping = xrec_train.pairs_for("yelp", "others")
    assert {p.user for p in (*teaching, *stopping)} == {"amazon", "google"}
    assert {p.part for p in stopping} == {"valid"}


def test_tables_show_every_row(tmp_path):
    assert "python -m benchmarks xrec" in xrec_tables.explanations(tmp_path)
    embedder = HashEmbedder(16)
    few = PAIRS[:12]
    texts = rule_texts(few, PAIRS, WORDS, embedder) | {explain_xrec.MODELS["this"]: ["It has tacos."] * len(few)}
    model = {
        "pairs": 10, "parameters": 1_200_000, "steps": 5, "seconds": 60, "stopped": "done", "texts_s": 2.0,
        "validation_loss": {"loss": 3.0},
    }  # fmt: skip
    lines = [
        {"benchmark": "xrec", "name": line["system"], "figures": line["figures"] | {"versus": line["versus"]},
         "parameters": {"domain": "yelp", "rows": line["rows"], "n": line["n"],
                        "model": model if line["system"] in explain_xrec.MODELS.values() else None}, **FACTS}
        for line in measure_pairs(few, texts, WORDS, embedder)
    ]  # fmt: skip
    write_lines(tmp_path / "xrec.jsonl", lines)
    text = xrec_tables.explanations(tmp_path)
    for name in set(xrec_tables.ROWS.values()) - set(xrec_tables.OURS) | {explain_xrec.MODELS["this"]}:
        assert f"| {name} |" in text
    assert "| yelp | our LM, this domain | 10 | 1.20 | 5 | 1 | done | 3.00 | 2 |" in xrec_tables.models(tmp_path)
    assert "| yelp, 12, with a published text | our LM, this domain | extractive |" in xrec_tables.tests(tmp_path)
    stored = (tmp_path / "xrec.jsonl").read_text(encoding="utf-8")
    assert "would enjoy Place" not in stored  # figures alone: no text of the data


def test_domains_without_files_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path))
    assert main(["xrec", "yelp", "--results", str(tmp_path / "out")]) == 1
    assert "xrec, yelp: no files" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["xrec", "mars", "--results", str(tmp_path / "out")])


@pytest.mark.realdata
def test_a_few_real_pairs_are_measured(data_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_DATA", str(data_folder))
    lines = explain_xrec.run({"domain": "yelp", "models": str(tmp_path), "pairs": 8}, tmp_path)
    assert {line["parameters"]["rows"] for line in lines} == {"published"}  # the first rows all have such texts
    assert json.loads(json.dumps(lines)) == lines
