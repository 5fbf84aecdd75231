"""Effects are data that outlives the process: every one survives the outbox's encoding."""

from __future__ import annotations

import msgspec
import pytest

from protocols.effects import BroadcastTransaction, Effect, SendMessage, SubmitTransaction
from protocols.messages import encode_body
from protocols.types import amount_to_bytes
from tests.support.actors import BOB
from tests.support.builders import ADJUDICATOR, CHANNEL, payment

EFFECTS: dict[str, Effect] = {
    "message": SendMessage(BOB.address, 7, encode_body(payment(12, 5))),
    "transaction": SubmitTransaction(
        CHANNEL, "deposit", ADJUDICATOR, amount_to_bytes(2**256 - 1), b"\x01\x02"
    ),
    "broadcast": BroadcastTransaction(CHANNEL, b"\x02" * 32, b"\x03" * 110),
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
