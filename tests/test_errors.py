import inspect
import re

import pytest

from recsys import errors

CLASSES = {name: c for name, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, Exception)}


def test_one_base_catches_everything():
    assert all(issubclass(c, errors.RecsysError) for c in CLASSES.values())
    assert issubclass(errors.DataError, ValueError)


def test_the_tree_in_the_docstring_is_the_tree():
    drawn, path = {}, []
    for line in errors.__doc__.splitlines():
        found = re.match(r"^    ([│ ]*)[├└]── (\w+)", line)
        if found:
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1] if depth else "RecsysError"
    real = {name: c.__mro__[1].__name__ for name, c in CLASSES.items() if name != "RecsysError"}
    assert drawn == real


def test_stage_error_says_where():
    error = errors.StageError("rank", "lightgbm", "no columns")
    assert (error.stage, error.plugin) == ("rank", "lightgbm")
    assert str(error) == "rank 'lightgbm' failed: no columns"
    with pytest.raises(errors.RecsysError):
        raise error


def test_a_lack_of_time_names_who_is_known():
    assert str(errors.BudgetExceeded("late")) == "late"
    assert str(errors.BudgetExceeded("late", plugin="model")) == "'model' failed: late"
    error = errors.BudgetExceeded("late", "rerank", "model")
    assert (str(error), error.stage, error.plugin) == ("rerank 'model' failed: late", "rerank", "model")
