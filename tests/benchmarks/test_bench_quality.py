"""The run of all tables of quality: step by step, counted, gone on with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks import facts, quality
from benchmarks.quality import STEPS, Step, fits_of, run_steps, table, watched
from benchmarks.runner import read_lines


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """Two steps that leave a line in a file, and one between them that fails."""
    (tmp_path / "noting.py").write_text(
        "import sys, pathlib\n"
        "with open(pathlib.Path(__file__).parent / 'ran', 'a') as f: f.write(sys.argv[1] + '\\n')\n"
        "sys.exit(sys.argv[1] == 'bad')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path / "cache"))
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
    assert all("cpu_seconds" in line["figures"] for line in lines)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A small checkout with something of everything, and what commits a change of one file of it."""
    folder = tmp_path / "checkout"

    def write(name, text="", commit=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if commit:
            git("add", "-A")
            git("commit", "-qm", name)

    def git(*words):
        known = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *known, *words], cwd=folder, check=True)

    folder.mkdir()
    git("init", "-q")
    for name in ("recsys/a.py", "plugins/one/recsys_one/b.py", "benchmarks/c.py"):
        write(name, name)
    write("constraints.txt", "numpy==2")
    monkeypatch.setattr(facts, "ROOT", folder)
    return write


WORDS_AND_FIGURES = [
    "README.md", "benchmarks/README.md", "plugins/one/README.md", "benchmarks/results/quality.jsonl", "tests/test_a.py",
    "plugins/one/tests/test_b.py", "Makefile",
]  # fmt: skip
CODE = [
    "recsys/a.py", "recsys/tuned/new.toml", "plugins/one/recsys_one/b.py", "plugins/one/pyproject.toml",
    "benchmarks/c.py", "constraints.txt", "pyproject.toml",
]  # fmt: skip


def test_a_source_is_what_makes_figures(repository):
    before = facts.source()
    assert len(before) == 12
    for name in WORDS_AND_FIGURES:
        repository(name, "changed", commit=False)
        assert facts.source() == before
        repository(name, "changed again")
        assert facts.source() == before
    known = {before}
    for name in CODE:
        repository(name, "changed", commit=False)
        assert facts.source().endswith("+")
        repository(name, "changed")
        assert facts.source() not in known
        known.add(facts.source())
    repository("recsys/a.py", "recsys/a.py", commit=False)
    assert facts.source().endswith("+")


def test_outside_a_checkout_there_is_no_source(tmp_path, monkeypatch):
    monkeypatch.setattr(facts, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert facts.source() == ""


def test_what_the_same_source_has_done_is_left_out(steps, tmp_path, repository):
    run_steps(steps, tmp_path)
    repository("benchmarks/results/quality.jsonl", "figures")
    repository("benchmarks/README.md", "words")
    assert run_steps(steps, tmp_path, resume=True) == 1
    assert ran(tmp_path) == ["one", "bad", "two", "bad"]
    assert run_steps(steps[:1], tmp_path) == 0
    assert ran(tmp_path)[-1] == "one"  # without being asked to go on, nothing is left out
    repository("recsys/a.py", "other code")
    run_steps(steps[:1], tmp_path, resume=True)
    assert ran(tmp_path)[4:] == ["one", "one"]
    repository("recsys/a.py", "not committed", commit=False)
    for _ in range(2):
        run_steps(steps[2:], tmp_path, resume=True)
    assert ran(tmp_path)[6:] == ["two", "two"]


def test_fits_are_handed_on_until_no_step_failed(steps, tmp_path, repository):
    (tmp_path / "keeping.py").write_text(
        "import sys, pathlib\n"
        "folder = pathlib.Path(sys.argv[-1])\n"
        "folder.mkdir(parents=True, exist_ok=True)\n"
        "(folder / 'fit').open('a').write('x')\n"
    )
    keeping = [Step(("keeping", word), False, keeps=True) for word in ("one", "two")]
    folder = fits_of(facts.source())
    assert run_steps([*keeping, steps[1]], tmp_path) == 1
    assert (folder / "fit").read_text() == "xx"
    assert run_steps([*keeping, steps[0]], tmp_path, resume=True) == 0
    assert not folder.exists()
    repository("recsys/a.py", "not committed", commit=False)
    (tmp_path / "keeping.py").write_text("import sys; sys.exit('--keep' in sys.argv)")
    assert run_steps(keeping, tmp_path) == 0


def test_a_source_that_changed_under_a_step_has_not_done_it(tmp_path, repository, steps):
    changing = f"import pathlib; pathlib.Path({str(facts.ROOT / 'recsys' / 'a.py')!r}).write_text('new')"
    (tmp_path / "changing.py").write_text(changing)
    assert run_steps([Step(("changing",), False)], tmp_path) == 0
    [line] = read_lines(tmp_path / "quality.jsonl")
    assert line["source"] == ""


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
        status, _, peak = watched([sys.executable, "-c", code])
        assert status == 0
        assert 320 < peak < 2_000
    assert watched([sys.executable, "-c", "import sys; sys.exit(3)"])[0] == 3
    assert watched([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])[0] == -9


def test_processor_time_is_that_of_all_processes_of_a_step():
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}], check=True)"
    assert watched([sys.executable, "-c", nested])[1] >= 0.3


def test_the_table_adds_up(tmp_path):
    assert table(tmp_path).startswith("Not measured yet")
    some = [STEPS[0], STEPS[-1]]
    lines = [
        {"name": str(step), "figures": {"seconds": 90 * (i + 1), "cpu_seconds": 150 * (i + 1), "peak_mb": 1000 + i}}
        for i, step in enumerate(some)
    ]
    (tmp_path / "quality.jsonl").write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))
    made = table(tmp_path).splitlines()
    assert made[2].startswith(f"| python -m {STEPS[0]} | 1.5 | 2.5 | 1,000 |")
    assert made[-1] == "| all 2 | 4.5 | 7.5 | 1,001 |"


def test_every_step_is_a_command_that_exists(monkeypatch):
    from benchmarks.__main__ import main

    assert len({str(step) for step in STEPS}) == len(STEPS) > 20
    with pytest.raises(SystemExit):
        main(["quality", "beauty"])
