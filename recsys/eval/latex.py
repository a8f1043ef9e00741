"""Tables as LaTeX with booktabs, to be taken into a paper with ``\\input``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from recsys.eval.tables import Cell, Table, clean

HEADER = "% Needs \\usepackage{booktabs} and \\usepackage{amssymb}; made by recsys, any LaTeX engine will do.\n"
# Brackets and stars too: after the end of a line, \\ would take them as its argument.
ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"{\char34}", "`": r"{\char96}", "[": "{[}", "]": "{]}", "*": "{*}",
    "–": "--", "—": "---", "…": r"\ldots{}", "“": "``", "”": "''", "‘": "`", "’": "'", "·": r"$\cdot$",
    "×": r"$\times$", "±": r"$\pm$", "−": "$-$", "▲": r"$\blacktriangle$", "▼": r"$\blacktriangledown$",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}",
}  # fmt: skip
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip

SIGNED = re.compile(r"[+-]\d")


def tex(text: str) -> str:
    r"""Return any text as LaTeX that shows it and does nothing else.

    A character that plain LaTeX cannot set stands as its code, ``U+6A21``: a name in another script stops no engine.

    >>> print(tex("50 % of [a_b] é"))
    50 \% of {[}a\_b{]} \'{e}
    """
    # Two hyphens would be a dash.
    return re.sub(
        "(-(?=-))|.", lambda c: "-{}" if c[1] else _character(c[0]), unicodedata.normalize("NFC", clean(text))
    )


def _character(c: str) -> str:
    if c in ESCAPES:
        return ESCAPES[c]
    if c.isascii():
        return c
    parts = unicodedata.normalize("NFD", c)
    base, mark = parts[0], parts[1:]
    if base.isascii() and base.isalpha() and mark in ACCENTS:
        # With its accent an i loses its dot.
        return f"\\{ACCENTS[mark]}{{{chr(92) + 'i' if base == 'i' else base}}}"
    return f"\\texttt{{U+{ord(c):04X}}}"


def document(tables: Iterable[Table], about: str) -> str:
    """Return the tables one after the other, each a float; ``about`` ends their captions."""
    return HEADER + "\n".join(latex_table(table, about) for table in tables)


def latex_table(table: Table, about: str = "") -> str:
    """Return one table as a float: numbers under one another, the best bold, letters raised, the legend below it.

    The small print of a line's cells, their intervals, stands on a line of its own under them.
    """
    sides = ["l", *("l" if i == table.lettered else "r" for i in range(1, len(table.head)))]
    caption = ": ".join(filter(None, (table.title, about)))
    lines = [" & ".join(map(tex, table.head)) + r" \\", r"\midrule"]
    for line in table.lines:
        lines += _line(line)
    legend = [
        r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize",
        "\n\n".join(map(tex, table.legend)),
        r"\end{minipage}",
    ]
    whole = [
        r"\begin{table*}[tbp]", r"\centering\small\setlength{\tabcolsep}{4pt}", f"\\caption{{{tex(caption)}}}",
        f"\\label{{{_label(caption)}}}", f"\\begin{{tabular}}{{{''.join(sides)}}}", r"\toprule", *lines,
        r"\bottomrule", r"\end{tabular}", *(legend if table.legend else []), r"\end{table*}", "",
    ]  # fmt: skip
    return "\n".join(whole)


def _line(line: Sequence[Cell]) -> list[str]:
    first, *rest = line
    name = tex(first.text) + (f" ({tex(first.note)})" if first.note else "")
    out = [" & ".join([name, *map(_cell, rest)]) + r" \\"]
    if any(cell.note for cell in rest):
        notes = (f"{{\\scriptsize {_signed(cell.note)}}}" if cell.note else "" for cell in rest)
        out.append(" & ".join(["", *notes]) + r" \\")
    return out


def _cell(cell: Cell) -> str:
    text = _signed(cell.text)
    text = f"\\textbf{{{text}}}" if cell.best else text
    return text + (f"\\textsuperscript{{{tex(cell.marks)}}}" if cell.marks else "")


def _signed(text: str) -> str:
    """Return a cell's text with a minus, which is longer than a hyphen, before a number."""
    return " ".join(f"${word[0]}${tex(word[1:])}" if SIGNED.match(word) else tex(word) for word in text.split(" "))


def _label(caption: str) -> str:
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in caption.lower()).split()
    return "tab:" + "-".join(words)
