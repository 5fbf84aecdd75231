"""The node as its owner's door sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from node.answers import Answer
from node.config import StoreConfig
from node.daemon import Daemon
from node.limits import INPUT_QUEUE_COUNT_MAX, LOG_READ_COUNT_MAX
from node.moments import AtRecord
from node.whatif.endpoints import Endpoints
from node.whatif.placeholders import keys_within
from protocols import commands, inputs
from protocols.channel import ChannelStatus
from protocols.errors import ProtocolError, UnknownPeer
from protocols.moment_errors import MomentAhead
from protocols.objectives.base import WaitingFor
from protocols.types import ZERO_ADDRESS, checksum_address
from tests.support.actors import ALICE, BOB, IRENE, IVAN, Actor
from tests.support.builders import CHANNEL, open_command
from tests.support.daemon_rig import config_in
from tests.support.ledger_rig import open_ledger_command


@contextmanager
def daemon_in(tmp_path: Path) -> Iterator[Daemon]:
    """Alice, who knows where Bob is; nothing of her runs but the engine, in `carry_out`."""
    daemon = Daemon(config_in(tmp_path, peers={BOB.address: ("127.0.0.1", 1234)}), ALICE.secret)
    try:
        yield daemon
    finally:
        daemon.log.close()


async def carry_out(daemon: Daemon, *commands: inputs.Input) -> list[Answer | ProtocolError]:
    told: list[Answer | ProtocolError] = []
    for command in commands:
        assert daemon.api.command_then(command, "durable", told.append)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.engine.run)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return told


async def test_a_channel_with_a_peer_nobody_can_reach_is_refused_at_once(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        told: list[object] = []
        command = open_command(counterparty=IVAN.address)
        assert daemon.api.command_then(command, "durable", told.append)
        (refusal,) = told
        assert isinstance(refusal, UnknownPeer)
        assert refusal.peer == IVAN.address
        assert daemon.log.next_seq == 1


@pytest.mark.parametrize(
    ("path", "stranger"),
    [((IVAN, BOB), IVAN), ((BOB, IVAN), IVAN), ((IVAN,), IVAN), ((BOB, IRENE, IVAN), IVAN)],
)
async def test_a_path_needs_a_neighbour_and_a_payee_we_can_reach(
    tmp_path: Path, path: tuple[Actor, ...], stranger: Actor
) -> None:
    with daemon_in(tmp_path) as daemon:
        told: list[object] = []
        addresses, fees = tuple(who.address for who in path), (0,) * (len(path) - 1)
        command = commands.OpenVirtual(addresses, ZERO_ADDRESS, 5, fees, 86_400, bytes(4))
        assert daemon.api.command_then(command, "durable", told.append)
        (refusal,) = told
        assert isinstance(refusal, UnknownPeer)
        assert refusal.peer == stranger.address


async def test_a_ledger_with_a_peer_nobody_can_reach_is_refused_at_once(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        told: list[object] = []
        command = open_ledger_command(counterparty=IVAN.address)
        assert daemon.api.command_then(command, "durable", told.append)
        assert [type(refusal) for refusal in told] == [UnknownPeer]
        (answer,) = await carry_out(daemon, open_ledger_command(request_id="r"))
        assert isinstance(answer, Answer)
        assert daemon.api.fees_of_request("r") is None
        assert daemon.api.fees_of_request("unknown") is None


async def test_a_channel_with_a_peer_of_the_address_book_is_opened(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        (answer,) = await carry_out(daemon, open_command())
        assert isinstance(answer, Answer)
        assert answer.channel_id == CHANNEL
        assert daemon.api.state.channels[CHANNEL].counterparty == BOB.address
        assert daemon.api.seq == daemon.log.next_seq - 1 > answer.seq
        assert daemon.api.waiting_for(answer.objective_id) == WaitingFor.COMPLETE_PREFUND


async def test_a_full_queue_takes_no_command(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        for _ in range(INPUT_QUEUE_COUNT_MAX):
            assert daemon.engine.nowait(inputs.Tick())
        told: list[object] = []
        assert not daemon.api.command_then(open_command(), "durable", told.append)
        assert told == []
        with trio.fail_after(30):
            await daemon.api.queue_room()


async def test_records_are_read_from_a_number_on_and_of_one_entity(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        (answer,) = await carry_out(daemon, open_command())
        assert isinstance(answer, Answer)
        newest = daemon.api.seq
        everything = daemon.api.record(0, LOG_READ_COUNT_MAX, None, newest)
        assert [entry.seq for entry in everything] == list(range(daemon.log.next_seq))
        assert everything[0].name == "node-created"
        assert everything[0].payload["chain_id"] == 31_337
        assert everything[-1].chain_hash == daemon.log.chain_hash
        assert [entry.seq for entry in daemon.api.record(3, 2, None, newest)] == [3, 4]
        assert daemon.api.record(newest + 1, 10, None, newest) == []
        of_channel = daemon.api.record(0, 100, CHANNEL, newest)
        assert of_channel == [
            entry for entry in everything if "0x" + CHANNEL.hex() == entry.payload.get("channel_id")
        ]
        assert len(of_channel) >= 3
        assert daemon.api.record(2, 100, None, 3) == everything[2:4]
        up_to = of_channel[1].seq
        assert daemon.api.record(0, 100, CHANNEL, up_to) == of_channel[:2]
        assert [e.seq for e in daemon.api.record(0, 1, answer.objective_id, newest)] == [answer.seq]


async def test_one_call_reads_a_bounded_number_of_records(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        faults = [
            inputs.PeerFault(BOB.address, "malformed_frame", "junk", 9)
            for _ in range(LOG_READ_COUNT_MAX + 50)
        ]
        for fault in faults:
            assert daemon.engine.nowait(fault)
        await carry_out(daemon)
        assert daemon.log.next_seq > LOG_READ_COUNT_MAX + 50
        assert len(daemon.api.record(0, 10**9, None, daemon.api.seq)) == LOG_READ_COUNT_MAX


async def test_the_status_names_every_room_s_figures(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        await carry_out(daemon, open_command())
        status: Any = daemon.api.status()
        assert status["address"] == checksum_address(ALICE.address)
        assert status["chain_id"] == 31_337
        assert status["log"] == {
            "next_seq": daemon.log.next_seq,
            "chain_hash": "0x" + daemon.log.chain_hash.hex(),
        }
        assert status["snapshots"]["state"] == "none"
        assert status["chain"]["connected"] is False
        assert status["chain"]["view_age_s"] is None
        assert status["outbox"] == {"message_count": 1, "transaction_count": 0}
        assert status["peers"] == [
            {
                "address": checksum_address(BOB.address),
                "endpoint": "127.0.0.1:1234",
                "connected": False,
                "sent": 1,
                "acknowledged": 0,
                "received": 0,
                "fault_count": 0,
            }
        ]
        assert status["channels"] == {
            **{str(name): 0 for name in ChannelStatus},
            "proposed": 1,
        }


async def test_a_simulation_is_told_of_the_endpoints_and_of_none_of_their_secrets(
    tmp_path: Path,
) -> None:
    config = config_in(tmp_path)
    urls = ("wss://me:secret@one.example/v3/apikey", "wss://two.example", "wss://three.example")
    chain = replace(config.chain, urls=urls, quorum=2, confirmation_count=12)
    daemon = Daemon(replace(config, chain=chain), ALICE.secret)
    try:
        found = daemon.api.endpoints
        simulation = daemon.api.simulation(others_answer=True)
    finally:
        daemon.log.close()
    assert found == Endpoints("", 3, 2, 12), "none is connected yet"
    simulation.chain.endpoints = found
    assert keys_within(simulation) == []


async def test_the_engine_takes_snapshots_as_often_as_the_configuration_says(
    tmp_path: Path,
) -> None:
    config = replace(config_in(tmp_path), store=StoreConfig(100))
    daemon = Daemon(config, ALICE.secret)
    try:
        for number in range(1, 120):
            # Each of another peer: one that goes on like that is not listened to.
            who = number.to_bytes(20, "big")
            daemon.engine.nowait(inputs.PeerMessage(who, 1, None, 3, "gibberish"))
        status: Any = daemon.api.status()
        for _ in range(200):
            await carry_out(daemon)
            status = daemon.api.status()
            if status["snapshots"]["state"] == "complete":
                break
            await trio.sleep(0.01)
        assert status["snapshots"]["interval_records"] == 100
        assert status["snapshots"]["state"] == "complete"
        assert status["snapshots"]["kept_count"] == 1
    finally:
        daemon.log.close()


async def test_a_peer_that_is_in_no_address_book_is_shown_once_it_said_something(
    tmp_path: Path,
) -> None:
    with daemon_in(tmp_path) as daemon:
        daemon.engine.nowait(inputs.PeerMessage(IVAN.address, 1, None, 3, "gibberish"))
        await carry_out(daemon)
        rows: Any = daemon.api.status()["peers"]
        (row,) = [row for row in rows if row["address"] == checksum_address(IVAN.address)]
        assert row["endpoint"] is None
        assert (row["received"], row["fault_count"]) == (1, 1)


@pytest.mark.parametrize("until", ["durable", "receipt"])
async def test_refusals_come_back_as_the_answer(until: Any, tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        told: list[Answer | ProtocolError] = []
        command = commands.SendPayment(CHANNEL, 1, bytes(32))
        assert daemon.api.command_then(command, until, told.append)
        await carry_out(daemon)
        (refusal,) = told
        assert isinstance(refusal, ProtocolError)
        assert refusal.name() == "UNKNOWN_CHANNEL"


async def test_the_node_is_shown_as_it_was(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        begin = daemon.api.seq
        await carry_out(daemon, open_command())
        past = await daemon.api.at(AtRecord(begin))
        assert (past.seq, len(past.state.channels)) == (begin, 0)
        assert len(daemon.state.channels) == 1
        now = await daemon.api.at(AtRecord(daemon.api.seq))
        assert now.state.digest() == daemon.state.digest()
        assert daemon.api.seq_of(AtRecord(begin)) == begin
        (objective_id,) = now.state.objectives
        assert now.waiting_for(objective_id) == daemon.api.waiting_for(objective_id)
        assert now.status().keys() == daemon.api.status().keys()
        assert now.hub_status().keys() == daemon.api.hub_status().keys()
        with pytest.raises(MomentAhead):
            await daemon.api.at(AtRecord(daemon.api.seq + 1))
