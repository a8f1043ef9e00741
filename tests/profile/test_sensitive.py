import pytest

from recsys.profile.sensitive import WORDS, SensitiveWords, is_sensitive, item_is_sensitive, matters


@pytest.mark.parametrize(
    ("text", "matter"),
    [
        ("Insulin cooling case", "health"), ("for DIABETICS", "health"), ("blood-pressure monitor", "health"),
        ("Ovulation test", "pregnancy"), ("Condoms, 12 pieces", "sexuality"), ("Children's Bible", "religion"),
        ("Nicotine patches", "addiction"), ("Trade Union poster", "politics"), ("Funeral urn", "hardship"),
    ],
)  # fmt: skip
def test_sensitive_matters_are_seen(text, matter):
    assert is_sensitive(text)
    assert matter in matters(text)


@pytest.mark.parametrize(
    "text", ["Frying pan", "Sussex cider glass", "Essex mug", "Burner stove", "The cat is fussy", "Turning lathe", ""]
)
def test_parts_of_words_are_not(text):
    assert not is_sensitive(text)
    assert matters(text) == ()


def test_items_are_judged_by_what_they_are_not_by_their_description():
    assert item_is_sensitive("Pillow", "", ("Maternity",))
    assert item_is_sensitive("Case", "", (), {"use": ("travel", "insulin")})
    assert not item_is_sensitive("Pillow", "Acme", ("Bedding",), {"weight": 3.0})


def test_every_matter_has_words():
    assert all(WORDS.values())


@pytest.mark.parametrize(
    "title",
    [
        "Insulin Cooler Bag", "Folding Wheelchairs", "Tampons 20 pack", "CBD oil 10%", "Hearing Aids Batteries",
        "Viagra", "Vape pen starter kit", "Contraceptives", "Vibrators", "Ostomy bag", "Thyroid support",
        "Plus-size jeans", "Lice comb", "Menorah", "Diet pills",
    ],
)  # fmt: skip
def test_one_list_knows_what_either_of_two_knew(title):
    assert is_sensitive(title)
    assert SensitiveWords().in_value(title)


def test_a_whole_name_counts_as_a_category_alone():
    assert item_is_sensitive("Thing", "", ("Health",))
    assert item_is_sensitive("Thing", "", (), {"pregnancy safe": True})
    assert not item_is_sensitive("Health", "", ("Health & Beauty",), {"pregnancy safe": False})


def test_further_words_are_found_by_prefix_as_well():
    words = SensitiveWords(["Kondom*", "gambling night"])
    assert words.in_text("Kondomautomat")
    assert words.in_text("a Gambling-Night")
    assert words.in_item("Thing", "", ("Kondome",))
    assert not words.in_text("night gambit")


def test_a_megabyte_is_looked_at_in_part():
    assert not SensitiveWords().in_text("plain " * 200_000)
