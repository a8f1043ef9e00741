"""German texts: the template's phrases and their everyday relatives hold, the same with one thing changed do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest

from recsys.explain.check import check
from recsys.explain.template import Template
from recsys.explanation import Case, Evidence, Fact


def at(year, month, day):
    return int(datetime(year, month, day, 12, tzinfo=UTC).timestamp())


NOW = at(2026, 11, 1)
LAMPE = "Erlenhof Leuchtturm Schreibtischlampe, Messing, Grün"
STUHL = "Nordwind Regenpfeifer Stuhl, Eiche"
TEPPICH = "Nordwind Karde Teppich, 2 m"
KAUF = Evidence(kind="event", item_id="s", title=STUHL, event_kind="purchase", time=at(2026, 5, 9))
BLICK = Evidence(kind="event", item_id="t", title=TEPPICH, event_kind="view", time=at(2026, 8, 20))
STERNE = Evidence(kind="event", item_id="s", title=STUHL, event_kind="rating", time=at(2026, 6, 1), value="5")
KORB = Evidence(kind="event", item_id="t", title=TEPPICH, event_kind="cart", time=at(2026, 10, 30))
MARKE = (
    Evidence(kind="attribute", item_id="l", title=LAMPE, field="brand", value="Erlenhof"),
    Evidence(kind="attribute", item_id="l", title=LAMPE, field="material", value="Messing"),
)
ZAHL = Evidence(kind="popularity", item_id="l", title=LAMPE, count=140)
LOB = Evidence(
    kind="review", item_id="l", title=LAMPE, review_id="r", start=0, end=30, quote="Sehr hell und flackert nicht."
)
SUCHE = Evidence(kind="query", item_id="l", title=LAMPE, field="title", value="lampe")
NEU = Evidence(kind="novelty", item_id="l", title=LAMPE, time=at(2026, 3, 2))
ALLES = (KAUF, BLICK, STERNE, KORB, *MARKE, ZAHL, LOB, SUCHE, NEU)


def read(text):
    return check(text, ALLES, LAMPE, now=NOW, locale="de")


@pytest.mark.parametrize(
    "text",
    [
        "Sie haben im Mai „Nordwind Regenpfeifer Stuhl“ gekauft, deshalb zeigen wir Ihnen diesen Artikel.",
        "Weil Sie am 9. Mai „Nordwind Regenpfeifer Stuhl“ gekauft haben, könnte diese Lampe zu Ihnen passen.",
        "Du hast dir im August „Nordwind Karde Teppich“ angesehen.",
        "Du hast „Nordwind Regenpfeifer Stuhl“ mit fünf Sternen bewertet.",
        "In Ihrem Warenkorb liegt „Nordwind Karde Teppich“.",
        "Dieser Artikel ist von Erlenhof.",
        "Dieser Artikel hat das Material Messing.",
        "Mindestens 100 Kunden haben das gewählt.",
        "Mehr als 120 Kunden haben sich für diesen Artikel entschieden.",
        "In einer Bewertung heißt es: „Sehr hell und flackert nicht“.",
        "Das passt zu Ihrer Suche nach „lampe“.",
        "Neu bei uns seit März.",
        "Das könnte dir gefallen.",
    ],
)
def test_what_holds(text):
    found = read(text)
    assert found.supported, [s.reason for s in found.statements]


@pytest.mark.parametrize(
    "text",
    [
        "Sie haben im Juni „Nordwind Regenpfeifer Stuhl“ gekauft.",
        "Sie haben im Mai „Nordwind Karde Teppich“ gekauft.",
        "Sie haben im Mai „Südwind Sofa“ gekauft.",
        "Sie haben im Mai „Nordwind Regenpfeifer Stuhl“ nicht gekauft.",
        "Ihre Nachbarin hat im Mai „Nordwind Regenpfeifer Stuhl“ gekauft.",
        "Du hast „Nordwind Regenpfeifer Stuhl“ mit vier Sternen bewertet.",
        "Dieser Artikel ist von Nordwind.",
        "Dieser Artikel hat das Material Eiche.",
        "Dieser Artikel ist nicht von Erlenhof.",
        "Dieser Artikel ist sehr robust.",
        "Mindestens 150 Kunden haben das gewählt.",
        "140 Kunden haben das zurückgeschickt.",
        "In einer Bewertung heißt es: „Sehr hell und flackert“.",
        "In einer Bewertung heißt es: „Sehr hell und flackert selten“.",
        "Das passt zu Ihrer Suche nach „stuhl“.",
        "Neu bei uns seit April.",
        "Der Testsieger zum kleinen Preis.",
        "Mit zwei Jahren Garantie.",
    ],
)
def test_what_does_not(text):
    assert not read(text).supported


FACTS = (
    Fact(kind="event", strength=0.9, evidence=(KAUF,)),
    Fact(kind="event", strength=0.8, evidence=(BLICK,)),
    Fact(kind="event", strength=0.8, evidence=(KORB,)),
    Fact(kind="query", strength=0.7, evidence=(SUCHE,)),
    Fact(kind="aspect", strength=0.6, evidence=(LOB,), aspect="hell", sentiment=0.9),
    Fact(kind="popularity", strength=0.5, evidence=(ZAHL,)),
    Fact(kind="novelty", strength=0.4, evidence=(NEU,)),
)


@pytest.mark.parametrize(("locale", "register"), list(product(("en", "de", "de-AT"), ("plain", "friendly", "brief"))))
def test_whatever_the_template_says_holds(locale, register):
    explainer = Template()
    cases = [
        Case(
            item_id="l", title=LAMPE, facts=tuple(replace(f, strength=f.strength * sure) for f in FACTS[first:]),
            locale=locale, register=register, seed=seed, now=NOW,
        )
        for first, seed, sure in product(range(len(FACTS)), range(8), (1.0, 0.5, 0.1))
    ]  # fmt: skip
    for case, made in zip(cases, explainer.explain(cases), strict=True):
        found = check(made.text, made.evidence, case.title, now=NOW, locale=locale)
        assert found.supported, (made.text, [s.reason for s in found.statements])
