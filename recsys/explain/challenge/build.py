"""Writes the corruptions of both splits, and for development what merchants inject.

``python -m recsys.explain.challenge.build FOLDER``.

They follow from the committed cases and true texts and a seed; a test states that a second run gives the same files.
"""

from __future__ import annotations

import json
import random
import sys
import tomllib
from pathlib import Path

from recsys.data.shop import Shop, make_shop
from recsys.explain.challenge.cases import SPLITS, Draw, value_of
from recsys.explain.challenge.corrupt import INJECTED, Falsehood, Pool, corrupted, spread
from recsys.explain.challenge.load import FOLDER, marked_texts, read_cases
from recsys.types import Item

SEED = 7
ROUNDS = 4  # a text is falsified this often in each way, and the repeats are thrown away
MOST = 36  # of each kind in a split


def pool_of(split: str, shop: Shop) -> Pool:
    """Return what false things of a split are taken from."""
    items = Draw(shop, split).items
    names = sorted({_name(item) for item in items if " by " not in item.title})
    values = {
        field: sorted({v for item in items if (v := value_of(item, field))})
        for field in ("brand", "material", "features", "category")
    }
    invented = tomllib.loads((FOLDER / "invented.toml").read_text(encoding="utf-8"))[split]
    return Pool(names, values, invented)


def _name(item: Item) -> tuple[str, str, str]:
    brand, form = item.brand or "", item.categories[-1]
    rest = item.title.split(",")[0].removeprefix(brand).removesuffix(form).split()
    return brand, rest[0] if rest else form, form


def make_corruptions(split: str, shop: Shop) -> list[dict[str, object]]:
    """Return the corruptions of a split, as they are written to its file."""
    rng = random.Random(f"{SEED}-{split}")
    pool, cases = pool_of(split, shop), {c["case"]: c for c in read_cases(split)}
    made: list[tuple[str, Falsehood]] = [
        (name, false)
        for _ in range(ROUNDS)
        for name, text in marked_texts(split)
        for false in corrupted(text, cases[name], pool, rng)
    ]
    owner = {(false.kind, false.text): name for name, false in made}
    out: list[dict[str, object]] = []
    for false in spread([false for _, false in made], MOST, rng):
        name = owner[false.kind, false.text]
        line: dict[str, object] = {"case": name, "kind": false.kind, "text": false.text}
        if false.evidence != cases[name]["evidence"]:
            line["evidence"] = list(false.evidence)
        out.append(line)
    return out


def make_injected(split: str) -> list[dict[str, object]]:
    """Return texts that repeat what a merchant wrote behind a title or value, with the evidence that holds it."""
    tails = tomllib.loads((FOLDER / "injected.toml").read_text(encoding="utf-8"))
    out: list[dict[str, object]] = []
    for place, case in enumerate(2 * read_cases(split)):
        tail = tails["tails"][place % len(tails["tails"])]
        events = [e for e in case["evidence"] if e["kind"] == "event" and e["event_kind"] in tails["acts"]]
        values = [e for e in case["evidence"] if e["kind"] == "attribute"]
        for first, field in ((events[:1], "title"), (values[:1], "value")):
            if not first:
                continue
            name = first[0][field].split(",")[0]
            known = [{**e, field: name + tail} if e.get(field) == first[0][field] else e for e in case["evidence"]]
            form = tails["acts"][first[0]["event_kind"]] if field == "title" else tails["shared"]
            text = form.format(name + tail)
            out.append({"case": case["case"], "kind": INJECTED, "text": text, "evidence": known})
    return out


def main(folder: Path) -> None:
    """Write both files."""
    shop = make_shop(seed=0, n_shoppers=2000)
    for split in SPLITS:
        lines = [json.dumps(line, ensure_ascii=False) + "\n" for line in make_corruptions(split, shop)]
        (folder / f"corruptions.{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    lines = [json.dumps(line, ensure_ascii=False) + "\n" for line in make_injected("dev")]
    (folder / "injected.dev.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
