from __future__ import annotations

from service_toys import serving

from recsys.serving.examples import EXAMPLES


def test_a_batch_of_items_is_judged_one_by_one_and_found_at_once():
    with serving() as shop:
        told = shop.tell("/v1/items:batch", {"items": [*EXAMPLES["ItemsIn"]["items"], {"item_id": "B09", "price": -1}]})
        assert (told["accepted"], told["rejected"]) == (2, 1)
        assert told["results"][2]["field"] == "price"
        assert shop.ask("/v1/items/B07", method="GET")["attributes"] == {"colour": "red"}
        found = shop.ask("/v1/search", {"query": "rain jacket", "limit": 3})
        assert "B07" in [row["item_id"] for row in found["items"]]
        shop.ask("/v1/items/B09", method="GET", status=404)
