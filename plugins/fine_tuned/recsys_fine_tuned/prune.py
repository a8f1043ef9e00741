"""A BERT whose vocabulary holds the pieces that a shop's texts use and no others: a third of MiniLM is its embeddings.

What stays says the same: texts over kept pieces are cut up alike and have the same logits. New words are spelt with
the ASCII letters and digits, which stay as well.
"""

from __future__ import annotations

import json
import shutil
import string
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsys.errors import ConfigError
from recsys.registry import import_optional
from recsys.runtime.architectures import read_json

TABLE = "word_embeddings.weight"
COPIED = ("special_tokens_map.json",)
CHUNK = 4096  # texts that are cut up at a time


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was done: pieces ``before`` and ``after``, and the ``parameters`` of the embeddings that are gone."""

    before: int
    after: int
    parameters: int


def prune(source: Path, texts: Iterable[str], folder: Path, *, extra: Collection[str] = ()) -> Pruned:
    """Write the model of ``source`` with the pieces of ``texts`` alone into ``folder``, as Hugging Face lays it out.

    ``source`` is a BERT-type model (encoder or cross-encoder) in one safetensors file with a WordPiece tokenizer.json.
    Special tokens, ASCII letters, digits and marks, and the pieces named in ``extra`` stay in any case; the order of
    the pieces stays, too. Only numpy is needed.

    Raises:
        ConfigError: ``folder`` exists, or the tokenizer is of another kind.
        ArtifactMissing, ArtifactDamaged: a file of the model is missing or cannot be read.
    """
    if folder.exists():
        raise ConfigError(f"{folder} exists already: give a folder that does not")
    config, tokenizer = read_json(source / "config.json"), read_json(source / "tokenizer.json")
    if tokenizer["model"].get("type", "WordPiece") != "WordPiece":
        raise ConfigError(f"{source}: only a WordPiece vocabulary can be pruned, not {tokenizer['model']['type']}")
    kept = kept_pieces(tokenizer, texts, extra)
    old: Mapping[str, int] = tokenizer["model"]["vocab"]
    rows = np.array(sorted(old[piece] for piece in kept), np.int64)
    folder.mkdir(parents=True)
    lost = _write_weights(source, folder, rows)
    _write_tokenizer(source, folder, tokenizer, {int(row): k for k, row in enumerate(rows)})
    pad = config.get("pad_token_id")
    place = {} if pad is None else {"pad_token_id": int(np.searchsorted(rows, pad))}
    _write_json(folder / "config.json", {**config, "vocab_size": len(rows), **place})
    return Pruned(len(old), len(rows), lost)


def kept_pieces(tokenizer: Mapping[str, Any], texts: Iterable[str], extra: Collection[str] = ()) -> set[str]:
    """Return the pieces that stay, for the content of a tokenizer.json.

    The longest piece that fits is taken first, whatever else there is: pieces that no text takes change nothing. Only
    a word that the old vocabulary cannot spell needs care: the pieces that led into its dead end stay too.
    """
    library = import_optional("tokenizers")
    vocabulary, unknown = tokenizer["model"]["vocab"], tokenizer["model"]["unk_token"]
    prefix = tokenizer["model"].get("continuing_subword_prefix", "##")
    kept = {t["content"] for t in tokenizer["added_tokens"] if t["content"] in vocabulary} | {unknown}
    plain = string.ascii_letters + string.digits + string.punctuation
    kept |= {p for c in plain for p in (c, prefix + c) if p in vocabulary}
    kept |= {p for p in extra if p in vocabulary}
    reader = library.Tokenizer.from_str(json.dumps(tokenizer))
    reader.no_padding()
    reader.no_truncation()
    names = {row: piece for piece, row in vocabulary.items()}
    for part in _chunks(texts):
        for text, found in zip(part, reader.encode_batch(part, add_special_tokens=False), strict=True):
            pieces = {names[i] for i in set(found.ids) if i in names}
            kept |= pieces
            if unknown in pieces:
                kept |= _dead_ends(reader, text, vocabulary, prefix)
    return kept


def _dead_ends(reader: Any, text: str, vocabulary: Collection[str], prefix: str) -> set[str]:
    """Return the pieces that the longest match takes of the words of ``text`` before it finds none."""
    plain = reader.normalizer.normalize_str(text) if reader.normalizer is not None else text
    out: set[str] = set()
    for word, _ in reader.pre_tokenizer.pre_tokenize_str(plain):
        begin, end = 0, len(word)
        while begin < end:
            piece = (prefix if begin else "") + word[begin:end]
            if piece in vocabulary:
                out.add(piece)
                begin, end = end, len(word)
            else:
                end -= 1
    return out


def _chunks(texts: Iterable[str]) -> Iterable[list[str]]:
    distinct = list(dict.fromkeys(texts))
    return (distinct[k : k + CHUNK] for k in range(0, len(distinct), CHUNK))


def _write_weights(source: Path, folder: Path, rows: np.ndarray[Any, np.dtype[np.int64]]) -> int:
    numpy = import_optional("safetensors.numpy")
    weights = numpy.load_file(source / "model.safetensors")
    tables = [name for name in weights if name.endswith(TABLE)]
    if len(tables) != 1:
        raise ConfigError(f"{source}: needed is one table {TABLE} in model.safetensors, found {len(tables)}")
    whole = weights[tables[0]]
    weights[tables[0]] = np.ascontiguousarray(whole[rows])
    numpy.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return int((len(whole) - len(rows)) * whole.shape[1])


def _write_tokenizer(source: Path, folder: Path, tokenizer: dict[str, Any], place: Mapping[int, int]) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    new = {piece: place[row] for piece, row in sorted(vocabulary.items(), key=lambda e: e[1]) if row in place}
    added = [{**t, "id": place[t["id"]]} for t in tokenizer["added_tokens"] if t["id"] in place]
    changed = {
        **tokenizer, "model": {**tokenizer["model"], "vocab": new}, "added_tokens": added, "padding": None,
        "truncation": None, "post_processor": _renumbered(tokenizer.get("post_processor"), place),
    }  # fmt: skip
    _write_json(folder / "tokenizer.json", changed)
    if (source / "tokenizer_config.json").is_file():
        said = read_json(source / "tokenizer_config.json")
        if "added_tokens_decoder" in said:
            known = said["added_tokens_decoder"].items()
            said["added_tokens_decoder"] = {str(place[int(k)]): v for k, v in known if int(k) in place}
        _write_json(folder / "tokenizer_config.json", said)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in new), encoding="utf-8")
    for name in COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def _renumbered(processor: dict[str, Any] | None, place: Mapping[int, int]) -> dict[str, Any] | None:
    """Return what puts special tokens around texts, with their new ids."""
    if processor is None:
        return None
    if processor["type"] == "TemplateProcessing":
        special = processor["special_tokens"].items()
        return processor | {"special_tokens": {name: {**t, "ids": [place[i] for i in t["ids"]]} for name, t in special}}
    if processor["type"] == "BertProcessing":
        return processor | {part: [processor[part][0], place[processor[part][1]]] for part in ("sep", "cls")}
    raise ConfigError(f"tokenizer.json: post-processor {processor['type']!r} is not known with a WordPiece vocabulary")


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
