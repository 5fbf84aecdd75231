"""Hostile leaders of ledgers: refused by name, undone, and expelled when they persist.

Bob goes on after each.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from node.p2p.framing import Message
from protocols import messages
from protocols.ledger import ADD, MOVE, NO_TARGET, Change, inverse, parties
from protocols.types import to_hex
from tests.support.hostile_ledger import HostileLedger
from tests.support.hostile_peer import Mallory

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("bob_goes_on")]

FLOOD_COUNT = 60


@pytest.fixture
def ledger(mallory: Mallory) -> HostileLedger:
    """One that mallory leads; `open` it first."""
    return HostileLedger(mallory)


async def test_a_leader_that_takes_back_what_it_gave_is_refused_and_undone(
    ledger: HostileLedger,
) -> None:
    mallory, (ours, theirs) = ledger.mallory, parties(ledger.fixed)
    async with mallory.session():
        await ledger.open()
        await ledger.propose(Change(MOVE, NO_TARGET, 500, ours, theirs))
        assert (await mallory.hears(messages.LedgerCountersignature)).turn_num == 2
        theft = Change(MOVE, NO_TARGET, 200, theirs, ours)
        turn_num = await ledger.propose(theft)
        refusal = await mallory.hears(messages.LedgerRefusal)
        assert (refusal.turn_num, refusal.error_code) == (turn_num, "LEDGER_BALANCE_FALLS")
        empty = Change(ADD, b"\xee" * 32, 10, ours, theirs, 10)
        await ledger.propose(inverse(theft))
        assert (await mallory.hears(messages.LedgerCountersignature, 2)).turn_num == turn_num + 1
        await ledger.propose(empty)
        refusal = await mallory.hears(messages.LedgerRefusal, 2)
        assert refusal.error_code == "PROPOSAL_NOT_EXPECTED"
    shown = mallory.victim.call("channel_get", channel_id=to_hex(ledger.channel_id))
    assert shown["turn_num"] == turn_num + 1
    assert shown["ledger"]["balance"] == "500"


def floods(ledger: HostileLedger) -> Iterator[tuple[str, messages.Body]]:
    """What is said over and over, by the name it is refused by."""
    ours, theirs = parties(ledger.fixed)
    honest = ledger.next(Change(MOVE, NO_TARGET, 1, ours, theirs))
    channel = ledger.virtual_proposal(1)
    yield "PROPOSAL_SIGNATURE_WRONG", replace(honest, signature=bytes(65))
    yield "LEDGER_TURN_WRONG", replace(honest, turn_num=9)
    circle = (*channel.participants, channel.participants[0])
    yield "PATH_REFUSED", ledger.virtual_proposal(1, circle)
    forged = ledger.mallory.signer(bytes(32))
    yield "WRONG_SIGNER", replace(channel, signatures=(forged, b""))


@pytest.mark.parametrize("place", range(4), ids=["signature", "turn", "cycle", "payer"])
async def test_a_leader_that_persists_is_recorded_in_bounds_and_expelled(
    place: int, ledger: HostileLedger
) -> None:
    mallory = ledger.mallory
    async with mallory.session():
        await ledger.open()
        name, body = list(floods(ledger))[place]
        data, first = messages.encode_body(body), mallory.sequence + 1
        # In one write: a message that finds the door closed would reset the connection.
        await mallory.write(
            *(Message(number, 0, data) for number in range(first, first + FLOOD_COUNT))
        )
        assert await mallory.refused() == "peer_expelled"
    dropped = mallory.dropped()
    assert 10 < len(dropped) <= FLOOD_COUNT
    assert all(event.reason.startswith(name) for event in dropped)
    async with mallory.dialled() as connection:
        await mallory.write(mallory.hello())
        await mallory.listen_until_the_end(connection)
        assert await mallory.refused() == "peer_expelled"


async def test_a_payer_over_a_ledger_cannot_pay_without_its_guarantee(
    ledger: HostileLedger,
) -> None:
    """The prefund alone carries nothing."""
    mallory = ledger.mallory
    async with mallory.session():
        await ledger.open()
        body = ledger.virtual_proposal(2)
        await mallory.say(body)
        answer = await mallory.hears(messages.VirtualProposal)
        assert answer.signatures[1]
        channel_id = replace(
            ledger.fixed, channel_nonce=body.channel_nonce, app_definition=body.app_definition
        ).channel_id()
        await mallory.say(mallory.payment(channel_id, 5, 5))
        refusal = await mallory.hears(messages.PaymentRefusal)
        assert refusal.error_code == "CHANNEL_NOT_OPEN"
