"""The plan of an exit over RPC."""

from __future__ import annotations

import pytest

from node.rpc.exits import ExitPlanResult
from node.rpc.methods import METHODS


def test_the_plan_is_a_query_that_names_dates_blocks_and_gas() -> None:
    method = METHODS["channel_exit_plan"]
    assert method.result is ExitPlanResult
    fields = ExitPlanResult.__struct_fields__
    assert fields == ("channel_id", "steps", "gas", "duration_s", "worth")


@pytest.mark.parametrize("name", ["channel_exit", "channel_challenge"])
def test_commands_to_leave_name_what_refuses_them(name: str) -> None:
    names = {error.name() for error in METHODS[name].errors}
    assert {"UNKNOWN_CHANNEL", "NOTHING_TO_LEAVE", "CHANNEL_IS_FINAL"} <= names
