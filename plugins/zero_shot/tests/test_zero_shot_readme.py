"""The README: its settings can be read, its example runs, its packs exist."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import recsys_zero_shot
from recsys_zero_shot.packs import names

from recsys import Engine
from recsys.testing.worlds import small_shop

TEXT = (Path(recsys_zero_shot.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", TOML)
def test_settings_serve_as_they_stand(block, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_folder, "models/lm")  # what the text has exported
    Path("recsys.toml").write_text(block, encoding="utf-8")
    shop = small_shop()
    engine = Engine.from_config("recsys.toml").fit(shop)
    try:
        for variant in ("no-llm", "zero-shot"):
            found = engine.recommend(shop.log.users[0], variant=variant, explain=True)
            assert len(found) > 0
            assert found.trace.degraded == ()
    finally:
        engine.close()


def test_the_example_runs(capsys):
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(code) == 1
    exec(compile(code[0], "README.md", "exec"), {})
    assert "watering can" in capsys.readouterr().out


def test_every_pack_is_named():
    missing = [name for name in names() if f"`{name.split('/')[1]}`" not in TEXT]
    assert missing == []
