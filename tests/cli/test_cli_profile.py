from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recsys.store.dump import restore
from recsys.store.memory import MemoryStore


@pytest.fixture(params=["folder", "file"])
def place(request, dump, source, call, tmp_path) -> Path:
    """A store of one's own, as a folder or as one file."""
    if request.param == "folder":
        return Path(shutil.copytree(dump, tmp_path / "shop"))
    call("dump", tmp_path / "shop.jsonl.gz", "--data", source)
    return tmp_path / "shop.jsonl.gz"


def line_ids(found) -> set[str]:
    return {line["line_id"] for line in found["lines"]}


def test_a_profile_is_told_with_its_evidence(call, answer, source, dump, bundle):
    found = answer("profile", "u2", "--data", source, "--json")
    assert found["user"] == "u2"
    assert "brand:even" in line_ids(found)
    assert all(e["kind"] == "event" for line in found["lines"] for e in line["evidence"])
    assert answer("profile", "u2", "--store", dump, "--json") == found
    assert answer("profile", "u2", "--store", dump, "--bundle", bundle, "--json") == found
    told = call("profile", "u2", "--data", source).stdout
    assert "brand:even" in told
    assert "bought: Thing number" in told
    assert call("profile", "nobody", "--data", source).stdout == "Nothing is known of nobody.\n"


def test_a_line_is_forgotten_and_restored(call, answer, place):
    found = answer("profile", "u2", "--store", place, "--forget", "brand:even", "--json")
    assert len(found["forgotten"]) == 8
    assert found["hidden"] == ["brand:even"]
    assert found["lines"] == []
    store = MemoryStore()
    restore(store, place)
    assert not store.history("u2").weights.any()
    assert "--restore LINE" in call("profile", "u2", "--store", place).stdout
    assert answer("profile", "u2", "--store", place, "--restore", "brand:even", "--json")["hidden"] == []
    assert "nothing to restore" in call("profile", "u2", "--store", place, "--restore", "brand:even", code=1).stderr


def test_a_line_is_said_in_own_words(call, answer, place):
    answer("profile", "u2", "--store", place, "--edit", "brand:even", "Even things, please.", "--json")
    assert "Even things, please. (own words)" in " ".join(call("profile", "u2", "--store", place).stdout.split())
    assert "no line 'brand:x'" in call("profile", "u2", "--store", place, "--edit", "brand:x", "y", code=1).stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "--store DUMP or --data"),
        (("--data", "x", "--store", "y"), "not both"),
        (("--data", "x", "--forget", "brand:even"), "change a store"),
        (("--store", "x", "--forget", "a", "--restore", "a"), "one of"),
    ],
)
def test_wrong_options(call, words, hint):
    assert hint in call("profile", "u2", *words, code=2).stderr
