"""The page in a minute: a line a figure, ours beside the best that is known, with how sure it is and how fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import direct_tables, llmrank, llmrank_tables, published, rating, summary
from benchmarks.evaluations import DIRECT
from benchmarks.explain_xrec import CLOSED, MODELS
from benchmarks.explain_xrec import NAME as XREC
from benchmarks.quality_tables import LEXICAL, p_value, read
from benchmarks.runner import read_lines
from benchmarks.xrec_pairs import DOMAINS
from recsys.eval.explained_pairs import PUBLISHED
from recsys.eval.measure import CASCADE
from recsys.eval.results import Row
from recsys.eval.stages import best_single
from recsys.eval.tables import NONE, compact, label, number, percent

HEAD = ("Task and set", "Figure", "This engine", "Best known", "Gain", "How sure", "ms", "Again")
MARGINS = (":--", ":--", ":--", ":--", "--:", ":--", "--:", ":--")
AHEAD, LEVEL, BEHIND = "**ahead**", "level", "**behind**"
ALPHA = 0.05
OWN = "own-history"
# Marks of the footnotes under the table.
CAVEAT, SAMPLED, REBUILT, OURS, LAST_DAYS = "¹", "²", "³", "⁴", "⁵"
SEQUENTIAL = {
    "beauty": "Beauty", "sports": "Sports", "toys": "Toys", "yelp": "Yelp, visited shown",
    "yelp-masked": "Yelp, visited hidden",
}  # fmt: skip
GIVEN = {"games": "Games", "ml-1m": f"ML-1M {REBUILT}"}
ALONE = ", no interaction"  # how `llmrank_tables.PUBLISHED` marks who reads nobody else's events
LOGS = {
    "ml-latest-small": "MovieLens small", "musical-instruments": "Musical Instruments", "gift-cards": "Gift Cards",
}  # fmt: skip
SEARCHED = {"msrd": "MSRD, movies", "icecat": "Icecat, electronics"}
TEXTS = {"rouge-l": ("ROUGE-L", 1), "support": ("evidence support", 3), "aspects": ("reference agreement", 3)}
SPACE = "\u00a0"  # keeps a figure on one line


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure beside the best known one and who has that.

    ``interval`` is of ours; ``p`` of a paired test, None where only a mean was published; ``more`` makes it surer.
    """

    name: str
    who: str
    known: float
    ours: float
    interval: tuple[float, float]
    digits: int = 4
    lower: bool = False
    p: float | None = None
    more: str = ""

    @property
    def verdict(self) -> str:
        """Which is better, as far as it can be told: by the test, else by whether our interval holds their figure."""
        low, high = self.interval
        level = low <= self.known <= high if self.p is None else self.p >= ALPHA
        return LEVEL if level else AHEAD if (self.ours > self.known) != self.lower else BEHIND

    def cells(self) -> list[str]:
        """Return the middle of a line."""
        half = max(self.ours - self.interval[0], self.interval[1] - self.ours)
        gain = percent(self.ours / self.known - 1) if self.known else NONE
        tested = "" if self.p is None else f",{SPACE}p{SPACE}{p_value(self.p).replace(' ', SPACE)}"
        return [
            self.name + (f"{SPACE}↓" if self.lower else ""),
            f"{number(self.ours, self.digits)}{SPACE}±{SPACE}{number(half, self.digits)}",
            f"{number(self.known, self.digits)} {self.who}", gain.replace(" ", SPACE),
            "; ".join(filter(None, [self.verdict + tested, self.more])),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """One or more figures of one command, which stands behind ``python -m benchmarks``; ``ms`` is a list's time."""

    name: str
    measures: Sequence[Measure]
    command: str
    ms: float | None = None

    def lines(self) -> list[list[str]]:
        """Return a line a figure; what belongs to all of them stands in the first."""
        first = [self.name, compact(self.ms), f"`{self.command}`"]
        heads = [first, *[["", "", ""]] * (len(self.measures) - 1)]
        return [[name, *m.cells(), *rest] for (name, *rest), m in zip(heads, self.measures, strict=True)]


def minute(results: Path) -> str:
    """Return the table, how many of its figures are ahead, level and behind, and what leaks."""
    tasks = {group: list(make(results)) for group, make in PARTS.items()}
    found = [m.verdict for group in tasks.values() for task in group for m in task.measures]
    if not found:
        return "Not measured yet: `python -m benchmarks quality`."
    counts = ", ".join(f"{word.strip('*')} in {found.count(word)}" for word in (AHEAD, LEVEL, BEHIND))
    lines = []
    for group, members in tasks.items():
        lines += [[f"**{group}**", *[""] * (len(HEAD) - 1)]] if members else []
        lines += [line for task in members for line in task.lines()]
    made = "\n".join(f"| {' | '.join(line)} |" for line in (HEAD, MARGINS, *lines))
    counted = f"Of {len(found)} figures this engine is {counts}."
    return "\n\n".join(filter(None, [counted, made, published.leaks(results)]))


def sequential(results: Path) -> Iterator[Task]:
    """Yield the sets of S3-Rec against the best report without a leak, each figure against its own best."""
    for name, title in SEQUENTIAL.items():
        row = published.chosen(name, results)
        if row is None:
            continue
        measures = []
        for place, metric in enumerate(published.METRICS):
            one = published.best(name, place)
            if one is not None:
                who = f"{one.system}{SPACE}{CAVEAT}" if one.caveat else one.system
                measures.append(_measure(row, metric, who, one.figures[name][place] or 0.0))
        if OWN in row.effect and row.effect[OWN].relative is not None:  # where items chosen before are shown again
            measures.append(_against(row, OWN, row.metrics["ndcg@10"] - row.effect[OWN].difference))
        yield Task(title, measures, f"evaluate {name}", row.latency_ms.get("p50"))


def unpublished(sets: Mapping[str, str], results: Path) -> Iterator[Task]:
    """Yield the sets that nobody reports in this form: the cascade against the best single generator of its run."""
    for name, title in sets.items():
        found = read(name, results)
        base = best_single(found) if found is not None else None
        if found is None or base is None:
            continue
        chosen = found.best_by_validation or ""
        row = found.row(chosen if chosen.startswith(CASCADE) else CASCADE)
        measure = _against(row, base, found.row(base).metrics["ndcg@10"])
        yield Task(title, [measure], f"evaluate {name}", row.latency_ms.get("p50"))


def direct(results: Path) -> Iterator[Task]:
    """Yield one of a hundred, against S3-Rec."""
    for name in DIRECT:
        found = read(name, results)
        if found is None:
            continue
        row = found.best or found.row(CASCADE)
        [figures] = [f for who, f in direct_tables.PUBLISHED[name].items() if who.startswith("S3-Rec")]
        known = dict(zip(direct_tables.METRICS, figures, strict=True))
        measures = [_measure(row, metric, "S3-Rec", known[metric] or 0.0) for metric in ("hr@1", "hr@10")]
        yield Task(SEQUENTIAL[name.removeprefix("direct-")], measures, f"evaluate {name}", row.latency_ms.get("p50"))


def given(results: Path) -> Iterator[Task]:
    """Yield LLMRank's lists: against the best system, then without anybody's interactions against the best LLM."""
    for name, title in GIVEN.items():
        lines = {line["name"]: line for line in read_lines(results / f"{llmrank.NAME}-{name}.jsonl")}
        if not lines:
            continue
        known = llmrank_tables.PUBLISHED[name]
        alone = {who: f for who, f in known.items() if who.endswith(ALONE)}
        chosen = next(iter(lines.values()))["parameters"]["best_by_validation"]
        measures = []
        for what, others, mine in (("", known, chosen), (", untaught", alone, "zero-shot")):
            if mine in lines:
                who = max(others, key=lambda w: others[w][2])
                f, theirs = lines[mine]["figures"], others[who][2] / 100
                ours, interval = f["metrics"]["ndcg@10"], tuple(f["ci95"]["ndcg@10"])
                measures.append(Measure(f"NDCG@10{what}", who.removesuffix(ALONE), theirs, ours, interval))
        if measures:
            yield Task(title, measures, f"llmrank {name}")


def ratings(results: Path) -> Iterator[Task]:
    """Yield the random split of seed 0 of each set, against matrix factorisation; the other splits in words."""
    runs: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
    for line in read_lines(results / f"{rating.NAME}.jsonl"):
        p = line["parameters"]
        runs.setdefault(p["set"], {}).setdefault((p["split"], p["seed"]), {})[line["name"]] = line["figures"]
    for name, title in LOGS.items():
        both = {key: run for key, run in runs.get(name, {}).items() if {"mf", "regressor"} <= run.keys()}
        if ("random", 0) not in both:
            continue
        lower = sum(run["regressor"]["effect"]["mf"]["difference"] < 0 for run in both.values())
        drawn = [run for (split, _), run in both.items() if split == "random"]
        ours, theirs = (sum(run[row]["metrics"]["rmse"] for run in drawn) for row in ("regressor", "mf"))
        mine, base = both["random", 0]["regressor"], both["random", 0]["mf"]
        measure = Measure(
            "RMSE", f"MF{SPACE}{OURS}", base["metrics"]["rmse"], mine["metrics"]["rmse"], tuple(mine["ci95"]["rmse"]),
            lower=True, p=mine["p_vs"]["mf"],
            more=f"lower on {lower} of {len(both)} splits, {percent(ours / theirs - 1)} over the random ones",
        )  # fmt: skip
        yield Task(title, [measure], f"rating {name}")


def searches(results: Path) -> Iterator[Task]:
    """Yield product searches against BM25 of the same run: nobody publishes figures for them."""
    for name, title in SEARCHED.items():
        found = read(name, results)
        if found is None:
            continue
        row = found.best or found.rows[-1]
        measure = _against(row, LEXICAL, found.row(LEXICAL).metrics["ndcg@10"])
        yield Task(title, [measure], f"evaluate {name}", row.latency_ms.get("p50"))


def explanations(results: Path) -> Iterator[Task]:
    """Yield XRec's pairs: our model that keeps to the words of its inputs, against the published texts."""
    closed = CLOSED[MODELS["this"]]
    lines = [x for x in read_lines(results / f"{XREC}.jsonl") if x["parameters"]["rows"] == "published"]
    for domain in DOMAINS:
        group = {line["name"]: line for line in lines if line["parameters"]["domain"] == domain}
        if not {closed, PUBLISHED} <= group.keys():
            continue
        theirs, ours = group[PUBLISHED]["figures"], group[closed]["figures"]
        tests: Mapping[str, Any] = ours["versus"][PUBLISHED]
        measures = [
            Measure(
                title, "XRec", theirs[m]["value"], ours[m]["value"], tuple(ours[m]["ci95"]), digits,
                p=tests[m]["p_holm"],
            )
            for m, (title, digits) in TEXTS.items()
        ]  # fmt: skip
        model = group[MODELS["this"]]["parameters"]["model"] if MODELS["this"] in group else None
        yield Task(domain.capitalize(), measures, f"xrec {domain}", 1000 / model["texts_s"] if model else None)


def summaries(results: Path) -> Iterator[Task]:
    """Yield headlines of reviews against the better of two rules: its first words, one headline for all."""
    for name in summary.SETS:
        lines = read_lines(results / f"{summary.NAME}.jsonl")
        rows = {line["name"]: line["figures"] for line in lines if line["parameters"]["set"] == name}
        if not rows:
            continue
        ours = rows[summary.EXTRACT]
        value, interval = ours["metrics"][summary.COMPARED], tuple(ours["ci95"][summary.COMPARED])
        who = max((summary.LEAD, summary.COMMON), key=lambda row: rows[row]["metrics"][summary.COMPARED])
        known, p = rows[who]["metrics"][summary.COMPARED], ours["p_vs"].get(who)
        measure = Measure("ROUGE-L", f"{who}{SPACE}{OURS}", known, value, interval, 1, p=p)
        yield Task(LOGS[name], [measure], f"summary {name}", ours["ms"])


# Group of lines -> what makes them.
PARTS: Mapping[str, Callable[[Path], Iterator[Task]]] = {
    "Next choice, all items": sequential,
    "Next choice, further sets": partial(
        unpublished, {"games": "Games", **{n: f"{t} {LAST_DAYS}" for n, t in LOGS.items()}}
    ),
    f"One of 100 items {SAMPLED}": direct,
    "20 given items": given,
    "Stars": ratings,
    "Search": searches,
    "Explanations": explanations,
    "Headlines": summaries,
}


def _measure(row: Row, metric: str, who: str, known: float, p: float | None = None) -> Measure:
    return Measure(label(metric), who, known, row.metrics[metric], row.ci95[metric], p=p)


def _against(row: Row, base: str, known: float) -> Measure:
    """Return NDCG@10 of a row beside that of another of the same run."""
    return _measure(row, "ndcg@10", f"{base}{SPACE}{OURS}", known, row.p_vs[base])
