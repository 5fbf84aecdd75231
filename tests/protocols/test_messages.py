"""Messages on the wire: round trips, bounds, and bytes that are none."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import messages
from protocols.app_channel import RUN_MESSAGE_COUNT_MAX, ListedRefusal
from protocols.app_data import MESSAGE_SIZE_BYTES_MAX
from protocols.errors import InvalidEncoding
from protocols.ledger import GUARANTEE_COUNT_MAX, Guarantee, LedgerVars, ledger_state
from protocols.log_head import LogHead
from protocols.messages import Body, decode_body, encode_body
from protocols.outcome import destination_of
from protocols.state import FixedPart
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import (
    CHANNEL,
    CONSENSUS_APP,
    final_refusal,
    final_request,
    payment,
    proposal,
    signed,
    state,
)

AMOUNT = amount_to_bytes(12)
BODIES: dict[str, Body] = {
    "propose": proposal(),
    "state": signed(state(1), BOB),
    "close": final_request(30),
    "refuse": final_refusal(3, 30),
    "reject": messages.ObjectiveRejection(CHANNEL, "POLICY_DENIED", "not today"),
    "pay": payment(12, 5, memo="東京"),
    "pay-all": messages.PaymentBatch(
        CHANNEL, AMOUNT, AMOUNT, bytes(65), (messages.ListedPayment(CHANNEL, AMOUNT, "東京"),)
    ),
    "unpaid": messages.PaymentRefusal(CHANNEL, CHANNEL, AMOUNT, AMOUNT, "X", "why"),
    "receipt": messages.Receipt(CHANNEL, AMOUNT, 3, bytes(32), bytes(65)),
    "ledger": messages.LedgerProposal(
        CHANNEL, 2, "add", CHANNEL, AMOUNT, CHANNEL, CHANNEL, AMOUNT, AMOUNT, bytes(65), "rent"
    ),
    "ledger-ok": messages.LedgerCountersignature(CHANNEL, 2, bytes(65)),
    "ledger-no": messages.LedgerRefusal(CHANNEL, 2, "FEE_TOO_LOW", "too low"),
    "ledger-ask": messages.LedgerPaymentRequest(CHANNEL, AMOUNT, "rent"),
    "ledger-unpaid": messages.LedgerPaymentRefusal(CHANNEL, "rent", "LEDGER_NOT_RUNNING", "closed"),
    "ledger-resume": messages.LedgerResumption(
        CHANNEL, 9, CHANNEL, True, LogHead(7, bytes(32), bytes(65))
    ),
    "vpropose": messages.VirtualProposal(
        (bytes(20), bytes(20)), 7, bytes(20), 60, b"s", (bytes(65), b""), (AMOUNT,), CHANNEL
    ),
    "vstate": messages.VirtualState(CHANNEL, b"s", (bytes(65), b"")),
    "renounce": messages.PostfundRenunciation(CHANNEL, "FEE_TOO_LOW", "too low"),
    "app-offer": messages.AppOffer(
        CHANNEL, 7, 2**40, bytes(32), (b"\x01", b"\xa1x"), (bytes(32), b"\x02" * 32)
    ),
    "app-answer": messages.AppAnswer(
        CHANNEL, 7, 2, (ListedRefusal(1, 0, "out-of-fuel"),), 9, bytes(32), bytes(65)
    ),
    "app-confirm": messages.AppConfirmation(CHANNEL, 9, bytes(32), bytes(65)),
    "app-halt": messages.AppHalt(CHANNEL, "DIGEST_DIFFERS", "ours 00, theirs 01"),
    "app-standing": messages.AppStanding(CHANNEL, b"s", (bytes(65), bytes(65))),
    "unwind": messages.UnwindingRequest(CHANNEL, "FEE_TOO_LOW", "too low"),
}


@pytest.mark.parametrize("tag", BODIES)
def test_every_message_survives_the_wire_under_its_tag(tag: str) -> None:
    encoded = encode_body(BODIES[tag])
    assert decode_body(encoded) == BODIES[tag]
    # Another implementation of MessagePack sees a plain array that begins with the tag.
    assert msgpack.unpackb(encoded)[0] == tag


def test_there_is_a_sample_of_every_kind_of_message() -> None:
    assert {type(body) for body in BODIES.values()} == set(Body.__args__)


def test_the_memo_may_be_left_out() -> None:
    fields = msgpack.unpackb(encode_body(payment(12, 5)))
    assert decode_body(msgpack.packb(fields[:-1])) == payment(12, 5)


def changed(tag: str, index: int, value: Any) -> bytes:
    fields = msgpack.unpackb(encode_body(BODIES[tag]))
    fields[index] = value
    return bytes(msgpack.packb(fields))


@pytest.mark.parametrize(
    ("tag", "index", "value"),
    [
        ("pay", 0, "paid"),
        ("pay", 0, 7),
        ("pay", 1, CHANNEL[:31]),
        ("pay", 1, CHANNEL + b"\x00"),
        ("pay", 1, "text"),
        ("pay", 3, 12),
        ("pay", 3, bytes(33)),
        ("pay", 5, bytes(64)),
        ("pay", 5, None),
        ("pay", 6, "x" * (messages.TEXT_LENGTH_MAX + 1)),
        ("reject", 3, "x" * (messages.TEXT_LENGTH_MAX + 1)),
        ("close", 3, bytes(66)),
        ("refuse", 2, -1),
        ("refuse", 2, 2**48),
        ("receipt", 3, -1),
        ("receipt", 3, 2.5),
        ("state", 2, bytes(messages.ENCODED_STATE_SIZE_BYTES_MAX + 1)),
        ("propose", 1, [ALICE.address] * 256),
        ("propose", 1, [ALICE.address[:19]]),
        ("propose", 2, -1),
        ("propose", 4, 2**48),
    ],
)
def test_a_field_out_of_its_bounds_is_refused(tag: str, index: int, value: Any) -> None:
    with pytest.raises(InvalidEncoding) as refusal:
        decode_body(changed(tag, index, value))
    assert refusal.value.what == "message"
    assert len(refusal.value.reason) <= messages.TEXT_LENGTH_MAX


def test_a_missing_field_is_refused() -> None:
    fields = msgpack.unpackb(encode_body(BODIES["receipt"]))
    with pytest.raises(InvalidEncoding):
        decode_body(msgpack.packb(fields[:-1]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",
        b"\x90",
        b"\x91\xa3pay",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\xa3pay",
        b"\xff" * 10,
        encode_body(BODIES["pay"]) + b"\x00",
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        decode_body(data)


def test_text_that_is_no_utf_8_is_refused() -> None:
    encoded = encode_body(payment(12, 5, memo="abcd")).replace(b"abcd", b"\xff\xfe\xff\xfe")
    with pytest.raises(InvalidEncoding):
        decode_body(encoded)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_are_a_message(data: bytes) -> None:
    try:
        body = decode_body(data)
    except InvalidEncoding:
        return
    assert decode_body(encode_body(body)) == body


@given(st.sampled_from(sorted(BODIES)), st.data())
def test_a_message_with_one_byte_changed_is_refused_or_another_message(
    tag: str, data: st.DataObject
) -> None:
    encoded = bytearray(encode_body(BODIES[tag]))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        body = decode_body(bytes(encoded))
    except InvalidEncoding:
        return
    assert isinstance(body, msgspec.Struct)
    assert encode_body(body) != encode_body(BODIES[tag])


def test_a_ledger_with_all_guarantees_it_may_have_fits_into_a_message() -> None:
    owner = destination_of(ALICE.address)
    guarantees = tuple(
        Guarantee(number.to_bytes(32, "big"), 1, owner, owner)
        for number in range(1, GUARANTEE_COUNT_MAX + 1)
    )
    fixed = FixedPart((ALICE.address, BOB.address), 1, CONSENSUS_APP, 3_600)
    state = ledger_state(fixed, ZERO_ADDRESS, LedgerVars(1, 1, guarantees), 5)
    body = messages.SignedState(state.channel_id, state.encode(), bytes(65), bytes(65))
    assert decode_body(encode_body(body)) == body


def test_the_largest_offer_leaves_half_of_a_frame() -> None:
    payloads = (bytes(MESSAGE_SIZE_BYTES_MAX),) * RUN_MESSAGE_COUNT_MAX
    encoded = encode_body(messages.AppOffer(CHANNEL, 7, 2**40, bytes(32), payloads, ()))
    assert len(encoded) < 1_048_576 * 0.51


def test_an_older_nodes_proposal_has_no_rule_of_turns() -> None:
    fields = msgpack.unpackb(encode_body(proposal()))
    assert decode_body(msgpack.packb(fields[:-1])) == proposal()
