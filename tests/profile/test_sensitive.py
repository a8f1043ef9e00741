import pytest

from recsys.profile.sensitive import WORDS, is_sensitive, item_is_sensitive, matters


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
