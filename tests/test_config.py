from __future__ import annotations

import subprocess
import sys

import pytest

from recsys.config import DEFAULT_CANDIDATES, EngineConfig, Stage
from recsys.errors import ConfigError

TOML = """
hide_seen = false
seed = 3

[candidates.transitions]
decay = 0.4
n = 80

[candidates.hot]
use = "popularity"
half_life_days = 7.0

[fusion]
n = 60
[fusion.weights]
hot = 0.1

[rank.lightgbm]
prior = 1.0

[variants.plain]
candidates = ["hot"]

[variants.full]
rank = "lightgbm"

[events.weights]
cart = 0.9
"""


def written(folder, text):
    path = folder / "engine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_whole():
    config = EngineConfig()
    assert list(config.candidates) == list(DEFAULT_CANDIDATES)
    assert config.candidates["popularity"].n == 30
    assert config.candidates["als"] == Stage(use="als")
    assert config.variants[config.variant].rank == "lightgbm"
    assert EngineConfig.of({}) == config


def test_toml(tmp_path):
    config = EngineConfig.read(written(tmp_path, 'variant = "full"' + TOML))
    assert list(config.candidates) == ["transitions", "hot"]
    assert config.candidates["transitions"].use == "transitions"
    assert config.candidates["transitions"].options == {"use": "transitions", "decay": 0.4}
    assert config.candidates["hot"].options == {"use": "popularity", "half_life_days": 7.0}
    assert (config.candidates["transitions"].n, config.candidates["hot"].n) == (80, 150)
    assert config.fusion.n == 60
    assert config.fusion.weights == {"hot": 0.1}
    assert config.rank["lightgbm"].options == {"use": "lightgbm", "prior": 1.0}
    assert config.variants["plain"].candidates == ("hot",)
    assert config.variants["plain"].rank is None
    assert config.events.weights == {"cart": 0.9}
    assert not config.hide_seen


def test_plain_values_come_back():
    config = EngineConfig.of({"candidates": {"hot": {"use": "popularity"}}, "variants": {"a": {}}, "variant": "a"})
    again = EngineConfig.of(config.plain())
    assert again == config
    assert again.hash == config.hash


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sede": 3}, r"^sede: Extra inputs are not permitted \(got 3\)"),
        ({"seed": "three"}, r"^seed: .*\(got 'three'\)"),
        ({"fusion": {"n": 0}}, r"^fusion\.n: .*greater than or equal to 1 \(got 0\)"),
        ({"fusion": {"size": 5}}, r"^fusion\.size: Extra inputs"),
        ({"candidates": {"als": {"n": -1}}}, r"^candidates\.als\.n: "),
        ({"candidates": {"als": 3}}, r"^candidates\.als: "),
        ({"candidates": 3}, r"^candidates: "),
        ({"events": {"history_limit": 0}}, r"^events\.history_limit: "),
        ({"events": {"weights": {"purchaze": 1.0}}}, r"^events\.weights: .*purchase.*; got purchaze = 1\.0"),
        ({"events": {"weights": {"purchase": float("nan")}}}, r"events\.weights: .*finite"),
        ({"candidates": {}}, "at least one generator"),
        ({"variant": "fast"}, r"no \[variants\.fast\] \(there are: no-llm\)"),
        ({"variants": {"no-llm": {"candidates": ["als", "sla"]}}}, r"variants\.no-llm\.candidates: unknown sla"),
        ({"variants": {"no-llm": {"rank": "lgbm"}}}, r"variants\.no-llm\.rank: unknown 'lgbm' \(there are: lightgbm\)"),
        ({"variants": {"no-llm": {"ranker": "lightgbm"}}}, r"^variants\.no-llm\.ranker: Extra"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_path(values, message):
    with pytest.raises(ConfigError, match=message):
        EngineConfig.of(values)


def test_two_wrong_settings_are_both_named():
    with pytest.raises(ConfigError, match="sede") as caught:
        EngineConfig.of({"sede": 3, "fusion": {"n": 0}})
    assert "fusion.n" in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"no settings at .*absent\.toml: type 'recsys init'"):
        EngineConfig.read(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match=r"engine\.toml is not TOML: .*line 2"):
        EngineConfig.read(written(tmp_path, "seed = 1\nseed == 2"))
    (tmp_path / "engine.toml").write_bytes(b"seed = \xff")
    with pytest.raises(ConfigError, match="is not TOML"):
        EngineConfig.read(str(tmp_path / "engine.toml"))
    with pytest.raises(ConfigError, match=r"^engine\.toml\.seed: "):
        EngineConfig.read(written(tmp_path, "seed = 'x'"))


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        EngineConfig().seed = 2


def test_hash_follows_the_meaning_alone():
    a = EngineConfig.of({"candidates": {"als": {"n": 20, "factors": 8}}, "seed": 1})
    b = EngineConfig.of({"seed": 1, "candidates": {"als": {"factors": 8, "n": 20, "use": "als"}}})
    assert a.hash == b.hash
    assert len(a.hash) == 16
    different = [
        EngineConfig.of({"candidates": {"als": {"n": 21, "factors": 8}}, "seed": 1}),
        EngineConfig.of({"candidates": {"als": {"n": 20, "factors": 9}}, "seed": 1}),
        EngineConfig.of({"candidates": {"als": {"n": 20, "factors": 8}}, "seed": 2}),
    ]
    assert len({a.hash, *(c.hash for c in different)}) == 4


def test_hash_is_the_same_in_another_process():
    code = "from recsys.config import EngineConfig; print(EngineConfig().hash)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == EngineConfig().hash


@pytest.mark.parametrize("locale", ["fr", "", "enm", "../en"])
def test_a_language_that_reasons_cannot_be_checked_in_is_refused_at_once(locale):
    with pytest.raises(ConfigError, match="choose one of en, de"):
        EngineConfig.of({"explain": {"locale": locale, "options": {"files": {"fr": "phrases.toml"}}}})
    for known in ("en", "de", "de-AT", "en_GB"):
        assert EngineConfig.of({"explain": {"locale": known}}).explain.locale == known


def test_the_usual_plan_needs_no_definition():
    asked = {"variants": {"other": {}}}
    assert EngineConfig.of(asked).variants["no-llm"].rank == "lightgbm"
    assert EngineConfig.of(asked) == EngineConfig.of({"variants": {"other": {}, "no-llm": {"rank": "lightgbm"}}})
    again = {"variants": {"no-llm": {"candidates": ["als"]}}}
    assert EngineConfig.of(again).variants["no-llm"].rank is None
    assert set(EngineConfig.of({**asked, "variant": "other"}).variants) == {"other"}
    with pytest.raises(ConfigError, match=r"no \[variants\.no-llm\] \(there are: other\)"):
        EngineConfig.of({**asked, "rank": {"shuffle": {}}})  # there is no ranker for it
