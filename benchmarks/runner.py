"""Runs every measurement in a process of its own, one after another, and keeps what they found as lines of JSON."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.facts import facts

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Benchmark -> module with ``cases(quick)``, a list of plain dicts, and ``run(case, scratch)``, a list of measurements
# {"name", "parameters", "figures"}. The folder ``scratch`` is shared by all cases of one run.
BENCHMARKS = {
    "bm25": "benchmarks.bm25",
    "implicit": "benchmarks.collaborative",
    "funnel": "benchmarks.funnel",
    "batch": "benchmarks.batch",
    "search": "benchmarks.search",
    "explain": "benchmarks.explain",
    "checker": "benchmarks.checker",
    "reasons": "benchmarks.reasons",
    "decode": "benchmarks.decode",
    "compressed": "benchmarks.compressed",
    "real-size": "benchmarks.real_size",
    "sequential": "benchmarks.sequential",
    "import": "benchmarks.startup",
}
# What needs the data of RECSYS_DATA and more time: run when named, never among all.
APART = {
    "xrec": "benchmarks.explain_xrec", "llmrank": "benchmarks.llmrank", "transfer": "benchmarks.transfer",
    "rating": "benchmarks.rating", "summary": "benchmarks.summary", "peers": "benchmarks.peers.command",
}  # fmt: skip


def module_of(benchmark: str) -> Any:
    return importlib.import_module((BENCHMARKS | APART)[benchmark])


def run_benchmarks(names: Sequence[str], results: Path, scratch: Path, quick: bool = False) -> int:
    """Run benchmarks and return how many of them failed; the results of one that failed stay as they were."""
    failed = 0
    for name in names:
        begin = time.perf_counter()
        lines: list[dict[str, Any]] = []
        try:
            for case in module_of(name).cases(quick):
                print(f"{name}: {json.dumps(case)}", flush=True)
                lines += run_case(name, case, scratch)
        except subprocess.CalledProcessError as error:
            print(f"{name} failed:\n{error.stderr}", file=sys.stderr)
            failed += 1
            continue
        write_lines(results / f"{name}.jsonl", lines)
        for line in lines:
            print(f"  {line['name']} {json.dumps(line['parameters'])}: {json.dumps(line['figures'])}")
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
    return failed


def run_case(benchmark: str, case: Mapping[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Return the complete result lines of one case. Raises `subprocess.CalledProcessError` with its stderr."""
    command = [sys.executable, "-m", "benchmarks", "case", benchmark, json.dumps(case), str(scratch)]
    # As the command line of recsys does: threads that spin while they wait take the cores from those that work.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    # Libraries may print what they like: the measurements are the last line.
    measured = json.loads(done.stdout.strip().splitlines()[-1])
    return [{"benchmark": benchmark, **line, **facts()} for line in measured]


def write_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Replace a file of results by those of this run, all of them or none."""
    fresh = path.with_suffix(".part")
    fresh.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    fresh.replace(path)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of results, none when it is not there."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
