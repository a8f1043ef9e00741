"""The marked regions of the README files, written anew from the committed results."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks import (
    checker_tables,
    compressed_tables,
    decode_tables,
    direct_tables,
    llmrank_tables,
    minute_tables,
    peer_tables,
    published,
    quality,
    quality_tables,
    rating_tables,
    realism_tables,
    reason_tables,
    sequential_tables,
    speed_tables,
    summary_tables,
    transfer_tables,
    xrec_tables,
)
from benchmarks.evaluations import DIRECT, SEARCHES, SEEDS, SETS
from benchmarks.llmrank import SETS as LLMRANK
from benchmarks.runner import ROOT

PAGES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")
REGION = re.compile(r"(<!-- table:([a-z0-9-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)

# Sets with a table of their own.
ONCE = [name for name in SETS if name not in DIRECT and not any(name in others for others in SEEDS.values())]
LOGS = [name for name in ONCE if name not in SEARCHES]
# Region -> what makes its text from the folder of results.
TABLES: Mapping[str, Callable[[Path], str]] = {
    "minute": minute_tables.minute,
    "published": published.sequential,
    "published-above": published.above,
    "summary": summary_tables.summaries,
    "realism-ties": realism_tables.ties,
    "realism-names": realism_tables.names,
    "realism-tests": realism_tables.tests,
    "realism-slices": partial(realism_tables.slices, LOGS),
    "realism-debiased": partial(realism_tables.debiased, LOGS),
    "realism-refit": partial(realism_tables.refitted, LOGS),
    "bm25": speed_tables.bm25,
    "implicit": speed_tables.implicit,
    "sequential": sequential_tables.answered,
    "sequential-fit": sequential_tables.trained,
    "funnel": speed_tables.funnel,
    "funnel-stages": speed_tables.funnel_stages,
    "batch": speed_tables.batch,
    "search": speed_tables.search,
    "explain": speed_tables.explain,
    "decode": decode_tables.rerank,
    "decode-texts": decode_tables.texts,
    "decode-memory": decode_tables.memory,
    "compressed": compressed_tables.compressed,
    "real-size": decode_tables.real_size,
    "import": speed_tables.startup,
    "checker": checker_tables.checkers,
    "checker-kinds": checker_tables.kinds,
    "reasons": reason_tables.causes,
    "reasons-texts": reason_tables.texts,
    "reasons-reviews": reason_tables.beside_reviews,
    "xrec": xrec_tables.explanations,
    "xrec-tests": xrec_tables.tests,
    "xrec-models": xrec_tables.models,
    **{f"llmrank-{name}": partial(llmrank_tables.ranked, name) for name in LLMRANK},
    **{f"llmrank-{name}-probes": partial(llmrank_tables.listened, name) for name in LLMRANK},
    "transfer": transfer_tables.reranked,
    "transfer-given": transfer_tables.given,
    "direct": partial(direct_tables.direct, list(DIRECT)),
    "rating": rating_tables.ratings,
    "peers": peer_tables.recommended,
    "peers-search": peer_tables.searched,
    "searches": partial(quality_tables.search_summary, list(SEARCHES)),
    "shop-search": quality_tables.of_shop_search,
    "quality-steps": quality.table,
    "quality": partial(quality_tables.summary, ONCE),
    "seeds": partial(quality_tables.seeds, SEEDS),
    "rerankers": partial(quality_tables.reranked, list(SETS)),
    **{name: partial(quality_tables.of_set, name) for name in ONCE if name not in SEARCHES},
    **{name: partial(quality_tables.of_search, name) for name in SEARCHES},
}


def filled(text: str, results: Path) -> str:
    """Return a page with every marked region made from ``results``; what is outside the marks stays as it is.

    Raises:
        ValueError: a region that no table is made for, or a mark without its other half.
    """

    def made(match: re.Match[str]) -> str:
        opening, name, closing = match.groups()
        if name not in TABLES:
            raise ValueError(f"no table {name!r}: choose one of {', '.join(TABLES)}")
        return f"{opening}{TABLES[name](results).strip()}\n{closing}"

    out, regions = REGION.subn(made, text)
    if regions != out.count("<!-- table:") or regions != out.count("<!-- /table -->"):
        raise ValueError("a mark <!-- table:NAME --> or <!-- /table --> stands alone, or its name is malformed")
    return out


def rewrite(results: Path, pages: tuple[Path, ...] = PAGES) -> list[Path]:
    """Write the regions of the pages and return the pages that changed."""
    changed = []
    for page in pages:
        old = page.read_text(encoding="utf-8")
        new = filled(old, results)
        if new != old:
            page.write_text(new, encoding="utf-8")
            changed.append(page)
    return changed
