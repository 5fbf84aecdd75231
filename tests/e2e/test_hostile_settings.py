"""Wrong calls at the owner's door, and a chain that is not the configured one.

Each is refused by its own name, and bob goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.cli.demo_run import make_nodes
from node.processes import free_port
from node.rpc.call import RpcError
from tests.support.anvil import start_anvil
from tests.support.daemons import LocalNode, Network
from tests.support.hostile_peer import TIMEOUT_S
from tests.support.rpc_callers import post, request, send_raw

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("bob_goes_on")]


# --- the owner's door ---


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("payment_steal", {}, "METHOD_NOT_FOUND"),
        ("__init__", {}, "METHOD_NOT_FOUND"),
        ("payment_send", {"amount": "-5"}, "INVALID_PARAMS"),
        ("payment_send", {"amount": "1.5"}, "INVALID_PARAMS"),
        ("payment_send", {"amount": 5}, "INVALID_PARAMS"),
        ("payment_send", {"amount": 1.5}, "INVALID_PARAMS"),
        ("payment_send", {"amount": None}, "INVALID_PARAMS"),
        ("payment_send", {"amount": True}, "INVALID_PARAMS"),
        ("payment_send", {"amount": ["1"]}, "INVALID_PARAMS"),
        ("payment_send", {"amount": str(2**256)}, "INVALID_PARAMS"),
        ("payment_send", {"amount": "1" * 100_000}, "INVALID_PARAMS"),
        ("payment_send", {"amount": "0"}, "AMOUNT_NOT_POSITIVE"),
        ("payment_send", {"amount": str(10**18 + 1)}, "AMOUNT_ABOVE_DEPOSIT"),
        ("payment_send", {"amount": "1", "channel_id": "0x12"}, "INVALID_PARAMS"),
        ("payment_send", {"amount": "1", "channel_id": 12}, "INVALID_PARAMS"),
        ("payment_send", {"amount": "1", "channel_id": "0x" + "00" * 32}, "UNKNOWN_CHANNEL"),
        ("payment_send", {"amount": "1", "tip": "1"}, "INVALID_PARAMS"),
        ("payment_send", {"amount": "1", "until": "never"}, "INVALID_PARAMS"),
        ("payment_send", {"amount": "1", "memo": "x" * 257}, "INVALID_PARAMS"),
        ("channel_close", {"channel_id": "0x" + "00" * 32}, "UNKNOWN_CHANNEL"),
        ("objective_get", {"objective_id": "0x" + "00" * 32}, "UNKNOWN_OBJECTIVE"),
        ("log_read", {"limit": 10**30}, "INVALID_PARAMS"),
        ("log_read", {"from_seq": -1}, "INVALID_PARAMS"),
    ],
)
def test_a_wrong_call_is_refused_by_name_and_records_nothing(
    method: str, params: dict[str, Any], error: str, attacked: Network, channel_id: str
) -> None:
    if method == "payment_send":
        params = {"channel_id": channel_id, **params}
    before = attacked.channel(attacked.alice, channel_id)["paid"]
    with pytest.raises(RpcError) as refused:
        attacked.alice.call(method, **params)
    assert refused.value.name == error
    assert attacked.channel(attacked.alice, channel_id)["paid"] == before


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"amount": "-1"}, "INVALID_PARAMS"),
        ({"counterparty_amount": "1"}, "PAYEE_MUST_OPEN_WITH_ZERO"),
        ({"challenge_duration_s": 1}, "CHALLENGE_DURATION_TOO_SHORT"),
        ({"challenge_duration_s": 604_801}, "CHALLENGE_DURATION_TOO_LONG"),
        ({"challenge_duration_s": -1}, "INVALID_PARAMS"),
        ({"asset": "0x" + "11" * 20}, "ASSET_NOT_SUPPORTED"),
        ({"counterparty": "0x" + "11" * 20}, "UNKNOWN_PEER"),
        ({"counterparty": "bob"}, "INVALID_PARAMS"),
    ],
)
def test_a_channel_that_may_not_be_is_not_opened(
    change: dict[str, Any], error: str, attacked: Network
) -> None:
    before = attacked.alice.call("channel_list")["channels"]
    params = {"counterparty": attacked.bob.address, "amount": "1000", **change}
    with pytest.raises(RpcError) as refused:
        attacked.alice.call("channel_open", **params)
    assert refused.value.name == error
    assert attacked.alice.call("channel_list")["channels"] == before


async def test_callers_without_the_token_or_from_a_web_page_get_nothing(
    attacked: Network, channel_id: str
) -> None:
    endpoint = attacked.bob.endpoint
    close = request("channel_close", {"channel_id": channel_id})
    for headers in (
        {"authorization": None},
        {"authorization": "Bearer " + "A" * 43},
        {"host": "attacker.example:80"},
        {"origin": "https://attacker.example"},
    ):
        reply = await post(endpoint, close, **headers)
        assert reply.status in (401, 403), headers
    assert attacked.channel(attacked.bob, channel_id)["status"] == "open"


async def test_whatever_comes_at_the_owners_port_is_answered_or_cut(attacked: Network) -> None:
    endpoint = attacked.bob.endpoint
    for data in (b"", b"\x00" * 1_000, b"GET /\r\n\r\n", b"POST / HTTP/1.1\r\n" * 10_000):
        await send_raw(endpoint, data)
    for body in (b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"jsonrpc":"2.0"}', b"\xff\xfe"):
        reply = await post(endpoint, body)
        assert "error" in reply.json


# --- the chain it is told to use ---


@pytest.fixture
def carol(attacked: Network, tmp_path: Path) -> Iterator[LocalNode]:
    """A third node of the same chain, not started yet."""
    (node,) = make_nodes(tmp_path, attacked.chain.deployment, names=("carol",))
    yield node
    node.end()


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("TALLY_CHAIN_ADJUDICATOR", "0x" + "12" * 20, "no contract at 0x1212"),
        ("TALLY_CHAIN_CONSENSUS_APP", "0x" + "12" * 20, "no contract at 0x1212"),
        ("TALLY_CHAIN_CHAIN_ID", "1", "31337"),
    ],
    ids=["adjudicator without code", "app without code", "another chain id"],
)
def test_a_wrong_deployment_is_refused_before_the_log_exists(
    setting: str, value: str, told: str, carol: LocalNode
) -> None:
    carol.launch(**{setting: value})
    assert carol.child.wait(TIMEOUT_S) == 1
    assert told in carol.stderr_tail(3)
    assert "Traceback" not in carol.stderr_tail(50)
    assert list(carol.log_path.iterdir()) == []
    carol.kill()
    carol.start()
    assert carol.call("node_status")["chain_id"] == 31_337


def test_a_chain_that_comes_late_and_is_another_one_ends_the_daemon(carol: LocalNode) -> None:
    port = free_port()
    carol.start(TALLY_CHAIN_URLS=f"ws://127.0.0.1:{port}")
    assert carol.call("node_status")["chain"]["connected"] is False
    with start_anvil(chain_id=5, port=port):
        assert carol.child.wait(TIMEOUT_S) == 1
    assert "chain" in carol.stderr_tail(3)
    assert "Traceback" not in carol.stderr_tail(50)
