"""Tiny language models with random weights, saved to disk exactly as a downloaded model would be.

They are for tests of loading, export and parity alone: what they write means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

# The special tokens of every tiny model, in the order of their ids.
SPECIAL = ("<pad>", "<bos>", "<eos>")
TEMPLATE = "{% for m in messages %}<bos>{{ m['role'] }}\n{{ m['content'] }}<eos>\n{% endfor %}"


def tiny_tokenizer(texts: Iterable[str], vocabulary: int = 400) -> Any:
    """Return a byte-level BPE tokenizer (a ``tokenizers.Tokenizer``) trained on ``texts``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def tiny_decoder(
    folder: Path, texts: Iterable[str], family: str = "qwen3", seed: int = 0, shard: str | None = None, **config: Any
) -> Path:
    """Save a causal language model of a real architecture with its tokenizer, and return the folder.

    ``family`` is a ``model_type`` of transformers ("llama", "mistral", "qwen2", "qwen3"); ``config`` overrides its
    configuration; ``shard`` is the largest size of one weight file ("40KB" makes several).
    """
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast, set_seed

    tokenizer = tiny_tokenizer(texts)
    sizes = {
        "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 256, "tie_word_embeddings": False,
        "vocab_size": tokenizer.get_vocab_size(), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    set_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **(sizes | config))).eval()
    # Fresh biases are 0, norms 1 and the rest is small: give every weight a part in the answer.
    for weight in model.parameters():
        weight.data.add_(weight.data.clone().normal_(0.0, 0.1))
    model.save_pretrained(folder, **({} if shard is None else {"max_shard_size": shard}))
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=SPECIAL[0], bos_token=SPECIAL[1], eos_token=SPECIAL[2]
    )
    wrapped.chat_template = TEMPLATE
    wrapped.save_pretrained(folder)
    return folder
