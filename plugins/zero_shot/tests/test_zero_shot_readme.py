"""The README: its settings can be read, its example runs, its packs exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import recsys_zero_shot
from recsys_zero_shot.packs import names

from recsys.config import EngineConfig
from recsys.registry import Registry

TEXT = (Path(recsys_zero_shot.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", TOML)
def test_settings_can_be_read(block):
    config = EngineConfig.of(tomllib.loads(block) | {"variant": "zero-shot"})
    for stage in config.rerank.values():
        kind = Registry().get("rerankers", stage.use)
        kind.Config.model_validate({n: v for n, v in stage.options.items() if n not in ("use", "top", "budget_ms")})


def test_the_example_runs(capsys):
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(code) == 1
    exec(compile(code[0], "README.md", "exec"), {})
    assert "watering can" in capsys.readouterr().out


def test_every_pack_is_named():
    missing = [name for name in names() if f"`{name.split('/')[1]}`" not in TEXT]
    assert missing == []
