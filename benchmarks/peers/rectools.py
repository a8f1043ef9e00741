"""RecTools: EASE, SASRec and eSASRec (SASRec with LiGR layers) through ``fit`` and ``recommend``."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from rectools import Columns
from rectools.dataset import Dataset, IdMap, Interactions
from rectools.models import EASEModel, SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers
from rectools.models.nn.transformers.utils import leave_one_out_mask

from benchmarks.peers.handover import Fit, Given, Lists, Log, Rows, Values, main

# Epochs that bring nothing before a training ends, and the shoppers whose last fitted choices tell.
PATIENCE, HELD_OUT = 4, 1000
NOTES: dict[str, Any] = {}


def fits(given: Given) -> dict[str, Fit]:
    """Return the models."""
    fitted = dataset(given, given.fitted)

    def ease(values: Values) -> Lists:
        NOTES.clear()
        return lists(EASEModel(**values))

    def sasrec(values: Values, **options: Any) -> Lists:
        seed_everything(given.seed)
        with tempfile.TemporaryDirectory() as folder:
            model = SASRecModel(
                **values, **options, get_val_mask_func=held_out, get_trainer_func=trainer,
                get_trainer_func_kwargs={"folder": folder, "minutes": given.minutes},
            )  # fmt: skip
            made = lists(model)
            best = model.fit_trainer.checkpoint_callback.best_model_path
            if best:
                model.load_weights_from_checkpoint(best)
        NOTES.update(epochs=model.fit_trainer.current_epoch)
        return made

    def esasrec(values: Values) -> Lists:
        return sasrec(values, transformer_layers_type=LiGRLayers)

    def lists(model: Any) -> Lists:
        model.fit(fitted)

        def made(log: Log, users: Rows) -> Rows:
            found = model.recommend(
                users, dataset(given, log), k=given.n, filter_viewed=given.hide, on_unsupported_targets="ignore"
            )
            place = np.full(given.n_users, -1)
            place[users] = np.arange(len(users))
            out = np.full((len(users), given.n), -1, dtype=np.int32)
            out[place[found[Columns.User]], found[Columns.Rank] - 1] = found[Columns.Item]
            return out

        return made

    return {"ease": ease, "sasrec": sasrec, "esasrec": esasrec}


def dataset(given: Given, log: Log) -> Dataset:
    """Return a log as the library's own value; one map of ids for all logs, and places for times."""
    frame = pd.DataFrame({
        Columns.User: log.users, Columns.Item: log.items, Columns.Weight: log.weights,
        Columns.Datetime: pd.to_datetime(np.arange(len(log.users)), unit="s"),
    })  # fmt: skip
    users, items = (IdMap.from_values(np.arange(n)) for n in (given.n_users, given.n_items))
    return Dataset(users, items, Interactions.from_raw(frame, users, items))


def held_out(interactions: pd.DataFrame) -> np.ndarray:
    """Return which interactions tell a training when to end: the last ones of some shoppers, a tenth at most."""
    users = interactions[Columns.User].unique()
    return leave_one_out_mask(interactions, val_users=min(HELD_OUT, len(users) // 10))


def trainer(folder: str, minutes: float) -> Trainer:
    """Return a trainer that ends with its minutes, or with epochs that bring nothing, and keeps the best epoch."""
    return Trainer(
        max_time={"seconds": round(60 * minutes)}, max_epochs=1000, accelerator="cpu", devices=1, logger=False,
        enable_progress_bar=False, enable_model_summary=False,
        callbacks=[
            EarlyStopping(monitor="val_loss", patience=PATIENCE),
            ModelCheckpoint(folder, monitor="val_loss", save_top_k=1, save_weights_only=True),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main("rectools", ("rectools", "torch", "pytorch-lightning", "pm-implicit", "numpy", "scipy", "pandas"), fits, NOTES)
