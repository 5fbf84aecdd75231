"""Many calls over one connection: all answered in order, waited for, refused by name."""

from __future__ import annotations

import pytest

from node.cli.failures import CommandFailed
from node.cli.many_calls import call_all, wait_for_all
from node.rpc.call import RpcError
from tests.support.daemons import Network

pytestmark = pytest.mark.e2e

UNKNOWN = "0x" + "00" * 32


def test_answers_come_in_the_order_of_the_calls(network: Network, channel_id: str) -> None:
    calls = [("channel_get", {"channel_id": channel_id}), ("node_status", {})] * 100
    answers = call_all(network.alice, calls)
    assert [answer.get("channel_id") for answer in answers] == [channel_id, None] * 100
    assert call_all(network.alice, []) == []


def test_the_first_refusal_is_raised(network: Network, channel_id: str) -> None:
    calls = [("channel_get", {"channel_id": one}) for one in (channel_id, UNKNOWN)]
    with pytest.raises(RpcError) as refused:
        call_all(network.alice, calls)
    assert refused.value.name == "UNKNOWN_CHANNEL"


def test_each_call_is_repeated_until_it_is_done(network: Network, channel_id: str) -> None:
    seen: list[object] = []

    def at_the_third_look(view: object) -> bool:
        seen.append(view)
        return len(seen) > 3

    calls = [("channel_get", {"channel_id": channel_id})] * 2
    answers = wait_for_all("it happens", network.alice, calls, at_the_third_look, 30)
    assert [answer["channel_id"] for answer in answers] == [channel_id] * 2
    assert len(seen) == 5


def test_what_never_comes_is_named(network: Network) -> None:
    calls = [("channel_get", {"channel_id": UNKNOWN})]
    with pytest.raises(CommandFailed, match="pigs fly"):
        wait_for_all("pigs fly", network.alice, calls, lambda _: True, 0.2)


def test_a_refusal_is_not_waited_for(network: Network) -> None:
    with pytest.raises(RpcError, match="channel_id"):
        wait_for_all("it happens", network.alice, [("channel_get", {})], lambda _: True, 30)
