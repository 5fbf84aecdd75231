"""What is wrong with reducers and views is no bug of the node: it is caught, named and survived."""

from __future__ import annotations

import pytest

from node.apps.errors import HistoryDiffers, ReducerMissing, TooManyReducers


@pytest.mark.parametrize("error", [HistoryDiffers, ReducerMissing, TooManyReducers])
def test_each_says_why_and_none_is_taken_for_another(error: type[Exception]) -> None:
    others = {HistoryDiffers, ReducerMissing, TooManyReducers} - {error}
    assert str(error("because")) == "because"
    assert not issubclass(error, tuple(others))
