import re

import pytest
from recsys_remote_llm import RemoteWriter, Unreachable

from recsys.explain.template import Template
from recsys.explaining import checked
from recsys.explanation import Case
from recsys.protocols import Deps
from recsys.registry import Registry
from recsys.testing.kits import ExplainerTests
from recsys.testing.kits.explainers import facts_about, id_of, now_of
from recsys.testing.worlds import small_shop


def chat(text, reason="stop"):
    return {
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20},
    }


def repeats(handler):
    """A model that says what it was told, and puts a heading above it."""
    told = re.findall(r"^- (.*)$", handler.asked["messages"][-1]["content"], re.MULTILINE)
    handler.json(chat("**" + " ".join(told) + "**\n"))


def says(text, reason="stop"):
    return lambda handler: handler.json(chat(text, reason))


def writer(server, **settings):
    config = RemoteWriter.Config(url=server.url, model="small", backoff_s=0, retries=0, read_s=5, **settings)
    return RemoteWriter.from_config(config, Deps())


class TestRemoteWriter(ExplainerTests):
    locales = ("en", "de")

    @pytest.fixture
    def component(self, server):
        server.usual = repeats
        return lambda: writer(server)


SHOP = small_shop()
CASES = [
    Case(
        item_id=id_of(SHOP, row), title=SHOP.items.titles[row], facts=tuple(facts_about(SHOP, row)),
        user="jane@example.org", now=now_of(SHOP),
    )
    for row in range(4)
]  # fmt: skip
ONE = CASES[0]
BOUGHT = "You bought “Enamel kettle no. 2”, and this is by the same brand, Hearthly."


def shown(said, case=ONE):
    return checked(said, case, case.now, Template())


def test_what_holds_is_shown_as_generated(server):
    server.usual = says(f"  {BOUGHT}\n")
    [said] = writer(server).explain([ONE])
    assert (said.text, said.kind) == (BOUGHT, "generated")
    assert {e.kind for e in said.evidence} == {"event", "attribute"}
    assert said.causal_drop == ONE.facts[0].causal_drop
    assert shown(said) == said


def test_what_does_not_hold_is_taken_out(server):
    server.usual = says(f"{BOUGHT} It is the best kettle in Europe and 40 % off today!")
    [said] = writer(server).explain([ONE])
    final = shown(said)
    assert "Europe" not in final.text
    assert "40" not in final.text
    assert final.removed


@pytest.mark.parametrize("reply", ["", "   ", None, "<think>Hm", "\u202e\u200b"])
def test_without_a_text_the_template_speaks(server, reply):
    server.usual = says(reply)
    assert writer(server).explain([ONE]) == Template().explain([ONE])


def test_one_failure_leaves_the_others_their_text(server):
    server.acts = [lambda h: h.json({}, 500)]
    server.usual = says(BOUGHT)
    first, second = writer(server, concurrency=1).explain(CASES[:2])
    assert first == Template().explain(CASES[:1])[0]
    assert second.kind == "generated"


def test_a_server_that_fails_every_case_is_an_error(server):
    server.usual = lambda h: h.reset()
    with pytest.raises(Unreachable):
        writer(server).explain(CASES)


def test_a_text_that_was_cut_ends_with_a_sentence(server):
    server.usual = says(f"{BOUGHT} It also matches your sea", "length")
    assert writer(server).explain([ONE])[0].text == BOUGHT
    server.usual = says("You bought an ename", "length")
    assert writer(server).explain([ONE])[0].kind == "template"
    server.usual = says(f"{BOUGHT} " + "And so on, and so on. " * 10_000)
    assert len(writer(server).explain([ONE])[0].text) <= 600


def test_nothing_personal_leaves(server):
    server.usual = repeats
    writer(server, facts=10).explain(CASES)
    sent = server.texts()
    evidence = [e for case in CASES for fact in case.facts for e in fact.evidence]
    hidden = {"jane@example.org"} | {e.event_id for e in evidence} | {e.review_id for e in evidence}
    hidden |= (
        {case.item_id for case in CASES} | {e.item_id for e in evidence} | {str(e.time) for e in evidence if e.time}
    )
    for word in hidden - {None}:
        assert not re.search(rf"\b{re.escape(word)}\b", sent), word


def test_only_the_strongest_facts_are_sent(server):
    server.usual = repeats
    writer(server, facts=2).explain([ONE])
    assert server.seen[0].body["messages"][-1]["content"].count("\n- ") == 2


def test_the_language_and_tone_are_asked_for(server):
    server.usual = repeats
    case = Case(**{**{f: getattr(ONE, f) for f in ("item_id", "title", "facts", "now")}, "locale": "de-AT"})
    [said] = writer(server).explain([case])
    system = server.seen[0].body["messages"][0]["content"]
    assert "in German" in system
    assert shown(said, case).kind == "generated"


def test_it_is_found_by_name():
    assert Registry().get("explainers", "remote-chat") is RemoteWriter
