"""Trains the explanation writer on a shop: a small Llama that words facts with slots, see `recsys.explain.generate`.

``python -m recsys_fine_tuned.writer --to FOLDER`` trains the one that lies in ``shop/writer`` anew. Only training
imports torch and transformers; what it leaves is served by ONNX Runtime alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recsys.demo import prepare
from recsys.errors import ConfigError
from recsys.explain.generate import prompt_for
from recsys.explain.slots import slot_names
from recsys.runtime.decoder import write_decoder
from recsys.runtime.tokens import Tokens
from recsys.training.checkpoints import fingerprint
from recsys.training.loop import TrainSettings, train
from recsys.training.report import TrainingReport
from recsys_fine_tuned.answers import Row, epochs, row_of, validation
from recsys_fine_tuned.corpus import Grammar
from recsys_fine_tuned.rows import IGNORED
from recsys_fine_tuned.tokenizer import EOS, tokens_of, train_tokenizer
from recsys_fine_tuned.writer_data import Kept, Pair, pairs, shop_cases, shoppers_of

# Held pairs that decide which weights are kept, at most.
JUDGES = 512
# The writer that comes with this package: the served model, and how it was made.
SHIPPED = Path(__file__).parent / "shop" / "writer"


class Recipe(BaseModel):
    """How a writer is made.

    Attributes:
        seed: of the shop, the draw of shoppers and pairs, and the weights.
        shop_shoppers: how many the shop has. shoppers, searches: whose lists are read, and how many of them search.
        pairs: drawn from their cases, at most ``most`` of one combination of facts.
        vocabulary: tokens at most. hidden, inner, layers, heads, kv_heads, max_tokens: of the model.
        steps, learning_rate, batch_rows, validate_every: of the training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    shop_shoppers: int = 5000
    shoppers: int = Field(900, ge=1)
    searches: int = Field(200, ge=0)
    pairs: int = Field(24_000, ge=1)
    most: int = Field(40, ge=1)
    vocabulary: int = 1000
    hidden: int = 128
    inner: int = 352
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    max_tokens: int = 256
    steps: int = 1500
    learning_rate: float = 2e-3
    batch_rows: int = 4096
    validate_every: int = 100

    @classmethod
    def read(cls, file: Path) -> Recipe:
        """Read a recipe.toml."""
        return cls.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))["recipe"])

    @classmethod
    def shipped(cls) -> Recipe:
        """Return the recipe of the writer that comes with this package."""
        return cls.read(SHIPPED / "recipe.toml")


def encoded(examples: Sequence[Pair], tokens: Tokens) -> list[Row]:
    """Return the row of each pair: its prompt, then its reason and the end token."""
    end = tokens.id_of(EOS)
    if end is None:
        raise ConfigError("the tokenizer has no end token: train it by train_tokenizer")
    return [row_of(tokens.trusted(prompt_for(p.draft)), np.append(tokens.trusted(p.text), end)) for p in examples]


def writer_module(recipe: Recipe, vocabulary: int) -> Any:
    """Return the model as `recsys.training.loop.train` takes it; ``module.lm`` is transformers' own."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    class Writer(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(recipe.seed)
            self.lm = LlamaForCausalLM(
                LlamaConfig(
                    vocab_size=vocabulary, hidden_size=recipe.hidden, intermediate_size=recipe.inner,
                    num_hidden_layers=recipe.layers, num_attention_heads=recipe.heads,
                    num_key_value_heads=recipe.kv_heads, max_position_embeddings=recipe.max_tokens,
                    tie_word_embeddings=True, pad_token_id=0, bos_token_id=1, eos_token_id=2, use_cache=False,
                    attn_implementation="sdpa",
                )
            )  # fmt: skip

        def losses(self, batch: Mapping[str, Any]) -> dict[str, Any]:
            hidden = self.lm.model(input_ids=batch["ids"], use_cache=False).last_hidden_state
            spoken = batch["labels"] != IGNORED
            logits = self.lm.lm_head(hidden[spoken]).float()
            return {"loss": torch.nn.functional.cross_entropy(logits, batch["labels"][spoken])}

    return Writer()


def fit_writer(examples: Sequence[Pair], recipe: Recipe, folder: Path, **free: Any) -> TrainingReport:
    """Train on pairs and leave the served model in ``folder/model`` once it is done, the run in ``folder/run``.

    Args:
        examples: those that are held decide which weights are kept.
        recipe: sizes and settings.
        folder: the same one goes on where a run was cut.
        free: fields of `TrainSettings` that do not change what is computed, such as ``deadline_s``.

    Raises:
        ConfigError: no example to learn from, none to validate with, or ``folder`` holds a run on others.
    """
    learnt, held = [p for p in examples if not p.held], [p for p in examples if p.held]
    if not learnt or not held:
        raise ConfigError(f"{len(learnt)} pairs to learn from and {len(held)} held ones: there must be some of both")
    tokenizer = train_tokenizer(
        (t for p in examples for t in (prompt_for(p.draft), p.text)), recipe.vocabulary, slot_names()
    )
    tokens = tokens_of(tokenizer)
    rows, apart = encoded(learnt, tokens), encoded(held, tokens)
    some = [apart[i] for i in np.random.default_rng(recipe.seed).permutation(len(apart))[:JUDGES].tolist()]
    module = writer_module(recipe, tokenizer.get_vocab_size())
    settings = TrainSettings(
        steps=recipe.steps, learning_rate=recipe.learning_rate, validate_every=recipe.validate_every,
        seed=recipe.seed, title="writer", **free,
    )  # fmt: skip
    report = train(
        module, epochs(rows, recipe.batch_rows), validation(some, recipe.batch_rows), settings, folder / "run",
        fingerprint=fingerprint(rows, apart, recipe.model_dump()),
    )  # fmt: skip
    if report.stopped == "deadline":
        return report  # a later call goes on with it
    source = folder / "source"
    module.lm.save_pretrained(source, safe_serialization=True)
    tokenizer.save(str(source / "tokenizer.json"))
    shutil.rmtree(folder / "model", ignore_errors=True)
    write_decoder(source, folder / "model", max_tokens=recipe.max_tokens)
    return report


def shop_pairs(recipe: Recipe, demo_folder: Path | None, counted: Kept | None = None) -> list[Pair]:
    """Return the pairs of the sample shop's shoppers; ``demo_folder`` keeps the engine that lists items for them."""
    demo = prepare(demo_folder, seed=recipe.seed, n_shoppers=recipe.shop_shoppers)
    shoppers = shoppers_of(demo.shop, recipe.shoppers, learnt=True, seed=recipe.seed)
    cases = shop_cases(demo.shop, demo.engine, demo.now, shoppers, recipe.searches)
    return list(pairs(cases, Grammar.read(), recipe.pairs, recipe.seed, counted, most=recipe.most))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the writer that comes with this package anew."""
    parser = argparse.ArgumentParser(prog="python -m recsys_fine_tuned.writer", description=main.__doc__)
    parser.add_argument("--to", type=Path, required=True, help="folder of the run; the same one goes on with it")
    parser.add_argument("--demo", type=Path, help="folder that keeps the engine of the demo")
    parser.add_argument("--recipe", type=Path, help="a recipe.toml; without it the one of the package")
    parser.add_argument("--threads", type=int, help="of torch")
    given = parser.parse_args(arguments)
    recipe = Recipe.shipped() if given.recipe is None else Recipe.read(given.recipe)
    counted = Kept()
    examples = shop_pairs(recipe, given.demo, counted)
    figures = {"pairs": len(examples), "held": sum(p.held for p in examples), "kept_by_checker": counted.share}
    print(json.dumps(figures), flush=True)
    report = fit_writer(examples, recipe, given.to, threads=given.threads)
    print(json.dumps({"stopped": report.stopped, **dict(report.best)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
