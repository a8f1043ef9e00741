"""Trains the language model of the XRec benchmark: ``python -m benchmarks.xrec_train DOMAIN this|others``.

The decoder has Llama's shape, is tiny by default, and is trained by the loop of recsys-fine-tuned. Its vocabulary is
that of explanations alone: it reads no text. User summary, item summary and title come as MiniLM vectors, one row each,
and so does every content word of them, with the slot it may be named by; a title or a word of the inputs that the
reference names is a slot in the target. Which slot a word has is drawn anew each epoch.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.explain_xrec import models_folder
from benchmarks.xrec_pairs import DOMAINS, pairs_of
from benchmarks.xrec_slots import MAX_SLOTS, Slots
from benchmarks.xrec_writer import BEGIN, CONTROL, END, GAP, KINDS, SEP, Example, Vectors, examples, target_ids
from recsys.data.xrec import Pair
from recsys.embed.minilm import DIM, MiniLM
from recsys.eval.explained_pairs import opening
from recsys.eval.generation_words import Words
from recsys.runtime.decoder import write_decoder
from recsys.runtime.tokens import Tokens
from recsys.training.loop import TrainSettings, train

VOCABULARY, BATCH = 2000, 16
# So few pairs and a few minutes of one core teach a tiny decoder most; "nano" are the sizes of the preset.
SIZES = {
    "tiny": {"hidden_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
             "intermediate_size": 416},
    "nano": {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 2,
             "intermediate_size": 704},
}  # fmt: skip
FORGET, DROPOUT = 0.1, 0.1
ROW_NORM = 1.0  # of a row or a token at the start
SLOT_GAIN = 2.0  # what naming a word of the inputs counts beyond any other token, while training
SECONDS = 900.0
EPOCHS = {"this": 40, "others": 14}  # about 4,000 steps: ten minutes of a core that nobody else uses


class Writing(nn.Module):
    """The decoder, and the rows in front of its text.

    ``meanings`` (n, 384) are vectors of the first tokens of the vocabulary: rows and tokens begin in one space, their
    main components, so that to repeat what a row means need not be learned from so few pairs.
    """

    def __init__(
        self, vocabulary: int, sizes: Mapping[str, int], meanings: np.ndarray[Any, Any] | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(seed)
        self.lm = LlamaForCausalLM(LlamaConfig(
            vocab_size=vocabulary, tie_word_embeddings=True, max_position_embeddings=512, bos_token_id=BEGIN,
            eos_token_id=END, pad_token_id=None, attention_dropout=DROPOUT, **sizes,
        ))  # fmt: skip
        self.project = nn.Linear(DIM, sizes["hidden_size"], bias=False)
        nn.init.normal_(self.project.weight, std=0.05)
        self.kinds = nn.Embedding(KINDS, sizes["hidden_size"])
        nn.init.normal_(self.kinds.weight, std=0.02)
        self.first_slot = vocabulary - MAX_SLOTS - 1
        if meanings is not None:
            self._begin(torch.as_tensor(meanings), sizes["hidden_size"])

    def _begin(self, meanings: Any, hidden: int) -> None:
        spread = meanings - meanings.mean(0)
        axes = torch.linalg.svd(spread, full_matrices=False)[2][:hidden]
        with torch.no_grad():
            placed = spread @ axes.T
            scale = ROW_NORM / placed.norm(dim=1).mean()
            self.lm.get_input_embeddings().weight[: len(meanings), : len(axes)] += scale * placed
            nn.init.normal_(self.lm.get_input_embeddings().weight[self.first_slot :], std=0.05)
            self.project.weight.mul_(0.1)
            self.project.weight[: len(axes)] += scale * axes

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Cross-entropy of the targets, tokens of padding aside."""
        table = self.lm.get_input_embeddings()
        slots = table(batch["slots"] + self.first_slot) * (batch["slots"] > 0)[..., None]
        rows = self.project(batch["vectors"]) + self.kinds(batch["kinds"]) + slots
        heads = [table(torch.full_like(batch["slots"][:, :1], token)) for token in (BEGIN, SEP)]
        target = batch["target"]
        shown = target.clamp(min=0)
        if self.training:
            shown = torch.where(torch.rand(shown.shape) < FORGET, torch.full_like(shown, GAP), shown)
        read = torch.cat([heads[0], rows, heads[1], table(shown)], 1)
        read = nn.functional.dropout(read, DROPOUT, self.training)
        ones = torch.ones_like(target[:, :1])
        mask = torch.cat([ones, batch["here"], ones, (target >= 0).long()], 1)
        out = self.lm.model(
            inputs_embeds=read, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0), use_cache=False
        ).last_hidden_state
        # The row before each target token predicts it, the separator the first one.
        logits = self.lm.lm_head(out[:, -target.shape[1] - 1 : -1])
        each = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-100, reduction="none")
        weights = (target >= 0).float() if not self.training else (target >= 0) + SLOT_GAIN * (target > self.first_slot)
        return {"loss": (each * weights.flatten()).sum() / weights.sum()}


def batch_of(
    some: Sequence[Example], first_slot: int, rng: np.random.Generator | None
) -> dict[str, np.ndarray[Any, Any]]:
    """Return padded arrays of examples; ``rng`` draws which slot each word has, None leaves them as they are."""
    widest, longest = max(len(e.kinds) for e in some), max(len(e.target) for e in some)
    out = {name: np.zeros((len(some), widest), np.int64) for name in ("kinds", "slots", "here")}
    out["vectors"] = np.zeros((len(some), widest, DIM), np.float32)
    out["target"] = np.full((len(some), longest), -100, np.int64)
    for i, e in enumerate(some):
        n, t = len(e.kinds), len(e.target)
        # Slot 0 is the title in targets and "none" in rows: it is never drawn.
        drawn = np.arange(MAX_SLOTS + 1) if rng is None else np.r_[0, 1 + rng.permutation(MAX_SLOTS)]
        named = e.target >= first_slot
        out["vectors"][i, :n], out["kinds"][i, :n], out["here"][i, :n] = e.vectors, e.kinds, 1
        out["slots"][i, :n] = drawn[e.slots]
        out["target"][i, :t] = np.where(named, first_slot + drawn[np.where(named, e.target - first_slot, 0)], e.target)
    return out


def epoch(found: Sequence[Example], first_slot: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield the batches of one epoch; examples of like length share one."""
    order = rng.permutation(len(found))
    chunks = [order[at : at + 8 * BATCH] for at in range(0, len(order), 8 * BATCH)]
    batches = [c[np.argsort([len(found[i].target) for i in c])] for c in chunks]
    listed = [b[at : at + BATCH] for b in batches for at in range(0, len(b), BATCH)]
    for place in rng.permutation(len(listed)):
        yield batch_of([found[i] for i in listed[place]], first_slot, rng)


def pairs_for(domain: str, which: str) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that teach and those that stop the training; never one of the domain's test part."""
    used = [domain] if which == "this" else [d for d in DOMAINS if d != domain]
    pairs = [p for d in used for p in pairs_of(d)]
    teaching = ("train",) if which == "this" else ("train", "test")  # the test of another domain is no test here
    return [p for p in pairs if p.part in teaching], [p for p in pairs if p.part == "valid"]


def vocabulary_of(texts: Sequence[str], size: int, path: Path) -> Tokens:
    """Train byte pairs on texts, write tokenizer.json, and return it."""
    from tokenizers import ByteLevelBPETokenizer

    made = ByteLevelBPETokenizer()
    made.train_from_iterator(texts, vocab_size=size, min_frequency=2, special_tokens=list(CONTROL), show_progress=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(str(path))
    return Tokens.from_file(path)


def train_writer(
    train_pairs: Sequence[Pair], valid_pairs: Sequence[Pair], folder: Path, vectors: Vectors, *, epochs: int,
    seconds: float = SECONDS, sizes: Mapping[str, int] = SIZES["tiny"], vocabulary: int = VOCABULARY,
    title: str = "training",
) -> Path:  # fmt: skip
    """Train, and return the folder that `benchmarks.xrec_writer.Writer` opens; a run that was cut goes on."""
    words = Words.of([p.explanation for p in train_pairs])
    emptied = [[Slots.of(p, words) for p in part] for part in (train_pairs, valid_pairs)]
    targets = [
        [s.emptied(p.explanation) for s, p in zip(slots, part, strict=True)]
        for slots, part in zip(emptied, (train_pairs, valid_pairs), strict=True)
    ]
    spoken = [piece for target in targets[0] for piece in target if isinstance(piece, str)]
    tokens = vocabulary_of(spoken, vocabulary, folder / "hf" / "tokenizer.json")
    first_slot = max(vocabulary, 256 + len(CONTROL))
    found = [
        examples(part, slots, vectors, [target_ids(t, tokens, first_slot) for t in texts])
        for part, slots, texts in zip((train_pairs, valid_pairs), emptied, targets, strict=True)
    ]
    spelt = [tokens.decode([i]).strip() or "." for i in range(first_slot)]
    module = Writing(first_slot + MAX_SLOTS + 1, sizes, vectors.of(spelt))
    steps = epochs * -(-len(found[0]) // BATCH)
    held = [batch_of(found[1][at : at + BATCH], first_slot, None) for at in range(0, len(found[1]), BATCH)]

    def validate(model: Any) -> dict[str, float]:
        kept = [({k: torch.as_tensor(v) for k, v in b.items()}, int((b["target"] >= 0).sum())) for b in held]
        return {"loss": sum(float(model.losses(b)["loss"]) * n for b, n in kept) / sum(n for _, n in kept)}

    settings = TrainSettings(
        steps=steps, learning_rate=3e-3, weight_decay=0.1, validate_every=min(100, -(-len(found[0]) // BATCH)),
        patience=6, deadline_s=seconds, threads=1, checkpoint_s=60.0, title=title,
    )  # fmt: skip
    report = train(module, lambda rng: epoch(found[0], first_slot, rng), validate, settings, folder / "run", say=print)
    facts = {
        "pairs": len(train_pairs), "parameters": sum(p.numel() for p in module.parameters()),
        "stopped": report.stopped, "steps": report.steps, "seconds": report.seconds, "best_step": report.best_step,
        "validation_loss": report.best, "frame": sorted(words.frame), "aspects": sorted(words.aspects),
        "opening": opening([p.explanation for p in train_pairs]),
    }  # fmt: skip
    return _written(module, folder, facts)


def _written(module: Writing, folder: Path, facts: Mapping[str, Any]) -> Path:
    module.lm.save_pretrained(folder / "hf")
    shutil.rmtree(folder / "decoder", ignore_errors=True)
    write_decoder(folder / "hf", folder / "decoder", max_tokens=512)
    table, kinds = (e.weight.detach().numpy() for e in (module.lm.get_input_embeddings(), module.kinds))
    np.savez(
        folder / "rows.npz", project=module.project.weight.detach().numpy().T, kinds=kinds,
        slots=table[module.first_slot :],
    )  # fmt: skip
    (folder / "trained.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return folder


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.xrec_train", description=__doc__)
    parser.add_argument("domain", choices=DOMAINS)
    parser.add_argument("which", choices=list(EPOCHS))
    parser.add_argument("--models", type=Path, default=models_folder(), help="each model gets a folder in it")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of wall time; another call goes on")
    parser.add_argument("--sizes", choices=list(SIZES), default="tiny")
    parser.add_argument("--epochs", type=int, help=f"default: {EPOCHS}")
    options = parser.parse_args(argv)
    teaching, stopping = pairs_for(options.domain, options.which)
    folder = options.models / f"{options.domain}-{options.which}"
    vectors = Vectors(MiniLM(MiniLM.Config(threads=1)))
    train_writer(
        teaching, stopping, folder, vectors, epochs=options.epochs or EPOCHS[options.which], seconds=options.seconds,
        sizes=SIZES[options.sizes], title=folder.name,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
