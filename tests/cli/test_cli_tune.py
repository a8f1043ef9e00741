"""``recsys tune``: what it keeps is used by later fits, and a study is gone on with."""

from __future__ import annotations

import sqlite3

from recsys.config import EngineConfig


def test_settings_are_kept_a_study_is_gone_on_with_and_fits_use_them(
    answer, call, source, shop_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = (
        "tune", "--data", source, "--config", shop_folder / "recsys.toml", "--trials", 3, "--requests", 40,
        "--only", "transitions", "--study", "s.db",
    )  # fmt: skip
    facts = answer(*words, "--json")
    kept = EngineConfig.read(tmp_path / facts["settings"])
    assert kept.hash == facts["settings_hash"]
    assert answer(*words, "--json") == facts
    with sqlite3.connect("s.db") as base:
        assert base.execute("select count(*) from trials where state = 'COMPLETE'").fetchone() == (3,)
    base.close()
    assert answer("fit", "--data", source, "--out", "bundle", "--json")["settings_hash"] == facts["settings_hash"]
    assert "next:  recsys fit" in call(*words, "--out", "other/mine.toml").output
    assert EngineConfig.read(tmp_path / "other" / "mine.toml").hash == kept.hash


def test_what_cannot_be_tuned(call, source, shop_folder, tmp_path):
    words = ("tune", "--data", source, "--config", shop_folder / "recsys.toml", "--out", tmp_path / "out.toml")
    assert "nothing to tune is named bananas" in call(*words, "--only", "bananas", code=2).output
    (tmp_path / "notes").write_text("these are notes, no data base")
    assert "is no study" in call(*words, "--study", tmp_path / "notes", code=1).output
