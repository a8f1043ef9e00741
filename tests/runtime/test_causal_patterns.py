"""Replies that match a regular expression whatever the model would rather write."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import regex
import tokenizers
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models

from recsys.errors import ConfigError, ModelError
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoding import Sampler
from recsys.runtime.patterns import Regex
from recsys.runtime.prefixes import Prompt
from recsys.runtime.tokens import Tokens

Causal = Callable[[str], CausalLM]
PATTERNS = [
    "yes|no", r"[1-5](\.[05])?", r" ?[A-Z][a-z]{2,6}( [a-z]+){0,2}\.", "é{1,3}|ünïcode", "[一-龥]{1,2}",
    "(\\w+ ){1,3}!", "[^a-z]{4}", r'\{"rank": \[\d(, \d){2}\]\}', "😀|🎉a*", "(?i)grüsse", "a{3}b?",
    r"[\u4e00-\u9fa5]+",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokens(causal: Causal) -> Tokens:
    found = causal("qwen3").tokens
    assert found is not None
    return found


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(PATTERNS), st.sampled_from([0.0, 1.0, 5.0]), st.integers(0, 50), st.integers(1, 20))
def test_no_reply_leaves_its_pattern(causal: Causal, pattern: str, temperature: float, seed: int, most: int) -> None:
    model = causal("qwen3")
    assert model.tokens is not None
    rng = np.random.default_rng(seed)
    prompts = [Prompt((rng.integers(3, 400, n),)) for n in (4, 7)]
    rule = Regex(pattern, model.tokens)
    for reply in model.generate(prompts, max_new_tokens=most, constraint=rule, temperature=temperature, seed=seed):
        matched = regex.fullmatch(pattern, reply.text, partial=True)
        if reply.complete:
            assert matched
            assert not matched.partial
        else:
            # Cut off in the middle of a letter, or of a word.
            assert reply.reason == "length"
            assert "\N{REPLACEMENT CHARACTER}" in reply.text or matched
        assert not set(reply.ids.tolist()) & {0, 1, 2}


@pytest.mark.parametrize("pattern", ["yes|no", "[1-5]", "é{2}", "[一-三]", "🎉"])
def test_a_short_pattern_is_always_met(causal: Causal, pattern: str) -> None:
    model = causal("llama")
    assert model.tokens is not None
    rule = Regex(pattern, model.tokens)
    seen = set()
    for seed in range(12):
        prompt = Prompt((np.random.default_rng(seed).integers(3, 400, 5),))
        reply = model.generate([prompt], max_new_tokens=12, constraint=rule, temperature=4.0, seed=seed)[0]
        assert reply.complete
        assert reply.reason in {"constraint", "stop"}
        assert regex.fullmatch(pattern, reply.text)
        seen.add(reply.text)
    assert len(seen) > 1 or len(pattern) == 1 or pattern == "é{2}"


def test_greedy_takes_the_likeliest_that_fits(causal: Causal, tokens: Tokens) -> None:
    model, prompt = causal("qwen3"), Prompt((np.array([40, 50, 60]),))
    rule = Regex("[A-M].*", tokens)
    logits = model.next_token_logits([prompt])[0]
    fits = [t for t in range(400) if rule.accepts(b"", t)]
    assert 0 < len(fits) < 100
    reply = model.generate([prompt], max_new_tokens=1, constraint=rule)[0]
    assert reply.ids.tolist() == [max(fits, key=lambda t: logits[t])]
    assert not reply.complete or regex.fullmatch("[A-M].*", reply.text)


@given(st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=80), st.data())
def test_picking_where_it_fits(logits: list[float], data: st.DataObject) -> None:
    good = data.draw(st.sets(st.integers(0, len(logits) - 1)))
    values = np.array(logits, np.float32)
    got = Sampler(0.0, 0, "ab" * 32).pick_where(values, good.__contains__)
    assert (got is None) == (not good)
    assert got is None or values[got] == max(values[list(good)])
    drawn = Sampler(1.0, 0, "ab" * 32).pick_where(values, good.__contains__)
    assert (drawn is None and not good) or drawn in good


def test_draws_where_it_fits_follow_the_probabilities() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.1, 0.1], np.float32))
    sampler = Sampler(1.0, 0, "ab" * 32)
    counts = np.bincount([sampler.pick_where(logits, {1, 2}.__contains__) or 0 for _ in range(4000)], minlength=4)
    np.testing.assert_allclose(counts / 4000, [0, 0.75, 0.25, 0], atol=0.03)


@given(st.text(max_size=12))
def test_the_bytes_of_tokens_are_the_text(tokens: Tokens, text: str) -> None:
    assume("os>" not in text and "<pad>" not in text)
    spelling = tokens.spelling()
    assert b"".join(spelling[t] for t in tokens.encode(text)) == text.encode()
    assert all(spelling[t] == b"" for t in (0, 1, 2))


@given(st.text(max_size=6) | st.text("aen!é一🎉 üïcod1.,", max_size=9), st.sampled_from(PATTERNS))
def test_letter_by_letter_is_byte_by_byte(tokens: Tokens, text: str, pattern: str) -> None:
    """What a text allows as a whole it allows in every piece."""
    rule = Regex(pattern, tokens)
    single = {p: t for t, p in enumerate(tokens.spelling()) if len(p) == 1}
    state, ok = rule.start(), True
    for byte in text.encode():
        ok = rule.accepts(state, single[bytes([byte])])
        if not ok:
            break
        state = rule.step(state, single[bytes([byte])])
    want = regex.fullmatch(pattern, text, partial=True)
    # Rare letters may be refused, never wrongly let in.
    assert ok <= (want is not None)
    if max(text, default="a") < "\u0800" or set(text) <= set(pattern):
        assert ok == (want is not None)
    if ok:
        assert rule.done(state) == (want is not None and not want.partial)


def test_words_after_a_space_as_llama_2_has_them() -> None:
    names = [*(f"<0x{b:02X}>" for b in range(256)), "\u2581yes", "yes", "\u2581", "\u2581no"]
    library = tokenizers.Tokenizer(models.BPE({n: k for k, n in enumerate(names)}, [], byte_fallback=True))
    library.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokens = Tokens(library)
    rule = Regex("yes|no|ö", tokens)
    assert tokens.drops_space
    assert tokens.spelling()[256:258] == (b" yes", b"yes")
    for ids in ([256], [257], [258, 257], [259], [0xC3, 0xB6], [258, 0xC3, 0xB6]):
        state: Hashable = rule.start()
        for token in ids:
            state = rule.step(state, token)  # type: ignore[arg-type]
        assert rule.done(state)  # type: ignore[arg-type]
        assert regex.fullmatch("yes|no|ö", tokens.decode(ids))
        assert np.array_equal(rule.allowed(state), np.zeros(0))  # type: ignore[arg-type]
    assert not rule.accepts(b"", 0xC2)
    assert not rule.accepts(b" ", 256)
    with pytest.raises(ValueError, match="not allowed"):
        rule.step(b"", 0xC2)


def test_what_makes_no_pattern(tokens: Tokens, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no regular expression"):
        Regex("(", tokens)
    with pytest.raises(ConfigError, match="nothing matches"):
        Regex("(?!)", tokens)
    few = tokenizers.Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    with pytest.raises(ConfigError, match="not known with the decoder None"):
        Regex("a", Tokens(few))
    few.decoder = decoders.ByteLevel()
    with pytest.raises(ConfigError, match="a token for every byte"):
        Regex("a", Tokens(few))


def test_a_rule_that_cannot_be_asked(causal: Causal) -> None:
    class Mute:
        def start(self) -> Hashable:
            return 0

        def allowed(self, state: Any) -> None:
            return None

        def step(self, state: Any, token: int) -> Hashable:
            return 0

        def done(self, state: Any) -> bool:
            return False

    with pytest.raises(ModelError, match="Mute lists no tokens"):
        causal("qwen3").generate([Prompt((np.array([5]),))], max_new_tokens=1, constraint=Mute())
