"""Trains the list-wise reranker that comes with this package, on the sample shop alone, and writes how it was made."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import tomli_w

from recsys import Engine, EngineConfig
from recsys.data.shop import make_shop
from recsys.errors import DataError
from recsys.protocols import FitOptions
from recsys.runtime.models import sha256_of
from recsys.settings import settings_for

# Another shop than that of the demo: none of its shoppers is known to what reranks them.
SEED, SHOPPERS = 1, 10_000
NAME = "fine-tuned"
SHIPPED = Path(__file__).parent / "shop" / "reranker"


def trained(seed: int = SEED, shoppers: int = SHOPPERS, threads: int = 2, **options: Any) -> Engine:
    """Return an engine on the sample shop, its reranker taught behind the shop's own ranker.

    Args:
        seed, shoppers: of the shop. threads: of the training.
        options: settings of `recsys_fine_tuned.listwise.Listwise`.
    """
    plain = (settings_for("shop") or EngineConfig()).plain()
    # No item of this shop is one of another: vectors of their own would be learned for nothing.
    plain["rerank"] = {NAME: {"use": "compressed", "own": False, **options}}
    plain["search"]["rank"] = None  # searches have no part in this
    usual = plain["variants"][plain["variant"]]
    plain["variants"][NAME] = {**usual, "rerank": NAME}
    config = EngineConfig.of({k: v for k, v in plain.items() if v is not None})
    return Engine(config).fit(make_shop(seed, shoppers).dataset, FitOptions(seed=seed, threads=threads), print)


def ship(folder: Path, seed: int = SEED, shoppers: int = SHOPPERS, threads: int = 2, **options: Any) -> dict[str, Any]:
    """Train and write the artifact with its recipe into ``folder``; return the recipe.

    Raises:
        DataError: validation does not accept what was learned: nothing is written.
    """
    engine = trained(seed, shoppers, threads, **options)
    said = engine.fitted.calibrations.get(NAME)
    if said is None or not said.accepted:
        raise DataError(f"not accepted on held-out shoppers, nothing is written: {said or engine.warnings}")
    reranker = engine.fitted.rerankers[NAME]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    reranker.save(folder)
    recipe = {
        "trained_on": f"the sample shop, seed {seed}, {shoppers} shoppers",
        "command": "python -m recsys_fine_tuned.listwise_shop",
        # All of them: what is the default today may not be tomorrow.
        "options": reranker.config.model_dump(mode="json", exclude_none=True, exclude={"artifact", "max_move"}),
        # The bound is the best on these lists, and each of them holds the answer: no figure to compare with others.
        "bound_chosen_on": {
            "lists_with_the_answer": said.requests, "their_ndcg@10": dict(said.ndcg), "p": said.p,
            "max_move": "any" if said.max_move is None else said.max_move,
        },
        "figures": reranker.figures,
        "sha256": {path.name: sha256_of(path) for path in sorted(folder.iterdir())},
    }  # fmt: skip
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe), encoding="utf-8")
    return recipe


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=SHIPPED, help="folder of the artifact")
    parser.add_argument("--shoppers", type=int, default=SHOPPERS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    print(tomli_w.dumps(ship(asked.to, asked.seed, asked.shoppers, asked.threads)))


if __name__ == "__main__":
    main()
