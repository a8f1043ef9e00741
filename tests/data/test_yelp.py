from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.data.yelp import Yelp
from recsys.errors import DataError
from recsys.testing.kits import ReaderTests

Write = Callable[..., str]


def review(n: int = 0, **changed: Any) -> str:
    record = {
        "review_id": f"r{n}", "user_id": f"u{n % 3}", "business_id": f"b{n % 2}", "stars": 4.0,
        "date": f"2018-07-{n + 1:02} 22:09:11", "text": f"Nice place {n}", "useful": 0,
    }  # fmt: skip
    return json.dumps({**record, **changed})


BUSINESS = json.dumps({
    "business_id": "b0", "name": "Joe&#39;s", "city": "Springfield", "state": "OH", "stars": 4.5, "review_count": 80,
    "categories": "Pizza, Italian , Pizza", "is_open": 1,
    "attributes": {"WiFi": "u'free'", "TakeOut": "True", "Smoking": False,
                   "Ambience": "{'cosy': False}", "Noise": "None"},
})  # fmt: skip


class TestYelp(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], Yelp]:
        return Yelp

    @pytest.fixture
    def place(self, write: Write) -> str:
        write("yelp/yelp_academic_dataset_business.json", BUSINESS)
        return str(Path(write("yelp/yelp_academic_dataset_review.json", *(review(n) for n in range(9)))).parent)

    @pytest.fixture
    def dirty(self, write: Write) -> str:
        return write("dirty.json", review(0), review(1, stars="five"), "{", review(2, date="soon"))


def test_reviews_and_businesses(write: Write) -> None:
    place = write("review.json", *(review(n) for n in range(4)), review(4, review_id=None))
    others = (
        {"business_id": "b1", "name": "Two", "categories": ["A", "B"]},
        {"business_id": "far"},
        {"business_id": None},
    )
    business = write("business.json", BUSINESS, *map(json.dumps, others))
    data, report = Yelp().read(f"{place},{business}")
    joe = data.items.item(data.items.vocabulary.row("b0"))
    assert (joe.title, joe.categories) == ("Joe's", ("Pizza", "Italian"))
    assert joe.attributes == {"city": "Springfield", "state": "OH", "WiFi": "free", "TakeOut": True, "Smoking": False}
    assert data.items.item(data.items.vocabulary.row("b1")).categories == ("A", "B")
    assert data.log.events.times.min() == 1_530_482_951
    assert [(r.review_id, r.rating) for r in data.reviews][-1] == ("5", 4.0)
    assert report.reasons == {"item without events": 1, "item id is missing": 1}
    assert (report.read, report.kept) == (9, 7)


def test_folder_without_businesses_and_options(write: Write) -> None:
    folder = Path(write("y/review.json", *(review(n) for n in range(3)))).parent
    data, _ = Yelp().read(f"{folder}?reviews=no")
    assert data.reviews == ()
    assert data.info["bare_items"] == 2


def test_wrong_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no yelp_academic_dataset_review\.json or"):
        Yelp().read(str(tmp_path))
    with pytest.raises(DataError, match="got 3 files"):
        Yelp().read("a,b,c")
