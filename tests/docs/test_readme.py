from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ET

import pytest
from blocks import ROOT, blocks
from typer.main import get_command

from recsys.bundle import open_bundle
from recsys.cli.app import app

COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for language, _, text in blocks("README.md")
    for line in text.splitlines()
    if language == "console" and line.startswith("$ ")
]


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    examples = [text for language, _, text in blocks("README.md") if language == "python"]
    assert examples
    names: dict = {}  # each goes on where the one before ended
    for text in examples:
        exec(compile(text, "README.md", "exec"), names)
        assert len(text.strip().splitlines()) <= 12
    assert open_bundle(tmp_path / "bundle").id
    printed = capsys.readouterr().out
    assert printed.count("  sources") == 4  # the head of four lists
    assert "{'watter': 'water'}" in printed
    assert "Evidence(kind=" in printed


@pytest.mark.parametrize("words", [c for c in COMMANDS if c[0] == "recsys"], ids=" ".join)
def test_the_commands_can_be_typed(words):
    group = get_command(app)
    name, verb, rest = group.resolve_command(group.make_context("recsys", list(words[1:])), list(words[1:]))
    assert verb.make_context(name, list(rest))


@pytest.mark.parametrize("words", [c for c in COMMANDS if c[0] == "make"], ids=" ".join)
def test_the_targets_exist(words):
    assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/client.md", "docs/service.md"])
def test_links_lead_somewhere(name):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_picture_is_sound_and_loads_nothing():
    text = (ROOT / "docs" / "funnel.svg").read_text(encoding="utf-8")
    tree = ET.fromstring(text)
    assert tree.tag.endswith("svg")
    assert "href" not in text
    assert "<script" not in text
