"""A report of an evaluation: Markdown for a page of text, HTML as one file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from recsys.errors import ConfigError
from recsys.eval import plots
from recsys.eval.report_style import CSS
from recsys.eval.results import Results
from recsys.eval.tables import Cell, Table, clean, facts, headline, label, tables

PROTOCOL_NOTES = (
    "Every request counts: a target that no list holds, or that the fitted log has never seen, is a miss.",
    "Lists rank the whole catalogue unless the protocol above says otherwise; sampled candidates would inflate them.",
    "Ties count against the system: a target ranks after all items with the same score.",
    "Everything is tuned on validation only, and the best row is the one that validation chose, not the one that "
    "looks best in the test.",
    "Figures compare only within one protocol: other splits, filters and candidate sets give other numbers.",
)
SUFFIXES = (".html", ".md", ".json")


def write_report(path: Path, results: Results | Mapping[str, Any]) -> None:
    """Write ``.html``, ``.md`` or ``.json``, by the name.

    Raises:
        ConfigError: another suffix.
        DataError: a mapping that is not of the contract.
        PluginUnavailable: HTML without matplotlib.
    """
    found = results if isinstance(results, Results) else Results.from_dict(results)
    makers = dict(zip(SUFFIXES, (to_html, to_markdown, Results.to_json), strict=True))
    if path.suffix not in makers:
        raise ConfigError(f"a report ends in {', '.join(SUFFIXES)}; got {path.name}")
    path.write_text(makers[path.suffix](found), encoding="utf-8")


def to_markdown(results: Results) -> str:
    """Return the report as GitHub-flavoured Markdown, without plots."""
    parts = [f"# Evaluation: {_md(results.data)}"]
    if headline(results):
        parts.append(f"Best by validation: {_md(headline(results))}")
    parts.append("\n".join(f"- {_md(name)}: {_md(value)}" for name, value in facts(results)))
    for table in tables(results):
        parts.append(f"## {_md(table.title)}")
        parts.append(markdown_table(table))
        parts += [_md(line) for line in table.legend]
    parts.append("## Protocol")
    parts.append("\n".join(f"- {_md(note)}" for note in (*PROTOCOL_NOTES, *results.notes)))
    return "\n\n".join(parts) + "\n"


def _md(text: str) -> str:
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", escape(clean(text), quote=False))


def markdown_table(table: Table) -> str:
    """Return the cells of a table as GitHub-flavoured Markdown, without its title and legend."""
    lines = [" | ".join(map(_md, table.head)), " | ".join([":--", *["--:"] * (len(table.head) - 1)])]
    lines += [" | ".join(_md_cell(cell) for cell in line) for line in table.lines]
    return "\n".join(f"| {line} |" for line in lines)


def _md_cell(cell: Cell) -> str:
    text = f"**{_md(cell.text)}**" if cell.best else _md(cell.text)
    return f"{text} ({_md(cell.note)})" if cell.note else text


def to_html(results: Results) -> str:
    """Return the report as one HTML file: inline style and SVG, no script, nothing loaded from anywhere.

    Raises:
        PluginUnavailable: matplotlib is not installed.
    """
    metric = label(results.metric)
    built = tables(results)
    figures = [
        (f"{metric} by row", plots.quality_bars(results), "The row that validation chose is blue, baselines orange."),
        (f"{metric} against latency", plots.quality_latency(results), "Up is better, left is faster."),
        (f"{metric} by slice", plots.slice_dots(results), "Where each row is good and where it is not."),
        ("Candidate ceiling", plots.ceiling_dots(results), "What is found, and what a better ranking could find."),
    ]
    best = headline(results)
    body = [
        "<header>",
        f"<p class=kicker>Offline evaluation</p><h1>{_h(results.data)}</h1>",
        f"<p class=best><strong>Best by validation:</strong> {_h(best)}</p>" if best else "",
        "<dl>",
        *(f"<div><dt>{_h(name)}</dt><dd>{_h(value)}</dd></div>" for name, value in facts(results)),
        "</dl></header><main>",
        *(_html_table(table) for table in built[:1]),
        *(_html_figure(*figure) for figure in figures if figure[1]),
        *(_html_table(table) for table in built[1:]),
        "<section><h2>Protocol</h2><ul>",
        *(f"<li>{_h(note)}</li>" for note in (*PROTOCOL_NOTES, *results.notes)),
        "</ul></section></main>",
    ]
    head = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Evaluation: {_h(results.data)}</title><style>{CSS}</style></head><body>"
    )
    return head + "\n".join(part for part in body if part) + "</body></html>\n"


def _h(text: str) -> str:
    return escape(clean(text))


def _html_figure(title: str, svg: str, caption: str) -> str:
    return f"<section><h2>{_h(title)}</h2><figure>{svg}<figcaption>{_h(caption)}</figcaption></figure></section>"


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_h(name)}</th>' for name in table.head)
    lines = []
    for first, *rest in table.lines:
        mark = f" <span class=marks>{_h(first.note)}</span>" if first.note else ""
        cells = "".join(
            f"<td{' class=top' if cell.best else ''}>{_h(cell.text)}"
            + (f"<small>{_h(cell.note)}</small>" if cell.note else "")
            + "</td>"
            for cell in rest
        )
        chosen = " class=chosen" if first.text == table.marked else ""
        lines.append(f'<tr{chosen}><th scope="row">{_h(first.text)}{mark}</th>{cells}</tr>')
    legend = "".join(f"<p class=legend>{_h(line)}</p>" for line in table.legend)
    # The frame scrolls sideways on small screens, and a frame that scrolls must be reachable by keyboard.
    return (
        f'<section><h2>{_h(table.title)}</h2><div class=frame tabindex=0 role=region aria-label="{_h(table.title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>{legend}</section>"
    )
