"""Training of the explanation writer, small: it learns, it resumes, and what it leaves is served by ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recsys_fine_tuned.answers import batch_of, epochs
from recsys_fine_tuned.corpus import Grammar
from recsys_fine_tuned.rows import IGNORED
from recsys_fine_tuned.tokenizer import EOS, tokens_of, train_tokenizer
from recsys_fine_tuned.writer import Recipe, encoded, fit_writer
from recsys_fine_tuned.writer_data import Pair, pairs
from writer_worlds import small_cases

from recsys.errors import ConfigError
from recsys.explain.generate import Generate, prompt_for
from recsys.explain.slots import slot_names
from recsys.runtime.decoder import open_decoder
from recsys.runtime.prefixes import Prompt

RECIPE = Recipe(
    hidden=32, inner=64, layers=1, heads=2, kv_heads=1, vocabulary=700, steps=24, validate_every=8, batch_rows=1024,
    learning_rate=5e-3,
)  # fmt: skip


@pytest.fixture(scope="module")
def examples() -> list[Pair]:
    return list(pairs(small_cases(learnt=True), Grammar.read(), 250, 0))


def texts(examples: list[Pair]) -> list[str]:
    return [t for p in examples for t in (prompt_for(p.draft), p.text)]


def test_rows_hold_prompt_reason_and_end(examples: list[Pair]) -> None:
    tokens = tokens_of(train_tokenizer(texts(examples), 700, slot_names()))
    rows = encoded(examples[:5], tokens)
    for (ids, start), pair in zip(rows, examples, strict=False):
        assert tokens.decode(ids[start:]) == pair.text
        assert ids[-1] == tokens.id_of(EOS)
    batch = batch_of(rows)
    assert batch["ids"].shape == batch["labels"].shape
    for k, (ids, start) in enumerate(rows):
        said = np.flatnonzero(batch["labels"][k] != IGNORED)
        assert (said == np.arange(start - 1, len(ids) - 1)).all()
        assert (batch["labels"][k, said] == ids[said + 1]).all()


def test_an_epoch_holds_every_pair_once_within_its_budget(examples: list[Pair]) -> None:
    rows = encoded(examples, tokens_of(train_tokenizer(texts(examples), 700, slot_names())))
    batches = list(epochs(rows, 1024)(np.random.default_rng(0)))
    assert sum(len(b["ids"]) for b in batches) == len(rows)
    assert all(b["ids"].size <= 1024 for b in batches)


def test_a_run_that_was_cut_ends_as_one_that_was_not(examples: list[Pair], tmp_path: Path) -> None:
    whole = fit_writer(examples, RECIPE, tmp_path / "whole", threads=1)
    cut = fit_writer(examples, RECIPE, tmp_path / "cut", threads=1, stop_after=10)
    assert (cut.stopped, cut.steps) == ("deadline", 10)
    again = fit_writer(examples, RECIPE, tmp_path / "cut", threads=1)
    assert again.best == whole.best
    losses = [row["loss"] for row in whole.validation]
    assert losses[-1] < losses[0] - 0.3
    _served_as_trained(tmp_path / "whole", examples)
    assert (tmp_path / "whole" / "model" / "weights.data").read_bytes() == (
        tmp_path / "cut" / "model" / "weights.data"
    ).read_bytes()


def _served_as_trained(folder: Path, examples: list[Pair]) -> None:
    """What ONNX answers is what the trained model answers."""
    import torch
    from transformers import AutoModelForCausalLM

    served = open_decoder(folder / "model", threads=1)
    assert served.tokens is not None
    reference: Any = AutoModelForCausalLM.from_pretrained(folder / "source").eval()
    ids = served.tokens.trusted(prompt_for(examples[0].draft))
    with torch.no_grad():
        wanted = reference(torch.as_tensor(ids)[None]).logits[0, -1].numpy()
    np.testing.assert_allclose(served.next_token_logits([Prompt((ids,))])[0], wanted, atol=1e-4)
    said = Generate(Generate.Config(), served).explain([examples[0].draft.case])
    assert said[0].text


def test_pairs_of_one_sort_alone_are_refused(examples: list[Pair], tmp_path: Path) -> None:
    learnt = [p for p in examples if not p.held][:5]
    with pytest.raises(ConfigError, match="0 held ones"):
        fit_writer(learnt, RECIPE, tmp_path)


def test_the_prompt_is_the_explainers(examples: list[Pair]) -> None:
    one = examples[0].draft
    assert prompt_for(one) == f"<explanation>{one.tone} {one.sure} {one.turn}\n{one.facts}<sep>"
