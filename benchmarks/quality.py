"""``python -m benchmarks quality [--resume]``: every table of quality from nothing, one step after the other.

A step is a process of its own; what it took is kept with a hash of all that makes figures, so that a run that was cut
off goes on behind the last step that it finished, whatever results or texts were committed since. Each step can be run
alone by the same words.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import llmrank, rating, realism, speed_tables, summary, transfer
from benchmarks.evaluations import SETS
from benchmarks.facts import facts, source
from benchmarks.peers import command as peers
from benchmarks.runner import ROOT, read_lines, write_lines
from benchmarks.xrec_pairs import DOMAINS
from recsys.data.source import available, data_folder
from recsys.eval.measure import peak_rss_mb
from recsys.runtime.models import cache_folder

NAME = "quality"


@dataclass(frozen=True, slots=True)
class Step:
    """A command behind ``python -m``.

    ``results``: whether it is told where results go. ``data``: the data set that it needs, as ``--data`` names it.
    ``keeps``: whether it is told where fits that steps have in common are kept.
    """

    words: tuple[str, ...]
    results: bool = True
    data: str = ""
    keeps: bool = False

    def __str__(self) -> str:
        return " ".join(self.words)


STEPS = (
    *(Step(("benchmarks", "evaluate", name), data=data, keeps=True) for name, (data, _) in SETS.items()),
    *(Step(("benchmarks", "llmrank", name), data=data) for name, data in llmrank.SETS.items()),
    *(Step(("benchmarks", "rating", name), data=name) for name in rating.SETS),
    *(Step(("benchmarks", "summary", name), data=name) for name in summary.SETS),
    Step(("benchmarks", "realism", *realism.TIES), data=realism.TIED),
    *(Step(("benchmarks", "realism", name), data=realism.STUDIES[name].data) for name in realism.NAMES),
    Step(("benchmarks", "realism", *realism.TESTS)),
    Step(("benchmarks", "transfer"), data=transfer.DATA[transfer.SOURCE]),
    Step(("benchmarks.shop_search", "--tune")),
    *(Step(("benchmarks.xrec_train", domain, which), False) for domain in DOMAINS for which in ("this", "others")),
    *(Step(("benchmarks", "xrec", domain)) for domain in DOMAINS),
    *(Step(("benchmarks", peers.NAME, name), data=data) for name, data in peers.SETS.items()),
)


def run_steps(steps: Sequence[Step], results: Path, resume: bool = False) -> int:
    """Run the steps in turn and return how many failed; with ``resume`` what the same source has done is left out.

    Nothing is left out while some of the source is not committed: what that does is not known. See `facts.source`.
    Fits that steps have in common are kept in the cache of this source until no step failed.
    """
    ledger, known = results / f"{NAME}.jsonl", facts()
    lines = {line["name"]: line for line in read_lines(ledger)}
    here, failed = available(data_folder()), 0
    for step in steps:
        if step.data and step.data not in here:
            print(f"{step}: skipped, {step.data} is not in the folder that RECSYS_DATA names", flush=True)
            continue
        before = source()
        committed = bool(before) and not before.endswith("+")
        if resume and committed and lines.get(str(step), {}).get("source") == before:
            print(f"{step}: done before", flush=True)
            continue
        begin = time.perf_counter()
        command = [sys.executable, "-m", *step.words, *(("--results", str(results)) if step.results else ())]
        if step.keeps and committed:
            command += ["--keep", str(fits_of(before))]
        code, cpu_seconds, peak_mb = watched(command)
        seconds = time.perf_counter() - begin
        print(f"{step}: {'failed' if code else 'done'} in {seconds:.0f} s", flush=True)
        if code:
            failed += 1
            continue
        # A source that changed under a running step made nothing that can be named.
        made_by = before if source() == before else ""
        figures = {"seconds": round(seconds), "cpu_seconds": round(cpu_seconds), "peak_mb": round(peak_mb)}
        line = {"benchmark": NAME, "name": str(step), "parameters": {}, "figures": figures, **known}
        lines[str(step)] = line | {"source": made_by}
        write_lines(ledger, list(lines.values()))
    if not failed:
        shutil.rmtree(fits_of(source()), ignore_errors=True)
    return failed


def fits_of(made_by: str) -> Path:
    """Return where the fits of one source are kept."""
    return cache_folder() / "fits" / (made_by or "unknown")


def watched(command: Sequence[str]) -> tuple[int, float, float]:
    """Run a command; return its exit code, the seconds of processor time that it and processes of its own took, and
    the most memory that one of them held, in MiB.
    """
    # The threads of a step must not spin while they wait, as in the command line of recsys.
    process = subprocess.Popen(command, cwd=ROOT, env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ})
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:  # an interrupt, say: it is raised again, and no step is left running behind it
        process.terminate()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime, peak_rss_mb(usage)


def table(results: Path) -> str:
    """Return what every step took, and all of them together."""
    lines = {line["name"]: line for line in read_lines(results / f"{NAME}.jsonl")}
    found = [lines[str(step)] for step in STEPS if str(step) in lines]
    if not found:
        return f"Not measured yet: `python -m benchmarks {NAME}`."
    rows = [(f"python -m {line['name']}", *_spent([line])) for line in found]
    rows.append((f"all {len(found)}", *_spent(found)))
    return speed_tables.table(("Step", "Minutes", "Minutes of one core", "Peak memory, MiB"), rows)


def _spent(lines: Sequence[speed_tables.Line]) -> tuple[str, str, str]:
    figures = [line["figures"] for line in lines]
    minutes = (sum(one[name] for one in figures) / 60 for name in ("seconds", "cpu_seconds"))
    return *(f"{m:.1f}" for m in minutes), f"{max(one['peak_mb'] for one in figures):,}"
