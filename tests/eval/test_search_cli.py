from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recsys.cli.app import app

COLOURS = ("red", "blue", "green", "white")
KINDS = ("kettle", "teapot", "lamp", "chair", "desk", "sofa")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of plain files: twenty-four products, a query for each of twelve."""
    folder = tmp_path_factory.mktemp("judged")
    things = [(c, k) for c in COLOURS for k in KINDS]
    items = [{"item_id": f"{c}-{k}", "title": f"{c} {k}", "text": f"goes with {COLOURS[i % 4]}"}
             for i, (c, k) in enumerate(things)]  # fmt: skip
    (folder / "items.jsonl").write_text("".join(json.dumps(i) + "\n" for i in items))
    lines = [f"{c} {k},{c}-{other},{3 if other == k else 0}" for c, k in things[::2] for other in (*KINDS[:4], k)]
    (folder / "judgements.csv").write_text("\n".join(["query,item_id,grade", *dict.fromkeys(lines)]) + "\n")
    return f"search:{folder}"


def call(*words: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["evaluate", *(str(word) for word in words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def test_a_search_is_evaluated_and_written_in_every_form(place: str, tmp_path: Path) -> None:
    out = {kind: tmp_path / f"out.{kind}" for kind in ("json", "html", "md", "csv")}
    result = call(
        "--data", place, "--rows", "text,bm25,rank-bm25", "--seed", 3, "--json", out["json"], "--html", out["html"],
        "--markdown", out["md"], "--per-user", out["csv"],
    )  # fmt: skip
    value = json.loads(out["json"].read_text())
    assert [row["name"] for row in value["rows"]] == ["rank-bm25", "bm25", "text"]
    assert (value["split"], value["users"], value["seed"]) == ("5 folds by query", 12, 3)
    assert "Ranking quality" in result.stdout
    assert out["html"].read_text().startswith("<!DOCTYPE html>")
    assert "| text" in out["md"].read_text()
    with out["csv"].open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 36
    assert all("kettle" not in path.read_text() for path in out.values())


def test_json_alone_on_stdout(place: str) -> None:
    assert json.loads(call("--data", place, "--rows", "bm25", "--json").stdout)["metric"] == "ndcg@10"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--split", "global-time"), "--split"),
        (("--repeats", "shown", "--ablate"), "--repeats, --ablate"),
        (("--no-refit",), "--refit"),
        (("--rows", "transitions"), "rank-bm25, bm25"),
        (("--run", "mine=run.csv"), "no shoppers"),
    ],
)
def test_options_of_shoppers_are_refused(place: str, words: tuple[str, ...], hint: str) -> None:
    assert hint in call("--data", place, *words, code=2).stderr
