"""Tiny language models and text encoders with random weights, saved to disk exactly as a downloaded model would be.

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
    _save(AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **(sizes | config))), folder, shard)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=SPECIAL[0], bos_token=SPECIAL[1], eos_token=SPECIAL[2]
    )
    wrapped.chat_template = TEMPLATE
    wrapped.save_pretrained(folder)
    return folder


def tiny_wordpieces(texts: Iterable[str], vocabulary: int = 400) -> Any:
    """Return a WordPiece tokenizer that puts [CLS] and [SEP] around one text or two, as BERT's does."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece({}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def tiny_encoder(
    folder: Path, texts: Iterable[str], family: str = "bert", labels: int = 0, seed: int = 0, **config: Any
) -> Path:
    """Save a text encoder ("bert", "roberta") with its tokenizer, and return the folder; ``labels`` > 0 adds a head."""
    from tokenizers import processors
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForSequenceClassification,
        PreTrainedTokenizerFast,
        set_seed,
    )

    roberta = family != "bert"
    tokenizer = tiny_tokenizer(texts) if roberta else tiny_wordpieces(texts)
    sizes: dict[str, Any] = {
        "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": 80, "vocab_size": tokenizer.get_vocab_size(), "pad_token_id": 0,
    }  # fmt: skip
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    if roberta:
        sizes |= {"type_vocab_size": 1}
        names = {"pad_token": SPECIAL[0], "cls_token": SPECIAL[1], "sep_token": SPECIAL[2]}
        tokenizer.post_processor = processors.RobertaProcessing((SPECIAL[2], 2), (SPECIAL[1], 1), trim_offsets=False)
    set_seed(seed)
    settings = AutoConfig.for_model(family, **(sizes | ({"num_labels": labels} if labels else {}) | config))
    made = AutoModelForSequenceClassification.from_config(settings) if labels else AutoModel.from_config(settings)
    _save(made, folder)
    reads = ["input_ids", "attention_mask"] if roberta else ["input_ids", "token_type_ids", "attention_mask"]
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, model_input_names=reads, **names)
    wrapped.save_pretrained(folder)
    return folder


def tiny_seq2seq(folder: Path, texts: Iterable[str], gated: bool = False, seed: int = 0, **config: Any) -> Path:
    """Save a T5 with its tokenizer, and return the folder; ``gated`` makes it as T5 1.1 and FLAN-T5 are."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, PreTrainedTokenizerFast, set_seed

    special = ["<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=special, unk_token=special[2], show_progress=False, shrinking_factor=0.5
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    sizes: dict[str, Any] = {
        "d_model": 48, "d_kv": 16, "d_ff": 80, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4,
        "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20, "decoder_start_token_id": 0,
        "vocab_size": tokenizer.get_vocab_size() + 5, "pad_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    if gated:
        sizes |= {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    set_seed(seed)
    _save(AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model("t5", **(sizes | config))), folder)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=special[0], eos_token=special[1], unk_token=special[2]
    )
    wrapped.save_pretrained(folder)
    return folder


def _save(model: Any, folder: Path, shard: str | None = None) -> None:
    # Fresh biases are 0, norms 1 and the rest is small: give every weight a part in the answer.
    for weight in model.parameters():
        weight.data.add_(weight.data.clone().normal_(0.0, 0.1))
    model.eval().save_pretrained(folder, **({} if shard is None else {"max_shard_size": shard}))
