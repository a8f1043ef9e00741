"""Templates are checked when they are read; prompts keep their budget to the token and lose the least useful first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recsys
from recsys.errors import PromptError
from recsys.rerank.assemble import Assembler, Entries, Values, even_cap
from recsys.rerank.prompt import Template, item_text, pieces
from recsys.runtime.tokens import Tokens
from recsys.testing.tiny import tiny_tokenizer

GOOD = r"""
format = 1
task = "sequential"
form = "reranking"
tokens = 400
[item]
tokens = 12
[lines]
history = '{place}. "{item}", '
candidates = '[{place}] "{item}" '
[[part]]
text = "A shop. {{}} "
[[part]]
when = "history"
text = "Chosen so far:\n{history}"
[[part]]
when = "query"
text = "Wanted: {query}\n"
[[part]]
text = "Candidates:\n{candidates}Order: "
"""


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    shop = Path(recsys.__file__).parent / "data" / "shop"
    return Tokens(tiny_tokenizer([(shop / "kitchen.toml").read_text(encoding="utf-8")], 600))


def template(text: str = GOOD) -> Template:
    return Template.parse(text, "toy.toml")


def lines(*texts: str) -> Entries:
    return Entries([{"item": t} for t in texts])


def test_a_prompt_reads_as_written(tokens):
    values = Values({"query": "steel kettle"}, {"history": lines("Red pan"), "candidates": lines("Kettle", "Teapot")})
    made = Assembler(template(), tokens, begin=[1]).shared(values)
    assert made.ids[0] == 1
    assert tokens.decode(made.ids) == (
        'A shop. {} Chosen so far:\n1. "Red pan", Wanted: steel kettle\n'
        'Candidates:\n[1] "Kettle" [2] "Teapot" Order: '
    )  # fmt: skip


def test_parts_without_their_slot_are_left_out(tokens):
    made = Assembler(template(), tokens).shared(Values({}, {"candidates": lines("Kettle")}))
    assert tokens.decode(made.ids) == 'A shop. {} Candidates:\n[1] "Kettle" Order: '


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "format"),
        ('task = "sequential"', 'task = "poetry"', "task: Input should be"),
        ("tokens = 12", "tokens = 1", "item.tokens"),
        ("tokens = 12", "token = 12", "item.token: Extra"),
        ("{query}", "{quest}", "toy.toml:18: part.2: unknown slot {quest}"),
        ("{query}", "{", "toy.toml: part.2: a brace by itself"),
        ("{candidates}", "", "needs the slot {candidates}"),
        ("{history}", "", "lines.history: the slot {history} stands in no part"),
        ("'[{place}]", "'[]", "lines.candidates: the slot {place} is missing"),
        ('{place}. "{item}"', "{place}. ", "lines.history: the slot {item}"),
        ('{place}. "{item}"', "{item}{shoe}", "lines.history: unknown slot {shoe}"),
        ("history = '", "story = '", "lines.story: no list has that name"),
        ("tokens = 400", "tokens = 400\nshots = 1", "shots = 1"),
        ("{candidates}Order", "{candidates}{candidates}", "only once"),
        ('when = "query"', 'when = "full moon"', "part.2.when"),
        ('when = "query"', "each = true", "part.3: parts that candidates share come before"),
        ("tokens = 400", "tokens = ", "toy.toml: Invalid value (at line 5"),
        ('text = "A shop. {{}} "', 'text = ""', "part.0.text"),
    ],
)
def test_a_wrong_template_is_refused_when_it_is_read(old, new, said):
    assert old in GOOD
    with pytest.raises(PromptError) as error:
        template(GOOD.replace(old, new))
    assert str(error.value).startswith("toy.toml")
    assert said in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PromptError, match=r"none\.toml: cannot be read"):
        Template.read(tmp_path / "none.toml")


def test_a_template_for_something_else():
    with pytest.raises(PromptError, match="task 'sequential', form 'reranking'; needed is task 'rating'"):
        template().require({"rating"}, "pointwise", {"item"})
    with pytest.raises(PromptError, match=r"nothing fills the slot \{query\}"):
        template().require({"sequential"}, "reranking", {"history", "candidates"})
    with pytest.raises(PromptError, match="2 are needed"):
        template().require({"sequential"}, "reranking", {"history", "candidates", "query"}, answers=2)


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("pointwise", "{query}", "{item} in a part of each candidate"),
        ("pairwise", "{query}", "in a part of each candidate"),
        ("choosing", "{query}", "needs the slot {history}"),
    ],
)
def test_each_form_needs_its_slots(form, text, said):
    with pytest.raises(PromptError) as error:
        template(f'format = 1\ntask = "direct"\nform = "{form}"\n[[part]]\ntext = "{text}"')
    assert said in str(error.value)


def test_a_budget_too_small_is_refused_when_it_is_set(tokens):
    with pytest.raises(PromptError, match=r"toy\.toml: its own text, 20 of the shortest candidates .* budget is 90"):
        Assembler(template(), tokens, budget=90)
    with pytest.raises(PromptError, match="budget is 0"):  # which is not the same as none
        Assembler(template(), tokens, budget=0)


def test_a_candidate_is_never_left_out(tokens):
    assembler = Assembler(template(), tokens, window=3)
    with pytest.raises(PromptError, match="4 candidates are too many for a window of 3 and 400 tokens"):
        assembler.shared(Values({}, {"candidates": lines(*"abcd")}))
    with pytest.raises(PromptError, match="3 candidates are too many for a window of 3 and 50 tokens"):
        assembler.shared(Values({}, {"candidates": lines(*["Steel saucepan"] * 3)}), reserve=350)


def test_history_loses_what_is_kept_last(tokens):
    history = Entries([{"item": f"Steel saucepan number {n}"} for n in range(40)], keep=[7, 3, *range(8, 40)])
    made = Assembler(template(), tokens, budget=360).shared(
        Values({}, {"history": history, "candidates": lines("Pan")})
    )
    kept = made.kept["history"]
    assert {3, 7} <= set(kept)
    assert list(kept) == sorted(kept)
    assert len(kept) < 40
    assert len(made.ids) <= 360
    # Those that are in are numbered from 1 on, without a gap.
    assert f"{len(kept)}. " in tokens.decode(made.ids)


def test_a_chat_template_surrounds_the_prompt(tokens):
    a = Assembler(template(), tokens, before="<bos>user\n", after="<eos>model\n")
    ids = a.shared(Values({}, {"candidates": lines("<eos><bos>")}), closed=True).ids
    assert (ids[0], int((ids == 2).sum()), int((ids == 1).sum())) == (1, 1, 1)


def test_answers_are_told_apart_by_one_token(tokens):
    text = GOOD.replace("[item]", '[answers]\nyes = " yes"\nno = " no"\n[item]')
    lead, ids = Assembler(template(text), tokens).answers()
    assert len(set(ids.tolist())) == 2
    whole = tokens.encode(" yes")
    assert [*lead.tolist(), int(ids[0])] == whole[: len(lead) + 1].tolist()
    digits = text.replace('" yes"', '" 1"').replace('" no"', '" 2"')
    lead, ids = Assembler(template(digits), tokens).answers()
    assert [tokens.decode([*lead, i]) for i in ids] == [" 1", " 2"]
    with pytest.raises(PromptError, match="cannot tell yes, no apart"):
        Assembler(template(text.replace('" no"', '" yes"')), tokens).answers()


names = st.text(st.characters(codec="utf-8"), max_size=40)


@given(
    st.lists(names, max_size=30), st.lists(names, max_size=12), names, st.integers(330, 900), st.integers(0, 40),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_budgets_are_exact(tokens, history, candidates, query, budget, reserve):
    assembler = Assembler(template(), tokens, budget=budget, window=12)
    room = budget - assembler.smallest()
    reserve = min(reserve, max(room, 0))
    values = Values({"query": query}, {"history": lines(*history), "candidates": lines(*candidates)})
    made = assembler.shared(values, reserve=reserve)
    assert len(made.ids) <= budget - reserve
    assert made.kept["candidates"] == tuple(range(len(candidates)))
    # No text of the shop becomes a control token.
    assert not np.isin(made.ids, [0, 1, 2]).any()


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 300))
@settings(max_examples=100, deadline=None)
def test_even_caps_use_what_there_is(lengths, total):
    array = np.array(lengths, np.int64)
    cap = even_cap(array, total)
    if len(lengths):
        assert np.minimum(array, cap).sum() <= total
        assert cap == array.max() or np.minimum(array, cap + 1).sum() > total


def test_pieces_and_item_text(small_shop):
    assert pieces("a{{b}}{item}c") == (("", "a{b}"), ("item", ""), ("", "c"))
    items = small_shop.items
    assert (
        item_text(items, 1, ("title", "brand", "category", "price")) == "Enamel kettle no. 2; Hearthly; Kitchen; 7.75"
    )
    assert item_text(items, 17, ("text",)) == "unnamed"
    facts = replace(
        items.item(17), title="Kettle", attributes={"year": 1995, "made": "<b>in</b> Delft", "long": "x" * 999}
    )
    told = item_text(items.put([facts]), 17, ("title", "attributes"))
    assert told.startswith("Kettle; 1995, in Delft, xxx")
    assert len(told) < 140
    assert item_text(items, 11, ("title", "price")) == items.titles[11]
