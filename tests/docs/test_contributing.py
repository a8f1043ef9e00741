from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from blocks import ROOT, blocks

FILES = {file: text for _, file, text in blocks("CONTRIBUTING.md") if file}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The example as files, and what installing it would leave beside it."""
    folder = tmp_path_factory.mktemp("newest")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    facts = tomllib.loads(FILES["pyproject.toml"])["project"]
    info = folder / f"{facts['name'].replace('-', '_')}-{facts['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {facts['name']}\nVersion: {facts['version']}\n")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in names.items())
        for group, names in facts["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(points))
    return folder


def run(project: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(project)}
    done = subprocess.run(
        [sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_guide_names_every_package():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| \S", text, re.MULTILINE)
    folders = {path.parent.name for path in (ROOT / "recsys").glob("*/*") if path.suffix in (".py", ".toml")}
    assert len(listed) == len(set(listed))
    assert {*listed, "testing", "tuned"} == folders
    assert "`testing`" in text
    assert "`tuned`" in text


def test_the_guide_has_every_file():
    assert set(FILES) == {"recsys_newest.py", "pyproject.toml", "test_newest.py", "recsys.toml"}


def test_the_plugin_passes_the_kit(project):
    out = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_newest.py")
    assert int(out.split(" passed")[0].split()[-1]) >= 15


def test_the_plugin_is_found_and_fitted(project):
    listed = json.loads(run(project, "-m", "recsys", "plugins", "--kind", "candidates", "--json"))
    assert {"name": "newest", "package": "recsys-newest"}.items() <= next(
        p for p in listed if p["name"] == "newest"
    ).items()  # fmt: skip
    words = (
        "-m",
        "recsys",
        "fit",
        "--data",
        "shop:shoppers=30",
        "--config",
        "recsys.toml",
        "--out",
        "bundle",
        "--json",
    )
    assert set(json.loads(run(project, *words))["fit_s"]) == {"transitions", "newest", "text", "aspects"}
    answer = json.loads(run(project, "-m", "recsys", "recommend", "--bundle", "bundle", "--json"))
    assert {s for r in answer["items"] for s in r["sources"]} == {"newest"}
