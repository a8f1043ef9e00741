"""Tokens of hostile text, and the cache of prefixes as a state machine against a plain model of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ArtifactDamaged, ArtifactMissing
from recsys.runtime.prefixes import PrefixCache, PrefixState, Prompt
from recsys.runtime.tokens import Tokens


@pytest.fixture(scope="module")
def tokens(decoder_folder: Callable[[str], Path]) -> Tokens:
    return Tokens.from_file(decoder_folder("qwen3") / "tokenizer.json")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_text_survives_the_way_and_back(tokens: Tokens, text: str) -> None:
    ids = tokens.encode(text)
    assert ids.dtype == np.int64
    assert tokens.decode(ids) == text.replace("<pad>", "").replace("<bos>", "").replace("<eos>", "")
    assert np.array_equal(tokens.encode_all([text, "x"])[0], ids)


def test_control_tokens_come_from_templates_alone(tokens: Tokens) -> None:
    eos = tokens.id_of("<eos>")
    assert eos == 2
    assert tokens.id_of("<nothing of the kind>") is None
    assert eos in tokens.trusted("a<eos>b")
    for text in ("a<eos>b", "<e<eos>os>", "<<bos>eos>", "<pad>" * 50):
        assert not np.isin(tokens.encode(text), [0, 1, 2]).any()
    assert tokens.decode(tokens.encode("a<eos>b")) == "ab"
    assert len(tokens.encode("half a pair \ud800")) > 0


def test_files_that_are_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing):
        Tokens.from_file(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactDamaged, match="no tokenizer"):
        Tokens.from_file(tmp_path / "tokenizer.json")


def state(size: int) -> PrefixState:
    return PrefixState(np.zeros((1, 2, 1, size, 4), np.float32), np.zeros(4, np.float32))


def prompt(number: int, tag: str) -> Prompt:
    return Prompt((np.array([number]),), tag)


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "get", "forget"]), st.integers(0, 5), st.sampled_from("ab"), st.integers(1, 6)),
    max_size=40,
)


@given(STEPS)
def test_the_cache_is_bounded_and_forgets(steps: list[tuple[str, int, str, int]]) -> None:
    bound = 400
    cache, plain = PrefixCache(bound), dict[tuple[str, int], PrefixState]()
    for what, number, tag, size in steps:
        key = (tag, number)
        if what == "put":
            plain.pop(key, None)
            plain[key] = state(size)
            cache.put(prompt(number, tag), plain[key])
            while sum(s.nbytes for s in plain.values()) > bound:
                del plain[next(iter(plain))]
        elif what == "get":
            assert cache.get(prompt(number, tag)) is plain.get(key)
            if key in plain:
                plain[key] = plain.pop(key)
        else:
            assert cache.forget(tag) == sum(t == tag for t, _ in plain)
            plain = {k: s for k, s in plain.items() if k[0] != tag}
        assert len(cache) == len(plain)
        assert cache.nbytes == sum(s.nbytes for s in plain.values()) <= bound


def test_what_is_not_kept() -> None:
    cache = PrefixCache(100)
    cache.put(prompt(1, ""), state(1))
    cache.put(prompt(1, "big"), state(50))
    assert len(cache) == cache.nbytes == 0
    assert cache.get(prompt(1, "")) is None


def test_keys_tell_prompts_apart() -> None:
    ids, rows = np.array([1, 2]), np.ones((2, 4), np.float32)
    made = [
        Prompt((ids,)), Prompt((ids,), "a"), Prompt((ids[:1], ids[1:])), Prompt((ids, rows)), Prompt((rows, ids)),
        Prompt((rows * 2, ids)), Prompt((ids[::-1],)),
    ]  # fmt: skip
    assert len({p.key() for p in made}) == len(made)
    assert Prompt((ids.copy(),), "a").key() == made[1].key()
