from __future__ import annotations


def test_search(call, answer, bundle):
    found = answer("search", "thing number 7", "--bundle", bundle, "--json", "--facets")
    assert found["items"][0]["item_id"] == "i7"
    assert found["total"] >= 1
    assert found["facets"]["fields"]["brand"]
    text = call("search", "thing number 7", "--bundle", bundle, "--facets").stdout
    assert "Thing number 7" in text
    assert "brand: odd" in text


def test_a_typing_error_is_read_and_told(call, answer, bundle):
    found = answer("search", "thinng", "--bundle", bundle, "--json")
    assert found["corrections"] == {"thinng": "thing"}
    assert found["total"] == 24
    assert "read “thinng” as “thing”" in call("search", "thinng", "--bundle", bundle).stdout


def test_a_filter_holds_in_a_search(answer, bundle):
    found = answer("search", "thing", "--bundle", bundle, "--where", "price < 13", "--json")
    assert {r["item_id"] for r in found["items"]} == {"i0", "i1", "i2"}


def test_suggest(call, answer, bundle):
    found = answer("suggest", "thi", "--bundle", bundle, "--json")
    assert found["texts"]
    for text in found["texts"]:
        assert answer("search", text, "--bundle", bundle, "--json")["total"] > 0
    assert call("suggest", "thi", "--bundle", bundle).stdout.split("\n")[0] == found["texts"][0]


def test_reasons_come_with_evidence(call, answer, bundle, source):
    words = ("recommend", "--bundle", bundle, "--user", "u2", "--data", source, "-k", 3, "--explain")
    found = answer(*words, "--json")
    for row in found["items"]:
        assert row["explanation"]["text"]
        assert row["explanation"]["evidence"]
    assert "bought: Thing number" in call(*words).stdout


def test_explain_given_items(call, answer, bundle, source):
    words = ("explain", "--item", "i22", "--item", "i20", "--bundle", bundle, "--user", "u2", "--data", source)
    found = answer(*words, "--json")
    assert [one["item_id"] for one in found["items"]] == ["i22", "i20"]
    assert all(one["explanation"]["kind"] in ("template", "none") for one in found["items"])
    assert "i22" in call(*words).stdout


def test_a_guest_is_known_by_nobody(call, bundle):
    assert "--store DUMP or --data" in call("search", "x", "--bundle", bundle, "--user", "u1", code=2).stderr
    assert (
        "--store DUMP or --data" in call("explain", "--item", "i1", "--bundle", bundle, "--user", "u1", code=2).stderr
    )


def test_an_empty_search_is_refused(call, bundle):
    assert "empty" in call("search", " ", "--bundle", bundle, code=1).stderr
