"""What a query and a product have in common, in numbers: the features of the text family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.search.index import TextIndex
from recsys.search.lexicon import Ragged
from recsys.search.plan import Looked, Plan, look_up
from recsys.search.query import Query
from recsys.types import ItemRows, offsets_of

Columns = dict[str, NDArray[Any]]

# Beside these, one column per field: text_title, text_brand, text_categories, text_attributes, text_text, and those
# of `IndexConfig.extra`.
NAMES = (
    "text_score", "text_coverage", "text_coverage_title", "text_all", "text_exact_title", "text_title_share",
    "text_pairs", "text_pair_gain", "text_prefix", "text_corrected", "text_first", "text_numbers",
    "text_query_words", "text_query_idf", "text_query_idf_max", "text_title_words",
)  # fmt: skip


def names(index: TextIndex) -> tuple[str, ...]:
    """Return the names of all columns of an index, in order."""
    return (*(f"text_{field}" for field in index.config.fields), *NAMES)


def features(index: TextIndex, query: Query, plan: Plan, rows: ItemRows) -> Mapping[str, NDArray[np.float32]]:
    """Return the columns (m,) float32 of one query and ``rows``, which the index has to know; no NaN.

    - ``text_<field>``: BM25 of the field alone, unweighted (sum over words of idf x saturated count).
    - ``text_score``: the score of the index. ``text_coverage``: idf share of the words that match anywhere,
      ``text_coverage_title``: in the title. ``text_all``: 1 where every word but function words matches.
    - ``text_exact_title``: 1 where the title is the query, term by term. ``text_title_share``: share of the title's
      terms that the query names. ``text_prefix``: share of the query, in its order, that the title begins with.
    - ``text_pairs``: how many neighbours of the query are neighbours in the title, as a share of those that could be;
      ``text_pair_gain``: what the index counts for them.
    - ``text_corrected``: words that match by a correction alone. ``text_first``: place of the first term of the title
      that the query names, from 0; the length of the title where none is. ``text_numbers``: share of the query's
      numbers and codes that the title has, 1 where it has none to ask for.
    - ``text_query_words``, ``text_query_idf`` (sum), ``text_query_idf_max``, ``text_title_words``: lengths and weights.
    """
    looked = look_up(index, plan, rows)
    matched = looked.which[:, : plan.n_slots] >= 0
    in_field, by_field = _fields(index, plan, looked, rows)
    out: Columns = {f"text_{name}": by_field[:, f] for f, name in enumerate(index.config.fields)}
    needed = np.array([s.needed for s in query.slots], np.bool_)
    out["text_score"] = looked.scores
    out["text_coverage"] = matched @ plan.shares
    out["text_coverage_title"] = in_field[:, :, 0] @ plan.shares
    out["text_all"] = np.asarray((matched | ~needed).all(axis=1), dtype=np.float32)
    out |= _titles(index, query, rows)
    pairs = looked.which[:, plan.n_slots :] >= 0
    out["text_pairs"] = pairs.sum(axis=1) / max(len(query.slots) - 1, 1)
    out["text_pair_gain"] = looked.gains[:, plan.n_slots :].sum(axis=1)
    out["text_corrected"] = _corrected(query, plan, looked)
    numeric = np.array([s.alternatives[0].terms[0][0].isdecimal() for s in query.slots], np.bool_)
    asked = int(numeric.sum())
    out["text_numbers"] = in_field[:, numeric, 0].sum(axis=1) / asked if asked else np.ones(len(rows))
    for name, value in (
        ("text_query_words", len(query.tokens)),
        ("text_query_idf", float(plan.worth.sum())),
        ("text_query_idf_max", float(plan.worth.max(initial=0))),
    ):
        out[name] = np.full(len(rows), value)
    return {name: np.asarray(out[name], dtype=np.float32) for name in names(index)}


def _fields(
    index: TextIndex, plan: Plan, looked: Looked, rows: ItemRows
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return (m, n_slots, n_fields) where each word matches, and (m, n_fields) the BM25 of each field alone."""
    n_fields, weights = len(index.config.fields), index.weights
    norms = weights.norms(index.lengths[rows])
    where = np.zeros((len(rows), plan.n_slots, n_fields), np.bool_)
    scores = np.zeros((len(rows), n_fields), np.float32)
    for s in range(plan.n_slots):
        which, place = looked.which[:, s], looked.places[:, s]
        for g, segment in enumerate(index.segments):
            here = np.flatnonzero(which >= 0)
            here = here[plan.segments[which[here]] == g]
            counts = segment.counts[place[here]]
            tf = counts / norms[here]
            scores[here] += plan.weights[which[here]][:, None] * (tf / (np.float32(weights.k1) + tf))
            where[here, s] = counts > 0
    return where, scores


def _corrected(query: Query, plan: Plan, looked: Looked) -> NDArray[np.int64]:
    guessed = [[r.source == "typo" for r in slot.alternatives] for slot in query.slots]
    by_range = np.array([r >= 0 and guessed[s][r] for s, r in zip(plan.slots, plan.readings)] + [False], np.bool_)
    out: NDArray[np.int64] = by_range[looked.which[:, : plan.n_slots]].sum(axis=1)
    return out


def titles_of(index: TextIndex, rows: ItemRows) -> Ragged:
    """Return the terms of the titles of rows, in order."""
    starts, lengths = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    source = []
    base = 0
    for g, segment in enumerate(index.segments):
        place = np.where(index.home[rows] == g, segment.place(rows), -1)
        here = place >= 0
        starts[here] = segment.titles.offsets[place[here]] + base
        lengths[here] = segment.titles.offsets[place[here] + 1] - segment.titles.offsets[place[here]]
        source.append((base, segment.titles.codes))
        base += len(segment.titles.codes)
    ends = offsets_of(lengths)
    at = np.arange(ends[-1]) - np.repeat(ends[:-1] - starts, lengths)
    codes = np.empty(len(at), np.int32)
    for begin, flat in source:
        mine = (at >= begin) & (at < begin + len(flat))
        codes[mine] = flat[at[mine] - begin]
    return Ragged(codes, ends)


def _titles(index: TextIndex, query: Query, rows: ItemRows) -> Columns:
    """Return what compares the titles with the words of the query in their order."""
    titles, term = titles_of(index, rows), index.lexicon.term
    owner, lengths = titles.owner, np.diff(titles.offsets)
    at = np.arange(len(titles.codes)) - titles.offsets[owner]
    meant = [{term(r.terms[0]) for r in slot.alternatives if len(r.terms) == 1} for slot in query.slots]
    every = np.array(sorted(set().union(*meant) - {-1}), np.int32)
    named = np.isin(titles.codes, every)
    first = lengths.copy()
    np.minimum.at(first, owner[named], at[named])
    # How far the title goes along with the query: as long as every place agrees.
    agrees = np.zeros(len(titles.codes), np.bool_)
    for place, terms in enumerate(meant):
        here = at == place
        agrees[here] = np.isin(titles.codes[here], np.array(sorted(terms - {-1}), np.int32))
    along = np.minimum(lengths, len(meant))
    broken = ~agrees & (at < len(meant))
    np.minimum.at(along, owner[broken], at[broken])
    n = len(meant)
    return {
        "text_exact_title": ((along == n) & (lengths == n) & (n > 0)).astype(np.float32),
        "text_title_share": np.bincount(owner[named], minlength=len(rows)) / np.maximum(lengths, 1),
        "text_prefix": along / max(n, 1),
        "text_first": first.astype(np.float32),
        "text_title_words": lengths.astype(np.float32),
    }
