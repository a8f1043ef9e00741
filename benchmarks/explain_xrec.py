"""Explanations of XRec's pairs: rules, our language model and the published texts, on the same held-out shoppers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks.runner import read_lines, run_case, write_lines
from benchmarks.xrec_pairs import DOMAINS, pairs_of
from benchmarks.xrec_writer import Vectors, Writer
from recsys.data.source import data_folder
from recsys.embed.cache import embed_items
from recsys.embed.minilm import MiniLM
from recsys.eval.explained_pairs import measure_pairs, rule_texts
from recsys.eval.generation_words import Words
from recsys.runtime.models import cache_folder
from recsys.types import Vectors as Rows

NAME = "xrec"
# Folder of a model behind the domain's name -> its row; another row has the texts of the same model that may claim
# nothing but what the inputs say.
MODELS = {"others": "our LM, other two domains", "this": "our LM, this domain"}
CLOSED = {name: f"{name}, inputs' words only" for name in MODELS.values()}
_TRAINED = ("pairs", "parameters", "stopped", "steps", "seconds", "validation_loss")


class Kept:
    """MiniLM whose vectors stay on disk: references and inputs are read again and again."""

    def __init__(self) -> None:
        self._embedder = MiniLM(MiniLM.Config(threads=1))
        self.dim = self._embedder.dim

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Rows:
        return embed_items(self._embedder, texts)


def models_folder() -> Path:
    """Return where models are trained and looked for unless another folder is given."""
    return cache_folder() / NAME


def refresh(domains: Sequence[str], results: Path, models: Path | None, quick: bool = False) -> int:
    """Measure domains, keep the lines of the others, and return how many of them failed or have no files."""
    path = results / f"{NAME}.jsonl"
    missing = [d for d in domains if not (data_folder() / NAME / d).is_dir()]
    failed = 0
    for domain in (d for d in domains if d not in missing):
        begin = time.perf_counter()
        case = {"domain": domain, "models": str(models or models_folder()), "pairs": 20 if quick else None}
        try:
            lines = run_case(NAME, case, results)
        except subprocess.CalledProcessError as error:
            print(f"{NAME}, {domain} failed:\n{error.stderr}", file=sys.stderr)
            failed += 1
            continue
        kept = [line for line in read_lines(path) if line["parameters"]["domain"] != domain]
        order = {d: i for i, d in enumerate(DOMAINS)}
        write_lines(path, sorted([*kept, *lines], key=lambda line: order[line["parameters"]["domain"]]))
        print(f"{NAME}, {domain}: {len(lines)} lines, {time.perf_counter() - begin:.0f} s", flush=True)
    for domain in missing:
        print(f"{NAME}, {domain}: no files in {data_folder() / NAME / domain}")
    return failed + len(missing)


def run(case: Mapping[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Return the lines of one domain; a model that was not trained has none."""
    domain, embedder = case["domain"], Kept()
    pairs = pairs_of(domain)
    train = [p for p in pairs if p.part == "train"]
    test = [p for p in pairs if p.part == "test"][: case["pairs"]]
    words = Words.of([p.explanation for p in train])
    texts = rule_texts(test, train, words, embedder)
    trained: dict[str, dict[str, Any]] = {}
    for which, name in MODELS.items():
        folder = Path(case["models"]) / f"{domain}-{which}"
        if (folder / "trained.json").is_file():
            writer = Writer(folder, Vectors(embedder))
            begin = time.perf_counter()
            texts[name] = writer.write(test)
            took = time.perf_counter() - begin
            texts[CLOSED[name]] = writer.write(test, closed=True)
            trained[name] = {k: writer.facts[k] for k in _TRAINED} | {"texts_s": round(len(test) / took, 1)}
    return [
        {
            "name": line["system"],
            "parameters": {
                "domain": domain, "rows": line["rows"], "n": line["n"], "train": len(train),
                "model": trained.get(line["system"]),
            },
            "figures": line["figures"] | {"versus": line["versus"]},
        }
        for line in measure_pairs(test, texts, words, embedder)
    ]  # fmt: skip
