"""The HTML of reports: one file with inline style and SVG, no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from recsys.eval.report_style import CSS
from recsys.eval.tables import Cell, Table, clean


def text(value: str) -> str:
    """Return any text as HTML that shows it, on one line and without marks that turn the writing direction."""
    return escape(clean(value))


def page(kicker: str, title: str, parts: Iterable[str], lead: str = "", facts: Sequence[tuple[str, str]] = ()) -> str:
    """Return a whole page; ``parts`` are HTML, ``lead`` stands in a box under the title, empty parts are left out."""
    body = [
        "<header>",
        f"<p class=kicker>{text(kicker)}</p><h1>{text(title)}</h1>",
        lead,
        "<dl>" if facts else "",
        *(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in facts),
        "</dl>" if facts else "",
        "</header><main>",
        *parts,
        "</main>",
    ]
    head = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{text(kicker)}: {text(title)}</title><style>{CSS}</style></head><body>"
    )
    return head + "\n".join(part for part in body if part) + "</body></html>\n"


def box(strong: str, rest: str, warning: bool = False) -> str:
    """Return a paragraph that stands out; "" where there is nothing to say."""
    kind = "best warning" if warning else "best"
    return f'<p class="{kind}"><strong>{text(strong)}</strong> {text(rest)}</p>' if rest else ""


def bullets(title: str, lines: Iterable[str]) -> str:
    """Return a section with a list."""
    items = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<section><h2>{text(title)}</h2><ul>{items}</ul></section>"


def section(title: str, table: Table | None = None, svg: str = "", captions: Sequence[str] = ()) -> str:
    """Return a section: a drawing with what is to be said about it, then a table."""
    said = "".join(f"<p>{text(line)}</p>" for line in captions)
    frame = f'<div class=frame tabindex=0 role=region aria-label="{text(title)}, drawn">{svg}</div>'
    figure = f"<figure>{frame}<figcaption>{said}</figcaption></figure>" if svg else ""
    return f"<section><h2>{text(title)}</h2>{figure}{table_of(table) if table else ''}</section>"


def folded(title: str, table: Table) -> str:
    """Return a section that opens when asked for; a printed page has it open."""
    return f"<section><details><summary>{text(title)}</summary>{table_of(table)}</details></section>"


def table_of(table: Table) -> str:
    """Return a table with its legend below, in a frame of its own that scrolls sideways on small screens."""
    sides = ["", *(" class=lettered" if i == table.lettered else "" for i in range(1, len(table.head)))]
    head = "".join(f'<th scope="col"{side}>{text(name)}</th>' for side, name in zip(sides, table.head, strict=True))
    lines = []
    for first, *rest in table.lines:
        mark = f" <span class=marks>{text(first.note)}</span>" if first.note else ""
        cells = "".join(_cell(cell, i == table.lettered) for i, cell in enumerate(rest, 1))
        chosen = " class=chosen" if first.text == table.marked else ""
        lines.append(f'<tr{chosen}><th scope="row">{text(first.text)}{mark}</th>{cells}</tr>')
    legend = "".join(f"<p class=legend>{text(line)}</p>" for line in table.legend)
    # A frame that scrolls must be reachable by keyboard.
    return (
        f'<div class=frame tabindex=0 role=region aria-label="{text(table.title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>{legend}"
    )


def _cell(cell: Cell, lettered: bool) -> str:
    names = " ".join(["top"] * cell.best + ["lettered"] * lettered)
    kind = f' class="{names}"' if names else ""
    marks = f"<sup>{text(cell.marks)}</sup>" if cell.marks else ""
    note = f"<small>{text(cell.note)}</small>" if cell.note else ""
    return f"<td{kind}>{text(cell.text)}{marks}{note}</td>"
