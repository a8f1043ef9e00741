"""A byte-level BPE tokenizer trained on a shop's own texts, with tokens for tasks and for slots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from recsys.registry import import_optional
from recsys.runtime.tokens import Tokens

PAD, BOS, EOS, SEP = "<pad>", "<bos>", "<eos>", "<sep>"
# One token a task, first in every prompt; and what explanations leave open, filled from checked facts.
TASKS = ("next-item", "rating", "explanation", "summary")
SLOTS = ("[ITEM]", "[SEEN]", "[ASPECT]", "[QUOTE]", "[BRAND]", "[COUNT]")
SPECIAL = (PAD, BOS, EOS, SEP, *(f"<{task}>" for task in TASKS))
# Characters of one foreign text that are read, at most: attackers write long ones.
MAX_CHARS = 4000
_SPELT = re.compile("|".join(re.escape(t) for t in SPECIAL) + r"|\[[A-Z_]{1,32}(?:\d{1,4})?\]")
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")


def task_token(task: str) -> str:
    """Return the token that begins a prompt of ``task``."""
    return f"<{task}>"


def plain(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return foreign text without spellings of control and slot tokens, without invisible characters, on one line.

    What is taken out becomes a space, so that its neighbours cannot join into another control token.
    """
    return " ".join(_SPELT.sub(" ", _INVISIBLE.sub(" ", text[:max_chars])).split())


def train_tokenizer(texts: Iterable[str], vocabulary: int = 8000, slots: Sequence[str] = SLOTS) -> Any:
    """Return a ``tokenizers.Tokenizer`` of at most ``vocabulary`` tokens, special and slot tokens included.

    Ids 0, 1, 2 are `PAD`, `BOS`, `EOS`. Slot tokens are not special: they stay in decoded text. Few texts give
    fewer tokens. Equal texts give an equal tokenizer.

    Raises:
        PluginUnavailable: the ``tokenizers`` package is missing.
    """
    library = import_optional("tokenizers")
    tokenizer = library.Tokenizer(library.models.BPE())
    # Numbers digit by digit: sizes and prices share their pieces.
    split = library.pre_tokenizers
    tokenizer.pre_tokenizer = split.Sequence([split.Digits(True), split.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=max(vocabulary - len(slots), len(SPECIAL) + 256),
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(split.ByteLevel.alphabet()),
        show_progress=False,
        min_frequency=2,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([library.AddedToken(s, special=False, normalized=False) for s in slots])
    return tokenizer


def tokens_of(tokenizer: Any) -> Tokens:
    """Return the runtime's view of a tokenizer, independent of it."""
    return Tokens(import_optional("tokenizers").Tokenizer.from_str(tokenizer.to_str()))
