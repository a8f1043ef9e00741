from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ConfigError, DataError
from recsys.serving.tokens import Signer

SECRET, OTHER = b"s" * 32, b"t" * 32
SAID = {"tenant": "default", "list_id": "l_1", "kind": "recommend", "bundle": "b1", "variant": "no-llm", "at": 17}


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        st.none() | st.integers() | st.booleans(),
        max_size=5,
    )
)
def test_what_is_signed_is_read(said):
    signer = Signer(SECRET)
    token = signer.sign(said)
    assert token.startswith("at_")
    assert signer.read(token) == said


def test_a_token_may_stand_in_a_url():
    token = Signer(SECRET).sign(SAID)
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert len(token) < 300


def test_no_change_is_taken():
    """Each character changed in turn, each one left out, and what is cut or added at the end."""
    signer, token = Signer(SECRET), Signer(SECRET).sign(SAID)
    wrong = [token[:i] + ("B" if token[i] == "A" else "A") + token[i + 1 :] for i in range(len(token))]
    wrong += [token[:i] + token[i + 1 :] for i in range(len(token))]
    wrong += [token + "A", token + "=", token[:-5], "", "at_", "at_!!", "l_1", "at_" + "A" * 5_000, "at_\u20ac"]
    for one in wrong:
        with pytest.raises(DataError, match="token"):
            signer.read(one)


def test_another_secret_does_not_read_it():
    with pytest.raises(DataError):
        Signer(OTHER).read(Signer(SECRET).sign(SAID))
    assert Signer(OTHER, [SECRET]).read(Signer(SECRET).sign(SAID)) == SAID


def test_an_unsigned_payload_is_none():
    raw = base64.urlsafe_b64encode(b'{"tenant":"default"}').rstrip(b"=").decode()
    with pytest.raises(DataError):
        Signer(SECRET).read("at_" + raw)


def test_a_short_secret_is_refused():
    with pytest.raises(ConfigError, match="32"):
        Signer(b"short")
