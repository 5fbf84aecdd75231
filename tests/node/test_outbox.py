"""The outbox: effects leave when told, leave again when asked, and end by events alone."""

from __future__ import annotations

from node.faults import Faults
from node.outbox import Outbox, settled_keys
from protocols import events
from protocols.effects import (
    BroadcastTransaction,
    SendMessage,
    SubmitTransaction,
    message_key,
    outbox_key,
    transaction_key,
)
from protocols.node_state import NodeState, apply
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.builders import open_command, signed, state
from tests.support.engine_rig import ChainDoor, Journal, PeerDoor, Rig, opened, pay

INTENT = b"i" * 32
OTHER = b"o" * 32
ORDER = SubmitTransaction(INTENT, "deposit", bytes(20), bytes(32), b"call")
SIGNED = BroadcastTransaction(INTENT, b"h" * 32, b"raw")


def message(number: int, peer: bytes = BOB.address) -> SendMessage:
    return SendMessage(peer, number, b"body %d" % number)


def outbox() -> tuple[Outbox, PeerDoor, Journal]:
    journal = Journal()
    peers = PeerDoor(journal)
    return Outbox(peers, ChainDoor(journal), Faults()), peers, journal


def mined(intent_id: bytes) -> events.TransactionMined:
    return events.TransactionMined(
        intent_id, b"h" * 32, 1, b"b" * 32, 50_000, bytes(32), succeeded=True
    )


def test_messages_of_one_release_leave_in_one_send_for_each_peer() -> None:
    box, _, journal = outbox()
    box.release([message(1), message(1, IVAN.address), message(2), message(2, IVAN.address)])
    assert journal.entries == [("send", (BOB.address, [1, 2])), ("send", (IVAN.address, [1, 2]))]


def test_what_is_loaded_leaves_only_when_somebody_is_there() -> None:
    box, _, journal = outbox()
    box.load([message(4), message(5), ORDER])
    assert journal.entries == []
    assert (box.message_count, box.transaction_count) == (2, 1)
    box.resume_messages(BOB.address, 0)
    assert journal.of("send") == [(BOB.address, [4, 5])]
    box.resume_transactions()
    assert journal.of("request") == [ORDER]


def test_a_peer_that_connects_gets_only_what_it_says_it_misses() -> None:
    box, _, journal = outbox()
    box.load([message(4), message(5), message(6)])
    box.resume_messages(BOB.address, 5)
    assert journal.of("send") == [(BOB.address, [6])]
    box.resume_messages(BOB.address, 6)
    box.resume_messages(IVAN.address, 0)
    assert len(journal.of("send")) == 1


def test_sending_settles_nothing() -> None:
    box, _, journal = outbox()
    box.release([message(1), SIGNED])
    for _ in range(3):
        box.resume_messages(BOB.address, 0)
        box.resume_transactions()
    assert journal.of("send") == [(BOB.address, [1])] * 4
    assert journal.of("broadcast") == [SIGNED] * 4
    assert (box.message_count, box.transaction_count) == (1, 1)


def test_what_a_peer_claims_to_have_is_kept_until_the_event() -> None:
    box, _, _ = outbox()
    box.load([message(1), message(2)])
    box.resume_messages(BOB.address, 2)
    assert box.message_count == 2
    box.settle(events.PeerAcknowledged(BOB.address, 1))
    assert box.message_count == 1
    box.settle(events.PeerAcknowledged(BOB.address, 2))
    assert box.message_count == 0


def test_an_acknowledgement_settles_nothing_of_another_peer() -> None:
    box, _, journal = outbox()
    box.load([message(1), message(1, IVAN.address)])
    box.settle(events.PeerAcknowledged(IVAN.address, 1))
    box.resume_messages(BOB.address, 0)
    assert journal.of("send") == [(BOB.address, [1])]


def test_signed_bytes_take_the_place_of_the_order_to_sign() -> None:
    box, _, journal = outbox()
    box.release([ORDER])
    box.release([SIGNED])
    assert box.transaction_count == 1
    journal.clear()
    box.resume_transactions()
    assert journal.entries == [("broadcast", SIGNED)]


def test_an_intent_ends_mined_or_failed_and_the_chain_room_is_told() -> None:
    box, _, journal = outbox()
    box.load([SIGNED, SubmitTransaction(OTHER, "deposit", bytes(20), bytes(32), b"")])
    box.settle(mined(INTENT))
    box.settle(events.TransactionFailed(OTHER, "reverted"))
    assert journal.of("settle") == [INTENT, OTHER]
    assert box.transaction_count == 0
    box.settle(mined(INTENT))
    assert box.transaction_count == 0


def test_settled_keys_are_those_the_effects_were_stored_under() -> None:
    world = NodeState()
    apply(world, events.NodeCreated(1, 1, b"a" * 20, b"v" * 20, b"c" * 20, ALICE.address), 0)
    apply(world, events.DeliveryResumed(BOB.address, 5, 0), 0)
    apply(world, events.PeerAcknowledged(BOB.address, 2), 0)
    keys = list(settled_keys(world, events.PeerAcknowledged(BOB.address, 4)))
    assert keys == [outbox_key(message(3)), outbox_key(message(4))]
    assert keys == [message_key(BOB.address, 3), message_key(BOB.address, 4)]
    assert list(settled_keys(world, mined(INTENT))) == [outbox_key(SIGNED)]
    assert outbox_key(SIGNED) == outbox_key(ORDER) == transaction_key(INTENT)
    assert list(settled_keys(world, events.TransactionFailed(INTENT, ""))) == [
        transaction_key(INTENT)
    ]
    assert not list(settled_keys(world, events.PeerMisbehaved(BOB.address, "x", "y", 1)))


async def test_after_a_restart_everything_unsettled_leaves_again_in_order() -> None:
    rig = Rig()
    await rig.answer(open_command())
    await rig.take(rig.said(BOB, signed(state(0), BOB)))
    assert len(rig.journal.of("request")) == 1
    sent = list(rig.peers.inbox[BOB.address])
    rig = rig.restarted()
    assert rig.journal.order == []
    rig.outbox.resume_messages(BOB.address, 0)
    rig.outbox.resume_transactions()
    assert rig.peers.inbox[BOB.address] == sent
    assert len(rig.journal.of("request")) == 1


async def test_more_than_nine_messages_are_taken_up_in_the_order_of_their_numbers() -> None:
    rig = await opened()
    await rig.take(*(pay(1, number) for number in range(1, 301)))
    rig = rig.restarted()
    rig.outbox.resume_messages(BOB.address, 0)
    ((_, numbers),) = rig.journal.of("send")
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 300
