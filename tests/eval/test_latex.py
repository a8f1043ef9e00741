import json
import re
from pathlib import Path

import pytest

from recsys.eval.latex import document, latex_table, tex
from recsys.eval.report import to_latex, write_report
from recsys.eval.results import Results
from recsys.eval.tables import Cell, Table

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results"
HOSTILE = (
    '\\input{/etc/passwd} $x^2_{a}$ & 50 % #1 ~ {open } | [opt] * -- "q" `b\' <i> \\\\ \u202e 模型 naïve Ñ ß – \x00'
)


def checked(text):
    """Fail on anything that LaTeX would stumble over; return the tables as lists of rows of cells."""
    depth = 0
    for token in re.findall(r"\\.|[{}]", re.sub(r"(?<!\\)%.*", "", text), flags=re.S):
        depth += {"{": 1, "}": -1}.get(token, 0)
        assert depth >= 0
    assert depth == 0
    assert text.isascii()
    assert sorted(re.findall(r"\\begin\{(\w+)", text)) == sorted(re.findall(r"\\end\{(\w+)", text))
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == text.count(r"\begin{table*}")
    out = []
    for sides, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", text, flags=re.S):
        lines = [line for line in body.splitlines() if line not in (r"\toprule", r"\midrule", r"\bottomrule")]
        rows = [re.split(r"(?<!\\)&", line.removesuffix(r" \\")) for line in lines]
        assert all(line.endswith(r" \\") for line in lines)
        assert {len(row) for row in rows} == {len(sides)}
        out.append([[cell.strip() for cell in row] for row in rows])
    return out


def results(name, data="d"):
    rows = [
        {"name": name, "metrics": {"ndcg@10": 0.5, "hr@10": 0.7}, "ci95": {"ndcg@10": [0.4, 0.6]}},
        {
            "name": "mine", "metrics": {"ndcg@10": 0.6, "hr@10": 0.7}, "p_vs": {name: 0.01},
            "effect": {name: {"difference": 0.1, "ci95": [-0.05, 0.2], "wins": 1, "ties": 0, "losses": 0}},
        },
    ]  # fmt: skip
    return Results.of(
        data=data, split=data, users=6, items=9, seed=0, settings_hash="x", best_by_validation="mine", rows=rows
    )


def test_what_latex_would_act_on_is_text():
    assert tex(r"a\b{c}$d&e#f_g%h~i^j") == (
        r"a\textbackslash{}b\{c\}\$d\&e\#f\_g\%h\textasciitilde{}i\textasciicircum{}j"
    )
    assert tex("[x]*") == "{[}x{]}{*}"  # after the end of a line they would be its argument
    assert tex("a--b---c-d") == "a-{}-b-{}-{}-c-d"
    assert tex("1–2 ▲a é Å ñ ß į") == r"1--2 $\blacktriangle$a \'{e} \r{A} \~{n} \ss{} \texttt{U+012F}"
    assert tex("ï") == r"\"{\i}"
    assert tex("模\n型\u202e\x00") == r"\texttt{U+6A21} \texttt{U+578B}"


def test_hostile_names_neither_break_the_tables_nor_run():
    text = to_latex(results(HOSTILE, HOSTILE))
    tables = checked(text)
    assert len(tables) == 2
    assert r"\input{" not in text
    assert r"\textbackslash{}input\{/etc/passwd\}" in text
    assert tables[0][1][0].endswith(" (a)")
    for label in re.findall(r"\\label\{([^}]*)\}", text):
        assert re.fullmatch(r"tab:[a-z0-9-]+", label)


def test_the_best_is_bold_letters_are_raised_and_intervals_lie_below():
    [quality, _] = checked(to_latex(results("base")))
    assert quality == [
        ["Row", "NDCG@10", "HR@10"],
        ["base (a)", "0.5000", r"\textbf{0.7000}"],
        ["", r"{\scriptsize 0.4000--0.6000}", ""],
        ["mine", r"\textbf{0.6000}\textsuperscript{$\blacktriangle$a}", r"\textbf{0.7000}"],
    ]
    assert r"\begin{tabular}{llr}" in to_latex(results("base"))  # letters hang at the right of a column of equal widths


def test_signs_of_numbers_are_no_hyphens():
    [_, against] = checked(to_latex(results("base")))
    assert against[1][:2] == ["mine", "$+$0.1000"]
    assert against[2][1] == r"{\scriptsize $-$0.0500 to $+$0.2000}"


def test_a_table_without_notes_or_legend():
    text = latex_table(Table("T", ("Row", "x"), ((Cell("a"), Cell("1")),)))
    assert checked(text) == [[["Row", "x"], ["a", "1"]]]
    assert "minipage" not in text
    assert r"\caption{T}" in text
    assert document([], "nothing").startswith("% Needs")


@pytest.mark.parametrize("path", sorted(COMMITTED.glob("evaluate-*.json")), ids=lambda p: p.stem)
def test_committed_results(path, tmp_path):
    found = Results.from_dict(json.loads(path.read_text(encoding="utf-8")))
    write_report(tmp_path / "r.tex", found)
    quality = checked((tmp_path / "r.tex").read_text(encoding="utf-8"))[0]
    names = [line[0].split(" (")[0] for line in quality[1:] if line[0]]
    assert names == [row.name for row in found.rows]
