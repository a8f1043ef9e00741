from __future__ import annotations

import shutil

import pytest

from recsys.store.dump import restore
from recsys.store.memory import MemoryStore


def test_recommend_to_a_stranger(call, answer, bundle):
    found = answer("recommend", "--bundle", bundle, "-k", 4, "--json")
    assert [r["rank"] for r in found["items"]] == [1, 2, 3, 4]
    assert found["user_id"] is None
    assert found["degraded"] == []
    assert {s for r in found["items"] for s in r["sources"]} == {"popularity"}
    assert "4 items for a stranger" in call("recommend", "--bundle", bundle, "-k", 4).stdout


def test_a_dump_and_the_data_give_the_same_list(answer, bundle, dump, source):
    words = ("recommend", "--bundle", bundle, "--user", "u2", "-k", 3, "--json")
    by_dump, by_data = answer(*words, "--store", dump), answer(*words, "--data", source)
    assert by_dump["items"] == by_data["items"]
    # u2 chose even things alone, and so did all who resemble them
    assert all(int(r["item_id"][1:]) % 2 == 0 for r in by_dump["items"])


def test_what_was_bought_is_not_recommended(answer, bundle, dump):
    store = MemoryStore()
    restore(store, dump)
    bought = set(store.items().vocabulary.ids(store.history("u2").rows))
    found = answer("recommend", "--bundle", bundle, "--store", dump, "--user", "u2", "-k", 24, "--json")
    assert len(found["items"]) == 24 - len(bought)
    assert bought.isdisjoint(r["item_id"] for r in found["items"])


def test_where(answer, bundle):
    words = ("recommend", "--bundle", bundle, "-k", 24, "--json")
    cheap = answer(*words, "--where-max-price", 15, "--where-min-price", 12, "--where-brand", "even")
    assert {r["item_id"] for r in cheap["items"]} == {"i2", "i4"}
    assert answer(*words, "--where-category", "none such")["items"] == []


def test_context_counts_as_a_look(answer, bundle):
    found = answer("recommend", "--bundle", bundle, "--context", "i3", "-k", 3, "--json")
    assert "i3" not in {r["item_id"] for r in found["items"]}
    assert all(int(r["item_id"][1:]) % 2 for r in found["items"])


def test_similar(call, answer, bundle):
    found = answer("similar", "--bundle", bundle, "--item", "i4", "-k", 5, "--json")
    assert found["item_id"] == "i4"
    assert all(int(r["item_id"][1:]) % 2 == 0 and r["item_id"] != "i4" for r in found["items"])
    assert "like i4" in call("similar", "--bundle", bundle, "--item", "i4").stdout


def test_workings_are_printed_and_in_the_json(call, answer, bundle, dump):
    words = ("recommend", "--bundle", bundle, "--user", "u2", "--store", dump, "-k", 3, "--workings")
    found = answer(*words, "--json")["items"]
    first = found[0]["workings"]
    assert first["fused"]["rank"] == 1
    assert first["sources"]["transitions"]["rank"] >= 1
    assert set(first) == {"sources", "fused", "prerank", "rerank", "rules", "moves"}
    said = call(*words).stdout
    assert "workings" in said
    assert all(f"fused {r['workings']['fused']['rank']}, " in said for r in found)
    assert "workings" not in answer(*words[:-1], "--json")["items"][0]
    searched = ("search", "thing", "--bundle", bundle, "-k", 2, "--workings")
    assert "text" in answer(*searched, "--json")["items"][0]["workings"]["sources"]
    assert "sources: place" in call(*searched).stdout


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("--user", "u1"), 2, "--store DUMP or --data"),
        (("--user", "u1", "--store", "x", "--data", "y"), 2, "not both"),
        (("--variant", "none-such"), 2, "variant"),
        (("--where-min-price", 9, "--where-max-price", 3), 1, "above"),
        (("--context", "none-such"), 1, "unknown item_id"),
        (("-k", 0), 2, "greater than or equal to 1"),
    ],
)
def test_errors_name_what_is_wrong(call, bundle, words, code, hint):
    result = call("recommend", "--bundle", bundle, *words, code=code)
    assert hint in result.stderr
    assert result.stdout == ""


def test_a_missing_bundle_says_how_to_make_one(call, tmp_path):
    assert "recsys fit" in call("recommend", "--bundle", tmp_path / "none", code=1).stderr


def test_dump_and_restore(call, answer, source, tmp_path):
    place = tmp_path / "shop.jsonl.gz"
    counts = {"items": 24, "events": 480, "reviews": 0, "searches": 0, "edits": 0}
    assert answer("dump", place, "--data", source, "--json") == counts
    assert answer("restore", place, "--json") == counts
    assert "480 events" in call("restore", place).stdout
    place.write_bytes(place.read_bytes()[:-200])
    assert "cut off" in call("restore", place, code=1).stderr


@pytest.mark.parametrize("single", [True, False])
def test_erase_user(call, answer, dump, source, tmp_path, single):
    place = tmp_path / ("shop.jsonl.gz" if single else "shop")
    if single:
        answer("dump", place, "--data", source, "--json")
    else:
        shutil.copytree(dump, place)
    assert answer("erase-user", "u7", "--store", place, "--json")["events"] == 8
    store = MemoryStore()
    assert restore(store, place)["events"] == 472
    assert store.export("u7") == []
    assert [p.name for p in tmp_path.iterdir()] == [place.name]  # no copy of what was erased is left
    assert "nothing about 'u7'" in call("erase-user", "u7", "--store", place, code=1).stderr
    assert "erased u8" in call("erase-user", "u8", "--store", place).stdout


def test_search_and_written_filters(call, answer, bundle):
    first = answer("recommend", "--bundle", bundle, "-k", 24, "--json")["items"]
    title, price = first[0]["title"], first[0]["price"]
    found = answer("search", title, "--bundle", bundle, "-k", 5, "--json")
    assert found["text"] == title
    assert found["items"][0]["title"] == title
    assert repr(title) in call("search", title, "--bundle", bundle).stdout
    cheap = answer("search", title, "--bundle", bundle, "--where", f"price < {price}", "-k", 24, "--json")
    assert all(r["price"] < price for r in cheap["items"])
    listed = answer("recommend", "--bundle", bundle, "--where", f"price < {price}", "-k", 24, "--json")["items"]
    assert sorted(r["item_id"] for r in listed) == sorted(r["item_id"] for r in first if r["price"] < price)
