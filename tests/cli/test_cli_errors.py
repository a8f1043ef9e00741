from __future__ import annotations

import subprocess
import sys

import pytest

from recsys import errors
from recsys.cli.app import app
from recsys.cli.errors import report


def script(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "recsys", *words], capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_an_error_is_one_line_without_a_traceback():
    done = script("data", "none-such:file.csv")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.stderr.splitlines()[-1] == "next:  recsys plugins"


def test_the_traceback_can_be_asked_for():
    done = script("data", "none-such:file.csv", RECSYS_TRACEBACK="1")
    assert "Traceback" in done.stderr
    assert "UnknownPlugin" in done.stderr


def test_progress_goes_to_stderr_as_plain_lines():
    done = script("data", "shop:shoppers=20", "--json")
    assert done.returncode == 0
    assert done.stdout.startswith("{")
    assert "reading shop:shoppers=20" in done.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom recsys.cli.app import app\n"
        "try:\n    app(['--help'], prog_name='recsys')\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('numpy', 'scipy', 'lightgbm', 'torch', 'pydantic') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "evaluate" in done.stdout
    assert done.stderr.strip() == "[]"


def test_version(call):
    assert call("--version").stdout == "recsys 0.1.0\n"


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (errors.NotFittedError("no fit"), "recsys fit"),
        (errors.ArtifactDamaged("bad file"), "--rollback"),
        (errors.ArtifactMissing("gone"), "recsys fit --data shop"),
        (errors.PluginUnavailable("no torch"), "recsys doctor"),
        (errors.ConfigError("wrong"), "recsys init"),
        (errors.DataError("wrong"), "recsys data"),
    ],
)
def test_every_error_says_what_comes_next(capsys, error, hint):
    report(error)
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"error: {error}"
    assert second.startswith("next:  ")
    assert hint in second


def test_a_message_that_says_it_itself_is_not_repeated(capsys):
    report(errors.ConfigError("no settings at x: type 'recsys init' to write them"))
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_every_verb_has_json_and_help():
    from typer.main import get_command

    verbs = get_command(app).commands
    assert set(verbs) == {
        "init", "doctor", "data", "rate", "tune", "fit", "evaluate", "compare", "simulate", "export", "recommend",
        "similar", "search", "suggest", "explain", "profile", "demo", "plugins", "models", "serve", "erase-user",
        "dump", "restore",
    }  # fmt: skip
    for name, verb in verbs.items():
        assert any("--json" in parameter.opts for parameter in verb.params), name
        assert verb.help, name
