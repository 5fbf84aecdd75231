"""Bounds of applications fit each other."""

from node.apps import limits
from node.limits import TICK_INTERVAL_S
from node.rpc.bounds import ANSWER_TIMEOUT_S


def test_bounds_fit_each_other() -> None:
    assert limits.RUN_TIME_S_MAX < TICK_INTERVAL_S
    assert limits.QUERY_TIMEOUT_S <= limits.QUERY_TIMEOUT_S_MAX <= ANSWER_TIMEOUT_S
