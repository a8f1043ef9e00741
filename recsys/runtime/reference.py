"""Model folders as Hugging Face lays them out, run by torch: the reference of every export, and a runtime of its own.

Weights are read from safetensors only, and no code that comes with a model is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys.errors import ConfigError, ModelError
from recsys.registry import import_optional
from recsys.runtime.architectures import Architecture, read_json
from recsys.runtime.artifact import TOKENIZER, ModelSettings
from recsys.runtime.bert import FAMILIES, BertArchitecture
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder import EMBEDDING, HEAD
from recsys.runtime.encoder import Encoder, mute_ids
from recsys.runtime.models import ModelRef, verify
from recsys.runtime.pairs import CrossEncoder, pair_labels
from recsys.runtime.prefixes import PrefixCache
from recsys.runtime.segments import Segments
from recsys.runtime.sentences import SentenceLayout
from recsys.runtime.session import SessionSpec, TensorSpec
from recsys.runtime.tokens import Tokens
from recsys.runtime.torch import TorchSession
from recsys.runtime.torch_decoder import torch_decoder
from recsys.runtime.weights import Weights

if TYPE_CHECKING:
    from recsys.runtime.seq2seq import Seq2Seq

TASKS = ("causal", "cross-encoder", "encoder", "seq2seq")
_CLASSES = {
    "causal": "AutoModelForCausalLM", "cross-encoder": "AutoModelForSequenceClassification",
    "encoder": "AutoModel", "seq2seq": "AutoModelForSeq2SeqLM",
}  # fmt: skip
_ENDINGS = {
    "ForCausalLM": "causal", "LMHeadModel": "causal", "ForSequenceClassification": "cross-encoder",
    "ForConditionalGeneration": "seq2seq",
}  # fmt: skip


def task_of(folder: Path) -> str:
    """Return what a model is for, as its config.json says by the class that it was saved from.

    Raises:
        ConfigError: it does not say; the message names the option to give.
    """
    config = read_json(folder / "config.json")
    names = config.get("architectures") or [""]
    for ending, task in _ENDINGS.items():
        if str(names[0]).endswith(ending):
            return task
    if config.get("model_type") in FAMILIES:
        return "encoder"
    raise ConfigError(
        f"{folder / 'config.json'} does not say what the model is for: give --task ({', '.join(TASKS)}), "
        "see recsys export --help"
    )


def load_reference(folder: Path, task: str) -> Any:
    """Return the transformers model of a folder, in float32 on the CPU.

    Raises:
        ModelError: it cannot be loaded. PluginUnavailable: torch or transformers is missing.
    """
    import_optional("torch")
    transformers = import_optional("transformers")
    try:
        return (
            getattr(transformers, _CLASSES[task])
            .from_pretrained(
                folder, attn_implementation="eager", dtype="float32", use_safetensors=True, trust_remote_code=False
            )
            .eval()
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} cannot be loaded by torch: {error}") from error


def open_torch(settings: ModelSettings) -> CausalLM | CrossEncoder | Encoder | Seq2Seq:
    """Return the model of a folder that is not exported, run by torch.

    ``threads`` bounds the cores of all that torch does in this process, since torch knows no other bound.

    Raises:
        ConfigError: the reference cannot be read, the task has no torch runtime (seq2seq: export it), or the model
            is one that an export would refuse.
        ArtifactMissing, ArtifactDamaged, PluginUnavailable: as the parts say.
    """
    folder = ModelRef.parse(settings.ref).fetch()
    if settings.sha256:
        verify(folder, settings.sha256)
    task, device = task_of(folder), settings.provider or "cpu"
    if settings.threads is not None:
        torch = import_optional("torch")
        torch.set_num_threads(min(settings.threads, torch.get_num_threads()))
    if task == "causal":
        architecture, weights = Architecture.from_folder(folder), Weights(folder)
        tied = architecture.tied or HEAD not in weights
        tokens = Tokens.from_file(folder / TOKENIZER)
        tokens.check_rows(architecture.vocabulary)
        return CausalLM(
            torch_decoder(folder, attention="sdpa", device=device),
            weights[EMBEDDING],
            architecture,
            tokens=tokens,
            head=None if tied else weights[HEAD],
            prefixes=PrefixCache(settings.prefix_mb << 20) if settings.prefix_mb else None,
        )
    if task == "seq2seq":
        raise ConfigError(f"{settings.ref}: this kind of model runs from ONNX alone: type recsys export {settings.ref}")
    bert, tokens = BertArchitecture.from_folder(folder), Tokens.from_file(folder / TOKENIZER)
    segments = Segments.from_file(folder / TOKENIZER)
    tokens.check_rows(bert.vocabulary)
    if task == "cross-encoder":
        pair_labels(folder, bert, Weights(folder))
        session = TorchSession(load_reference(folder, task), _spec("logits", bert.types > 1), device)
        return CrossEncoder(session, tokens, segments, max_tokens=bert.max_tokens, pad=bert.pad)

    layout = SentenceLayout.from_folder(folder, tokens)
    limit = min(bert.max_tokens, layout.max_tokens or bert.max_tokens)

    def tokenise(texts: Sequence[str]) -> list[list[int]]:
        return [segments.single(ids, limit)[0].tolist() for ids in tokens.encode_all(texts)]

    session = TorchSession(load_reference(folder, task), _spec("last_hidden_state", False), device)
    mute = mute_ids(tokens, segments)
    return Encoder(session, tokenise, bert.hidden, pooling=layout.pooling, mute=mute, pad=bert.pad)


def _spec(output: str, types: bool) -> SessionSpec:
    names = ("input_ids", "attention_mask", *(("token_type_ids",) if types else ()))
    shape = ("batch", "tokens", None) if output != "logits" else ("batch", None)
    return SessionSpec(
        tuple(TensorSpec(n, "int64", ("batch", "tokens")) for n in names), (TensorSpec(output, "float32", shape),)
    )
