from __future__ import annotations

import json

from benchmarks import reason_tables, reasons
from benchmarks.runner import write_lines

FACTS = {
    "versions": {"python": "3.11.7"}, "commit": "abc", "date": "2026-01-01",
    "hardware": {"cpu": "some CPU", "cores": 2, "memory_gib": 8, "system": "Linux"},
}  # fmt: skip
CITED = {
    "true_reason_share": 0.75, "true_reason_share_ci95": [0.7, 0.8], "false_reason_share": 0.04,
    "false_reason_share_ci95": [0.02, 0.06], "reason_precision": 0.9, "n_with_reason": 1200, "n_without_cause": 800,
    "true_reason_share_last_item": 0.36, "true_reason_share_same_category": 0.29,
    "true_reason_share_last_purchase": 0.67,
}  # fmt: skip
TEXTS = dict.fromkeys(("coverage", "statement_precision", "claims_per_text", "usr", "usr_facts", "fcr", "div"), 0.5)
REVIEWS = dict.fromkeys(("bleu-1", "bleu-4", "rouge-1", "rouge-2", "rouge-l", "fmr", "usr"), 0.25)
LINES = [
    {"name": "cited", "parameters": {"shoppers": 5}, "figures": CITED},
    {"name": "by floor and cause", "parameters": {"shoppers": 5}, "figures": {"floors": [], "by_cause": {}}},
    {"name": "texts, extract", "parameters": {"readers": 9, "kinds": ["extract"]}, "figures": {**TEXTS, "texts": 1234}},
    {"name": "beside reviews, extract", "parameters": {"reviews": 500, "texts": 77}, "figures": REVIEWS},
]


def test_tables_show_every_figure(tmp_path):
    assert "python -m benchmarks reasons" in reason_tables.causes(tmp_path)
    write_lines(tmp_path / "reasons.jsonl", [{"benchmark": "reasons", **line, **FACTS} for line in LINES])
    causes = reason_tables.causes(tmp_path)
    assert "| cited | 0.750 (0.700–0.800) | 0.040 (0.020–0.060) | 0.900 |" in causes
    assert "| cite the latest purchase | 0.670 | 1.000 | – |" in causes
    assert "1,200 acts with a recorded cause, 800 without any." in causes
    assert "The text names" not in causes
    texts = reason_tables.texts(tmp_path)
    assert "| extract | 9 | 1,234 | 0.500 |" in texts
    assert "| extract | 500 | 77 | 0.250 |" in reason_tables.beside_reviews(tmp_path)


def test_what_texts_name_is_shown_where_it_was_measured(tmp_path):
    shown = {"true_reason_share_shown": 0.84, "true_reason_share_shown_ci95": [0.8, 0.88],
             "false_reason_share_shown": 0.49, "false_reason_share_shown_ci95": [0.43, 0.55]}  # fmt: skip
    lines = [{**LINES[0], "figures": {**CITED, **shown}}, *LINES[1:]]
    write_lines(tmp_path / "reasons.jsonl", [{"benchmark": "reasons", **line, **FACTS} for line in lines])
    causes = reason_tables.causes(tmp_path)
    assert "| 0.900 | 0.840 (0.800–0.880) | 0.490 (0.430–0.550) |" in causes
    assert "| cite the latest purchase | 0.670 | 1.000 | – | – | – |" in causes


def test_cases_travel_as_json():
    for quick in (True, False):
        assert json.loads(json.dumps(reasons.cases(quick))) == reasons.cases(quick)
