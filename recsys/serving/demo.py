"""The demo over HTTP: the sample shop behind the whole service, with the page that explains it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from recsys.config import EngineConfig
from recsys.data.source import available, data_folder, open_data
from recsys.demo import Demo, prepare
from recsys.engine import Engine
from recsys.fitting import Progress
from recsys.serving.app import create_app
from recsys.serving.keys import MemoryKeys
from recsys.serving.settings import ServiceConfig
from recsys.serving.showcase import MOST_UPLOADS, REAL, SAMPLE, Made, Maker, Showcase
from recsys.serving.tenants import Tenants
from recsys.serving.tokens import Signer
from recsys.serving.uploads import fitted

REAL_DATA = "ml-latest-small"
# A page paints its list and then asks for reasons, workings and suggestions of every letter, all with one key.
RATE = {"per_s": 500.0, "burst": 1_000}


def config_for(host: str, port: int) -> ServiceConfig:
    """Return the settings of the demo: everything in memory, for this machine."""
    return ServiceConfig.of({
        "host": host, "port": port, "demo": True, "rate": RATE, "log_level": "warning",
        "secret": secrets.token_hex(32), "stop_s": 2.0,
    })  # fmt: skip


def demo_app(config: ServiceConfig, sample: Maker, told: Callable[[str], object] = lambda step: None) -> FastAPI:
    """Return the application. It answers at once; the sample shop is made meanwhile, and the page tells how far it is.

    ``told`` hears the steps as well. Real data are on offer where the data folder holds them.
    """
    showcase = Showcase(Signer(config.key() or secrets.token_bytes(32)))

    def telling(tell: Progress) -> Made:
        def both(step: str) -> None:
            tell(step)
            told(step)

        return sample(both)

    showcase.offer(SAMPLE, "Sample shop", telling)
    if REAL_DATA in available(data_folder()):
        showcase.offer(REAL, "Real data: MovieLens", _real)
    app = create_app(config, tenants=Tenants(showcase.opened, usual=SAMPLE, most=MOST_UPLOADS + 2), keys=MemoryKeys())
    app.state.showcase = showcase
    showcase.prepare(SAMPLE)
    return app


def sample_shop(folder: Path | None, seed: int, n_shoppers: int, config: EngineConfig | None = None) -> Maker:
    """Return what makes the sample shop, or loads the one that an earlier run kept in ``folder``."""

    def make(tell: Progress) -> Made:
        demo = prepare(folder, seed=seed, n_shoppers=n_shoppers, config=config, progress=tell)
        tell("asking for a first list")
        warm(demo.engine, demo.now, [demo.engine.config.variant])
        return shown(demo)

    return make


def shown(demo: Demo) -> Made:
    """Return the shop of a demo."""
    then = partial(warm, demo.engine, demo.now, list(demo.engine.config.variants))
    return Made(demo.engine, demo.now, missing=dict(demo.missing), named=True, then=then)


def warm(engine: Engine, now: int, variants: Sequence[str]) -> None:
    """Have each plan asked once, so that nobody who looks waits for what is only made the first time."""
    user = engine.store.log().users[0]
    for variant in variants:
        engine.recommend(user, 3, variant=variant, explain=True, now=now, workings=True)
    engine.suggest("a", user, 1)


def _real(tell: Progress) -> Made:
    tell(f"reading {REAL_DATA}")
    data, _ = open_data(REAL_DATA)
    return fitted(data, tell)
