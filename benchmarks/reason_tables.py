"""The tables of reasons, from lines of JSON to Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed_tables import Line, page, table
from recsys.eval.tables import NONE

RULES = {
    "last_item": "cite the latest item", "same_category": "cite the latest item of the same category",
    "last_purchase": "cite the latest purchase",
}  # fmt: skip


SHOWN = ("true_reason_share_shown", "false_reason_share_shown")


def causes(results: Path) -> str:
    """Return how often the cited reason is the recorded cause, beside rules that cite without thinking.

    What the texts name has columns of its own where the run measured it.
    """
    head = ("Reason", "Is the true cause", "Cited for an act without cause", "Right when cited")
    more = ("The text names the true cause first", "The text of an act without cause names an item")

    def make(lines: Sequence[Line]) -> str:
        first = next(line["figures"] for line in lines if line["name"] == "cited")
        measured = [line for line in lines if "true_reason_share" in line["figures"]]
        shown = SHOWN if all(name in line["figures"] for line in measured for name in SHOWN) else ()
        rows = [
            [line["name"], _with(f, "true_reason_share"), _with(f, "false_reason_share"),
             _three(f["reason_precision"]), *(_with(f, name) for name in shown)]
            for line in measured
            for f in [line["figures"]]
        ]  # fmt: skip
        rest = (NONE,) * len(shown)
        rows += [
            [name, _three(first[f"true_reason_share_{rule}"]), "1.000", NONE, *rest] for rule, name in RULES.items()
        ]  # fmt: skip
        about = f"{first['n_with_reason']:,} acts with a recorded cause, {first['n_without_cause']:,} without any."
        return f"{table((*head, *more[: len(shown)]), rows)}\n\n{about}"

    return page("reasons", results, make)


def texts(results: Path) -> str:
    """Return how true and how varied the texts of lists are, by explainer."""
    head = (
        "Explainer", "Lists", "Texts", "Coverage", "Statements supported and true", "Claims a text", "USR",
        "USR over fact sets", "FCR", "DIV",
    )  # fmt: skip
    names = ("coverage", "statement_precision", "claims_per_text", "usr", "usr_facts", "fcr", "div")

    def make(lines: Sequence[Line]) -> str:
        own = [line for line in lines if line["name"].startswith("texts, ")]
        return table(
            head,
            [
                [_explainer(line), f"{line['parameters']['readers']:,}", f"{line['figures']['texts']:,}",
                 *(_three(line["figures"][n]) for n in names)]
                for line in own
            ],
        )  # fmt: skip

    return page("reasons", results, make)


def beside_reviews(results: Path) -> str:
    """Return how like the reasons are to what the shopper wrote later, by explainer."""
    names = ("bleu-1", "bleu-4", "rouge-1", "rouge-2", "rouge-l", "fmr", "usr")
    head = ("Explainer", "Reviews", "Texts", "BLEU-1", "BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L", "FMR", "USR")

    def make(lines: Sequence[Line]) -> str:
        own = [line for line in lines if line["name"].startswith("beside reviews, ")]
        return table(
            head,
            [
                [_explainer(line), *(f"{line['parameters'][n]:,}" for n in ("reviews", "texts")),
                 *(_three(line["figures"][n]) for n in names)]
                for line in own
            ],
        )  # fmt: skip

    return page("reasons", results, make)


def _explainer(line: Line) -> str:
    return str(line["name"].split(", ")[1])


def _three(value: float) -> str:
    return f"{value:.3f}"


def _with(figures: dict[str, object], name: str) -> str:
    low, high = figures[f"{name}_ci95"]  # type: ignore[misc]
    return f"{figures[name]:.3f} ({low:.3f}–{high:.3f})"
