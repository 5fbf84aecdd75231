"""An endpoint that refuses, is slow, or asks to slow down gives way in good time."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from node.chain.errors import EndpointDown, RpcError
from node.chain.patience import (
    RATE_LIMIT_PAUSE_S_MAX,
    RATE_LIMIT_PAUSE_S_MIN,
    RPC_ERROR_COUNT_MAX,
    SLOW_ANSWER_COUNT_MAX,
    SLOW_ANSWER_S,
    Patience,
)
from tests.support.simulated_chain import SimulatedChain, SimulatedClient, SimulatedLink

REFUSED = RpcError("eth_getLogs", -32000, "unknown block")


def patience() -> tuple[Patience, SimulatedLink]:
    client = SimulatedClient(SimulatedChain())
    link = SimulatedLink(lambda: client)
    return Patience(link, client), link


async def test_refusals_in_a_row_end_it_and_an_answer_between_them_does_not(
    autojump_clock: MockClock,
) -> None:
    found, link = patience()
    for _ in range(RPC_ERROR_COUNT_MAX - 1):
        await found.refused(REFUSED)
    found.served()
    for _ in range(RPC_ERROR_COUNT_MAX - 1):
        await found.refused(REFUSED)
    assert link.blamed == []
    with pytest.raises(EndpointDown, match="keeps refusing"):
        await found.refused(REFUSED)
    assert len(link.blamed) == 1


def test_only_slow_answers_in_a_row_are_its_fault() -> None:
    found, link = patience()
    for seconds in (SLOW_ANSWER_S + 1, SLOW_ANSWER_S, SLOW_ANSWER_S + 1):
        found.took(seconds)
    assert link.blamed == []
    for _ in range(SLOW_ANSWER_COUNT_MAX - 1):
        found.took(SLOW_ANSWER_S + 1)
    assert link.blamed == ["answers slowly"]


async def test_pauses_for_a_rate_limit_grow_to_a_bound_unless_it_says_how_long(
    autojump_clock: MockClock,
) -> None:
    found, link = patience()
    pauses = []
    for retry_after_s in (0.0, 0.0, 7.0, 10_000.0):
        began_at = trio.current_time()
        await found.refused(RpcError("HTTP", 429, "too many", None, retry_after_s))
        pauses.append(trio.current_time() - began_at)
    expected = [RATE_LIMIT_PAUSE_S_MIN, 2 * RATE_LIMIT_PAUSE_S_MIN, 7.0, RATE_LIMIT_PAUSE_S_MAX]
    assert pauses == pytest.approx(expected)
    assert len(link.blamed) == 4
