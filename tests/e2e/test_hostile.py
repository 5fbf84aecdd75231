"""Hostile peers: no handshake, a wrong identity, broken frames, replayed and senseless messages.

Each is refused by its own name, and bob goes on.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from msgspec.structs import replace

from node.misbehaviour import RECORDED_FAULT_COUNT
from node.p2p.connection import secure
from node.p2p.errors import ConnectionLost, HandshakeFailed
from node.p2p.framing import Message
from node.p2p.noise import Handshake
from protocols import events, messages
from protocols.crypto import Signer
from tests.support.daemons import Network
from tests.support.e2e_rig import log_lines, records
from tests.support.hostile_peer import TIMEOUT_S, Mallory, eventually, peer_endpoint

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("bob_goes_on")]

STRANGER = Signer(b"\x77" * 32)


# --- before and in the handshake ---


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x00\x00", b"\xff\xff", b"\x00\x20" + bytes(32), b"GET / HTTP/1.1\r\n\r\n" * 50],
    ids=["nothing", "empty record", "endless record", "zero key", "http"],
)
async def test_a_stranger_that_speaks_no_handshake_leaves_no_trace(
    garbage: bytes, attacked: Network
) -> None:
    before = traces(attacked)
    stream = await trio.open_tcp_stream(*peer_endpoint(attacked.bob))
    async with stream:
        if garbage:
            await stream.send_all(garbage)
        await stream.send_eof()
        with trio.fail_after(TIMEOUT_S):
            try:
                while await stream.receive_some(4_096):
                    pass
            except trio.BrokenResourceError:
                pass
    assert traces(attacked) == before


def traces(attacked: Network) -> tuple[list[str], int]:
    """Whom bob knows, and how many faults stand in his log."""
    known = [peer["address"] for peer in attacked.bob.call("node_status")["peers"]]
    faults = (events.PeerMisbehaved, events.MessageDropped)
    return known, sum(isinstance(event, faults) for event in records(attacked.bob))


async def test_idle_strangers_do_not_keep_a_peer_out(attacked: Network, mallory: Mallory) -> None:
    streams = [await trio.open_tcp_stream(*peer_endpoint(attacked.bob)) for _ in range(100)]
    try:
        async with mallory.session():
            pass
    finally:
        for stream in streams:
            await stream.aclose()


async def test_an_identity_that_was_not_proved_is_refused(mallory: Mallory) -> None:
    async with mallory.dialled() as connection:
        await mallory.write(mallory.hello(address=STRANGER.address))
        await mallory.listen_until_the_end(connection)
        assert await mallory.refused() == "wrong_hello_address"


async def test_an_impostor_at_bobs_address_gets_nothing_of_alice(attacked: Network) -> None:
    host, port = peer_endpoint(attacked.bob)
    assert attacked.bob.stop() == 0
    met: list[Exception] = []

    async def pretend(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                handshake = Handshake(STRANGER, initiator=False, expected=None)
                connection = await secure(stream, handshake)
                met.append(AssertionError(f"alice said {await connection.receive_one()}"))
            except (HandshakeFailed, ConnectionLost) as error:
                met.append(error)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(port, host=host)
        nursery.start_soon(trio.serve_listeners, pretend, listeners)
        await eventually("alice has dialled", lambda: met)
        await eventually(
            "alice says so",
            lambda: any(line.get("code") == "wrong_identity" for line in log_lines(attacked.alice)),
        )
        nursery.cancel_scope.cancel()
    assert all(isinstance(error, HandshakeFailed | ConnectionLost) for error in met)
    attacked.bob.start()
    await eventually(
        "they are connected again",
        lambda: any(peer["connected"] for peer in attacked.alice.call("node_status")["peers"]),
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"chain_id": 1}, "wrong_chain_id"),
        ({"adjudicator": b"\x11" * 20}, "wrong_adjudicator"),
    ],
    ids=["chain id", "adjudicator"],
)
async def test_a_peer_of_another_deployment_is_refused(
    change: dict[str, Any], code: str, mallory: Mallory
) -> None:
    async with mallory.dialled() as connection:
        await mallory.write(mallory.hello(**change))
        await mallory.listen_until_the_end(connection)
        assert await mallory.refused() == code


# --- frames ---

MALFORMED = {
    "not msgpack": (b"\x00\x00\x00\x03\xc1\xc1\xc1", "malformed_frame"),
    "another tag": (b"\x00\x00\x00\x02\x91\x63", "malformed_frame"),
    "another type": (b"\x00\x00\x00\x06\x94\x01\xa1x\x00\xc4\x00", "malformed_frame"),
    "no fields": (b"\x00\x00\x00\x02\x91\x01", "malformed_frame"),
    "nested": (b"\x00\x00\x10\x00" + b"\x91" * 4_096, "malformed_frame"),
    "sequence 0": (b"\x00\x00\x00\x06\x94\x01\x00\x00\xc4\x00", "malformed_frame"),
    "oversized": ((1_048_577).to_bytes(4, "big") + bytes(100), "frame_too_large"),
    "oversized by far": (b"\xff\xff\xff\xff", "frame_too_large"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_frame_that_is_none_ends_the_session_and_is_recorded(
    name: str, mallory: Mallory
) -> None:
    plaintext, code = MALFORMED[name]
    async with mallory.session():
        await mallory.write_plaintext(plaintext)
        assert await mallory.refused() == code
    await eventually("it is recorded", lambda: mallory.row()["fault_count"] == 1)
    faults = [e for e in records(mallory.victim) if isinstance(e, events.PeerMisbehaved)]
    (fault,) = [event for event in faults if event.peer == mallory.address]
    assert fault.error_code == code


async def test_bytes_that_are_not_sealed_end_the_session(mallory: Mallory) -> None:
    async with mallory.session():
        await mallory.write_raw(b"\x00\x40" + bytes(64))
        assert await mallory.refused() == "decryption_failed"


async def test_a_record_that_comes_twice_ends_the_session(mallory: Mallory) -> None:
    async with mallory.session():
        record = mallory.sealed(Message(1, 0, messages.encode_body(mallory.proposal())))
        await mallory.write_raw(record)
        await mallory.write_raw(record)
        assert await mallory.refused() == "decryption_failed"
    # The session may end before the engine has come to what it brought.
    await eventually("the first is taken in", lambda: mallory.row()["received"] == 1)


async def test_a_second_hello_ends_the_session(mallory: Mallory) -> None:
    async with mallory.session():
        await mallory.write(mallory.hello())
        assert await mallory.refused() == "unexpected_frame"


async def test_a_flood_of_faults_is_recorded_in_bounds_and_ends_in_expulsion(
    mallory: Mallory,
) -> None:
    async with mallory.session():
        # In one write: a message that finds the door closed would reset the connection, and with
        # it what the daemon said last.
        flood = [Message(number, 0, b"junk") for number in range(1, 2_001)]
        await mallory.write(*flood)
        assert await mallory.refused() == "peer_expelled"
    async with mallory.dialled() as connection:
        recorded = mallory.dropped()
        await mallory.write(mallory.hello(), *flood)
        await mallory.listen_until_the_end(connection)
        assert await mallory.refused() == "peer_expelled"
    # Of what was under way when the door closed nothing is recorded, nor of what comes after that.
    assert len(recorded) == RECORDED_FAULT_COUNT + 1
    assert mallory.dropped() == recorded


async def test_a_peer_that_says_the_same_for_ever_is_expelled(mallory: Mallory) -> None:
    proposal = messages.encode_body(mallory.proposal())
    async with mallory.session():
        await mallory.write(*(Message(number, 0, proposal) for number in range(1, 61)))
        assert await mallory.refused() == "peer_expelled"
    assert mallory.dropped() == []
    async with mallory.dialled() as connection:
        await mallory.write(mallory.hello())
        await mallory.listen_until_the_end(connection)
        assert await mallory.refused() == "peer_expelled"


# --- numbered messages ---

JUNK = {
    "nothing": b"",
    "not msgpack": b"\xc1",
    "another tag": b"\x92\xa4gift\x01",
    "bad text": b"\x96\xa3pay\xa2\xff\xff\x01\x01\x01\x01",
    "oversized": b"\xc6" + (1_000_000).to_bytes(4, "big") + bytes(1_000_000),
    "state too large": messages.encode_body(
        messages.SignedState(bytes(32), bytes(messages.ENCODED_STATE_SIZE_BYTES_MAX + 1), bytes(65))
    ),
    "memo too long": messages.encode_body(
        messages.Payment(bytes(32), bytes(32), bytes(32), bytes(32), bytes(65), "x" * 257)
    ),
    "short id": messages.encode_body(messages.FinalStateRequest(bytes(31), bytes(32), b"")),
    "amount of 33 bytes": messages.encode_body(
        messages.FinalStateRequest(bytes(32), bytes(33), b"")
    ),
}


@pytest.mark.parametrize("name", JUNK)
async def test_a_body_that_is_none_is_dropped_and_the_conversation_goes_on(
    name: str, mallory: Mallory
) -> None:
    async with mallory.session():
        await mallory.say(JUNK[name])
        assert (await mallory.drops()).error_code == "decode_failed"
        await mallory.say(mallory.proposal())
        await mallory.hears(messages.SignedState)
        assert mallory.row()["received"] == 2


async def test_a_replayed_message_is_taken_in_once(mallory: Mallory) -> None:
    async with mallory.session():
        number = await mallory.say(mallory.proposal())
        await mallory.hears(messages.SignedState)
        for _ in range(5):
            await mallory.repeat(number, mallory.proposal())
        await mallory.say(b"junk")
        await mallory.drops()
        assert mallory.row()["received"] == number + 1
        assert len(mallory.all(messages.SignedState)) == 1
    async with mallory.session():
        await mallory.repeat(number, mallory.proposal())
        await mallory.say(b"junk")
        await mallory.drops(2)
        assert mallory.row()["received"] == number + 2


async def test_a_proposal_said_again_is_answered_with_what_was_signed_before(
    mallory: Mallory,
) -> None:
    async with mallory.session():
        await mallory.say(mallory.proposal())
        first = await mallory.hears(messages.SignedState)
        await mallory.say(mallory.proposal())
        assert await mallory.hears(messages.SignedState, 2) == first
    channels = mallory.victim.call("channel_list")["channels"]
    assert sum(c["counterparty"] == mallory.spelt for c in channels) == 1


async def test_another_proposal_for_a_channel_that_was_seen_is_a_replay(mallory: Mallory) -> None:
    good = mallory.proposal()
    state = mallory.state(0)
    (exit_,) = state.outcome
    more, nothing = replace(exit_.allocations[0], amount=5), exit_.allocations[1]
    richer = replace(state, outcome=(replace(exit_, allocations=(more, nothing)),))
    signature = mallory.signer(richer.state_hash())
    async with mallory.session():
        await mallory.say(good)
        await mallory.hears(messages.SignedState)
        await mallory.say(replace(good, encoded_state=richer.encode(), signature=signature))
        assert (await mallory.drops()).error_code == "replay_attack"


async def test_a_message_above_a_gap_is_not_taken_in(mallory: Mallory) -> None:
    async with mallory.session():
        await mallory.repeat(7, mallory.proposal())
        await mallory.repeat(2**62, mallory.proposal())
        await mallory.say(b"junk")
        await mallory.drops()
        assert mallory.row()["received"] == 1
        assert mallory.all(messages.SignedState) == []
