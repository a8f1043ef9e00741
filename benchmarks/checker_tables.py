"""The tables of the checker's challenge set, from lines of JSON to Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed_tables import Line, page, share, table
from recsys.eval.tables import NONE, compact

SPLITS = {"dev": "development", "heldout": "held-out"}


def checkers(results: Path) -> str:
    """Return what each checker keeps and catches on each split."""
    head = (
        "Checker", "Split", "True texts", "Kept", "Corruptions", "Caught", "Right statement blamed", "CPU ms a text",
    )  # fmt: skip

    def make(lines: Sequence[Line]) -> str:
        return table(head, [row(line) for line in lines])

    def row(line: Line) -> list[str]:
        f = line["figures"]
        return [
            named(line), SPLITS[line["parameters"]["split"]], str(f["keeps"]["of"]), interval(f["keeps"]),
            str(f["catches"]["of"]), interval(f["catches"]), interval(f["located"]), compact(f.get("ms")),
        ]  # fmt: skip

    return page("checker", results, make)


def named(line: Line) -> str:
    """Return the name of a checker, with what was chosen for it."""
    least = line["parameters"].get("least_share")
    return line["name"] if least is None else f"{line['name']}, at least {100 * least:g} % of the words"


def interval(figure: dict[str, Any]) -> str:
    """Return a share with its interval, a dash where nothing was counted."""
    if "share" not in figure:
        return NONE
    low, high = figure["ci95"]
    return f"{share(figure['share'])} ({100 * low:.1f}–{100 * high:.1f})"


def kinds(results: Path) -> str:
    """Return what ``check`` catches of each kind of corruption."""

    def make(lines: Sequence[Line]) -> str:
        own = {line["parameters"]["split"]: line["figures"]["kinds"] for line in lines if line["name"] == "check"}
        head = ("Corruption", *(f"{SPLITS[split]}: {what}" for split in own for what in ("texts", "caught")))
        names = next(iter(own.values()))
        return table(
            head,
            [
                [kind, *(cell for by in own.values() for cell in (str(by[kind]["of"]), interval(by[kind])))]
                for kind in names
            ],
        )

    return page("checker", results, make)
