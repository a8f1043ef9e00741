"""A report of an evaluation: Markdown, LaTeX for papers, HTML as one file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from recsys.errors import ConfigError
from recsys.eval import latex, page, plots
from recsys.eval.letters import comparisons
from recsys.eval.results import LOWER_IS_BETTER, Results
from recsys.eval.tables import Cell, Table, clean, facts, headline, label, tables

RANKING_NOTES = (
    "Every request counts: a target that no list holds, or that the fitted log has never seen, is a miss.",
    "Lists rank the whole catalogue unless the protocol above says otherwise; sampled candidates would inflate them.",
    "Ties count against the system: a target ranks after all items with the same score.",
)
COMMON_NOTES = (
    "Everything is tuned on validation only, and the best row is the one that validation chose, not the one that "
    "looks best in the test.",
    "Figures compare only within one protocol: other splits, filters and candidate sets give other numbers.",
)
SUFFIXES = (".html", ".md", ".tex", ".json")


def write_report(path: Path, results: Results | Mapping[str, Any]) -> None:
    """Write ``.html``, ``.md``, ``.tex`` or ``.json``, by the name.

    Raises:
        ConfigError: another suffix.
        DataError: a mapping that is not of the contract.
        PluginUnavailable: HTML without matplotlib.
    """
    found = results if isinstance(results, Results) else Results.from_dict(results)
    makers = dict(zip(SUFFIXES, (to_html, to_markdown, to_latex, Results.to_json), strict=True))
    if path.suffix not in makers:
        raise ConfigError(f"a report ends in {', '.join(SUFFIXES)}; got {path.name}")
    path.write_text(makers[path.suffix](found), encoding="utf-8")


def _notes(results: Results) -> tuple[str, ...]:
    ranking = () if results.metric in LOWER_IS_BETTER else RANKING_NOTES
    return (*ranking, *COMMON_NOTES, *results.notes)


def to_markdown(results: Results) -> str:
    """Return the report as GitHub-flavoured Markdown, without plots."""
    parts = [f"# Evaluation: {md(results.data)}"]
    if headline(results):
        parts.append(f"Best by validation: {md(headline(results))}")
    parts.append("\n".join(f"- {md(name)}: {md(value)}" for name, value in facts(results)))
    for table in tables(results):
        parts.append(f"## {md(table.title)}")
        parts.append(markdown_table(table))
        parts += [md(line) for line in table.legend]
    parts.append("## Protocol")
    parts.append("\n".join(f"- {md(note)}" for note in _notes(results)))
    return "\n\n".join(parts) + "\n"


def md(text: str) -> str:
    """Return any text as Markdown that shows it, on one line."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", escape(clean(text), quote=False))


def markdown_table(table: Table) -> str:
    """Return the cells of a table as GitHub-flavoured Markdown, without its title and legend."""
    lines = [" | ".join(map(md, table.head)), " | ".join([":--", *["--:"] * (len(table.head) - 1)])]
    lines += [" | ".join(_md_cell(cell) for cell in line) for line in table.lines]
    return "\n".join(f"| {line} |" for line in lines)


def _md_cell(cell: Cell) -> str:
    text = f"**{md(cell.text)}**" if cell.best else md(cell.text)
    marked = f"{text} {md(cell.marks)}" if cell.marks else text
    return f"{marked} ({md(cell.note)})" if cell.note else marked


def to_latex(results: Results) -> str:
    """Return the tables as LaTeX for ``\\input``, with booktabs and amssymb; without plots."""
    return latex.document(tables(results), f"{results.data}, {results.split}")


def to_html(results: Results) -> str:
    """Return the report as one HTML file: inline style and SVG, no script, nothing loaded from anywhere.

    Raises:
        PluginUnavailable: matplotlib is not installed.
    """
    lead = page.box("Best by validation:", headline(results))
    notes = page.bullets("Protocol", _notes(results))
    return page.page("Offline evaluation", results.data, (*_sections(results), notes), lead, facts(results))


def _sections(results: Results) -> list[str]:
    """Return drawings and tables as sections: what belongs together in one, all comparisons but the first folded."""
    metric = label(results.metric)
    first = comparisons(results)[:1]
    colours = "Blue: chosen by validation." + (f" Orange: {first[0]}, the first to compare with." if first else "")
    drawings = {
        "Gain by stage": (plots.waterfall(results), "Each bar is what a stage adds to the one before it."),
        f"{metric} by row": (plots.quality_bars(results), colours),
        "Quality against latency": (
            plots.quality_latency(results),
            f"Up is better, left is faster. {colours} Names without room are in the table of costs.",
        ),
        f"{metric} by slice": (plots.slice_dots(results), "Where each row is good and where it is not."),
        "Candidate ceiling": (plots.ceiling_dots(results), "What is found, and what a better ranking could find."),
    }  # fmt: skip
    found = {table.title: table for table in tables(results)}
    titles = dict.fromkeys([*list(found)[:1], *(t for t, (svg, _) in drawings.items() if svg), *found])
    more = {f"Against {clean(base)}" for base in comparisons(results)[1:]}
    out = []
    for title in titles:
        svg, caption = drawings.get(title, ("", ""))
        table = found.get(title)
        if table is not None and title in more:
            out.append(page.folded(title, table))
        else:
            out.append(page.section(title, table, svg, (caption,)))
    return out
