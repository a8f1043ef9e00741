"""``python -m benchmarks [NAME] [--quick]``: the benchmarks of speed, those of quality, or the tables of both."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import explain_xrec, llmrank, quality, rating, realism, summary, tables, transfer
from benchmarks.evaluations import SETS, evaluate_sets
from benchmarks.peers import command as peers
from benchmarks.runner import BENCHMARKS, RESULTS, ROOT, module_of, run_benchmarks
from benchmarks.xrec_pairs import DOMAINS


@dataclass(frozen=True, slots=True)
class Part:
    """One part of quality: what its arguments are called, which there are, and what runs some of them."""

    noun: str
    choices: Sequence[str]
    run: Callable[[Sequence[str], Path, argparse.Namespace], int]


QUALITY = {
    "evaluate": Part("set", list(SETS), lambda n, r, o: evaluate_sets(n, r, quick=o.quick, keep=o.keep)),
    explain_xrec.NAME: Part("domain", DOMAINS, lambda n, r, o: explain_xrec.refresh(n, r, o.models, quick=o.quick)),
    llmrank.NAME: Part("set", list(llmrank.SETS), lambda n, r, o: llmrank.refresh(n, r, quick=o.quick)),
    transfer.NAME: Part("set", transfer.SETS, lambda n, r, o: transfer.refresh(n, r, o.models, quick=o.quick)),
    rating.NAME: Part("set", rating.SETS, lambda n, r, o: rating.refresh(n, r, quick=o.quick)),
    summary.NAME: Part("set", summary.SETS, lambda n, r, o: summary.refresh(n, r, quick=o.quick)),
    realism.NAME: Part("study", list(realism.STUDIES), lambda n, r, o: realism.refresh(n, r, quick=o.quick)),
    peers.NAME: Part(
        "set", list(peers.SETS), lambda n, r, o: peers.refresh(n, r, o.models, quick=o.quick, resume=o.resume)
    ),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what", nargs="?", default="all",
        choices=["all", *BENCHMARKS, *QUALITY, quality.NAME, "tables", "case"],
        help=f"all = every speed benchmark, then the tables; {', '.join(QUALITY)} = quality, on RECSYS_DATA; "
        f"{quality.NAME} = all of these, one after the other",
    )  # fmt: skip
    parser.add_argument(
        "arguments", nargs="*",
        help="; ".join(f"{name}: which of {', '.join(part.choices)}" for name, part in QUALITY.items())
        + " (default: all)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--results", type=Path, help="folder of the results (default: benchmarks/results)")
    parser.add_argument("--models", type=Path, help="xrec, transfer: folder of trained models; peers: of environments")
    parser.add_argument("--keep", type=Path, help="evaluate: folder of fitted generators that sets have in common")
    parser.add_argument("--resume", action="store_true", help="quality, peers: leave out what the same code has done")
    options = parser.parse_args(argv)
    if options.arguments and options.what not in (*QUALITY, "case"):
        parser.error(f"{options.what} takes no further arguments")
    if options.what == "case":  # one measurement, in the process that the runner started for it
        benchmark, case, folder = options.arguments
        json.dump(module_of(benchmark).run(json.loads(case), Path(folder)), sys.stdout)
        return 0
    results = options.results or (ROOT / "benchmarks" / "results-quick" if options.quick else RESULTS)
    results.mkdir(parents=True, exist_ok=True)
    failed = 0
    if (part := QUALITY.get(options.what)) is not None:
        if unknown := [name for name in options.arguments if name not in part.choices]:
            parser.error(f"no {part.noun} {', '.join(unknown)}: choose among {', '.join(part.choices)}")
        failed = part.run(options.arguments or part.choices, results, options)
    elif options.what == quality.NAME:
        failed = quality.run_steps(quality.STEPS, results.resolve(), resume=options.resume)
    elif options.what != "tables":
        names = list(BENCHMARKS) if options.what == "all" else [options.what]
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
            failed = run_benchmarks(names, results, Path(scratch), quick=options.quick)
    # Small sizes say nothing about speed: they never reach the tables.
    if results == RESULTS:
        for path in tables.rewrite(results):
            print(f"tables: {path.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
