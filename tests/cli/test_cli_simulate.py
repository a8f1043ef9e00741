from __future__ import annotations

from json import loads

import pytest

SETTINGS = """
variant = "popularity"
[candidates.popularity]
n = 60
[candidates.item-knn]
n = 60
[variants.popularity]
candidates = ["popularity"]
[variants.item-knn]
candidates = ["item-knn"]
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulate") / "two.toml"
    path.write_text(SETTINGS)
    return path


def test_two_variants_meet_the_same_shoppers(call, settings, tmp_path):
    out = tmp_path / "ab.json"
    words = (
        "--a",
        settings,
        "--b",
        f"{settings}:item-knn",
        "--size",
        80,
        "--shoppers",
        60,
        "--visits",
        2,
        "--feedback",
    )
    text = call("simulate", *words, "--seed", 3, "--json", out).stdout
    found = loads(out.read_text())
    assert (found["shop"], found["shoppers"], found["visits"]) == ({"seed": 0, "shoppers": 80}, 60, 2)
    assert set(found["metrics"]) == {"click_rate", "purchases", "session_length", "satisfaction"}
    for one in found["metrics"].values():
        assert one["difference"] == pytest.approx(one["b"] - one["a"])
        assert one["truth"]["difference"] == pytest.approx(one["truth"]["b"] - one["truth"]["a"])
        assert one["verdict"] in {"found", "missed", "wrong way"}
    assert found["alignment"]["a"]["auc"] > 0.5
    assert "clicks a look" in text
    assert "true b - a" in text
    assert "Truth is what the same lists bring on average" in text


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--a", "popularity", "--b", "none.toml"), "none.toml"),
        (("--a", "two.toml:no-such", "--b", "two.toml"), "no variant 'no-such': choose one of"),
        (("--a", "two.toml", "--b", "two.toml", "--feedback"), "--visits 2 or more"),
        (("--a", "two.toml"), "--b"),
    ],
)
def test_errors_name_what_is_wrong(call, settings, tmp_path, monkeypatch, words, hint):
    monkeypatch.chdir(settings.parent)
    small = ("--size", 30, "--shoppers", 10, "--folder", tmp_path)
    assert hint in call("simulate", *words, *small, code=2).stderr
