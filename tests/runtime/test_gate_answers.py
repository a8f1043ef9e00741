"""The gate asks a language model for a word: words that its tokens cannot tell apart are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import DataError
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder import open_decoder
from recsys.runtime.gate import GateData


@pytest.fixture(scope="module")
def model(written_folder: Callable[[str], Path]) -> CausalLM:
    return open_decoder(written_folder("qwen3"), threads=1)


def asked(*answers: str) -> GateData:
    starts, labels = np.array([0, 2]), np.array([1, 0], np.float32)
    return GateData(("tea",), ("a kettle", "an oak table"), starts, labels, answers)


@pytest.mark.parametrize("answers", [("yes", ""), ("", ""), ("yes", "yes"), ("yes", "yes!")])
def test_answers_that_cannot_be_told_apart_are_named(model: CausalLM, answers: tuple[str, str]) -> None:
    with pytest.raises(DataError, match="answers: this tokenizer cannot tell"):
        asked(*answers).scores(model)


def test_what_answers_have_in_common_is_read_before_they_are_compared(model: CausalLM) -> None:
    plain = asked("yes", "no").scores(model)
    assert plain.shape == (2,)
    assert np.abs(plain).min() > 0
    shared = asked("(yes", "(no").scores(model)
    assert np.abs(shared).min() > 0
    assert not np.allclose(shared, plain)
