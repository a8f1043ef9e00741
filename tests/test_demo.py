from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from recsys.bundle import open_bundle
from recsys.cli.app import app
from recsys.config import EngineConfig
from recsys.demo import Demo, guest, history, prepare, report, shoppers, with_popularity
from recsys.demo_grades import POPULARITY, foreseen, grade, graded, ndcg
from recsys.demo_variants import offered, side_by_side, variants_of, with_variants
from recsys.engine import Engine
from recsys.errors import NotFittedError, UnknownPlugin
from recsys.explain.check import check
from recsys.explanation import Evidence
from recsys.registry import Registry

N = 150
QUICK = EngineConfig.of(
    {"candidates": {"attributes": {}, "transitions": {}, "ease": {}}, "variants": {"no-llm": {}}, "rank": {}}
)
TRUTH = {
    "ndcg@10", "ndcg@10_popularity", "ndcg@10_random", "ndcg@10_oracle", "statement_precision", "claims_per_text",
    "true_reason_share", "true_reason_share_last_item", "true_reason_share_same_category",
    "true_reason_share_last_purchase", "false_reason_share", "true_reason_share_shown", "false_reason_share_shown",
}  # fmt: skip
ROW = {"rank", "item_id", "title", "score", "sources", "explanation"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(folder) -> Demo:
    return prepare(folder, n_shoppers=N, config=QUICK)


@pytest.fixture(scope="module")
def found(demo) -> dict:
    return json.loads(json.dumps(report(demo, n_graded=50)))


def test_the_contract(demo, found):
    assert set(found) == {"shoppers", "searches", "suggestions", "rules", "variants", "truth"}
    assert len(found["shoppers"]) == 3
    catalogue = set(demo.shop.dataset.items.ids)
    for shopper in found["shoppers"]:
        assert set(shopper) == {"user_id", "history", "profile", "items"}
        assert 1 <= len(shopper["history"]) <= 8
        assert all(set(h) == {"item_id", "title", "kind", "time"} for h in shopper["history"])
        assert [h["time"] for h in shopper["history"]] == sorted(h["time"] for h in shopper["history"])
        assert [r["rank"] for r in shopper["items"]] == list(range(1, 11))
        for row in shopper["items"]:
            assert set(row) == ROW
            assert row["item_id"] in catalogue
            assert row["title"]
            assert row["sources"]
    assert set(found["truth"]) == TRUTH


def test_reasons_stand_on_their_evidence(demo, found):
    rows = [row for shopper in found["shoppers"] for row in shopper["items"]]
    said = [row for row in rows if row["explanation"]["text"]]
    assert len(said) > len(rows) / 2
    for row in said:
        reason = row["explanation"]
        assert set(reason) == {"text", "kind", "evidence", "causal_drop", "confidence"}
        evidence = [Evidence(**{"title": "", **e}) for e in reason["evidence"]]
        assert check(reason["text"], evidence, row["title"], now=demo.now).supported
    assert found["truth"]["statement_precision"] == 1.0
    assert found["truth"]["claims_per_text"] >= 1


def test_searches_are_those_of_a_guest_and_of_a_shopper(demo, found):
    plain, misspelt = found["searches"]
    for search in (plain, misspelt):
        guest_list, own = search["lists"]
        assert guest_list["user_id"] is None
        assert own["user_id"] == found["shoppers"][0]["user_id"]
        assert search["total"] >= len(own["items"]) > 0
        assert search["facets"]["fields"]["brand"]
        assert all(row["explanation"]["evidence"] for row in own["items"] if row["explanation"]["text"])
    assert plain["corrections"] == {}
    assert misspelt["corrections"] == {"cofee": "coffee"}
    assert "offee" in misspelt["lists"][0]["items"][0]["title"]


def test_suggestions_lead_somewhere(demo, found):
    texts = [text for one in found["suggestions"] for text in one["texts"]]
    assert texts
    for text in texts:
        assert demo.engine.search(text, now=demo.now).total


def test_the_rules_are_obeyed_and_named(found):
    ruled = found["rules"]
    pin = ruled["rules"]["pin"][0]
    assert [r["item_id"] for r in ruled["items"]].index(pin["item_id"]) == pin["position"] - 1
    assert any("pin" in line for line in ruled["applied"])


def test_the_engine_is_nearer_to_the_truth_than_its_controls(demo):
    truth = grade(demo, 150)
    assert truth["ndcg@10_oracle"] == 1.0
    assert truth["ndcg@10"] > truth["ndcg@10_popularity"]
    assert truth["ndcg@10"] > 1.5 * truth["ndcg@10_random"]
    assert truth["ndcg@10_random"] < 0.15
    assert grade(demo, 150) == truth


def test_ndcg_by_hand():
    gains = np.array([[3, 0, 1], [0, 0, 0]], dtype=np.float32)
    ideal = 3 + 1 / np.log2(3)
    assert ndcg([[0, 2, 1], [0, 1, 2]], gains) == 1.0  # the second shopper likes nothing: left out
    assert ndcg([[2, 0], []], gains) == pytest.approx((1 + 3 / np.log2(3)) / ideal, abs=1e-4)
    assert ndcg([[1], [0]], gains) == 0.0


def test_what_comes_next_by_hand():
    chances = np.array([[0.5, 0.3, 0.2], [0, 0, 4]])
    assert foreseen([[1, 0], [2]], chances) == pytest.approx([0.3 + 0.5 / np.log2(3), 1])
    assert foreseen([[], [0, 1, 2]], chances) == pytest.approx([0, 0.5])
    assert foreseen([[1] * 10 + [0], []], chances)[0] < 0.3 * 10  # the eleventh is not looked at


def test_the_oracle_of_what_comes_next_is_above_all(demo):
    values = graded(demo, 60).values["next@10"]
    for name, found in values.items():
        assert (found <= values["oracle"] + 1e-6).all(), name
    assert values["oracle"].mean() > values[""].mean() > values["random"].mean()


def test_the_second_run_loads_what_the_first_one_saved(demo, folder, found):
    again = prepare(folder, n_shoppers=N, config=QUICK)
    assert demo.fitted_anew
    assert not again.fitted_anew
    assert json.loads(json.dumps(report(again, n_graded=50))) == found


def test_another_shop_is_fitted_anew(folder, tmp_path):
    import shutil

    copy = tmp_path / "demo"
    shutil.copytree(folder, copy)
    other = prepare(copy, seed=1, n_shoppers=30, config=QUICK)
    assert other.fitted_anew
    assert not prepare(copy, seed=1, n_shoppers=30, config=QUICK).fitted_anew


@pytest.mark.parametrize("damage", ["bundle", "mark"])
def test_a_damaged_bundle_is_made_again(folder, tmp_path, damage):
    prepare(tmp_path, n_shoppers=30, config=QUICK)
    if damage == "bundle":
        next(open_bundle(tmp_path / "bundle").folder.rglob("*.npy")).write_bytes(b"x")
    else:
        (tmp_path / "demo.json").write_text('{"finger')
    said: list[str] = []
    assert prepare(tmp_path, n_shoppers=30, config=QUICK, progress=said.append).fitted_anew
    assert any("made again" in line for line in said) == (damage == "bundle")
    assert not prepare(tmp_path, n_shoppers=30, config=QUICK).fitted_anew


def test_nothing_about_the_truth_or_a_person_is_kept(demo, folder):
    text = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert not any(user.encode() in text for user in demo.shop.dataset.log.users)


def test_a_guest_gets_a_list_at_once(demo):
    item = demo.shop.dataset.items.ids[7]
    before = demo.engine.recommend("guest-7", now=demo.now)
    after = guest(demo, item, "guest-7")
    assert {s for r in before for s in r.sources} == {"popularity"} or not len(before)
    assert len(after) == 10
    assert {"attributes", "ease", "transitions"} & {s for r in after for s in r.sources}


def test_histories_leave_out_what_was_merely_shown(demo):
    for user in shoppers(demo, 20):
        acts = history(demo, user, 1000)
        assert acts
        assert all(act["kind"] != "impression" for act in acts)
        assert len(history(demo, user, 2)) == min(2, len(acts))


def test_the_popularity_variant_is_beside_the_others():
    config = with_popularity(QUICK)
    assert config.variants["no-llm"].candidates == ("attributes", "transitions", "ease")
    assert config.variants[POPULARITY].candidates == ("popularity",)
    assert with_popularity(EngineConfig()).candidates["popularity"].n == 30
    with pytest.raises(NotFittedError):
        Engine(config).recommend(variant=POPULARITY)


def untimed(found: dict) -> dict:
    """Leave out what no two runs have in common."""
    for one in found["variants"]["lists"]:
        one.pop("rerank_ms", None)
    return found


def test_the_verb(tmp_path, monkeypatch):
    import recsys.demo

    monkeypatch.setattr(recsys.demo, "settings_for", lambda name: QUICK)
    words = ["demo", "--no-serve", "--shoppers", "40", "--graded", "30", "--folder", str(tmp_path)]
    bare = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    found = json.loads(bare.stdout)
    assert set(found["truth"]) - {f"ndcg@10_{name}" for name in offered()["variants"]} == TRUTH
    text = CliRunner().invoke(app, [*words, "--json", str(tmp_path / "out.json")], catch_exceptions=False).stdout
    assert untimed(json.loads((tmp_path / "out.json").read_text())) == untimed(found)
    for shopper in found["shoppers"]:
        assert shopper["user_id"] in text
    assert "oracle" in text
    assert "a guest" in text


def test_variants_side_by_side(demo):
    config, missing = with_variants(demo.engine.config, Registry())
    assert "zero-shot" in config.variants
    assert set(missing) | set(config.variants) >= {"no-llm", "zero-shot", "fine-tuned"}
    engine = Engine(config).fit(demo.shop.dataset)
    both = replace(demo, engine=engine)
    user = demo.shop.dataset.log.users[3]
    found = json.loads(
        json.dumps(side_by_side(both, user, graded(both, 40).of_variants(variants_of(config), config.variant), missing))
    )
    assert [one["variant"] for one in found["lists"]] == variants_of(config)
    plain = found["lists"][0]
    assert [r["move"] for r in plain["items"]] == [0] * 10
    assert plain["ndcg@10"] == grade(both, 40)["ndcg@10"]
    assert "against" not in plain
    for one in found["lists"][1:]:
        for measure in ("ndcg@10", "next@10"):
            said = one["against"][measure]
            assert said["ci95"][0] <= said["difference"] <= said["ci95"][1]
            assert said["difference"] == pytest.approx(one[measure] - plain[measure], abs=2e-4)
            assert 0 < said["p"] <= 1
        assert one["shoppers"] <= 40
        assert one["rerank_ms"] > 0
        assert one["degraded"] == []
        for r in one["items"]:
            was = [p["rank"] for p in plain["items"] if p["item_id"] == r["item_id"]]
            assert r["move"] == (was[0] - r["rank"] if was else None)


def test_a_variant_whose_package_is_missing_is_named():
    class Bare(Registry):
        def get(self, kind, name):
            raise UnknownPlugin(f"no {kind} named {name}")

    config, missing = with_variants(QUICK, Bare())
    assert config == QUICK
    assert missing["zero-shot"] == "no rerankers named bi-encoder"
