from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from recsys.eval.per_user import write_per_user
from recsys.eval.results import Results, Row

USERS = [f"u{i}" for i in range(60)]
NOISE = np.random.default_rng(0).uniform(0, 0.9, 60).astype(np.float32)


def values(shift: float) -> dict:
    changed = NOISE + shift * np.random.default_rng(1).uniform(0, 2, 60).astype(np.float32)
    return {"popularity": {"ndcg@10": NOISE}, "transitions": {"ndcg@10": changed}}


def results(shift: float, **changes) -> Results:
    rows = [Row.of(name, found, latency_ms={"p50": 2.0 + 10 * shift}) for name, found in values(shift).items()]
    fields = {
        "data": "d", "split": "leave-one-out", "users": 60, "items": 24, "seed": 0, "settings_hash": "x",
        "best_by_validation": None, "rows": rows,
    }  # fmt: skip
    return Results.of(**{**fields, **changes})


@pytest.fixture
def files(tmp_path):
    """Two evaluations with their per-user tables: transitions is better by .05 in the second."""
    for name, shift in (("a", 0.0), ("b", 0.05)):
        (tmp_path / f"{name}.json").write_text(results(shift).to_json())
        write_per_user(tmp_path / f"{name}.csv", USERS, values(shift))
    return tmp_path


def test_rows_side_by_side_as_of_independent_users(call, answer, files):
    found = answer("compare", files / "a.json", files / "b.json", "--json")
    [pair] = found["comparisons"]
    assert (found["metric"], pair["a"], pair["b"], pair["paired"]) == ("ndcg@10", "a", "b", False)
    assert pair["protocol_differs"] == pair["also_differs"] == {}
    same, better = pair["rows"]
    assert (same["name"], same["difference"], same["p_holm"]) == ("popularity", 0.0, None)
    assert better["difference"] == pytest.approx(0.05, abs=0.01)
    assert better["ci95"][0] < 0 < better["ci95"][1]  # users differ by more than that
    text = call("compare", files / "a.json", files / "b.json").stdout
    assert "as if each had users of its own" in text
    assert "1.25 times" in text


def test_the_same_users_tell_more(call, answer, files):
    tables = ("--per-user", files / "a.csv", "--per-user", files / "b.csv")
    words = ("compare", files / "a.json", files / "b.json", *tables)
    [pair] = answer(*words, "--json")["comparisons"]
    same, better = pair["rows"]
    assert pair["paired"]
    assert better["p_holm"] < 0.001 < 0.05 < same["p_holm"] == 1
    assert better["ci95"][0] > 0
    assert (better["wins"], better["losses"], same["ties"]) == (60, 0, 60)
    text = call(*words).stdout
    assert "over the same 60 users" in text
    assert "60 / 0 / 0" in text


def test_all_formats_are_written_and_load_nothing(call, files):
    words = [files / f"out{suffix}" for suffix in (".html", ".md", ".tex")]
    third = files / "c.json"
    third.write_text(results(0.1).to_json())
    call(
        "compare", files / "a.json", files / "b.json", third, "--html", words[0], "--markdown", words[1],
        "--latex", words[2],
    )  # fmt: skip
    page = words[0].read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<svg") == 2
    HTMLParser().feed(page)
    assert "http:" not in page
    assert "https:" not in page
    assert words[1].read_text().count("## NDCG@10: ") == 2
    assert words[2].read_text().count(r"\begin{tabular}") == 2


def test_two_protocols_are_refused_unless_asked_for(call, files):
    (files / "c.json").write_text(results(0, data="other", items=25, protocol={"repeats": "shown"}).to_json())
    error = call("compare", files / "a.json", files / "c.json", code=2).stderr
    assert "data d and other; items 24 and 25; repeats None and shown" in error
    assert "--anyway" in error
    text = call("compare", files / "a.json", files / "c.json", "--anyway").stdout
    assert "a and c are two protocols: data d and other" in text


def test_other_differences_are_named(call, files):
    changes = {"seed": 4, "versions": {"recsys": "9.9"}, "machine": {"cpus": 512}}
    (files / "c.json").write_text(results(0, **changes).to_json())
    text = " ".join(call("compare", files / "a.json", files / "c.json").stdout.split())
    assert "Also differs: seed 0 and 4;" in text
    assert "and 9.9" in text
    assert "512" in text
    assert "the times do not compare" in text


@pytest.mark.parametrize(("text", "hint"), [("{", "not JSON"), ("[]", "no evaluation"), ("{}", "results.data")])
def test_other_files_are_refused(call, tmp_path, text, hint):
    path = tmp_path / "a.json"
    path.write_text(text)
    assert hint in call("compare", path, path, code=1).stderr


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("a.json",), 2, "two evaluations or more"),
        (("a.json", "b.json", "--metric", "hr@7"), 2, "ndcg@10"),
        (("a.json", "none.json"), 1, "none.json"),
        (("a.json", "b.json", "--per-user", "a.csv"), 2, "--per-user goes once with every evaluation"),
        (
            ("a.json", "b.json", "--per-user", "b.csv", "--per-user", "a.csv"),
            1,
            "the per-user table is not of a",
        ),
        (("a.json", "b.json", "--markdown", "b.json"), 2, "one of the files to compare"),
        (("a.json", "b.json", "--html", "no/such/out.html"), 2, "there is no folder"),
    ],
)
def test_errors_name_what_is_wrong(call, files, monkeypatch, words, code, hint):
    monkeypatch.chdir(files)
    before = (files / "b.json").read_bytes()
    assert hint in call("compare", *words, code=code).stderr
    assert (files / "b.json").read_bytes() == before
