"""Waiting for an objective to its end, its failure, or our patience's end."""

import time
from pathlib import Path

import pytest

from node.cli.failures import CommandFailed
from node.cli.node_call import ask
from node.cli.wait import (
    OBJECTIVE_FAILED,
    naming_the_request,
    wait_for_answer,
    wait_for_objective,
)
from node.rpc.call import RpcUnreachable
from tests.support.daemons import Network

pytestmark = pytest.mark.e2e


def funding_objective(network: Network, channel_id: str) -> str:
    view = network.channel(network.alice, channel_id)
    return str(view["objective_ids"][0])


def test_a_completed_objective_is_answered_at_once(network, channel_id, alice_dir) -> None:
    objective_id = funding_objective(network, channel_id)
    view = wait_for_objective(alice_dir, objective_id, timeout_s=0, quiet=False)
    assert view["status"] == "completed"


def test_a_peer_that_is_away_is_waited_for_as_long_as_we_like(network, alice_dir: Path) -> None:
    network.bob.stop()
    try:
        opened = ask(alice_dir, "channel_open", counterparty=network.bob.address, amount="1000000")
        started = time.monotonic()
        with pytest.raises(CommandFailed, match="still waits") as caught:
            wait_for_objective(alice_dir, opened["objective_id"], timeout_s=0.3, quiet=True)
        assert time.monotonic() - started < 25
        assert caught.value.name == "STILL_WAITING"
        assert caught.value.values["channel_id"] == opened["channel_id"]
        assert "the peer to agree" in caught.value.message
        assert "tally approve" in caught.value.message
    finally:
        network.bob.start()
    done = wait_for_objective(alice_dir, opened["objective_id"], timeout_s=120, quiet=True)
    assert done["success"] is True


def test_a_refused_opening_is_not_to_be_repeated_under_its_name() -> None:
    answer = {"objective_id": "0x01", "channel_id": "0x02"}
    refused = CommandFailed("no", "See: tally objectives", OBJECTIVE_FAILED)
    with pytest.raises(CommandFailed) as caught, naming_the_request(answer, "id"):
        raise refused
    assert caught.value is refused
    with pytest.raises(ZeroDivisionError), naming_the_request(answer, "id"):
        raise ZeroDivisionError
    with pytest.raises(CommandFailed, match="nobody") as caught, naming_the_request(answer, "id"):
        raise RpcUnreachable("nobody there")
    assert caught.value.name == "NODE_UNREACHABLE"
    assert caught.value.values == {**answer, "request_id": "id"}


def test_an_order_that_is_recorded_is_answered_late_never_or_refused(
    network, channel_id, alice_dir: Path
) -> None:
    def order(**changes: str) -> tuple[str, dict[str, str]]:
        said = {"channel_id": channel_id, "amount": "1", "request_id": "late"}
        return "payment_send", {**said, **changes}

    def wait(order: tuple[str, dict[str, str]], timeout_s: float) -> object:
        answer = ask(alice_dir, order[0], until="durable", **order[1])
        how = {"answer": answer, "timeout_s": timeout_s}
        found, missing = wait_for_answer(alice_dir, order, "receipt", "receipted", **how)
        assert found["seq"] == answer["seq"]
        return missing

    assert wait(order(), 30) == ""
    assert "did not answer for 0 s" in str(wait(order(request_id="later"), 0))
    network.bob.stop()
    try:
        assert "did not answer for 0.3 s" in str(wait(order(request_id="last"), 0.3))
    finally:
        network.bob.start()
    refused = order(request_id="late", amount="2")
    found, failure = wait_for_answer(
        alice_dir, refused, "receipt", "receipted", answer={"seq": 1}, timeout_s=5
    )
    assert found == {"seq": 1}
    assert isinstance(failure, CommandFailed)
    assert failure.name == "REQUEST_ID_CONFLICT"
