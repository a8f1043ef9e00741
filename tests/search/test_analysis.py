import sys
import threading
import time
from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.shop import make_shop
from recsys.errors import ConfigError
from recsys.search import analysis
from recsys.search.analysis import MAX_CHARS, Analyzer, fold_accents, normalise, number


@pytest.fixture(scope="module")
def english() -> Analyzer:
    return Analyzer()


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("2TB", ["2tb"]), ("2 tb", ["2tb"]), ("2 Terabytes", ["2tb"]), ("2-TB", ["2tb"]), ("２ＴＢ", ["2tb"]),
        ("15.6 inch", ["15.6inch"]), ('15.6"', ["15.6inch"]), ("15,6”", ["15.6inch"]), ("15.6in", ["15.6inch"]),
        ("500ml", ["500ml"]), ("0.50 litres", ["0.5l"]), ("2 in 1", ["2", "in", "1"]), ("1,200 watts", ["1200w"]),
        ("iPhone12", ["iphon", "12"]), ("iphone 12", ["iphon", "12"]), ("usb3.0", ["usb", "3"]),
        ("802.11n", ["802.11", "n"]), ("٣ kg", ["3kg"]), ("´", []),
        ("dv7-1211ea", ["dv", "7", "1211", "ea"]), ("Men's", ["men"]),
        ("Wi\u2011Fi", ["wi", "fi"]), ("O’Neill", ["oneil"]), ("AT&T", ["at", "t"]), ("caf\u00e9s", ["cafe"]),
        ("cafe\u0301s", ["cafe"]), ("snake_case", ["snake", "case"]), ("kett\u200ble", ["kettl"]), ("", []), ("?!", []),
        ("ke\u202ettle", ["kettl"]), ("kettles\ud800ing", ["kettl", "ing"]),
        ("a\x00b", ["a", "b"]), ("हिन्दी", ["हिन्दी"]), ("1.2.3", ["1.2.3"]),
    ],
)  # fmt: skip
def test_terms(english, text, terms):
    assert english.terms(text) == terms


@pytest.mark.parametrize(
    ("text", "joined", "extra"),
    [("Wi-Fi", "wifi", ()), ("iphone12", "iphone12", ()), ("dv7-1211ea", "dv71211ea", ("1211ea", "dv7")),
     ("2 TB", None, ("2",)), ("T-Shirts", "tshirt", ())],
)  # fmt: skip
def test_compounds_are_joined_and_measures_keep_their_number(english, text, joined, extra):
    (token,) = english.tokens(text)
    assert (token.shape.joined, token.shape.extra) == (joined, extra)


def test_languages():
    assert Analyzer("german").terms("Häuser, Küchenmaschinen") == ["haus", "kuchenmaschin"]
    assert Analyzer("french").terms("l'eau") == ["l", "eau"]
    assert Analyzer("none").terms("Kettles") == ["kettles"]
    assert Analyzer("german").tokens("das")[0].shape.stop
    assert not Analyzer("none").tokens("the")[0].shape.stop
    with pytest.raises(ConfigError, match=r"klingon.*'none' or one of"):
        Analyzer("klingon")


def test_a_megabyte_is_cheap(english):
    begin = time.perf_counter()
    for text in ("x" * 10**6, "a1-" * 400_000, "ﷺ" * 10**6, "1," * 500_000, "'" * 10**6, "é" * 10**6, "-" * 10**6):
        assert len(english.tokens(text)) <= MAX_CHARS
        assert all(len(p) <= 128 for t in english.tokens(text) for p in t.shape.parts)
    assert time.perf_counter() - begin < 5


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_the_same_however_it_is_cased_and_nothing_invisible_is_left(text):
    english = Analyzer()
    terms = english.terms(text)
    assert english.terms(normalise(text)) == english.terms(normalise(normalise(text)))
    assert all(t and not any(c in "\u200b\u202e\u2066\ufeff" or ord(c) < 32 for c in t) for t in terms)
    assert english.terms(text.replace(" ", "\u2066 ")) == terms


@settings(deadline=None)
@given(st.integers(0, 10**9))
def test_numbers_have_one_spelling(n):
    assert number(f"{n:,}") == number(str(n)) == number(f"{n}.0") == str(n)


def test_accents_fold_for_latin_letters_alone():
    assert [fold_accents(w) for w in ("Ångström", "naïve", "й", "が", "हि")][:2] == ["Angstrom", "naive"]
    assert fold_accents("हि") == "हि"


def test_words_of_strangers_are_forgotten(monkeypatch):
    words = [f"{a}{b}ing{c}" for a in "abcdefgh" for b in "klmnop" for c in ("", "-worlds", "7")]
    shapes = list(map(Analyzer().shape, words))
    monkeypatch.setattr(analysis, "MAX_KEPT", 50)
    analyzer = Analyzer()
    assert [analyzer.shape(w) for w in words] == shapes
    assert analyzer.terms("running shoes") == ["run", "shoe"]
    assert len(analyzer._shapes) <= 50
    assert len(analyzer._stems) <= 50


def test_analyzers_of_several_engines_stem_at_once():
    words = [
        f"{a}{b}{end}" for a in "abcdefghklmn" for b in ("erd", "olin", "ump") for end in ("ing", "ations", "iness")
    ]
    plain = [Analyzer().stem(w) for w in words]
    wrong: list[tuple[str, str]] = []

    def stem_all() -> None:
        for _ in range(12):
            found = Analyzer()
            wrong.extend((w, got) for w, meant in zip(words, plain, strict=True) if (got := found.stem(w)) != meant)

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=stem_all) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    assert not wrong


@pytest.mark.parametrize("language", ["english", "german", "porter", "french", "spanish"])
def test_stems_are_the_same_whether_they_come_from_c_or_not(language):
    """snowballstemmer hands out the stemmers of PyStemmer where that is installed."""
    module = import_module(f"snowballstemmer.{language}_stemmer")
    plain, analyzer = getattr(module, f"{language.capitalize()}Stemmer")(), Analyzer(language)
    shop = make_shop(0, 20).dataset.items
    words = {w for text in (*shop.titles, *shop.texts) for w in analyzer.raw(text)} | {
        "größe",
        "naïve",
        "über",
        "x" * 60,
    }
    assert len(words) > 1_000
    assert {w: analyzer.stem(w) for w in words} == {w: fold_accents(plain.stemWord(w)) for w in words}
