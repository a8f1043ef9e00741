"""The packs: five tasks, with and without examples, all valid, and no template in vain."""

from __future__ import annotations

import pytest
from recsys_zero_shot.packs import names, pack_file

from recsys.rerank.prompt import TASKS, Template


@pytest.mark.parametrize("name", names())
def test_a_pack_is_valid_and_where_it_belongs(name):
    template = Template.read(pack_file(name))
    assert template.task == name.split("/")[0]
    assert bool(template.shots) == name.endswith(("few-shot", "in-context"))


def test_all_tasks_come_with_and_without_examples():
    found = {(t.task, bool(t.shots)) for t in (Template.read(pack_file(name)) for name in names())}
    assert found == {(task, shots) for task in TASKS for shots in (False, True)}
