from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from recsys.cli.app import app

SETTINGS = """
seed = 3
[candidates.transitions]
[candidates.popularity]
[variants.no-llm]
"""


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory) -> Path:
    """Sixty shoppers who stay on their own side of twenty-four items, and settings that fit in no time."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    lines = ["user,item,time,kind"]
    for user in range(60):
        side = [i for i in range(24) if i % 2 == user % 2]
        for step, item in enumerate(rng.permutation(side)[:8]):
            lines.append(f"u{user},i{item},{1_700_000_000 + 1000 * user + 86_400 * step},purchase")
    lines.append("u0,i1,not-a-time,purchase")
    (folder / "events.csv").write_text("\n".join(lines) + "\n")
    items = ["item,title,price,brand"] + [
        f"i{i},Thing number {i},{10 + i},{'odd' if i % 2 else 'even'}" for i in range(24)
    ]
    (folder / "items.csv").write_text("\n".join(items) + "\n")
    (folder / "recsys.toml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="session")
def source(shop_folder) -> str:
    return f"csv:{shop_folder / 'events.csv'}?items=items.csv"


@pytest.fixture(scope="session")
def bundle(shop_folder, source) -> Path:
    out = shop_folder / "bundle"
    call("fit", "--data", source, "--config", shop_folder / "recsys.toml", "--out", out, "--dump", shop_folder / "dump")
    return out


@pytest.fixture
def dump(shop_folder, bundle) -> Path:
    return shop_folder / "dump"


def call(*words: object, code: int = 0) -> Any:
    """Run a verb in this process; it must end with ``code``."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def answer(*words: object) -> Any:
    """Run a verb and return the JSON that it prints: there must be nothing else on stdout."""
    return json.loads(call(*words).stdout)


@pytest.fixture(name="call", scope="session")
def _call():
    return call


@pytest.fixture(name="answer", scope="session")
def _answer():
    return answer
