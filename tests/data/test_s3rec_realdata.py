from __future__ import annotations

import numpy as np
import pytest

from recsys.data.s3rec import S3Rec

# users, items, interactions, how many items have something to match on: as the folder's own README counts them
COUNTS = {
    "beauty": (22_363, 12_101, 198_502), "sports": (35_598, 18_357, 296_337),
    "toys": (19_412, 11_924, 167_597), "yelp": (30_431, 20_033, 316_354),
}  # fmt: skip


@pytest.mark.realdata
@pytest.mark.parametrize("name", list(COUNTS))
def test_counts_of_the_published_files(data_folder, name):
    data, report = S3Rec().read(str(data_folder / "s3rec" / name))
    assert (data.log.n_users, len(data.items), len(data.log)) == COUNTS[name]
    assert (report.dropped, report.repaired, report.reasons) == (0, 0, {})
    assert np.diff(data.log.offsets).min() == 5
    per_item = np.bincount(data.log.events.rows, minlength=len(data.items))
    assert per_item.min() == 5
    # Numbers follow first appearance, so they tell how popular an item is; rows must not.
    numbers = np.array([int(i) for i in data.items.ids])
    assert abs(np.corrcoef(numbers, np.arange(len(numbers)))[0, 1]) < 0.05
    described = sum(bool(c or a) for c, a in zip(data.items.categories, data.items.attributes, strict=True))
    assert described >= len(data.items) - 1
    assert data.name == f"s3rec:{name}"
    if name == "beauty":
        assert sum(not b for b in data.items.brands) == 4_627 + 18  # null, and empty
        assert all(data.items.titles)
    repeats = sum(len(np.unique(h)) < len(h) for h in np.split(data.log.events.rows, data.log.offsets[1:-1]))
    assert repeats == (7_102 if name == "yelp" else 0)
