import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from recsys.errors import ConfigError, DataError, PluginUnavailable
from recsys.eval import plots, svg
from recsys.eval.compare import compare
from recsys.eval.letters import letters, significance
from recsys.eval.report import to_html, to_markdown, write_report
from recsys.eval.results import Results, Row
from recsys.eval.tables import (
    accuracy,
    clean,
    compact,
    facts,
    headline,
    label,
    p_text,
    percent,
    tables,
)

HOSTILE = '<script>alert("x")</script> | **b** $a_b$ `c` [l](javascript:1) \u202e\n模型 #010104 id="q"'


def row(name, ndcg, **changes):
    fields = {
        "name": name,
        "metrics": {"hr@10": ndcg * 1.7, "ndcg@10": ndcg, "recall@10": ndcg * 1.7},
        "ci95": {"ndcg@10": [ndcg * 0.9, ndcg * 1.1]},
        "fit_s": 1.25,
        "latency_ms": {"p50": 2.0 + ndcg, "p95": 4.0},
        "peak_rss_mb": 512.0,
        "ceiling": {"recall@100": ndcg * 4, "recall@500": min(1.0, ndcg * 6)},
        "beyond": {"coverage@10": 0.5, "diversity@10": None},
        "slices": {"target cold": {"requests": 12, "ndcg@10": 0.0}, "history 1-4": {"requests": 2500, "ndcg@10": ndcg}},
    }
    return {**fields, **changes}


def effect(difference):
    return {
        "difference": difference, "ci95": [difference - 0.001, difference + 0.001], "relative": difference / 0.05,
        "d_z": 0.1, "wins": 1200, "ties": 30, "losses": 4,
    }  # fmt: skip


def results(**changes):
    rows = [
        row("popularity", 0.005, p_vs={"transitions": 0.0004}, effect={"transitions": effect(-0.045)}),
        row("transitions", 0.05),
        row("cascade", 0.06, p_vs={"transitions": 0.012}, effect={"transitions": effect(0.01)}),
        row("als", 0.0501, p_vs={"transitions": 0.7}, effect={"transitions": effect(0.0001)}),
    ]
    fields = {
        "data": "sample", "split": "leave-one-out", "users": 22363, "items": 12101, "seed": 0, "settings_hash": "abc",
        "best_by_validation": "cascade", "rows": rows, "protocol": {"n_candidates": 500, "masked": True},
        "notes": ["A note."],
    }  # fmt: skip
    return Results.of(**{**fields, **changes})


def bare(**changes):
    """Only what the contract demands."""
    return results(rows=[{"name": "mine", "metrics": {"ndcg@10": 0.1}}], best_by_validation=None, **changes)


class Page(HTMLParser):
    """Collects tags, ids and texts; fails on tags that are closed in another order than they were opened."""

    VOID = {"meta", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.text, self.attributes = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, key, value) for key, value in attrs]
        self.ids += [value for key, value in attrs if key == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


# HTML


def test_the_page_loads_nothing_and_runs_nothing():
    page = to_html(results())
    parsed = Page(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image"} & set(parsed.tags)
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", page)
    targets = [value for _, key, value in parsed.attributes if key in ("href", "src")]
    assert targets
    assert all(value.startswith("#") for value in targets)
    assert not [key for _, key, _ in parsed.attributes if key.startswith("on")]
    assert "default-src 'none'" in page


def test_every_reference_inside_the_page_resolves_and_ids_are_unique():
    page = to_html(results())
    parsed = Page(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    used = [v[1:] for _, key, v in parsed.attributes if key == "href"] + re.findall(r"url\(#([\w-]+)\)", page)
    assert used
    assert set(used) <= set(parsed.ids)


def test_all_five_plots_are_there_labelled_and_in_page_colours():
    page = to_html(results())
    labels = re.findall(r'<svg[^>]*aria-label="([^"]+)"', page)
    assert labels == [
        "Waterfall: NDCG@10 after each of 2 stages", "Bar chart: NDCG@10 of 4 rows",
        "Scatter plot: NDCG@10 against latency of 4 rows", "Dot plot: NDCG@10 of 4 rows by slice",
        "Dot plot: candidate recall of 4 rows",
    ]  # fmt: skip
    assert page.count('role="img"') == 5
    assert "var(--accent)" in page
    assert "#0101" not in page
    assert "DejaVu" not in page


def test_hostile_names_are_text_only():
    found = results(
        data=HOSTILE,
        split=HOSTILE,
        notes=[HOSTILE],
        protocol={HOSTILE: HOSTILE},
        best_by_validation=HOSTILE,
        rows=[
            row(HOSTILE, 0.05, p_vs={HOSTILE + "2": 0.01}, slices={HOSTILE: {"requests": 3, "ndcg@10": 0.1}}),
            row(HOSTILE + "2", 0.04, ceiling={HOSTILE: 0.5}, beyond={HOSTILE: 0.5}),
        ],
    )
    page = to_html(found)
    parsed = Page(page)
    assert "script" not in parsed.tags
    assert "<script" not in page
    assert "\u202e" not in page
    whole = " ".join(parsed.text)
    assert '<script>alert("x")</script>' in whole
    assert "$a_b$" in whole
    assert "模型" in whole


def test_the_page_says_what_the_table_found():
    text = " ".join(Page(to_html(results())).text)
    for expected in (
        "cascade reaches NDCG@10 0.0600 (95 % interval 0.0540 to 0.0660); +20.0 % against transitions, p = 0.012.",
        "22,363", "leave-one-out", "A note.", "1,200 / 30 / 4", "0.0540–0.0660", "history 1-4 (2,500)",
    ):  # fmt: skip
        assert expected in text


def test_the_chosen_row_is_stressed_and_the_best_of_each_column_bold():
    page = to_html(results())
    chosen = re.findall(r'<tr class=chosen><th scope="row">(\w+)', page)
    assert set(chosen) == {"cascade"}
    first = page[page.index("Ranking quality") : page.index("bootstrap interval")]
    assert re.findall(r'class="top[ a-z]*">([\d.]+)', first) == ["0.1020", "0.0600", "0.1020"]


def test_a_page_of_the_bare_contract_has_no_empty_parts():
    page = to_html(bare())
    text = " ".join(Page(page).text)
    assert page.count("<svg") == 1
    assert "Best by validation:" not in text
    assert "Cost" not in text
    assert "Candidate ceiling" not in text


def test_two_renderings_are_equal():
    assert to_html(results()) == to_html(results())


def test_without_matplotlib_the_error_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PluginUnavailable, match=r"recsys-engine\[report\]"):
        svg.require_matplotlib()
    with pytest.raises(PluginUnavailable):
        to_html(results())
    assert to_markdown(results()).startswith("# Evaluation")


# Plots


def test_plots_without_their_figures_are_empty():
    found = results(rows=[{"name": "a", "metrics": {"hr@10": 0.1}}], best_by_validation=None)
    for plot in (plots.waterfall, plots.quality_bars, plots.quality_latency, plots.slice_dots, plots.ceiling_dots):
        assert plot(found) == ""


def test_bars_show_every_row_with_its_value():
    text = " ".join(Page(plots.quality_bars(results())).text)
    for expected in ("popularity", "0.0050", "transitions", "0.0500", "cascade", "0.0600", "als", "0.0501"):
        assert expected in text


def test_slices_show_five_rows_at_most_the_chosen_and_the_baselines_first():
    rows = [row(f"r{i}", 0.01 * (i + 1), p_vs={"r0": 0.5} if i else {}) for i in range(8)]
    text = " ".join(Page(plots.slice_dots(results(rows=rows, best_by_validation="r3"))).text).split()
    assert [word for word in text if re.fullmatch(r"r\d", word)] == ["r3", "r0", "r7", "r6", "r5"]


def test_names_in_the_scatter_do_not_cover_one_another():
    rows = [row(f"system number {i}", 0.05 + 0.0001 * i, latency_ms={"p50": 5.0, "p95": 6.0}) for i in range(6)]
    drawn = plots.quality_latency(results(rows=rows, best_by_validation=None))
    texts = [tag for tag in re.findall(r"<text[^>]*>[^<]*", drawn) if ">system" in tag]
    assert len(texts) == 6
    boxes = []
    for tag in texts:
        x, y = map(float, re.search(r'(?: x="|translate\()([\d.]+)(?:" y="| )([\d.]+)', tag).groups())
        boxes.append((x - 80, x, y) if "text-anchor: end" in tag else (x, x + 80, y))
    for i, (left, right, y) in enumerate(boxes):
        for other_left, other_right, other_y in boxes[:i]:
            assert abs(y - other_y) > 9 or right < other_left or other_right < left


def test_a_zero_everywhere_still_draws():
    zero = results(rows=[row("a", 0.0), row("b", 0.0)], best_by_validation="a")
    assert Page(to_html(zero)).tags.count("svg") == 4  # none of stages: there is only one


# Markdown, tables, files


def test_markdown_tables_are_well_formed_whatever_the_names():
    found = results(
        best_by_validation=None, rows=[row(HOSTILE, 0.05), row("b", 0.04, p_vs={HOSTILE: 0.01})], notes=[HOSTILE]
    )
    text = to_markdown(found)
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.M)
    assert len(blocks) >= 5
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\]\(javascript", text)


def test_markdown_of_the_main_table():
    lines = to_markdown(results()).splitlines()
    assert "| Row | HR@10 | NDCG@10 | Recall@10 |" in lines
    assert "| cascade | **0.1020** | **0.0600** ▲a (0.0540–0.0660) | **0.1020** |" in lines
    assert "| popularity | 0.0085 | 0.0050 ▼a (0.0045–0.0055) | 0.0085 |" in lines
    assert "| transitions (a) | 0.0850 | 0.0500 (0.0450–0.0550) | 0.0850 |" in lines
    assert "| als | 0.0852 | 0.0501 (0.0451–0.0551) | 0.0852 |" in lines


def test_letters_go_by_the_means_where_no_effect_is_given():
    rows = [row("a", 0.1), row("b", 0.2, p_vs={"a": 0.01}), row("c", 0.05, p_vs={"a": 0.01, "gone": 0.9})]
    found = results(rows=rows, best_by_validation="b")
    assert [significance(found, r) for r in found.rows] == ["", "▲a", "▼a"]
    assert [t.title for t in tables(found)][1:3] == ["Against a", "Against gone"]


def test_letters_are_those_of_the_paired_tests_and_their_rows_show_them():
    rng = np.random.default_rng(0)
    base = rng.uniform(0, 0.5, 400).astype(np.float32)
    values = {"plain": base, "same": base + rng.normal(0, 0.1, 400).astype(np.float32), "better": base + 0.1}
    versus = {b: compare(values, b) for b in ("same", "plain")}
    made = [
        Row.of(name, {"ndcg@10": v}, versus={b: found[name] for b, found in versus.items() if name in found})
        for name, v in values.items()
    ]
    found = results(rows=[r.model_dump() for r in made], best_by_validation="better")
    assert letters(found) == {"plain": "a", "same": "b"}  # by the order of the rows, not of the comparisons
    assert [significance(found, r) for r in found.rows] == ["", "", "▲ab"]
    table = accuracy(found)
    assert [line[0].note for line in table.lines] == ["a", "b", ""]
    assert [line[table.lettered].marks for line in table.lines] == ["", "", "▲ab"]
    assert "a = plain, b = same." in table.legend[1]


def test_a_share_that_is_neither_good_nor_bad_has_no_best():
    rows = [{"name": n, "metrics": {"ndcg@10": v, "unjudged@10": v}} for n, v in (("a", 0.1), ("b", 0.2))]
    table = accuracy(results(rows=rows, best_by_validation=None))
    assert [[c.best for c in line[1:]] for line in table.lines] == [[False, False], [True, False]]


def test_more_baselines_than_letters_stay_apart():
    names = [f"r{i}" for i in range(30)]
    rows = [row(n, 0.1 + 0.001 * i, p_vs={m: 0.01 for m in names if m != n}) for i, n in enumerate(names)]
    found = results(rows=rows, best_by_validation=None)
    assert list(letters(found).values())[24:29] == ["y", "z", "aa", "ab", "ac"]
    assert significance(found, found.rows[-1]).startswith("▲a,b,c,")
    assert significance(found, found.rows[-2]).endswith("▼ad")


def test_all_comparisons_but_the_first_are_folded():
    both = {"transitions": 0.01, "popularity": 0.01}
    rows = [row("popularity", 0.1), row("transitions", 0.2), row("cascade", 0.3, p_vs=both)]
    page = to_html(results(rows=rows, protocol={"best_single_by_validation": "transitions"}))
    assert re.findall(r"<summary>([^<]+)", page) == ["Against popularity"]
    assert "<h2>Against transitions</h2>" in page


def test_tables_leave_out_what_is_empty():
    assert [t.title for t in tables(bare())] == ["Ranking quality"]
    assert [t.title for t in tables(results())] == [
        "Ranking quality", "Gain by stage", "Against transitions", "Quality against latency", "NDCG@10 by slice",
        "Candidate ceiling", "Beyond accuracy", "Cost",
    ]  # fmt: skip


def test_debiased_figures_have_a_table_of_their_own():
    metrics = {"ndcg@10": 0.5, "debiased_ndcg@10": 0.25}
    found = results(
        rows=[{"name": "a", "metrics": metrics, "ci95": {"debiased_ndcg@10": (0.2, 0.3)}}], best_by_validation="a"
    )
    main, table = tables(found)
    assert main.head == ("Row", "NDCG@10")
    assert table.head == ("Row", "NDCG@10", "Debiased NDCG@10")
    assert [(c.text, c.note) for c in table.lines[0]] == [("a", ""), ("0.5000", ""), ("0.2500", "0.2000–0.3000")]


def test_facts_and_headline():
    found = dict(facts(results()))
    assert (found["Shoppers"], found["N candidates"], found["Masked"]) == ("22,363", "500", "yes")
    assert "numpy" in found["Versions"]
    assert headline(bare()) == ""


def test_small_texts():
    assert (p_text(0.0004), p_text(0.0124)) == ("p < 0.001", "p = 0.012")
    assert (percent(0.051), percent(-0.5), percent(None)) == ("+5.1 %", "-50.0 %", "–")
    assert (compact(0.01234), compact(12.34), compact(12345.6), compact(None)) == ("0.0123", "12.3", "12,346", "–")
    assert (label("ndcg@10"), label("popularity_lift@10"), label("coverage")) == (
        "NDCG@10", "Popularity lift@10", "Coverage",
    )  # fmt: skip
    assert clean("a\nb\u202ec\x00") == "a b c"


def test_files_by_suffix(tmp_path):
    for name in ("r.html", "r.md", "r.json"):
        write_report(tmp_path / name, results())
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == to_html(results())
    assert (tmp_path / "r.md").read_text(encoding="utf-8") == to_markdown(results())
    plain = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    write_report(tmp_path / "again.html", plain)
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "r.html").read_bytes()
    with pytest.raises(ConfigError, match=r"a report ends in \.html, \.md, \.tex, \.json; got r\.pdf"):
        write_report(tmp_path / "r.pdf", results())
    with pytest.raises(DataError, match=r"results\.split"):
        write_report(tmp_path / "r.md", {k: v for k, v in plain.items() if k != "split"})
