"""The reranker `compressed`: reads a whole list at once, each item as a few numbers and one vector of its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.artifacts import read_array, read_json, read_tensors, write_array, write_json, write_tensors
from recsys.dataset import EventLog, ItemTable
from recsys.errors import ArtifactDamaged, ConfigError, NotFittedError
from recsys.protocols import Delta, Deps, Embedder, FitOptions
from recsys.rank.features.facts import Facts
from recsys.registry import import_optional
from recsys.rerank.base import Judgement, Reranker
from recsys.rerank.prompted import check_clock, earliest
from recsys.runtime.models import ModelRef, sha256_of, verify
from recsys.runtime.onnx import OnnxSession
from recsys.types import Request, Slates
from recsys_fine_tuned.compressor import Compressed, TextUse, compress, shuffled
from recsys_fine_tuned.listwise_features import padded
from recsys_fine_tuned.listwise_graph import codes_graph, rank_graph, wanted_graph
from recsys_fine_tuned.listwise_training import histories

CHUNK = 256  # lists of one model call
# Settings that may stand beside an artifact: they do not change what was learned.
BESIDE_ARTIFACT = frozenset({"max_move", "text", "options"})
ABOUT = "listwise.json"  # what an artifact is, and the sha256 of its files
ROWS = 4096  # items whose codes are made at a time


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """Weights by name: of the text encoder, and of each head; ``generators`` are those whose columns heads read."""

    encoder: Mapping[str, NDArray[Any]]
    heads: tuple[Mapping[str, NDArray[Any]], ...] = ()
    generators: tuple[str, ...] = ()

    def with_encoder(self, encoder: Mapping[str, NDArray[Any]]) -> Learned:
        """Return the same heads behind another encoder."""
        return replace(self, encoder=encoder)

    def save(self, folder: Path) -> None:
        """Write safetensors."""
        for name, weights in [("encoder", self.encoder), *((f"head{i}", h) for i, h in enumerate(self.heads))]:
            write_tensors(folder / f"{name}.safetensors", weights)

    @classmethod
    def load(cls, folder: Path, generators: tuple[str, ...], heads: int | None = None) -> Self:
        """Read what `save` wrote, so many ``heads``, None = all. Raises `ArtifactMissing` or `ArtifactDamaged`."""
        count = len(list(folder.glob("head*.safetensors"))) if heads is None else heads
        return cls(
            read_tensors(folder / "encoder.safetensors"),
            tuple(read_tensors(folder / f"head{i}.safetensors") for i in range(count)), generators,
        )  # fmt: skip


class Listwise(Reranker):
    """Reads history and candidates as compressed items, and what the earlier stages said of each candidate.

    Two parts. A text encoder turns the vectors of an item's text into one code and foresees the next item of a history
    from the codes alone, so that it knows new items, and other shops; `study` teaches it from a log. A small
    transformer over the candidates, in which they have no order, then adds to the prior's score; `fit` teaches it on
    lists with a list-wise loss (Cao et al. 2007; Pobrotyn et al. 2020, arXiv 2005.10084). It starts at zero: untrained,
    it changes nothing. The scores of the lists that it learns from must not have seen their labels.

    ``text`` "permuted" gives every item the text of some other and "none" leaves texts out: controls.
    """

    class Config(Reranker.Config):
        """Sizes and training; ``epochs`` of the encoder, cycle by cycle, ``more_epochs`` when it reads a later log.

        A study takes no more than ``steps`` batches in all: of a long log it reads fewer epochs.
        With ``own`` an item that was chosen is known by a vector of its own beside its text; while the encoder learns,
        a share ``text_alone`` of the items is known by text alone. ``width`` of codes, ``history`` latest events,
        ``depth`` places of a list that are learned from,
        ``embedder`` and ``options`` name what reads texts; ``checkpoints`` is a folder in which a cut training goes on.
        ``artifact`` refers to what was learned before (file:// or package://): then nothing is taught, sizes are those
        of the artifact, and the texts of this catalogue are read; beside it only `BESIDE_ARTIFACT` mean anything, and
        ``sha256``: of its listwise.json, which holds those of all its files ("" = not said).
        """

        text: TextUse = "items"
        embedder: str = "minilm"
        options: dict[str, Any] = Field(default_factory=dict)
        projected: int = Field(256, ge=1)
        own: bool = True
        text_alone: float = Field(0.1, ge=0, lt=1)
        width: int = Field(128, ge=4)
        layers: int = Field(2, ge=1)
        heads: int = Field(4, ge=1)
        history: int = Field(12, ge=1)
        dropout: float = Field(0.2, ge=0, lt=1)
        epochs: tuple[int, ...] = Field((8, 6), min_length=1)
        more_epochs: int = Field(2, ge=0)
        steps: int = Field(1500, ge=1)
        negatives: int = Field(2048, ge=1)
        batch: int = Field(256, ge=1)
        rate: float = Field(2e-3, gt=0)
        head_width: int = Field(32, ge=4)
        head_layers: int = Field(1, ge=1)
        head_epochs: int = Field(4, ge=1)
        head_rate: float = Field(1e-3, gt=0)
        head_seeds: int = Field(3, ge=1)
        blank: float = Field(0.3, ge=0, lt=1)
        depth: int = Field(40, ge=2)
        checkpoints: str | None = None
        artifact: str = ""
        sha256: str = Field("", pattern="^([0-9a-fA-F]{64})?$")

    cheap = True

    def __init__(self, config: Any, items: ItemTable, facts: Facts, embedder: Embedder | None) -> None:
        super().__init__(config, items)
        self.facts, self.embedder = facts, embedder
        self.figures: dict[str, Any] = {}
        self._studied = False
        self._learned: Learned | None = None
        self._codes = np.zeros((0, config.width), np.float16)
        self._session: OnnxSession | None = None

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings.

        Raises:
            ConfigError: there is no catalogue or no registry for the embedder, or a setting that an artifact has.
        """
        if deps.items is None:
            raise ConfigError(f"the reranker {cls.__name__} needs the catalogue (deps.items)")
        counts = deps.popularity if deps.popularity is not None else np.zeros(len(deps.items), np.float32)
        if config.artifact:
            if odd := sorted(config.model_fields_set - {"artifact", "sha256", *BESIDE_ARTIFACT}):
                raise ConfigError(f"{', '.join(odd)}: an artifact has its own, leave it out")
            asked = {n: getattr(config, n) for n in BESIDE_ARTIFACT & config.model_fields_set}
            folder = ModelRef.parse(config.artifact).fetch()
            if config.sha256:
                verify(folder / ABOUT, config.sha256)
            known = cls.load(folder, deps, asked)
            return known.over(deps.items, counts, known.config.text)
        if config.sha256:
            raise ConfigError("sha256 is that of an artifact, and none is named")
        embedder = None
        if config.text != "none":
            if deps.build is None:
                raise ConfigError(f"the embedder {config.embedder!r} needs a registry (deps.build)")
            embedder = deps.build("embedders", {**config.options, "use": config.embedder})
        return cls(config, deps.items, Facts(deps.items, counts), embedder)

    def can_learn(self) -> None:
        """Do nothing, or raise `PluginUnavailable` where torch is missing: asked before an engine fits anything."""
        import_optional("torch")

    def study(self, log: EventLog, options: FitOptions) -> Self:
        """Teach the text encoder what follows what in ``log``, which must not hold the labels of the lists of `fit`.

        Called again, on a later log say, it goes on from what it knows, and a fitted head stays as it is.

        Raises:
            DataError: no shopper of the log has two events. PluginUnavailable: torch is missing.
        """
        self.can_learn()
        from recsys_fine_tuned.listwise_fit import studied

        found = studied(self, log, options)
        self._studied = True
        self._use(found)
        return self

    def fit(
        self, requests: Sequence[Request], slates: Slates, labels: NDArray[np.float32], options: FitOptions
    ) -> Self:
        """Teach the head; without a `study` before, the encoder learns from the histories of ``requests`` first.

        Raises:
            DataError: fewer than two lists hold both a chosen and another item. PluginUnavailable: torch is missing.
        """
        self.can_learn()
        from recsys_fine_tuned.listwise_fit import fitted

        found, self.figures = fitted(self, requests, slates, labels, options)
        self._use(found)
        return self

    @property
    def learned(self) -> Learned | None:
        """What was learned so far, None at first. A `fit` without a `study` begins anew."""
        return self._learned

    @property
    def trained(self) -> bool:
        """Whether there is a head: until then an engine's fit has it to teach."""
        return self._session is not None

    @property
    def studied(self) -> bool:
        """Whether the encoder knows a log."""
        return self._studied

    def codes(self) -> NDArray[np.float16]:
        """Return (n_items, width): one vector an item, stored with the bundle."""
        return self._codes

    def vectors(self, rows: Sequence[int] | NDArray[np.int64]) -> Compressed:
        """Return ``(len(rows), k, dim)``: texts of ``rows`` as `recsys_fine_tuned.compressor` reads them."""
        if self.embedder is None:
            return np.zeros((len(rows), 1, 1), np.float16)
        return compress(self.items, self.embedder, rows)

    def _use(self, found: Learned) -> None:
        self._learned = found
        self._codes = np.zeros((0, self.config.width), np.float16)
        self._grow(np.arange(len(self.items)), shuffled(len(self.items), self.config.text))
        self._session = OnnxSession(self._rank_graph(found)) if found.heads else None

    def _rank_graph(self, found: Learned) -> bytes:
        return rank_graph(found.encoder, found.heads, heads=self.config.heads)

    def _grow(self, rows: NDArray[np.int64], texts: NDArray[np.int64]) -> None:
        """Make the codes of ``rows`` from the texts of the items ``texts``, and from what is their own."""
        if not len(rows) and len(self._codes) == len(self.items):
            return  # codes are never written in place: twins share them
        codes = np.zeros((len(self.items), self.config.width), np.float16)
        codes[: len(self._codes)] = self._codes
        encoder = {} if self._learned is None else self._learned.encoder
        own = encoder.get("own", np.zeros((0, self.config.width), np.float32))
        if encoder and (self.embedder is not None or len(own)) and len(rows):
            session = OnnxSession(codes_graph(encoder))
            flat = self.vectors(texts).reshape(len(rows), -1)
            for begin in range(0, len(rows), ROWS):
                part = slice(begin, begin + ROWS)
                made = session.run({"texts": flat[part].astype(np.float32)})["codes"]
                made[rows[part] < len(own)] += own[rows[part][rows[part] < len(own)]]
                codes[rows[part]] = made
        self._codes = codes

    def fitted(self) -> OnnxSession:
        """Return the session of the head. Raises `NotFittedError`."""
        if self._session is None:
            raise NotFittedError("Listwise is not fitted: call fit() or load() first")
        return self._session

    def judge(self, requests: Sequence[Request], slates: Slates) -> Judgement:
        """Return the scores, NaN for items that the catalogue does not hold."""
        session = self.fitted()
        clock = earliest(r.deadline for r in requests)
        parts = [np.empty(0, np.float32)]
        for begin in range(0, len(requests), CHUNK):
            check_clock(clock)
            end = min(begin + CHUNK, len(requests))
            part = slates.part(begin, end)
            inputs = self.inputs(requests[begin:end], part)
            scores = session.run(inputs)["scores"] if len(part.items) else np.empty((0, 0), np.float32)
            parts.append(scores[inputs["mask"] > 0])
        known = (slates.items >= 0) & (slates.items < len(self._codes))
        return Judgement(np.where(known, np.concatenate(parts), np.nan).astype(np.float32))

    def inputs(self, requests: Sequence[Request], slates: Slates) -> dict[str, NDArray[np.float32]]:
        """Return what the graph of `recsys_fine_tuned.listwise_graph.rank_graph` reads, for fit and serve."""
        assert self._learned is not None
        lists = padded(requests, slates, self._learned.generators, self.facts)
        n = min(len(self._codes), len(self.facts.items))
        rows, mask, last = histories(requests, self.config.history, n)
        return {
            "history": self._codes[rows].astype(np.float32), "history_mask": mask, "history_last": last,
            "candidates": self._codes[np.minimum(lists.items, n - 1)].astype(np.float32), "features": lists.features,
            "prior": lists.prior, "mask": lists.mask,
        }  # fmt: skip

    def on_snapshot(self, deps: Deps) -> Self:
        """Return the same model over another catalogue and other popularity."""
        items = deps.items if deps.items is not None else self.items
        counts = deps.popularity if deps.popularity is not None else np.zeros(len(items), np.float32)
        return self._over(Facts(items, counts), np.arange(len(self._codes), len(items)))

    def apply(self, delta: Delta) -> Self:
        """Return the same model over the catalogue as it is now; new and changed texts are read."""
        return self._over(self.facts.after(delta), np.asarray(delta.changed, np.int64))

    def over(
        self, items: ItemTable, popularity: NDArray[np.float32] | None = None, text: TextUse = "items"
    ) -> Self:  # fmt: skip
        """Return the same model over the catalogue of another shop, whose texts it reads anew: nothing is taught.

        ``text`` other than "items" is a control: what the same model says where it reads others' texts, or none.
        """
        counts = popularity if popularity is not None else np.zeros(len(items), np.float32)
        rows = np.arange(0 if text == "none" else len(items))
        return self._over(Facts(items, counts), rows, shuffled(len(rows), text), anew=True)

    def _over(
        self, facts: Facts, changed: NDArray[np.int64], texts: NDArray[np.int64] | None = None, anew: bool = False
    ) -> Self:  # fmt: skip
        learned = self._learned
        if anew and learned is not None:  # what is an item's own here is not that of another shop's item
            learned = learned.with_encoder({n: w for n, w in learned.encoder.items() if n != "own"})
        twin = self._with(items=facts.items, facts=facts, _codes=self._codes[: 0 if anew else None], _learned=learned)
        twin._grow(changed, changed if texts is None else texts)
        return twin

    def wanted(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return (b, width): the product with a row of `codes` says how well that item follows a history.

        The encoder alone says it, without lists or earlier stages, and so it also ranks a whole catalogue; zeros for
        who has no known history. Raises `NotFittedError` before `study` or `fit`.
        """
        if self._learned is None:
            raise NotFittedError("Listwise has no encoder: call study(), fit() or load() first")
        session = OnnxSession(wanted_graph(self._learned.encoder, heads=self.config.heads))
        parts = [np.empty((0, self.config.width), np.float32)]
        for begin in range(0, len(requests), ROWS):
            rows, mask, last = histories(requests[begin : begin + ROWS], self.config.history, len(self._codes))
            codes = self._codes[rows].astype(np.float32)
            parts.append(session.run({"history": codes, "history_mask": mask, "history_last": last})["wanted"])
        return np.concatenate(parts)

    def save(self, folder: Path) -> None:
        """Write graphs, weights, item codes, popularity and settings."""
        self.fitted()
        assert self._learned is not None
        (folder / "codes.onnx").write_bytes(codes_graph(self._learned.encoder))
        (folder / "rank.onnx").write_bytes(self._rank_graph(self._learned))
        self._learned.save(folder)
        write_array(folder / "codes.npy", self._codes)
        write_array(folder / "popularity.npy", self.facts.popularity)
        parts = ["codes.onnx", "rank.onnx", "codes.npy", "popularity.npy", "encoder.safetensors"]
        parts += [f"head{i}.safetensors" for i in range(len(self._learned.heads))]
        about = {
            "generators": list(self._learned.generators), "figures": self.figures, "studied": self._studied,
            "heads": len(self._learned.heads), "files": {name: sha256_of(folder / name) for name in sorted(parts)},
        }  # fmt: skip
        write_json(folder / ABOUT, {"config": self.config.model_dump(), **about})

    @classmethod
    def load(cls, folder: Path, deps: Deps, changed: Mapping[str, Any] | None = None) -> Self:
        """Read what `save` wrote, with ``changed`` settings; no torch is needed.

        Raises:
            ArtifactMissing, ArtifactDamaged: a file is gone or is not what it was.
        """
        saved = read_json(folder / ABOUT)
        for name, digest in saved.get("files", {}).items():  # artifacts of before have none
            verify(folder / name, digest)
        out = cls.from_config(cls.Config.model_validate({**saved["config"], **(changed or {})}), deps)
        popularity = np.array(read_array(folder / "popularity.npy"))
        counts = np.zeros(max(len(out.items), len(popularity)), np.float32)
        counts[: len(popularity)] = popularity
        out.facts = Facts(out.items, counts)
        out._learned = Learned.load(folder, tuple(saved["generators"]), saved.get("heads"))
        out._codes = np.array(read_array(folder / "codes.npy"))
        if out._codes.shape[1:] != (out.config.width,):
            raise ArtifactDamaged(f"codes.npy in {folder} is not as wide as the settings say")
        out.figures, out._studied = saved["figures"], saved["studied"]
        out._session = OnnxSession(folder / "rank.onnx")
        return out
