"""The run of all tables of quality: step by step, counted, gone on with."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import quality
from benchmarks.quality import STEPS, Step, run_steps, table, watched


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """Two steps that leave a line in a file, and one between them that fails."""
    (tmp_path / "noting.py").write_text(
        "import sys, pathlib\n"
        "with open(pathlib.Path(__file__).parent / 'ran', 'a') as f: f.write(sys.argv[1] + '\\n')\n"
        "sys.exit(sys.argv[1] == 'bad')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(quality, "facts", lambda: {"commit": "abc1234", "versions": {}, "hardware": {}, "date": "d"})
    return [Step(("noting", word), False) for word in ("one", "bad", "two")]


def ran(tmp_path):
    return (tmp_path / "ran").read_text().split()


def test_steps_that_failed_are_counted_and_the_others_go_on(steps, tmp_path):
    assert run_steps(steps, tmp_path) == 1
    assert ran(tmp_path) == ["one", "bad", "two"]
    lines = [json.loads(line) for line in (tmp_path / "quality.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == ["noting one", "noting two"]
    assert all(line["figures"]["peak_mb"] > 1 for line in lines)


def test_what_this_commit_has_done_is_left_out(steps, tmp_path, monkeypatch):
    run_steps(steps, tmp_path)
    assert run_steps(steps, tmp_path, resume=True) == 1
    assert ran(tmp_path) == ["one", "bad", "two", "bad"]
    monkeypatch.setattr(quality, "facts", lambda: {"commit": "def5678"})
    run_steps(steps[:1], tmp_path, resume=True)
    assert ran(tmp_path)[-1] == "one"
    for _ in range(2):  # changes on top of a commit: nobody knows what they do
        monkeypatch.setattr(quality, "facts", lambda: {"commit": "def5678+"})
        run_steps(steps[2:], tmp_path, resume=True)
    assert ran(tmp_path)[-3:] == ["one", "two", "two"]


def test_a_step_without_its_data_is_neither_done_nor_failed(steps, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path))
    assert run_steps([Step(("noting", "one"), False, "s3rec:beauty"), steps[2]], tmp_path) == 0
    assert ran(tmp_path) == ["two"]
    assert "skipped, s3rec:beauty" in capsys.readouterr().out
    assert "one" not in (tmp_path / "quality.jsonl").read_text()


def test_memory_is_that_of_the_hungriest_process():
    hungry = "import numpy; numpy.ones(40_000_000)"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hungry!r}], check=True)"
    for code in (hungry, nested):
        status, peak = watched([sys.executable, "-c", code])
        assert status == 0
        assert 320 < peak < 2_000
    assert watched([sys.executable, "-c", "import sys; sys.exit(3)"])[0] == 3
    assert watched([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])[0] == -9


def test_the_table_adds_up(tmp_path):
    assert table(tmp_path).startswith("Not measured yet")
    some = [STEPS[0], STEPS[-1]]
    lines = [
        {"name": str(step), "figures": {"seconds": 90 * (i + 1), "peak_mb": 1000 + i}} for i, step in enumerate(some)
    ]
    (tmp_path / "quality.jsonl").write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))
    made = table(tmp_path).splitlines()
    assert made[2].startswith(f"| python -m {STEPS[0]} | 1.5 | 1,000 |")
    assert made[-1] == "| all 2 | 4.5 | 1,001 |"


def test_every_step_is_a_command_that_exists(monkeypatch):
    from benchmarks.__main__ import main

    assert len({str(step) for step in STEPS}) == len(STEPS) > 20
    with pytest.raises(SystemExit):
        main(["quality", "beauty"])
