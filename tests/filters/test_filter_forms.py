from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from filter_cases import exprs
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from recsys.errors import DataError
from recsys.filters import And, Between, Compare, Exists, FilterError, Not, OneOf, Or, parse, to_json, to_text
from recsys.filters.expr import MAX_CONDITIONS, MAX_DEPTH, MAX_TEXT_CHARS, MAX_VALUES
from recsys.filters.json_form import from_json, from_json_text
from recsys.filters.text_form import from_text
from recsys.filters.tokens import quote, unquote


@pytest.mark.parametrize(
    ("text", "plain", "tree"),
    [
        ('brand = "Acme"', {"eq": ["brand", "Acme"]}, Compare("eq", "brand", "Acme")),
        ("price <= 80", {"lte": ["price", 80]}, Compare("lte", "price", 80)),
        ("price BETWEEN 5 AND 9.5", {"between": ["price", 5, 9.5]}, Between("price", 5, 9.5)),
        ('brand IN ("A", "B")', {"in": ["brand", ["A", "B"]]}, OneOf("brand", ("A", "B"))),
        ("attributes.gift = true", {"eq": ["attributes.gift", True]}, Compare("eq", "attributes.gift", True)),
        ('attributes."weight g" > 3', {"gt": ["attributes.weight g", 3]}, Compare("gt", "attributes.weight g", 3)),
        ("price EXISTS", {"exists": "price"}, Exists("price")),
        ('category CONTAINS "Shoes"', {"contains": ["category", "Shoes"]}, Compare("contains", "category", "Shoes")),
        ("TRUE", {"and": []}, And(())),
        ("FALSE", {"or": []}, Or(())),
        (
            'price <= 80 AND brand IN ("Acme", "Bolt") AND NOT category = "Shoes"',
            {"and": [{"lte": ["price", 80]}, {"in": ["brand", ["Acme", "Bolt"]]},
                     {"not": {"eq": ["category", "Shoes"]}}]},
            And((Compare("lte", "price", 80), OneOf("brand", ("Acme", "Bolt")),
                 Not(Compare("eq", "category", "Shoes")))),
        ),
        (
            "(stock = 1 OR stock = 2) AND NOT (price < 1 OR price > 5)",
            {"and": [{"or": [{"eq": ["stock", 1]}, {"eq": ["stock", 2]}]},
                     {"not": {"or": [{"lt": ["price", 1]}, {"gt": ["price", 5]}]}}]},
            And((Or((Compare("eq", "stock", 1), Compare("eq", "stock", 2))),
                 Not(Or((Compare("lt", "price", 1), Compare("gt", "price", 5)))))),
        ),
        (
            "stock = 1 OR stock = 2 AND price < 1",
            {"or": [{"eq": ["stock", 1]}, {"and": [{"eq": ["stock", 2]}, {"lt": ["price", 1]}]}]},
            Or((Compare("eq", "stock", 1), And((Compare("eq", "stock", 2), Compare("lt", "price", 1))))),
        ),
    ],
)  # fmt: skip
def test_three_forms_of_one_filter(text, plain, tree):
    assert from_text(text) == tree
    assert from_json(plain) == tree
    assert to_json(tree) == plain
    assert to_text(tree) == text


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("price<=80 and brand='Acme'", 'price <= 80 AND brand = "Acme"'),
        ("not NOT price == 1", "NOT NOT price = 1"),
        ("brand <> 'x' or brand not in ('y')", 'brand != "x" OR NOT brand IN ("y")'),
        (r"brand = 'it\'s \"so\" \u00e9\ud83d\ude00\n'", 'brand = "it\'s \\"so\\" é😀\\u000a"'),
        ("((price = 1))", "price = 1"),
        ("price = -.5e1", "price = -5"),
        ("price = +7.", "price = 7"),
        ("attributes.a.b-c = 1 AND attributes.'' = 1", None),
        ("created >= '2026-03-01T09:00:00+02:00'", 'created >= "2026-03-01T09:00:00+02:00"'),
    ],
)
def test_ways_to_write_a_string(text, same):
    if same is None:
        with pytest.raises(FilterError, match="needs a name"):
            from_text(text)
    else:
        assert to_text(from_text(text)) == same


@settings(max_examples=300, deadline=None)
@given(exprs())
def test_round_trip(expr):
    plain = to_json(expr)
    assert to_json(from_json(plain)) == plain
    assert from_json_text(json.dumps(plain)) == expr
    text = to_text(expr)
    assume(len(text) <= MAX_TEXT_CHARS)
    assert from_text(text) == expr
    assert json.dumps(to_json(parse(text))) == json.dumps(plain)  # true is not 1 here
    assert "".join(text.split("\n")).isprintable() or not text.isprintable()
    assert text.isprintable(), "what cannot be seen is escaped"


@given(st.text())
def test_quotes(value):
    assert quote(value).isprintable()
    back = unquote(quote(value), 0)
    # Two lone halves beside one another are one character as soon as they are written down.
    assert back == value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


ODD = st.sampled_from(
    ["price", "brand", "attributes.", "attributes.x", "<=", "=", "(", ")", ",", '"', "'", "\\", "AND", "OR", "NOT",
     "IN", "BETWEEN", "EXISTS", "TRUE", "1", "-2.5e3", "1e999", '"Acme"', " ", "\n", "\x00", "\u202e", "9" * 400,
     "prize"]
)  # fmt: skip


def read(parser, value):
    """The tree, or the error that says why there is none; any other exception is a bug."""
    try:
        return parser(value)
    except FilterError as error:
        return error


@settings(max_examples=500, deadline=None)
@given(st.text() | st.lists(ODD, max_size=30).map("".join) | st.lists(ODD, max_size=30).map(" ".join))
@example("(" * 3000)
@example("NOT " * 1200)
@example("{" * 3000)
@example('{"and":' + "[" * 200_000)
@example('{"eq": ["price", ' + "9" * 5000 + "]}")
@example('{"eq": ["price", NaN]}')
@example('{"eq": ["price", 1], "eq": ["price", 2]}')
@example("price = 1" + " AND price = 1" * 300)
@example("created = '2024-02-30'")
@example("created = '0001-01-01T00:00:00+14:00'")
@example("attributes.x = '\\ud83d'")
def test_any_text_is_read_or_refused(text):
    expr = read(parse, text)
    if isinstance(expr, FilterError):
        assert len(str(expr)) < 1_000
        assert expr.position is None or 0 <= expr.position <= len(text)
    else:
        assert to_json(from_json(to_json(expr))) == to_json(expr)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | ODD,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["and", "or", "not", "eq", "in", "exists", "between", "price"]), inner, max_size=2
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(json_values)
def test_any_value_is_read_or_refused(value):
    expr = read(from_json, value)
    if isinstance(expr, FilterError):
        assert len(str(expr)) < 1_000
    else:
        assert to_json(from_json(to_json(expr))) == to_json(expr)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("prize <= 80", 0, "no field 'prize'; did you mean 'price'"),
        ("price LKE 3", 6, "expected an operator after price, got 'LKE'"),
        ("price EXIST", 6, "did you mean 'EXISTS'"),
        ("price <= ", 9, "expected a value after <=, got the end"),
        ("brand = Acme", 8, """a text stands in quotes, "Acme\""""),
        ("price <= 'cheap'", 9, "price is compared with a number, got 'cheap'"),
        ("brand < 'x'", 8, "brand has no order"),
        ("brand CONTAINS 'x'", 15, "brand holds one value"),
        ("availability = 'instock'", 15, "did you mean 'in_stock'"),
        ("created > 'May'", 10, "expected a date such as '2026-03-01'"),
        ("price = 1 price = 2", 10, "expected AND, OR or the end, got 'price'"),
        ("(price = 1", 10, r"expected AND, OR or '\)', got the end"),
        ("price = 1e999", 8, "compared with a finite number"),
        ("price BETWEEN 3", 15, "expected AND and the upper bound"),
        ("price BETWEEN 3 AND 1", 20, "the lower bound first"),
        ("brand IN 'x'", 9, r"expected '\(' and a list"),
        ("brand IN ('x' 'y')", 14, r"expected ',' or '\)'"),
        ("brand = 'x", 8, "a quote that is not closed"),
        ("brand = 'a\\qb'", 10, r"unknown escape"),
        ("price = 1 & stock = 1", 10, "'&' begins nothing"),
        ("", 0, "expected a field such as price or attributes.colour, got the end"),
        ('{"eq": [}', 8, "not JSON"),
    ],
)
def test_errors_of_the_string_form_name_the_character(text, position, message):
    with pytest.raises(FilterError, match=message) as caught:
        parse(text)
    assert caught.value.position == position
    assert f"at character {position + 1}:" in str(caught.value)
    assert isinstance(caught.value, DataError)


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ([], "the top", "expected an object"),
        ({}, "the top", "expected one operator, got 0"),
        ({"eq": ["price", 1], "lt": ["price", 1]}, "the top", "join conditions with and"),
        ({"equals": ["price", 1]}, "the top", "no operator 'equals'"),
        ({"and": [{"lt": ["price", 1]}, {"gte": ["prise", 2]}]}, "and[1].gte[0]", "did you mean 'price'"),
        ({"and": [{"not": {"lte": ["price", "80"]}}]}, "and[0].not.lte[1]", "compared with a number, got '80'"),
        ({"or": {"eq": ["price", 1]}}, "or", "or takes a list of conditions, got an object"),
        ({"eq": ["price"]}, "eq", r"eq takes \[field, value\], got 1 parts"),
        ({"in": ["brand", "Acme"]}, "in[1]", "got a text 'Acme'"),
        ({"in": ["brand", [1]]}, "in[1]", "brand is compared with a text, got 1"),
        ({"between": ["price", 1]}, "between", r"between takes \[field, low, high\], got 2 parts"),
        ({"exists": 3}, "exists", "a field is a text, got 3"),
        ({"eq": ["attributes.gift", None]}, "eq[1]", "true or false, got None"),
        ({"lt": ["attributes.gift", True]}, "lt[1]", "a number, got True"),
        ({"eq": ["price", True]}, "eq[1]", "a number, got True"),
    ],
)
def test_errors_of_the_json_form_name_the_path(value, path, message):
    with pytest.raises(FilterError, match=message) as caught:
        from_json(value)
    assert caught.value.path == path


def nested(levels):
    value = {"eq": ["price", 1]}
    for _ in range(levels - 1):
        value = {"not": value}
    return value


def test_limits():
    many = {"and": [{"eq": ["price", 1]}] * MAX_CONDITIONS}
    assert len(from_json(many).parts) == MAX_CONDITIONS
    assert from_json(nested(MAX_DEPTH))
    assert from_text("NOT " * (MAX_DEPTH - 1) + "price = 1")
    assert from_json({"in": ["brand", ["x"] * MAX_VALUES]})
    for value, message in [
        ({"and": [{"eq": ["price", 1]}] * (MAX_CONDITIONS + 1)}, "more than 200 conditions"),
        ({"or": [{"and": []}] * (MAX_CONDITIONS + 1)}, "more than 200 conditions"),
        (nested(MAX_DEPTH + 1), "nested too deep, at most 8"),
        ({"in": ["brand", ["x"] * (MAX_VALUES + 1)]}, "a list of 1001 values, at most 1000"),
        ({"or": [{"in": ["brand", ["x"] * MAX_VALUES]}] * 6}, "6000 values in all lists, at most 5000"),
        ({"eq": ["brand", "x" * 257]}, "more than 256 characters"),
        ({"eq": ["attributes." + "x" * 257, 1]}, "1 to 256 characters"),
    ]:
        with pytest.raises(FilterError, match=message):
            from_json(value)
    for text, message in [
        ("NOT " * MAX_DEPTH + "price = 1", "nested too deep"),
        ("price = 1" + " " * MAX_TEXT_CHARS, "at most 5000 are allowed"),
        ("brand IN (" + ",".join(["''"] * (MAX_VALUES + 1)) + ")", "a list of 1001 values"),
    ]:
        with pytest.raises(FilterError, match=message):
            from_text(text)


def test_dates_of_toml_are_dates():
    tree = Compare("gte", "created", date(2026, 3, 1))
    assert tree == Compare("gte", "created", "2026-03-01")
    assert Compare("lt", "created", datetime(2026, 3, 1, tzinfo=UTC)).value == "2026-03-01T00:00:00+00:00"
    with pytest.raises(FilterError, match="expected a date"):
        Compare("lt", "created", datetime(2026, 3, 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Compare("in", "brand", "x"),
        lambda: Compare("eq", "colour", "x"),
        lambda: OneOf("brand", "Acme"),
        lambda: Between("brand", "a", "b"),
        lambda: Exists("title"),
    ],
)
def test_a_wrong_tree_cannot_be_made(make):
    with pytest.raises(FilterError):
        make()


def test_a_tree_does_not_change_with_the_list_it_was_made_of():
    values = ["a"]
    tree = OneOf("brand", values)
    values.append("b")
    assert tree.values == ("a",)
    assert hash(tree) == hash(OneOf("brand", ("a",)))


def test_a_field_has_one_name_whatever_it_is_called():
    """Facets say "categories"."""
    assert parse('categories = "Shoes"') == parse({"eq": ["categories", "Shoes"]}) == Compare("eq", "category", "Shoes")
    assert OneOf("categories", ("a",)).field == Exists("categories").field == "category"
    assert to_text(Compare("contains", "categories", "a")) == 'category CONTAINS "a"'
