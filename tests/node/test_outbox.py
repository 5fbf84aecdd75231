"""The outbox: effects leave when told, leave again when asked, and end by events alone."""

from __future__ import annotations

from node.faults import Faults
from node.outbox import Outbox
from protocols import events
from protocols.effects import (
    BroadcastTransaction,
    ReadHoldings,
    SendMessage,
    SubmitTransaction,
    message_key,
    outbox_key,
    transaction_key,
)
from tests.support.actors import BOB, IVAN
from tests.support.builders import CHANNEL, open_command, signed, state
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


def test_a_channel_is_asked_about_until_the_chain_answered() -> None:
    question = ReadHoldings(CHANNEL, bytes(20))
    box, _, journal = outbox()
    box.load([question])
    assert (box.message_count, box.transaction_count) == (0, 0)
    box.resume_transactions()
    box.release([question])
    assert journal.of("read") == [question] * 2
    answer = events.HoldingsRead(CHANNEL, bytes(20), bytes(32), 3, b"b" * 32, 0)
    assert box.settled_keys(answer) == [outbox_key(question)]
    box.settle(answer)
    box.resume_transactions()
    assert journal.of("read") == [question] * 2


def test_settled_keys_are_those_the_effects_were_stored_under() -> None:
    box, _, _ = outbox()
    box.load([message(3), message(4), message(5), message(1, IVAN.address), SIGNED])
    keys = box.settled_keys(events.PeerAcknowledged(BOB.address, 4))
    assert keys == [outbox_key(message(3)), outbox_key(message(4))]
    assert keys == [message_key(BOB.address, 3), message_key(BOB.address, 4)]
    assert box.settled_keys(mined(INTENT)) == [outbox_key(SIGNED)]
    assert outbox_key(SIGNED) == outbox_key(ORDER) == transaction_key(INTENT)
    assert box.settled_keys(events.TransactionFailed(INTENT, "")) == [transaction_key(INTENT)]
    assert box.settled_keys(events.PeerMisbehaved(BOB.address, "x", "y", 1)) == []


def test_an_acknowledgement_settles_what_is_here_whatever_number_it_names() -> None:
    box, _, _ = outbox()
    box.load([message(3), message(2**40)])
    everything = events.PeerAcknowledged(BOB.address, 2**48)
    assert box.settled_keys(everything) == [
        message_key(BOB.address, 3),
        message_key(BOB.address, 2**40),
    ]
    assert box.settled_keys(events.PeerAcknowledged(IVAN.address, 2**48)) == []


def test_what_waits_for_a_peer_is_counted_by_peer() -> None:
    box, _, _ = outbox()
    box.load([message(1), message(2), message(1, IVAN.address), ORDER])
    assert [box.waiting_count(who) for who in (BOB.address, IVAN.address, bytes(20))] == [2, 1, 0]
    box.settle(events.PeerAcknowledged(BOB.address, 1))
    assert box.waiting_count(BOB.address) == 1


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
