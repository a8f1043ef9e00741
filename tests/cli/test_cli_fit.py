from __future__ import annotations

import json

import pytest

from recsys.bundle import open_bundle
from recsys.config import EngineConfig
from recsys.engine import Engine


def test_init_writes_the_defaults(call, answer, tmp_path):
    path = tmp_path / "recsys.toml"
    assert "recsys fit" in call("init", "--out", path).stdout
    assert EngineConfig.read(path) == EngineConfig()
    assert "--force" in call("init", "--out", path, code=2).stderr
    path.write_text("broken")
    assert answer("init", "--out", path, "--force", "--json") == {"path": str(path)}
    assert EngineConfig.read(path) == EngineConfig()


def test_init_names_a_missing_folder(call, tmp_path):
    assert "there is no folder" in call("init", "--out", tmp_path / "none" / "recsys.toml", code=2).stderr


def test_data_counts_what_is_there(call, answer, source):
    facts = answer("data", source, "--json")
    assert (facts["items"], facts["shoppers"], facts["events"]) == (24, 60, 480)
    assert facts["kinds"] == {"purchase": 480}
    assert facts["items_with_title"] == facts["items_with_price"] == 24
    assert facts["events_per_shopper"] == {"p50": 8.0, "p90": 8.0, "max": 8.0}
    assert facts["first"].startswith("2023-11-14T22:13:20")
    report = facts["report"]
    assert report["dropped"] == 1
    assert report["read"] == report["kept"] + report["dropped"]
    text = call("data", source).stdout
    assert "1 dropped" in text
    assert "events.csv:482" in text


def test_data_lists_what_is_here(call, answer):
    found = answer("data", "--json")
    assert "shop" in found["names"]
    assert "shop" in call("data").stdout


def test_fit_writes_a_bundle(answer, source, shop_folder, tmp_path):
    out = tmp_path / "bundle"
    facts = answer("fit", "--data", source, "--config", shop_folder / "recsys.toml", "--out", out, "--json")
    assert facts["bundle"] == open_bundle(out).id
    assert (facts["items"], facts["events"], facts["shoppers"]) == (24, 480, 60)
    assert set(facts["fit_s"]) == {"transitions", "popularity", "text", "aspects"}  # of searches and of reasons, too
    assert facts["settings_hash"] == EngineConfig.read(shop_folder / "recsys.toml").hash
    assert facts["report"]["dropped"] == 1
    assert set(Engine.load(out).fitted.generators) == set(facts["fit_s"])


def test_fit_says_what_comes_next(call, source, shop_folder, tmp_path):
    text = call(
        "fit", "--data", source, "--config", shop_folder / "recsys.toml", "--out", tmp_path / "b", "--seed", 9
    ).stdout
    assert "recsys recommend --bundle" in text
    assert Engine.load(tmp_path / "b").config.seed == 9


def test_tuned_settings_are_kept_and_used(answer, source, shop_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    facts = answer(
        "fit", "--data", source, "--config", shop_folder / "recsys.toml", "--tune", "--out", "bundle", "--json"
    )
    kept = EngineConfig.read(tmp_path / facts["settings"])
    assert kept.hash == facts["settings_hash"]
    assert set(kept.fusion.weights) == {"transitions", "popularity"}
    # A later fit of the same data finds them without being told.
    again = answer("fit", "--data", source, "--out", "other", "--json")
    assert again["settings_hash"] == facts["settings_hash"]


def test_models_and_rollback(call, answer, source, shop_folder, tmp_path):
    out = tmp_path / "bundle"
    words = ("fit", "--data", source, "--config", shop_folder / "recsys.toml", "--out", out, "--json")
    first, second = answer(*words, "--seed", 1)["bundle"], answer(*words, "--seed", 2)["bundle"]
    now = answer("models", out, "--json")
    assert (now["version"], now["previous"]) == (second, first)
    assert now["meta"]["items"] == 24
    assert all(len(entry["sha256"]) == 64 for entry in now["files"])
    assert answer("models", out, "--rollback", "--json")["version"] == first
    assert first in call("models", out).stdout


def test_export_copies_the_current_version(call, answer, bundle, tmp_path):
    facts = answer("export", bundle, "--to", tmp_path / "copy", "--json")
    assert facts["version"] == open_bundle(bundle).id == open_bundle(tmp_path / "copy").id
    ours, theirs = Engine.load(bundle), Engine.load(tmp_path / "copy")
    assert [r.item_id for r in ours.recommend(k=5)] == [r.item_id for r in theirs.recommend(k=5)]
    assert "not empty" in call("export", bundle, "--to", tmp_path / "copy", code=1).stderr
    assert "recsys models" in call("export", bundle, "--to", tmp_path / "copy2").stdout


@pytest.mark.parametrize("verb", ["models", "export"])
def test_what_is_no_bundle_is_refused(call, tmp_path, verb):
    words = (verb, tmp_path / "none", *(("--to", tmp_path / "x") if verb == "export" else ()))
    assert "recsys fit" in call(*words, code=1).stderr


def test_a_damaged_bundle_is_not_exported(call, answer, source, shop_folder, tmp_path):
    out = tmp_path / "bundle"
    answer("fit", "--data", source, "--config", shop_folder / "recsys.toml", "--out", out, "--json")
    file = open_bundle(out).folder / "items.jsonl"
    file.write_text(file.read_text().replace("Thing", "Thong", 1))
    assert "damaged" in call("export", out, "--to", tmp_path / "copy", code=1).stderr
    assert not (tmp_path / "copy").exists()


def test_plugins_lists_the_built_ins(call, answer):
    found = {(p["kind"], p["name"]): p for p in answer("plugins", "--json")}
    assert found["candidates", "als"]["target"] == "recsys.candidates.als:ALS"
    assert found["readers", "csv"]["package"] == "recsys-engine"
    assert {p["kind"] for p in answer("plugins", "--kind", "rankers", "--json")} == {"rankers"}
    assert "transitions" in call("plugins").stdout
    assert "candidates" in call("plugins", "--kind", "nonsense", code=2).stderr


def test_doctor(call, answer, monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path / "nowhere"))
    facts = answer("doctor", "--json")
    assert facts["ok"] is True
    assert facts["missing"] == []
    assert {"numpy", "typer", "lightgbm"} <= set(facts["packages"])
    assert not any("extra" in name or ";" in name for name in facts["packages"])
    assert facts["data"] == {"folder": str(tmp_path / "nowhere"), "exists": False, "names": ["shop"]}
    assert "recsys demo" in call("doctor").stdout


def test_doctor_says_what_is_missing(call, monkeypatch):
    from recsys.cli import setup

    present = setup._version
    monkeypatch.setattr(setup, "_version", lambda name: "" if name == "numpy" else present(name))
    monkeypatch.setitem(setup.EXTRAS, "train", ("training", ("a_module_that_is_not_there",)))
    result = call("doctor", code=1)
    assert "missing: numpy; type: pip install recsys-engine" in result.stdout
    assert "recsys-engine[train]" in result.stdout
    facts = json.loads(call("doctor", "--json", code=1).stdout)
    assert facts["missing"] == ["numpy"]
    assert facts["extras"]["train"]["present"] is False


def test_what_no_variant_uses_is_not_fitted(answer, source, tmp_path):
    path = tmp_path / "recsys.toml"
    path.write_text(
        "[candidates.transitions]\n[candidates.ease]\n[candidates.popularity]\n[rank.lightgbm]\n"
        '[variants.no-llm]\ncandidates = ["transitions", "popularity"]\n'
    )
    facts = answer("fit", "--data", source, "--config", path, "--out", tmp_path / "bundle", "--json")
    assert set(facts["fit_s"]) == {"transitions", "popularity", "text", "aspects"}
