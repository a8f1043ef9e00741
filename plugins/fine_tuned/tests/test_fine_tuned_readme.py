"""The README, followed to the letter: its examples run, then each block of settings serves as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import recsys_fine_tuned
from typer.testing import CliRunner

from recsys import Engine
from recsys.cli.app import app
from recsys.testing.worlds import small_shop

TEXT = (Path(recsys_fine_tuned.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SETTINGS = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
EXPORTS = re.findall(r"`recsys (export .*?)`", TEXT)
SHOP = small_shop()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory):
    """A folder in which somebody has run every example, and every export, in the order of the text."""
    for name in ("torch", "transformers", "onnx"):
        pytest.importorskip(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("reader"))
        for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
            exec(compile(code, "README.md", "exec"), {})
        for words in EXPORTS:
            done = CliRunner().invoke(app, shlex.split(words))
            assert done.exit_code == 0, done.output
        yield Path.cwd()


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: block.splitlines()[0])
def test_settings_serve_as_they_stand(reader: Path, block: str) -> None:
    Path("recsys.toml").write_text(block, encoding="utf-8")
    engine = Engine.from_config("recsys.toml").fit(SHOP)
    try:
        assert engine.config.variant == "no-llm"
        for variant in engine.config.variants:
            found = engine.recommend(SHOP.log.users[0], variant=variant, explain=True)
            assert len(found) > 0
            assert found.trace.degraded == ()
    finally:
        engine.close()


def test_there_are_such_blocks() -> None:
    assert len(SETTINGS) == 5
    assert len(EXPORTS) == 1
