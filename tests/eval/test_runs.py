import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import ConfigError, DataError
from recsys.eval.compare import compare
from recsys.eval.per_user import read_per_user, write_per_user
from recsys.eval.results import Results, Row
from recsys.eval.runs import PROTOCOL_FACTS, Run, differing, side_by_side
from recsys.eval.runs_report import pair_table, remarks, to_html, to_latex, to_markdown

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results"
HOSTILE = "<script>alert(1)</script> | **b** [l](x) \\input{x} $ & \u202e\n#"


def row(name, mean, width=0.01, **more):
    interval = {} if width is None else {"ndcg@10": [mean - width, mean + width]}
    return {"name": name, "metrics": {"ndcg@10": mean}, "ci95": interval, **more}


def results(*rows, **changes):
    fields = {
        "data": "d", "split": "s", "users": 6, "items": 9, "seed": 0, "settings_hash": "x", "versions": {"numpy": "1"},
        "machine": {"cpus": 2}, "best_by_validation": None, "rows": rows,
    }  # fmt: skip
    return Results.of(**{**fields, **changes})


def measured(name, values, users=None):
    """A run with the per-user table of ``values`` (row: array)."""
    n = len(next(iter(values.values())))
    rows = [Row.of(row, {"ndcg@10": v}) for row, v in values.items()]
    table = {row: {"ndcg@10": v} for row, v in values.items()}
    return Run(name, results(*rows, users=n), users or tuple(f"u{i:03d}" for i in range(n)), table)


def test_rows_are_matched_by_name_and_what_one_lacks_is_a_dash():
    a, b = results(row("x", 0.2), row("y", 0.3)), results(row("z", 0.1), row("y", 0.4))
    [pair] = side_by_side([Run("a", a), Run("b", b)])
    assert [d.name for d in pair.rows] == ["x", "y", "z"]
    assert [d.gain for d in pair.rows] == [None, pytest.approx(0.1), None]
    assert [d.clear for d in pair.rows] == [None, True, None]
    texts = [[c.text for c in line] for line in pair_table(pair).lines]
    assert texts == [
        ["x", "0.2000", "–", "–", "–", "–"], ["y", "0.3000", "0.4000", "+0.1000", "+33.3 %", "yes"],
        ["z", "–", "0.1000", "–", "–", "–"],
    ]  # fmt: skip


def test_the_interval_of_independent_means_adds_their_squares():
    [pair] = side_by_side([Run("a", results(row("x", 0.2, 0.03))), Run("b", results(row("x", 0.24, 0.04)))])
    assert pair.rows[0].ci95 == pytest.approx((0.04 - 0.05, 0.04 + 0.05))
    assert pair.rows[0].clear is False
    [pair] = side_by_side([Run("a", results(row("x", 0.2, None))), Run("b", results(row("x", 0.24)))])
    assert (pair.rows[0].ci95, pair.rows[0].clear) == (None, None)


def test_the_interval_of_independent_means_covers_as_it_says():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(100):
        left, right = rng.binomial(1, 0.2, 150).astype(np.float32), rng.binomial(1, 0.3, 150).astype(np.float32)
        rows = [[Row.of("x", {"ndcg@10": v}, resamples=300)] for v in (left, right)]
        [pair] = side_by_side([Run(n, results(*found)) for n, found in zip("ab", rows, strict=True)])
        hits += pair.rows[0].ci95[0] <= 0.1 <= pair.rows[0].ci95[1]
    assert 0.90 <= hits / 100 <= 0.99


def test_paired_differences_are_those_of_the_library_whatever_the_order_of_users(tmp_path):
    rng = np.random.default_rng(0)
    users = [f"u{i}" for i in range(50)]
    old = {name: rng.uniform(0, 1, 50).astype(np.float32) for name in ("x", "y")}
    new = {name: v + rng.normal(0.02, 0.05, 50).astype(np.float32) for name, v in old.items()}
    turned = rng.permutation(50)
    write_per_user(tmp_path / "a.csv", users, {r: {"ndcg@10": v} for r, v in old.items()})
    write_per_user(
        tmp_path / "b.parquet", [users[i] for i in turned], {r: {"ndcg@10": v[turned]} for r, v in new.items()}
    )
    runs = [
        Run(n, results(*(Row.of(r, {"ndcg@10": v}) for r, v in values.items()), users=50), *read_per_user(path))
        for n, values, path in (("a", old, tmp_path / "a.csv"), ("b", new, tmp_path / "b.parquet"))
    ]
    [pair] = side_by_side(runs)
    alone = [compare({"old": old[r], "new": new[r]}, "old")["new"] for r in ("x", "y")]
    assert pair.paired
    for found, expected in zip(pair.rows, alone, strict=True):
        assert found.gain == pytest.approx(expected.effect.difference)
        assert (found.effect.wins, found.effect.losses) == (expected.effect.wins, expected.effect.losses)
        assert found.ci95 == pytest.approx(expected.effect.ci95, abs=0.004)
    worst, best = sorted((c.p for c in alone), reverse=True)
    assert sorted(d.p for d in pair.rows) == pytest.approx(sorted([min(1, 2 * best), max(worst, 2 * best)]), abs=0.02)
    [plain] = side_by_side([Run(run.name, run.results) for run in runs])
    assert plain.rows[0].ci95[1] - plain.rows[0].ci95[0] > 4 * (pair.rows[0].ci95[1] - pair.rows[0].ci95[0])


def test_paired_runs_need_the_same_users_and_their_own_tables():
    values = {"x": np.full(4, 0.5, np.float32)}
    a, b = measured("a", values), measured("b", values, ("u000", "u001", "u002", "v"))
    with pytest.raises(DataError, match="1 of a are not in b, 1 of b not in a"):
        side_by_side([a, b])
    with pytest.raises(DataError, match=r"not of a: ndcg@10 of row 'x' is 0\.7 in the results, 0\.5 in the table"):
        Run("a", results(row("x", 0.7)), a.users, a.values)
    with pytest.raises(DataError, match="nothing in the table"):
        Run("a", results(row("x", 0.5), row("y", 0.5)), a.users, a.values)


@pytest.mark.parametrize("name", ["data", "split", "users", "items", *PROTOCOL_FACTS])
def test_each_part_of_the_protocol_counts(name):
    value = 7 if name in ("users", "items") else "other"
    changed = {name: value} if name not in PROTOCOL_FACTS else {"protocol": {name: value}}
    a, b = results(row("x", 0.2)), results(row("x", 0.3), **changed)
    assert list(differing(a, b)[0]) == [name]
    with pytest.raises(ConfigError, match=f"a and b are two protocols: {name} "):
        side_by_side([Run("a", a), Run("b", b)])
    [pair] = side_by_side([Run("a", a), Run("b", b)], anyway=True)
    for text in (to_markdown([pair]), to_latex([pair]), to_html([pair])):
        assert "do not compare" in text


def test_what_is_no_protocol_is_said_and_not_refused():
    changes = {"seed": 3, "settings_hash": "y", "versions": {"numpy": "2"}, "machine": {"cpus": 4}}
    [pair] = side_by_side([Run("a", results(row("x", 0.2))), Run("b", results(row("x", 0.3), **changes))])
    assert pair.protocol == {}
    assert remarks(pair) == [
        "Also differs: seed 0 and 3; settings hash x and y; versions.numpy 1 and 2; machine.cpus 2 and 4.",
        "They ran on different machines: the times do not compare.",
    ]


def test_hostile_names_are_text_in_every_format():
    found = results(row(HOSTILE, 0.2), data=HOSTILE, settings_hash=HOSTILE)
    [pair] = side_by_side([Run(HOSTILE, found), Run("b", results(row(HOSTILE, 0.3), data=HOSTILE))])
    tags = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)

    Tags().feed(to_html([pair]))
    assert "script" not in tags
    assert {"svg", "table"} <= set(tags)
    text = to_markdown([pair])
    assert "<script" not in text
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert r"\input{" not in to_latex([pair])


def test_nothing_in_common_draws_nothing():
    [pair] = side_by_side([Run("a", results(row("x", 0.2))), Run("b", results(row("y", 0.3)))])
    assert "<svg" not in to_html([pair])
    assert "<svg" in to_html(side_by_side([Run("a", results(row("x", 0.0, 0.0)))] * 2))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "needs lines of row, user and a metric"),
        ("row,user,x\n", "needs lines of row, user and a metric"),
        ("user,row,x\na,b,1\n", "needs lines of row, user and a metric"),
        ("row,user,x\nr,u\n", "line 2: 2 values for 3 columns"),
        ("row,user,x\nr,u,much\n", "x is no number"),
        ("row,user,x\nr,u,1\nr,v,nan\n", "x must be finite, but the value 2 is not"),
        ("row,user,x\nr,u,1\nr,u,1\n", "a user occurs twice in row 'r'"),
        ("row,user,x\nr,u,1\ns,v,1\n", "row 's' has other users"),
    ],
)
def test_tables_that_are_none(tmp_path, text, hint):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=hint):
        read_per_user(path)
    (tmp_path / "t.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match="no Parquet"):
        read_per_user(tmp_path / "t.parquet")


def test_committed_results_of_one_set_under_two_protocols():
    runs = [
        Run(n, Results.from_dict(json.loads((COMMITTED / f"evaluate-{n}.json").read_text(encoding="utf-8"))))
        for n in ("yelp", "yelp-masked")
    ]
    with pytest.raises(ConfigError, match="repeats shown and masked"):
        side_by_side(runs)
    [pair] = side_by_side(runs, anyway=True)
    assert {d.name: d.clear for d in pair.rows}["own-history"]
