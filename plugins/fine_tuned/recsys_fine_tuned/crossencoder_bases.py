"""What a cross-encoder is trained from: MiniLM with the vocabulary of a shop, or a small BERT that knows nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from recsys.embed.minilm import WEIGHTS_SHA256, model_folder
from recsys.errors import ConfigError
from recsys.registry import import_optional
from recsys.runtime.models import verify
from recsys_fine_tuned.prune import Pruned, prune

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def minilm(texts: Iterable[str], folder: Path) -> Pruned:
    """Write MiniLM, checked and pruned to the pieces of ``texts``, into ``folder``; see `recsys_fine_tuned.prune`.

    Its pooler is drawn anew: MiniLM takes means, and what it has for a pooler tells hardly any two texts apart.

    Raises:
        PluginUnavailable: the package of its weights is not installed. ArtifactDamaged: they are others.
    """
    source = model_folder()
    verify(source / "model.safetensors", WEIGHTS_SHA256)
    done = prune(source, texts, folder)
    files = import_optional("safetensors.numpy")
    weights = files.load_file(folder / "model.safetensors")
    shape = weights["pooler.dense.weight"].shape
    drawn = np.random.default_rng(0).normal(0, shape[1] ** -0.5, shape)
    weights["pooler.dense.weight"] = drawn.astype(np.float32)
    weights["pooler.dense.bias"] = np.zeros(shape[0], np.float32)
    files.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return done


def small_bert(
    texts: Iterable[str],
    folder: Path,
    *,
    layers: int = 4,
    hidden: int = 256,
    vocabulary: int = 8000,
    dropout: float = 0.1,
    spread: float = 0.05,
    seed: int = 0,
) -> int:
    """Write a BERT with random weights and a WordPiece tokenizer of ``texts``; return its parameters (5 million).

    ``spread`` is the deviation of fresh weights: with BERT's own .02 the attention of so small a model hardly tells
    words apart, and it is long before a list teaches anything.

    Raises:
        ConfigError: ``folder`` exists. PluginUnavailable: torch or transformers is missing.
    """
    if folder.exists():
        raise ConfigError(f"{folder} exists already: give a folder that does not")
    torch, transformers = import_optional("torch"), import_optional("transformers")
    tokenizer = wordpieces(texts, vocabulary)
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=hidden, num_hidden_layers=layers, pad_token_id=0,
        num_attention_heads=max(1, hidden // 64), intermediate_size=4 * hidden, max_position_embeddings=128,
        hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout, initializer_range=spread,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = transformers.BertModel(config)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return sum(p.numel() for p in model.parameters())


def wordpieces(texts: Iterable[str], vocabulary: int) -> Any:
    """Return a lower-casing WordPiece tokenizer (a ``tokenizers.Tokenizer``) of BERT's kind, trained on ``texts``."""
    library = import_optional("tokenizers")
    tokenizer = library.Tokenizer(library.models.WordPiece({}, unk_token=SPECIAL[1]))
    tokenizer.normalizer = library.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = library.decoders.WordPiece()
    trainer = library.trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    # The library numbers pieces as its hash tables have them: sorted, a run can be repeated.
    found = sorted(set(tokenizer.get_vocab()) - set(SPECIAL))
    numbered = {piece: k for k, piece in enumerate((*SPECIAL, *found))}
    tokenizer.model = library.models.WordPiece(numbered, unk_token=SPECIAL[1])
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = library.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return tokenizer
