"""Quality on the public data sets and the sample shop: ``recsys evaluate`` on each in turn, into the results."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.runner import ROOT
from recsys.data.source import available, data_folder

# What a reranker adds where items have texts, beside two controls of the same head.
RERANKED = ("--rerank", "zero-shot,fine-tuned,text-permuted,no-text")
# One target among 99 random others.
SAMPLED = ("--sampled", "100")
# Set -> what ``--data`` names, and the protocol.
SETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "beauty": ("s3rec:beauty", ("--split", "leave-one-out", "--ablate", *RERANKED)),
    "sports": ("s3rec:sports", ("--split", "leave-one-out")),
    "toys": ("s3rec:toys", ("--split", "leave-one-out", *RERANKED)),
    "yelp": ("s3rec:yelp", ("--split", "leave-one-out", "--repeats", "shown")),
    "yelp-masked": ("s3rec:yelp", ("--split", "leave-one-out", "--repeats", "masked")),
    "games": ("llmrank:games", ("--split", "leave-one-out", "--all-items", "--no-refit", *RERANKED)),
    "direct-beauty": ("s3rec:beauty", SAMPLED),
    "direct-sports": ("s3rec:sports", SAMPLED),
    "direct-toys": ("s3rec:toys", SAMPLED),
    "ml-latest-small": ("ml-latest-small", ("--split", "global-time")),
    "gift-cards": ("gift-cards", ("--split", "global-time")),
    "musical-instruments": ("musical-instruments", ("--split", "global-time")),
    "shop": ("shop", ("--split", "leave-one-out", "--ablate", *RERANKED)),
    "icecat": ("search:icecat", ()),
    "msrd": ("search:msrd", ()),
}
# The same with other seeds: of the ranker's folds, of ALS and BPR, of whatever is random.
SEEDS = {name: tuple(f"{name}-seed-{seed}" for seed in (1, 2)) for name in ("beauty", "toys")}
SETS |= {
    again: (SETS[name][0], ("--split", "leave-one-out", "--no-refit", "--seed", again[-1]))
    for name, others in SEEDS.items()
    for again in others
}
# Of these data, some sets have fits in common.
SHARED = {data for data, n in Counter(d for d, protocol in SETS.values() if "--seed" not in protocol).items() if n > 1}
DIRECT = tuple(name for name, (_, protocol) in SETS.items() if protocol == SAMPLED)
SEARCHES = tuple(name for name, (data, _) in SETS.items() if data.startswith("search:"))


def evaluate_sets(names: Sequence[str], results: Path, quick: bool = False, keep: Path | None = None) -> int:
    """Evaluate each set whose data is here and return how many failed; ``quick`` measures two rows alone.

    ``keep`` is a folder for fitted generators, which another set of the same data reads back.
    """
    here = available(data_folder())
    failed = 0
    for name in names:
        if SETS[name][0] not in here:
            print(f"{name}: skipped, {SETS[name][0]} is not in the folder that RECSYS_DATA names")
            continue
        print(f"{name}:", flush=True)
        failed += not written(words(name, quick, keep), results / f"evaluate-{name}.json")
    return failed


def written(arguments: Sequence[str], final: Path) -> bool:
    """Run ``recsys`` with ``--json`` and return whether it did well; what was in ``final`` stays if not."""
    fresh = final.with_suffix(".part")
    line = [sys.executable, "-m", "recsys", *arguments, "--json", str(fresh.resolve())]
    done = subprocess.run(line, cwd=ROOT, check=False)
    if done.returncode:
        fresh.unlink(missing_ok=True)
        return False
    fresh.replace(final)
    return True


def words(name: str, quick: bool = False, keep: Path | None = None) -> tuple[str, ...]:
    """Return the words behind ``recsys`` of one set."""
    data, protocol = SETS[name]
    few = ["--rows", "text"] if name in SEARCHES else ["--rows", "popularity,transitions"]
    few += [] if name in SEARCHES + DIRECT else ["--no-refit"]
    if quick:
        protocol = tuple(p for p in protocol if p not in RERANKED)
    shared = data in SHARED and "--seed" not in protocol
    kept = ("--keep", str(keep)) if keep is not None and shared else ()
    return ("evaluate", "--data", data, *protocol, *(few if quick else ()), *kept)
