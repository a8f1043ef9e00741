"""Other libraries beside ours: what they are given and hand back, how it is measured, and what the tables say of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peer_tables
from benchmarks.__main__ import main
from benchmarks.peers import command, environment, recommended
from benchmarks.peers.handover import Answer, Given, answered, in_chunks, load_answers, save_answers
from benchmarks.quality import STEPS
from benchmarks.runner import ROOT, write_lines
from benchmarks.shops import make_shop
from recsys.config import EngineConfig
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.eval.evaluate import evaluate
from recsys.registry import Registry
from recsys.types import Event, Item

FACTS = {
    "versions": {"python": "3.11.7"}, "commit": "abc1234", "date": "2026-11-22",
    "hardware": {"cpu": "One", "cores": 2, "memory_gib": 8.0, "system": "Linux"},
}  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> Dataset:
    return make_shop(120, 150)


@pytest.fixture(scope="module")
def looks() -> Dataset:
    """Shoppers who look at things that they do not choose."""
    items = [Item(item_id=f"i{n}", title=f"thing {n}") for n in range(12)]
    events = [
        Event(user_id=f"u{user}", item_id=f"i{(user + step) % 12}", kind=kind, time=100 * step + at)
        for user in range(8)
        for step in range(5)
        for at, kind in enumerate(("view", "purchase") if step % 2 else ("view",))
    ]
    events += [Event(user_id=f"u{u}", item_id=f"i{(u + 7) % 12}", kind="purchase", time=900) for u in range(8)]
    return Dataset.of(items, events)


def test_a_task_comes_through_its_files(shop, tmp_path):
    task = recommended.task_of(shop, {"als": [{}, {"factors": 8}]}, minutes=0.5)
    task.given.save(tmp_path)
    found = Given.load(tmp_path)
    for part in ("n_users", "n_items", "n", "hide", "tries", "minutes", "seed"):
        assert getattr(found, part) == getattr(task.given, part)
    for log in ("fitted", "known"):
        for column in ("users", "items", "weights"):
            theirs, ours = (getattr(getattr(given, log), column) for given in (found, task.given))
            assert theirs.dtype == ours.dtype
            assert np.array_equal(theirs, ours)
    assert np.array_equal(found.valid, task.given.valid)
    assert np.array_equal(found.test, task.given.test)


def test_nothing_that_is_to_be_found_is_given(shop):
    task = recommended.task_of(shop, {})
    given, log = task.given, shop.log
    for user in given.test:
        history = log.history(int(user)).rows
        assert given.fitted.items[given.fitted.users == user].tolist() == history[:-2].tolist()
        assert given.known.items[given.known.users == user].tolist() == history[:-1].tolist()
    assert given.hide
    assert given.n == 10


def test_looks_hide_nothing_and_lists_are_longer_for_it(looks):
    task = recommended.task_of(looks, {})
    assert not task.given.hide
    assert task.given.n == 12  # two things that everybody bought may stand before the ten
    lists = np.tile(np.arange(12, dtype=np.int32), (len(task.test), 1))
    seen = np.unique([3, 1])  # of shopper 0: bought in steps 1 and 3
    user = task.test.users.tolist().index(0)
    first = recommended.measured(lists, task.test, 12)
    # Shopper 0 is asked for i7: i1 and i3 are taken out before it, so that it is the sixth.
    assert first["hr@10"][user] == 1
    assert first["ndcg@10"][user] == pytest.approx(1 / np.log2(1 + 8 - len(seen)))


def test_answers_come_through_their_files(tmp_path):
    lists = np.arange(6, dtype=np.int32).reshape(2, 3)
    answers = [Answer("als", {"factors": 8}, lists[:1], lists, 1.5, 0.25, {"epochs": 3})]
    save_answers(tmp_path, "lib", answers, {"lib": "1.0"})
    [found], versions = load_answers(tmp_path, "lib")
    assert versions == {"lib": "1.0"}
    assert (found.model, found.values, found.fit_s, found.lists_s, found.notes) == (
        "als", {"factors": 8}, 1.5, 0.25, {"epochs": 3},
    )  # fmt: skip
    assert np.array_equal(found.test, lists)
    assert np.array_equal(found.valid, lists[:1])


def test_every_setting_is_tried_over_both_logs(shop):
    given = recommended.task_of(shop, {"one": [{"a": 1}, {"a": 2}], "absent": [{}]}).given
    asked = []

    def one(values):
        def lists(log, users):
            asked.append((values["a"], len(log.users), len(users)))
            return in_chunks(users, 3, lambda part: np.full((len(part), 2), values["a"]))

        return lists

    answers = answered({"one": one}, given, lambda line: None)
    sizes = [(len(given.fitted.users), len(given.valid)), (len(given.known.users), len(given.test))]
    assert asked == [(a, *size) for a in (1, 2) for size in sizes]
    assert [a.values for a in answers] == [{"a": 1}, {"a": 2}]
    assert answers[1].test.tolist() == [[2, 2, -1]] * len(given.test)


def test_our_lists_are_measured_as_an_evaluation_measures_them(shop):
    config = EngineConfig.of({"candidates": {"ease": {}}, "seed": 0})
    truth = evaluate(shop, config=config, rows=["ease"], refit=False, latency=False, repeats="masked")
    task = recommended.task_of(shop, {"ease": [{}]})
    [answer] = answered(recommended.our_fits(task, Registry()), task.given, lambda line: None)
    values = recommended.measured(answer.test, task.test, len(shop.items))
    for metric in recommended.METRICS:
        assert np.array_equal(values[metric], truth.per_user["ease"][metric])


def test_equal_lists_have_equal_figures_and_no_difference(shop):
    task = recommended.task_of(shop, {"ease": [{}]})
    answers = answered(recommended.our_fits(task, Registry()), task.given, lambda line: None)
    rows = recommended.rows_of(task, answers)
    [line] = recommended.lines_of("other", rows, rows, {"set": "shop"})
    beside = line["figures"]["versus"]["ease"]
    assert (beside["p"], beside["difference"], beside["x_ndcg@10"]) == (1, 0, 1)
    assert recommended.lines_of(recommended.OURS, rows, rows, {})[0]["figures"]["versus"] == {}


def test_seen_items_count_for_nobody(shop):
    """A list that starts with what the shopper has is the list without it."""
    task = recommended.task_of(shop, {})
    rng = np.random.default_rng(0)
    plain = np.stack([rng.permutation(len(shop.items))[:40] for _ in range(len(task.test))]).astype(np.int32)
    longest = max(len(task.test.history.history(int(u))) for u in task.test.users)
    padded = np.full((len(plain), 40 + longest), -1, dtype=np.int32)
    for i, user in enumerate(task.test.users):
        seen = task.test.history.history(int(user)).rows
        rest = plain[i][~np.isin(plain[i], seen)]
        padded[i, : len(seen) + len(rest)] = [*seen, *rest]
    for metric, values in recommended.measured(padded, task.test, len(shop.items)).items():
        assert np.array_equal(values, recommended.measured(plain, task.test, len(shop.items))[metric])


@pytest.mark.parametrize("wrong", [np.zeros((3, 10), np.int32), np.full((150, 2), 120, np.int32), np.zeros(150)])
def test_lists_that_cannot_be_are_errors(wrong, shop):
    task = recommended.task_of(shop, {})
    with pytest.raises(DataError, match="lists must"):
        recommended.measured(wrong.astype(np.int32), task.test, len(shop.items))


def test_validation_alone_chooses(shop):
    task = recommended.task_of(shop, {})
    right = np.full((len(task.test), 10), -1, dtype=np.int32)
    right[:, 0] = task.test.targets.rows
    good = np.full((len(task.valid), 10), -1, dtype=np.int32)
    good[:, 0] = task.valid.targets.rows
    nothing = np.full((len(task.test), 10), -1, dtype=np.int32)
    answers = [
        Answer("als", {}, nothing[: len(task.valid)], nothing, 1, 1),
        Answer("als", {"lucky": True}, nothing[: len(task.valid)], right, 1, 1),
        Answer("als", {"valid": True}, good, nothing, 1, 1),
    ]
    rows = recommended.rows_of(task, answers)
    assert rows["als", recommended.DEFAULTS].answer is answers[0]
    assert rows["als", recommended.BEST].answer is answers[2]
    assert rows["als", recommended.BEST].tried == 3


def test_everybody_tries_as_many_settings():
    ours = recommended.tries_of(recommended.OURS)
    for library, spaces in recommended.SPACES.items():
        theirs = recommended.tries_of(library)
        assert list(theirs) == list(spaces)
        for model in theirs:
            assert len(theirs[model]) == len(ours[recommended.SAME.get(model, model)]) == recommended.TRIES[model]
            assert len({json.dumps(values, sort_keys=True) for values in theirs[model]}) == len(theirs[model])
    assert ours["als"][0] == {}
    assert recommended.drawn({"a": [1, 2]}, 9) == [{}, *recommended.drawn({"a": [1, 2]}, 3)[1:]]


def test_the_cascade_is_bounded_like_the_others(shop):
    given = recommended.task_of(shop, {}, minutes=0.25).given
    config = EngineConfig.of({
        "candidates": {"sasrec": {"minutes": 20.0}, "transitions": {}, "popularity": {}},
        "variants": {"no-llm": {"candidates": ["sasrec", "transitions"], "rank": "lightgbm"}},
    })  # fmt: skip
    found = recommended.cascade_config(config, given)
    assert list(found.candidates) == ["sasrec", "transitions"]
    assert found.candidates["sasrec"].options["minutes"] == 0.25
    assert list(found.rank) == ["lightgbm"]
    assert found.hide_seen


def test_an_environment_is_that_of_its_pins(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "HERE", tmp_path)
    assert environment.python_of("implicit", tmp_path) == Path(sys.executable)
    (tmp_path / "lib.txt").write_text("lib==1.0\n")
    first = environment.folder_of("lib", tmp_path)
    assert first.name.startswith("env-lib-")
    assert environment.folder_of("lib", tmp_path) == first
    (tmp_path / "lib.txt").write_text("lib==1.1\n")
    second = environment.folder_of("lib", tmp_path)
    assert second != first
    monkeypatch.setattr(environment.platform, "python_version", lambda: "3.99.0")
    assert environment.folder_of("lib", tmp_path) not in (first, second)


def test_an_environment_is_made_once_and_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "HERE", tmp_path)
    (tmp_path / "lib.txt").write_text("lib==1.0\n")
    ran = []

    def run(words, check):
        ran.append(words[1:3])
        place = environment.folder_of("lib", tmp_path)
        place.mkdir(exist_ok=True)
        if words[1:3] == ["-m", "pip"] and len(ran) == 2:
            raise OSError("no space")

    monkeypatch.setattr(environment.subprocess, "run", run)
    with pytest.raises(OSError, match="space"):
        environment.python_of("lib", tmp_path, lambda line: None)
    assert not environment.folder_of("lib", tmp_path).exists()
    python = environment.python_of("lib", tmp_path, lambda line: None)
    assert python.is_relative_to(environment.folder_of("lib", tmp_path))
    assert len(ran) == 4
    assert environment.python_of("lib", tmp_path) == python
    assert len(ran) == 4


def test_requirements_are_pinned_and_name_no_place():
    for path in sorted((ROOT / "benchmarks" / "peers").glob("*.txt")):
        lines = path.read_text().splitlines()
        assert all("==" in line and "/" not in line and "+" not in line for line in lines), path.name
        assert not [line for line in lines if line.startswith(("nvidia", "triton"))]
        assert path.with_suffix(".py").is_file()


def test_implicit_answers_beside_us(shop, tmp_path):
    tries = {"als": [{}, {"factors": 16}], "item-knn": [{}, {"weighting": "bm25", "K": 30}]}
    mine = {model: [{}, {"decay": 1.0}] for model in tries}
    about = {"set": "shop"}
    command.recommended_lines(shop, recommended.OURS, mine, tmp_path, tmp_path, about)
    lines = command.recommended_lines(shop, "implicit", tries, tmp_path, tmp_path, about)
    assert [(line["name"], line["parameters"]["settings"]) for line in lines] == [
        (f"implicit {model}", settings) for model in tries for settings in ("defaults", "best on validation")
    ]
    for line in lines:
        figures = line["figures"]
        assert 0 < figures["metrics"]["ndcg@10"] <= figures["metrics"]["hr@10"] < 1
        assert set(figures["versus"]) == {line["parameters"]["model"]}
        assert figures["fit_s"] > 0
    assert lines[0]["parameters"]["peer_versions"]["implicit"]
    assert str(tmp_path) not in json.dumps(lines)


def line(library, model, settings, ndcg, versus, **parameters):
    return {
        "name": f"{library} {model}",
        "parameters": {"set": "shop", "side": library, "library": library, "model": model, "settings": settings,
                       "tried": 5, "minutes": 3.0, **parameters},
        "figures": {"metrics": {"hr@10": 2 * ndcg, "ndcg@10": ndcg}, "ci95": {"ndcg@10": [ndcg - 0.01, ndcg + 0.01]},
                    "fit_s": 2.0, "lists_s": 0.5, "p50_ms": 4.0, "versus": versus},
        **FACTS,
    }  # fmt: skip


def test_the_table_sets_ours_beside_theirs(tmp_path):
    assert peer_tables.recommended(tmp_path) == "Not measured yet: `python -m benchmarks peers shop beauty`."
    beside = {"p": 0.02, "x_ndcg@10": 1.5, "x_fit": 0.25, "x_lists": 2.0}
    lines = [
        line("recsys", "cascade", "defaults", 0.1, {}),
        line("recsys", "sasrec", "defaults", 0.08, {"cascade": {**beside, "p": 0.5}}),
        line("rectools", "esasrec", "defaults", 0.06, {"sasrec": beside, "cascade": beside}, epochs=4),
        line("implicit", "als", "best on validation", 0.05, {"als": {**beside, "p": 0.0001}, "cascade": beside}),
    ]
    write_lines(tmp_path / "peers.jsonl", lines)
    text = peer_tables.recommended(tmp_path)
    rows = [row.strip("| ").split(" | ") for row in text.splitlines() if row.startswith("| shop")]
    assert rows[0][1:5] == ["recsys, cascade", "kept for this set", "0.2000", "0.1000 (0.0900–0.1100)"]
    assert rows[0][5:] == ["–", "–", "–", "–", "2", "–", "0.5", "–"]
    assert rows[1][5:9] == ["–", "–", "1.5x", "0.500"]
    assert rows[2][1:3] == ["rectools, esasrec", "3 min, 4 epochs"]
    assert rows[2][5:] == ["1.5x", "0.020", "1.5x", "0.060", "2", "0.25x", "0.5", "2x"]
    assert rows[3][2] == "best of 5"
    assert rows[3][6] == "&lt; 0.001"
    assert "Measured 2026-11-22 at commit abc1234" in text


def test_the_table_of_searches(tmp_path):
    beside = {"p": 0.02, "x_ndcg@10": 1.1, "x_p50": 0.5}
    lines = [
        line("recsys", "text", "best on validation", 0.8, {}, set="icecat"),
        line("bm25s", "bm25", "defaults", 0.7, {"bm25": beside, "hybrid+ranker": {**beside, "p": 0.001}}, set="icecat"),
        line("sentence_transformers", "cross-encoder", "defaults", 0.75, {"hybrid+ranker": beside}, set="icecat",
             values={"steps": 120}),
    ]  # fmt: skip
    write_lines(tmp_path / "peers.jsonl", lines)
    rows = [r.strip("| ").split(" | ") for r in peer_tables.searched(tmp_path).splitlines() if r.startswith("| icecat")]
    assert rows[1][1:] == [
        "bm25s, bm25", "defaults", "0.7000 (0.6900–0.7100)", "1.1x", "0.040", "1.1x", "0.002", "4", "0.5x", "0.5x",
    ]  # fmt: skip
    assert rows[2][1:3] == ["sentence-transformers, cross-encoder", "120 steps a fold"]
    assert "Not measured" in peer_tables.recommended(tmp_path)


def test_a_side_replaces_its_own_lines_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path))
    ran = []

    def run(benchmark, case, scratch):
        ran.append(case["side"])
        if case["side"] == "rectools":
            raise command.subprocess.CalledProcessError(1, "rectools", stderr="no wheels")
        return [line(case["side"], "als", "defaults", 0.02, {}, set=case["set"])]

    monkeypatch.setattr(command, "run_case", run)
    monkeypatch.setattr(command, "source", lambda: "abc1234")
    old = [line("implicit", "als", "defaults", 0.01, {}), line("bm25s", "bm25", "defaults", 0.3, {}, set="icecat")]
    write_lines(tmp_path / "peers.jsonl", old)
    assert command.refresh(["shop", "beauty"], tmp_path, tmp_path) == 2  # one side failed, one set is not there
    found = {
        (p["set"], p["side"]): json.loads(text)["figures"]["metrics"]["ndcg@10"]
        for text in (tmp_path / "peers.jsonl").read_text().splitlines()
        if (p := json.loads(text)["parameters"])
    }
    assert found == {
        ("shop", "cascade"): 0.02, ("shop", "recsys"): 0.02, ("shop", "implicit"): 0.02, ("shop", "lenskit"): 0.02,
        ("icecat", "bm25s"): 0.3,
    }  # fmt: skip
    ran.clear()
    (tmp_path / "shop").mkdir()
    for side in ("cascade", "implicit", "lenskit"):  # the lists of recsys are gone
        (tmp_path / "shop" / f"{side}.json").touch()
    assert command.refresh(["shop"], tmp_path, tmp_path, resume=True) == 1
    assert ran == ["recsys", "rectools"]
    monkeypatch.setattr(command, "source", lambda: "abc1234+")  # changes that are not committed: nobody knows
    ran.clear()
    command.refresh(["shop"], tmp_path, tmp_path, resume=True)
    assert len(ran) == 5


def test_the_command_knows_its_sets(capsys):
    with pytest.raises(SystemExit):
        main(["peers", "nonsense"])
    assert "choose among shop, beauty" in capsys.readouterr().err
    assert {str(step) for step in STEPS} >= {f"benchmarks peers {name}" for name in command.SETS}
