from __future__ import annotations

import io
import sys

import pytest

from recsys.cli import output
from recsys.errors import ConfigError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_moving_bar(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with output.progress() as tell:
        tell("fitting als")
        tell("fitting ease")
    assert "fitting ease" in screen.getvalue()
    assert "\x1b[" in screen.getvalue()


def test_no_terminal_gets_plain_lines(capsys):
    with output.progress() as tell:
        tell("fitting als")
        tell("fitting ease")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("] ")[2] for line in lines] == ["fitting als", "fitting ease"]


def test_titles_are_no_markup():
    from rich.console import Console

    screen = io.StringIO()
    Console(file=screen, width=80).print(output.table("t", ("title",), [("[red]Sale[/red] [link=x]",)]))
    assert "[red]Sale[/red] [link=x]" in screen.getvalue()


def test_json_keeps_letters_and_refuses_nan(capsys, tmp_path):
    output.give_json({"title": "Mêlée"}, "-")
    assert "Mêlée" in capsys.readouterr().out
    output.give_json({"title": "Mêlée"}, str(tmp_path / "x.json"))
    assert "Mêlée" in (tmp_path / "x.json").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="JSON compliant"):
        output.print_json({"x": float("nan")})
    with pytest.raises(ConfigError, match="there is no folder"):
        output.give_json({}, str(tmp_path / "none" / "x.json"))
