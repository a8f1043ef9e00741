"""Filters: a typed grammar (a tree, JSON, a string) compiled to one mask over the catalogue, and exclusions."""

from recsys.filters.compile import compile_where, matches
from recsys.filters.errors import FilterError
from recsys.filters.exclusions import Exclusions
from recsys.filters.expr import And, Between, Compare, Exists, Expr, Not, OneOf, Or
from recsys.filters.json_form import from_json, to_json
from recsys.filters.text_form import from_text, to_text
from recsys.filters.where import from_filter, parse, remarks, where_of

__all__ = [
    "And", "Between", "Compare", "Exclusions", "Exists", "Expr", "FilterError", "Not", "OneOf", "Or", "compile_where",
    "from_filter", "from_json", "from_text", "matches", "parse", "remarks", "to_json", "to_text", "where_of",
]  # fmt: skip
