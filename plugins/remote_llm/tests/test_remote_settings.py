"""Keys, settings, waiting times and token counts of a remote server."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recsys_remote_llm import (
    Server,
)
from recsys_remote_llm.client import retry_after, tokens_of
from recsys_remote_llm.settings import key_of

from recsys.errors import ConfigError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", "two words", "a\r\nX-Evil: 1", "schlüssel"])
def test_keys_that_are_none(monkeypatch, value):
    monkeypatch.delenv("SHOP_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SHOP_KEY", value)
    with pytest.raises(ConfigError, match="SHOP_KEY") as caught:
        key_of(Server(url="http://x", model="m", api_key_env="SHOP_KEY"))
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x"}, {"url": "file:///etc/passwd"}, {"url": "http://"}, {"url": "http://u:p@x"},
        {"url": "http://x/?a=1"}, {"url": "http://x:port"}, {"url": "http://x/a b"}, {"url": "http://x/\r\nEvil"},
        {"url": "http://x", "extra": {"messages": []}}, {"url": "http://x", "extra": {"a": float("nan")}},
        {"url": "http://x", "omit": ["messages"]},
        {"url": "http://x", "retries": -1}, {"url": "http://x", "api_key": "sk-1"}, {"url": "http://x", "model": ""},
    ],
)  # fmt: skip
def test_settings_that_are_wrong(wrong):
    with pytest.raises(ValueError, match="validation error"):
        Server(**{"model": "m", **wrong})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0), ("120", 120), (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0), ("soon", None), ("", None), ("-5", None),
        ("9" * 400, None), ("٣", None),
    ],
)  # fmt: skip
def test_retry_after(value, seconds):
    assert retry_after(value, NOW) == seconds


@given(st.text(max_size=60))
def test_retry_after_never_fails(value):
    assert (retry_after(value, NOW) or 0) >= 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["usage", "meta", "tokens", "prompt_tokens", "total_tokens", "input_tokens"]), inner
        )
    ),
)


@given(json_values)
def test_tokens_of_anything(data):
    read, written = tokens_of(data)
    assert isinstance(read, int)
    assert isinstance(written, int)
    assert json.dumps([read, written])


def test_tokens_in_three_forms():
    assert tokens_of({"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}) == (9, 2)
    assert tokens_of({"usage": {"total_tokens": 5}}) == (5, 0)
    assert tokens_of({"meta": {"tokens": {"input_tokens": 7, "output_tokens": 1}}}) == (7, 1)
