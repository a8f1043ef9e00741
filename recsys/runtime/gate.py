"""Whether a quantised model still orders lists as the whole one does: figures, bounds, and a clear no."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError, ModelError, QuantisationRefused
from recsys.ndcg import scored
from recsys.runtime.causal import CausalLM
from recsys.runtime.encoder import Encoder
from recsys.runtime.pairs import CrossEncoder
from recsys.runtime.prefixes import Prompt
from recsys.runtime.seq2seq import Seq2Seq
from recsys.runtime.tokens import Tokens, told_apart

Scores = NDArray[np.float32]
# Places of a list that NDCG looks at.
PLACES = 10
# On fewer lists a mean says nothing: one that loses or gains a place moves it beyond the bounds.
MIN_LISTS = 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a quantised model must keep: the mean rank correlation at least, and the share of NDCG@10 lost at most.

    ``lists`` with a relevant text are needed at least.
    """

    kendall: float = 0.95
    ndcg_loss: float = 0.005
    lists: int = MIN_LISTS


@dataclass(frozen=True, slots=True)
class Figures:
    """How a quantised model compares on validation lists.

    ``kendall`` is the mean over lists of the rank correlation of both models' scores (tau-b); ``ndcg`` and
    ``ndcg_reference`` are means of NDCG@10, ``ndcg_loss`` is the share lost, below 0 for a gain. ``judged`` of the
    ``lists`` have a relevant text.
    """

    lists: int
    kendall: float
    ndcg_reference: float
    ndcg: float
    ndcg_loss: float
    judged: int

    def check(self, bounds: Bounds) -> dict[str, Any]:
        """Return figures and bounds for the spec.

        Raises:
            QuantisationRefused: a bound is broken, or there are too few lists; the message has all figures.
        """
        if self.judged < bounds.lists:
            raise QuantisationRefused(
                f"{self.judged} lists with a relevant text are too few to judge by: give at least {bounds.lists}"
            )
        if not (self.kendall >= bounds.kendall and self.ndcg_loss <= bounds.ndcg_loss):
            raise QuantisationRefused(
                f"the quantised model does not rank as the whole one on {self.lists} lists: Kendall {self.kendall:.4f} "
                f"(at least {bounds.kendall}), NDCG@10 {self.ndcg:.4f} of {self.ndcg_reference:.4f}, a loss of "
                f"{self.ndcg_loss:.2%} (at most {bounds.ndcg_loss:.2%})"
            )
        return asdict(self) | {"bounds": asdict(bounds)}


def compare(reference: Scores, scores: Scores, starts: NDArray[np.int64], labels: NDArray[np.float32]) -> Figures:
    """Compare two models' scores (m,) of the same lists: list i is ``starts[i]:starts[i + 1]``.

    ``labels`` (m,) are gains, 0 for what is not relevant. Lists without any relevant item count for the correlation
    alone.

    Raises:
        DataError: the arrays do not fit together, or no list has a relevant item: nothing could be lost.
        ModelError: a score is not finite.
    """
    sizes = {len(reference), len(scores), len(labels), int(starts[-1]) if len(starts) else 0}
    if len(sizes) > 1 or starts[0] != 0 or (np.diff(starts) < 1).any():
        raise DataError("gate data: starts must rise from 0 to the number of texts, with one label a text")
    if not (np.isfinite(reference).all() and np.isfinite(scores).all()):
        raise ModelError("a score of the gate's lists is not finite: the model cannot be compared")
    taus, before, after = [], [], []
    for first, last in pairwise(starts):
        part = slice(int(first), int(last))
        tau = kendall(reference[part], scores[part])
        if tau is not None:
            taus.append(tau)
        if labels[part].any():
            before.append(ndcg(reference[part], labels[part]))
            after.append(ndcg(scores[part], labels[part]))
    if not taus or not before:
        raise DataError("gate data: at least one list needs a relevant text and scores that differ")
    whole, kept = float(np.mean(before)), float(np.mean(after))
    return Figures(len(starts) - 1, float(np.mean(taus)), whole, kept, 1 - kept / whole if whole else 0.0, len(before))


def kendall(one: Scores, other: Scores) -> float | None:
    """Return tau-b of two scorings of one list; None where ``one`` orders nothing."""
    above = np.triu_indices(len(one), 1)
    a = np.sign(one[above[0]] - one[above[1]])
    b = np.sign(other[above[0]] - other[above[1]])
    if not a.any():
        return None
    norm = float(np.sqrt((a != 0).sum() * (b != 0).sum()))
    return float((a * b).sum()) / norm if norm else 0.0


def ndcg(scores: Scores, gains: NDArray[np.float32]) -> float:
    """Return NDCG@10 of one list; ties stand in their given order."""
    return float(scored(scores[None], gains[None], PLACES)[0])


@dataclass(frozen=True, slots=True)
class GateData:
    """Validation lists as text: one query a list, its candidates' texts, and how relevant each is.

    ``queries`` (l,), ``texts`` (m,) str; ``starts`` (l + 1,) where each list begins; ``labels`` (m,) gains;
    ``answers``, for a language model that judges: the words for yes and no that may follow a text.
    """

    queries: tuple[str, ...]
    texts: tuple[str, ...]
    starts: NDArray[np.int64]
    labels: NDArray[np.float32]
    answers: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an ``.npz`` whose arrays have the names of the attributes. Raises `DataError` where it is none."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                made = cls(
                    tuple(str(q) for q in held["queries"]),
                    tuple(str(t) for t in held["texts"]),
                    np.atleast_1d(held["starts"]).astype(np.int64, casting="same_kind"),
                    np.asarray(held["labels"], np.float32),
                    tuple(str(a) for a in held["answers"]) if "answers" in held else (),
                )
        # A lone array (.npy) is no context, and what only begins as an archive has an error of its own.
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile) as error:
            raise DataError(f"{path} is no gate data (.npz of queries, texts, starts, labels): {error}") from error
        if len(made.starts) != len(made.queries) + 1 or len(made.answers) not in (0, 2):
            raise DataError(f"{path}: starts must have one entry more than queries, answers two or none")
        if made.starts[0] != 0 or made.starts[-1] != len(made.texts) or (np.diff(made.starts) < 1).any():
            raise DataError(f"{path}: starts must rise from 0 to the number of texts, no list empty")
        if made.labels.shape != (len(made.texts),) or not (np.isfinite(made.labels) & (made.labels >= 0)).all():
            raise DataError(f"{path}: labels must be one gain a text, 0 or more")
        return made

    def scores(self, model: CausalLM | CrossEncoder | Encoder | Seq2Seq) -> Scores:
        """Return one score a text (m,): what the model is for, at work on these lists.

        Raises:
            ModelError: a model of texts without a tokenizer. DataError: answers that its tokens cannot tell apart.
        """
        owners = np.repeat(np.arange(len(self.queries)), np.diff(self.starts))
        if isinstance(model, CrossEncoder):
            return model.score([(self.queries[i], t) for i, t in zip(owners, self.texts, strict=True)])
        if isinstance(model, Encoder):
            queries, items = model.encode(self.queries), model.encode(self.texts)
            products: Scores = (queries[owners] * items).sum(axis=1)
            return products
        if model.tokens is None:
            raise ModelError("gate data is text: the model needs its tokenizer")
        if isinstance(model, CausalLM):
            bos = model.architecture.bos
            prefixes = [_prompt(model.tokens, q, () if bos is None else (bos,)) for q in self.queries]
        else:
            prefixes = [model.prompt(q) for q in self.queries]
        texts = [_prompt(model.tokens, t) for t in self.texts]
        groups = [texts[a:b] for a, b in pairwise(self.starts)]
        if self.answers and isinstance(model, CausalLM):
            parted = told_apart(model.tokens, self.answers)
            if parted is None:
                raise DataError(f"gate data: answers: this tokenizer cannot tell {self.answers} apart by one token")
            lead, ids = parted
            groups = [[Prompt((*text.pieces, lead)) for text in group] for group in groups]
            found = [logits[:, 0] - logits[:, 1] for logits in model.choice_logits(prefixes, groups, ids)]
        else:
            found = model.score(prefixes, groups)
        return np.concatenate(found)


def _prompt(tokens: Tokens, text: str, first: tuple[int, ...] = ()) -> Prompt:
    return Prompt((np.concatenate([np.array(first, np.int64), tokens.encode(text)]),))
