"""Effects are data that outlives the process: every one survives the outbox's encoding."""

from __future__ import annotations

import msgspec
import pytest

from protocols.effects import (
    BroadcastTransaction,
    Effect,
    ReadHoldings,
    SendMessage,
    SubmitTransaction,
    message_key,
    outbox_key,
    reading_key,
    transaction_key,
)
from protocols.messages import encode_body
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import ADJUDICATOR, CHANNEL, payment

EFFECTS: dict[str, Effect] = {
    "message": SendMessage(BOB.address, 7, encode_body(payment(12, 5))),
    "transaction": SubmitTransaction(
        CHANNEL, "deposit", ADJUDICATOR, amount_to_bytes(2**256 - 1), b"\x01\x02"
    ),
    "broadcast": BroadcastTransaction(CHANNEL, b"\x02" * 32, b"\x03" * 110),
    "reading": ReadHoldings(CHANNEL, bytes(20)),
}


@pytest.mark.parametrize("tag", EFFECTS)
def test_every_effect_survives_its_encoding_under_its_tag(tag: str) -> None:
    encoded = msgspec.msgpack.encode(EFFECTS[tag])
    assert msgspec.msgpack.decode(encoded, type=Effect) == EFFECTS[tag]
    assert msgspec.msgpack.decode(encoded)[0] == tag


def test_there_is_a_sample_of_every_effect() -> None:
    assert {type(effect) for effect in EFFECTS.values()} == set(Effect.__args__)


def test_effects_are_frozen_and_equal_by_value() -> None:
    effect = EFFECTS["message"]
    again = SendMessage(BOB.address, 7, encode_body(payment(12, 5)))
    assert effect == again
    with pytest.raises(AttributeError):
        setattr(effect, "sequence", 8)  # noqa: B010


def test_messages_wait_in_the_order_of_their_numbers_peer_by_peer() -> None:
    numbers = (1, 2, 255, 256, 2**32, 2**48)
    keys = [message_key(BOB.address, number) for number in numbers]
    assert keys == sorted(keys)
    assert {len(key) for key in keys} == {29}
    assert not message_key(ALICE.address, 1).startswith(keys[0][:21])
    assert outbox_key(EFFECTS["message"]) == message_key(BOB.address, 7)


def test_the_broadcast_of_an_intent_takes_the_place_of_its_order() -> None:
    assert outbox_key(EFFECTS["transaction"]) == outbox_key(EFFECTS["broadcast"])
    assert outbox_key(EFFECTS["broadcast"]) == transaction_key(CHANNEL) == b"t" + CHANNEL


def test_a_channel_is_asked_about_once_at_a_time_beside_its_transactions() -> None:
    assert outbox_key(EFFECTS["reading"]) == reading_key(CHANNEL) == b"r" + CHANNEL
