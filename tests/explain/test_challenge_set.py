"""The challenge set is what it claims to be, and the checker reaches its floors on it."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from recsys.data.shop import make_shop
from recsys.explain.challenge import build
from recsys.explain.challenge.cases import make_cases
from recsys.explain.challenge.corrupt import INJECTED, KINDS, plain
from recsys.explain.challenge.load import FOLDER, SPLIT_NAMES, load, marked_texts, read_cases
from recsys.explain.challenge.measure import changed, nearest, outcomes, wilson

FLOORS = {"dev": (0.93, 0.97), "heldout": (0.90, 0.95)}  # true texts kept, corruptions caught


@pytest.fixture(scope="module")
def texts():
    return {split: load(split) for split in SPLIT_NAMES}


def test_there_is_enough_of_everything(texts):
    kinds = Counter(c.kind for found in texts.values() for c in found)
    assert kinds["true"] >= 200
    assert sum(n for kind, n in kinds.items() if kind != "true") >= 500
    assert set(kinds) == {"true", *KINDS, INJECTED}
    assert INJECTED not in {c.kind for c in texts["heldout"]}
    for found in texts.values():
        assert min(Counter(c.kind for c in found).values()) >= 30
        assert len({c.case for c in found}) == 24


def test_the_splits_share_no_product_no_brand_and_no_text(texts):
    dev, held = texts["dev"], texts["heldout"]
    titles = [{t for c in found for t in (c.title, *(e.title for e in c.evidence)) if t} for found in (dev, held)]
    assert not titles[0] & titles[1]
    assert not {t.split()[0] for t in titles[0]} & {t.split()[0] for t in titles[1]}
    assert not {c.text for c in dev} & {c.text for c in held}


@pytest.mark.parametrize("split", SPLIT_NAMES)
def test_no_text_is_there_twice_and_no_corruption_is_a_true_text(split, texts):
    by_hand = Counter((c.case, c.text, c.evidence) for c in texts[split])
    assert max(by_hand.values()) == 1


@pytest.mark.parametrize("split", SPLIT_NAMES)
def test_what_is_swapped_in_is_known_of_nothing(split, texts):
    """A changed value or name that the evidence holds after all might be true."""
    sources = {case: [plain(m) for name, m in marked_texts(split) if name == case] for case, _ in marked_texts(split)}
    for c in texts[split]:
        if c.kind != "attribute" or c.by_hand:
            continue
        known = " ".join([c.title, *(f"{e.title} {e.value}" for e in c.evidence)]).lower()
        new = [c.text[a:b] for a, b in changed(nearest(c.text, sources[c.case]), c.text)]
        assert any(word.lower() not in known for piece in new for word in piece.split() if len(word) > 3), c.text


@pytest.fixture(scope="module")
def shop():
    return make_shop(seed=0, n_shoppers=2000)


@pytest.mark.parametrize("split", SPLIT_NAMES)
def test_a_second_build_gives_the_same_corruptions(split, shop):
    lines = (FOLDER / f"corruptions.{split}.jsonl").read_text(encoding="utf-8").splitlines()
    assert build.make_corruptions(split, shop) == [json.loads(line) for line in lines]


def test_a_second_build_gives_the_same_injections():
    lines = (FOLDER / "injected.dev.jsonl").read_text(encoding="utf-8").splitlines()
    assert build.make_injected("dev") == [json.loads(line) for line in lines]


def test_the_cases_are_of_the_shop(shop):
    for split in SPLIT_NAMES:
        assert make_cases(split, shop) == read_cases(split)


def test_evidence_quotes_are_of_the_shop(shop):
    reviews = {r.review_id: r.text for r in shop.dataset.reviews}
    quoted = [e for split in SPLIT_NAMES for c in read_cases(split) for e in c["evidence"] if e["kind"] == "review"]
    assert quoted
    for e in quoted:
        assert reviews[e["review_id"]][e["start"] : e["end"]] == e["quote"]


@pytest.mark.parametrize("split", SPLIT_NAMES)
def test_the_checker_reaches_its_floors(split):
    found = outcomes(split)
    true = [o.right for o in found if o.challenge.kind == "true"]
    false = [o.right for o in found if o.challenge.kind != "true"]
    placed = [o.located for o in found if o.located is not None]
    keeps, catches = FLOORS[split]
    assert sum(true) / len(true) >= keeps
    assert sum(false) / len(false) >= catches
    assert len(placed) > 100
    assert sum(placed) / len(placed) >= 0.95
    for kind in (*KINDS, *([INJECTED] if split == "dev" else [])):
        of_kind = [o.right for o in found if o.challenge.kind == kind]
        assert sum(of_kind) / len(of_kind) >= 0.85, kind


def test_wilson_interval_of_known_values():
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(90, 100)
    assert (round(low, 4), round(high, 4)) == (0.8256, 0.9448)
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_changes_are_found_word_by_word():
    before, after = "You bought the chair in May.", "You bought the sofa in May."
    [(start, end)] = changed(before, after)
    assert after[start:end] == "sofa"
    assert changed("It is not red.", "It is red.") == [(6, 6)]
    assert nearest(after, ["Something else.", before]) == before
