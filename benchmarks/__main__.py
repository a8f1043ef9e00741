"""``python -m benchmarks [NAME] [--quick]``: the benchmarks of speed, those of quality, or the tables of both."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import explain_xrec, llmrank, quality, rating, tables, transfer
from benchmarks.evaluations import SETS, evaluate_sets
from benchmarks.peers import command as peers
from benchmarks.runner import APART, BENCHMARKS, RESULTS, ROOT, module_of, run_benchmarks
from benchmarks.xrec_pairs import DOMAINS


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what", nargs="?", default="all",
        choices=["all", *BENCHMARKS, "evaluate", *APART, quality.NAME, "tables", "case"],
        help=f"all = every speed benchmark, then the tables; evaluate, {', '.join(APART)} = quality, on RECSYS_DATA; "
        f"{quality.NAME} = all of these, one after the other",
    )  # fmt: skip
    parser.add_argument(
        "arguments", nargs="*",
        help=f"evaluate: which sets of {', '.join(SETS)}; xrec: which of {', '.join(DOMAINS)}; "
        f"llmrank: which of {', '.join(llmrank.SETS)}; transfer: to which of {', '.join(transfer.SETS)}; "
        f"rating: which of {', '.join(rating.SETS)}; peers: which of {', '.join(peers.SETS)} (default: all)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--results", type=Path, help="folder of the results (default: benchmarks/results)")
    parser.add_argument("--models", type=Path, help="xrec, transfer: folder of trained models; peers: of environments")
    parser.add_argument("--keep", type=Path, help="evaluate: folder of fitted generators that sets have in common")
    parser.add_argument("--resume", action="store_true", help="quality, peers: leave out what the same code has done")
    options = parser.parse_args(argv)
    if options.arguments and options.what not in ("evaluate", *APART, "case"):
        parser.error(f"{options.what} takes no further arguments")
    if options.what == "case":  # one measurement, in the process that the runner started for it
        benchmark, case, folder = options.arguments
        json.dump(module_of(benchmark).run(json.loads(case), Path(folder)), sys.stdout)
        return 0
    results = options.results or (ROOT / "benchmarks" / "results-quick" if options.quick else RESULTS)
    results.mkdir(parents=True, exist_ok=True)
    failed = 0
    if options.what == "evaluate":
        if unknown := [name for name in options.arguments if name not in SETS]:
            parser.error(f"no set {', '.join(unknown)}: choose among {', '.join(SETS)}")
        failed = evaluate_sets(options.arguments or list(SETS), results, quick=options.quick, keep=options.keep)
    elif options.what == "xrec":
        if unknown := [name for name in options.arguments if name not in DOMAINS]:
            parser.error(f"no domain {', '.join(unknown)}: choose among {', '.join(DOMAINS)}")
        failed = explain_xrec.refresh(options.arguments or DOMAINS, results, options.models, quick=options.quick)
    elif options.what == "llmrank":
        if unknown := [name for name in options.arguments if name not in llmrank.SETS]:
            parser.error(f"no set {', '.join(unknown)}: choose among {', '.join(llmrank.SETS)}")
        failed = llmrank.refresh(options.arguments or list(llmrank.SETS), results, quick=options.quick)
    elif options.what == transfer.NAME:
        if unknown := [name for name in options.arguments if name not in transfer.SETS]:
            parser.error(f"no set {', '.join(unknown)}: choose among {', '.join(transfer.SETS)}")
        failed = transfer.refresh(options.arguments or transfer.SETS, results, options.models, quick=options.quick)
    elif options.what == rating.NAME:
        if unknown := [name for name in options.arguments if name not in rating.SETS]:
            parser.error(f"no set {', '.join(unknown)}: choose among {', '.join(rating.SETS)}")
        failed = rating.refresh(options.arguments or rating.SETS, results, quick=options.quick)
    elif options.what == peers.NAME:
        if unknown := [name for name in options.arguments if name not in peers.SETS]:
            parser.error(f"no set {', '.join(unknown)}: choose among {', '.join(peers.SETS)}")
        wanted = options.arguments or list(peers.SETS)
        failed = peers.refresh(wanted, results, options.models, quick=options.quick, resume=options.resume)
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
