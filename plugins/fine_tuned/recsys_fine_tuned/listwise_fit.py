"""Training of the list-wise reranker: only this module of it imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from recsys.dataset import EventLog
from recsys.embed.whitening import whitening
from recsys.errors import DataError
from recsys.protocols import FitOptions
from recsys.training.loop import TrainSettings
from recsys.training.modules import arrays
from recsys.training.runs import run
from recsys.types import Request, Slates
from recsys_fine_tuned.compressor import FIELDS, shuffled
from recsys_fine_tuned.listwise_features import generators_of, names
from recsys_fine_tuned.listwise_model import ListHead, TextEncoder
from recsys_fine_tuned.listwise_training import (
    Arrays,
    list_batches,
    log_sequences,
    sequence_batches,
    sequences,
)

if TYPE_CHECKING:
    from recsys_fine_tuned.listwise import Learned, Listwise

# Lists of one step, shares of lists that only decide when to stop, and how much the short fields weigh.
LISTS, HELD_OUT = 128, 0.1
WEIGHTS = dict(zip(FIELDS, (1.0, 1.0, 0.7, 0.7), strict=True))
LABEL, OWN = "label", "own"


def studied(model: Listwise, log: EventLog, options: FitOptions) -> Learned:
    """Return what the encoder knows after reading ``log``; it goes on from an earlier study."""
    rows, following = log_sequences(log, model.config.history)
    if not len(rows) and (model.config.text != "none" or model.config.own):
        raise DataError("no shopper of the log chose two items: nothing follows anything")
    return _encoded(model, rows, following, options, again=model.studied)


def _encoded(
    model: Listwise, rows: NDArray[np.int64], following: NDArray[np.int64], options: FitOptions, again: bool
) -> Learned:
    from recsys_fine_tuned.listwise import Learned

    c, before = model.config, model.learned if again else None
    n = len(model.items)
    texts = model.vectors(shuffled(n, c.text)).reshape(n, -1).astype(np.float32)
    chosen = np.bincount(np.concatenate([rows[rows >= 0], following[following >= 0]]), minlength=n) > 0
    owned = c.own if before is None else OWN in before.encoder
    if before is not None and owned:
        chosen[: len(before.encoder[OWN])] |= before.encoder[OWN].any(axis=1)
    mean, projection = (
        whitening(texts, c.projected, _weights(texts.shape[1])) if before is None else _projection(before.encoder)
    )
    torch.manual_seed(options.seed)
    module = TextEncoder(
        torch.from_numpy(texts), torch.from_numpy(projection), torch.from_numpy(mean),
        width=c.width, layers=c.layers, heads=c.heads, history=c.history, dropout=c.dropout,
        known=torch.from_numpy(chosen) if owned else None, text_alone=c.text_alone,
    )  # fmt: skip
    if before is not None:
        _fill(module, before.encoder)
    cycles = steps_of(c.epochs if before is None else (c.more_epochs,), -(-len(rows) // c.batch), c.steps)
    for cycle, steps in enumerate(cycles if c.text != "none" or c.own else ()):
        if not steps:
            continue
        # Later cycles begin a little lower: what is known is not to be unlearned.
        rate = c.rate * (0.5 if before is not None else 1.0 if cycle == 0 else 0.75)
        settings = TrainSettings(
            steps=steps, learning_rate=rate, warm_up=0.1, weight_decay=0.02,
            seed=options.seed + cycle, threads=options.threads, title="text encoder",
        )  # fmt: skip
        batches = sequence_batches(rows, following, n, c.batch, c.negatives)
        known = (texts, {} if before is None else before.encoder, rows, following, cycle)
        name = f"encoder{cycle}" if before is None else "encoder-again"
        run(module, batches, None, settings, c.checkpoints, name, (known, _trained_as(c)))
    found = arrays(module)
    return Learned(found) if before is None else before.with_encoder(found)


def steps_of(epochs: Sequence[int], batches: int, most: int) -> list[int]:
    """Return the steps of each cycle; where they are more than ``most`` together, all cycles have fewer, in proportion.

    >>> steps_of((8, 6), 100, 2000), steps_of((8, 6), 200, 1400)
    ([800, 600], [800, 600])
    """
    wanted = [n * batches for n in epochs]
    share = min(1.0, most / max(1, sum(wanted)))
    return [max(1, int(n * share)) if n else 0 for n in wanted]


def fitted(
    model: Listwise, requests: Sequence[Request], slates: Slates, labels: NDArray[np.float32], options: FitOptions
) -> tuple[Learned, dict[str, Any]]:
    """Return what was learned with its heads, and figures."""
    from recsys_fine_tuned.listwise import Learned

    kept, given = useful(requests, slates, labels, model.config.depth)
    if len(kept) < 2:
        raise DataError(
            f"a list-wise head needs at least 2 lists that hold a chosen and an unchosen item, got {len(kept)}"
        )
    encoder = (model.learned if model.studied else None) or _alone(model, requests, options)
    learned = Learned(encoder.encoder, (), generators_of(given))
    model._use(learned)
    lists = _with_match(model, kept, given, learned.encoder)
    held = np.random.default_rng(options.seed).random(len(kept)) < HELD_OUT
    heads, figures = [], []
    for seed in range(options.seed, options.seed + model.config.head_seeds):
        head, figure = _headed(model, lists, held, seed, options)
        heads.append(head)
        figures.append(figure)
    about = {"lists": len(kept), "features": [*names(learned.generators), "match"], "held_out_loss": figures}
    return Learned(learned.encoder, tuple(heads), learned.generators), about


def _alone(model: Listwise, requests: Sequence[Request], options: FitOptions) -> Learned:
    """Teach the encoder from the histories of the requests, which hold no label of theirs."""
    liked = [r.history.rows[(r.history.weights > 0) & (r.history.rows >= 0)] for r in requests]
    known = [rows[rows < len(model.items)] for rows in liked]
    return _encoded(model, *sequences(known, model.config.history), options, again=False)


def useful(
    requests: Sequence[Request], slates: Slates, labels: NDArray[np.float32], depth: int
) -> tuple[list[Request], Slates]:
    """Return the lists, best first and cut to ``depth``, that hold both labels; the labels are a column."""
    ordered = slates.ordered(slates.scores, depth, **{LABEL: labels.astype(np.float32)})
    owner, chosen = ordered.request_index, ordered.columns[LABEL] > 0
    count = np.bincount(owner, weights=chosen, minlength=len(ordered))
    keep = (count > 0) & (count < ordered.lengths)
    entries = keep[owner]
    columns = {name: values[entries] for name, values in ordered.columns.items()}
    offsets = np.concatenate([[0], np.cumsum(ordered.lengths[keep])]).astype(np.int64)
    kept = Slates(ordered.items[entries], ordered.scores[entries], offsets, columns)
    return [r for r, k in zip(requests, keep, strict=True) if k], kept


def _with_match(model: Listwise, requests: Sequence[Request], slates: Slates, encoder: Arrays) -> dict[str, Any]:
    """Return "features" with the match of history and candidate, "prior", "mask", "labels" of all lists."""
    inputs = model.inputs(requests, slates)
    module = _module_of(encoder, model.config)
    match = []
    with torch.no_grad():
        for begin in range(0, len(requests), 1024):
            part = {n: torch.from_numpy(v[begin : begin + 1024]) for n, v in inputs.items()}
            match.append(matched(module, part).numpy())
    labels = np.zeros(inputs["mask"].shape, np.float32)
    labels[inputs["mask"] > 0] = slates.columns[LABEL]
    features = np.concatenate([inputs["features"], np.concatenate(match)[..., None]], axis=2)
    return {"features": features, "prior": inputs["prior"], "mask": inputs["mask"], "labels": labels}


def matched(module: TextEncoder, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return (b, n) how well each candidate follows the history, less the mean of its list."""
    wanted = module.wanted(inputs["history"], inputs["history_mask"])
    one = (wanted * inputs["history_last"][..., None]).sum(dim=1)
    fit = torch.einsum("bnd,bd->bn", inputs["candidates"], one)
    mask = inputs["mask"]
    mean = (fit * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp(min=1)
    return (fit - mean) * mask


def _headed(
    model: Listwise, lists: Arrays, held: NDArray[np.bool_], seed: int, options: FitOptions
) -> tuple[dict[str, Any], float]:
    c = model.config
    learn = held if held.all() else ~held
    train_on = {name: values[learn] for name, values in lists.items()}
    test_on = {name: torch.from_numpy(values[held if held.any() else learn]) for name, values in lists.items()}
    torch.manual_seed(seed)
    head = ListHead(
        train_on["features"].shape[2], width=c.head_width, layers=c.head_layers, heads=4, dropout=c.dropout,
        blank=c.blank,
    )  # fmt: skip
    head.fit_scale(torch.from_numpy(train_on["features"]), torch.from_numpy(train_on["mask"]))
    steps = -(-len(train_on["prior"]) // LISTS)
    settings = TrainSettings(
        steps=c.head_epochs * steps, learning_rate=c.head_rate, warm_up=0.15, weight_decay=0.05, seed=seed,
        validate_every=steps, threads=options.threads, title="list-wise head",
    )  # fmt: skip

    def validate(module: Any) -> Mapping[str, float]:
        return {"loss": float(module.losses(test_on)["loss"])}

    known = ((lists, held), _trained_as(c))
    report = run(head, list_batches(train_on, LISTS), validate, settings, c.checkpoints, f"head{seed}", known)
    return arrays(head), round(float(report.best["loss"]), 5)


def _weights(width: int) -> NDArray[np.float64]:
    """Return (width,) how much each number of all fields counts; a single number stands for no text at all."""
    return np.repeat(np.array(list(WEIGHTS.values())), width // len(WEIGHTS)) if width > 1 else np.ones(1)


def _trained_as(config: Any) -> dict[str, Any]:
    out: dict[str, Any] = config.model_dump(mode="json", exclude={"checkpoints"})
    return out


def _projection(encoder: Arrays) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.array(encoder["mean"]), np.array(encoder["projection"])


def _fill(module: TextEncoder, encoder: Arrays) -> None:
    """Put weights into a module whose catalogue may have grown: new items are as popular as the average."""
    state = {name: torch.from_numpy(np.array(values)) for name, values in encoder.items()}
    bias = torch.full_like(module.bias, float(state["bias"].mean()) if len(state["bias"]) else 0.0)
    grown = {"bias": bias} | ({OWN: torch.zeros_like(module.own)} if OWN in state else {})
    for name, values in grown.items():
        count = min(len(values), len(state[name]))
        values[:count] = state[name][:count]
    module.load_state_dict({**state, **grown})


def _module_of(encoder: Arrays, config: Any) -> TextEncoder:
    mean, projection = (torch.from_numpy(a) for a in _projection(encoder))
    module = TextEncoder(
        torch.zeros(len(encoder["bias"]), len(mean)), projection, mean,
        width=config.width, layers=config.layers, heads=config.heads, history=config.history, dropout=config.dropout,
        known=torch.from_numpy(encoder[OWN].any(axis=1)) if OWN in encoder else None,
    )  # fmt: skip
    _fill(module, encoder)
    module.eval()
    return module
