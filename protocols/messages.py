"""Messages: what two nodes say to each other in a session: MessagePack arrays tagged by kind.

States travel as the bytes that are hashed, so a signature is checked over what was received.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from protocols.app_channel import RUN_MESSAGE_COUNT_MAX, ListedRefusal
from protocols.app_data import MESSAGE_SIZE_BYTES_MAX
from protocols.errors import InvalidEncoding
from protocols.log_head import LogHead
from protocols.state import FixedPart, fixed_part_of
from protocols.types import (
    Address,
    Amount32,
    Bytes32,
    ChannelId,
    ObjectiveId,
    PaymentId,
    Signature,
)

ENCODED_STATE_SIZE_BYTES_MAX = 131_072
"""A state of two allocations is under 1 KiB, a ledger's with 400 guarantees 101 KiB (M17)."""
TEXT_LENGTH_MAX = 256
"""Characters of a memo or a reason that a peer may send."""

Text = Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH_MAX)]
EncodedState = Annotated[bytes, msgspec.Meta(max_length=ENCODED_STATE_SIZE_BYTES_MAX)]
MaybeSignature = Annotated[bytes, msgspec.Meta(max_length=65)]
Signatures = Annotated[tuple[MaybeSignature, ...], msgspec.Meta(max_length=255)]
"""By participant; empty where the sender has none."""
BATCH_PAYMENT_COUNT_MAX = 1_000
"""Payments in one list: signing and the write cost one of them next to nothing already."""
BATCH_MEMO_SIZE_BYTES_MAX = 524_288
"""Memos of one list together, in UTF-8: with the rest of it half a frame is left."""
WireTurn = Annotated[int, msgspec.Meta(ge=0, le=2**48 - 1)]


class ChannelProposal(msgspec.Struct, frozen=True, array_like=True, tag="propose", gc=False):
    """The fixed part with the proposer's signed prefund state (turn 0)."""

    participants: Annotated[tuple[Address, ...], msgspec.Meta(max_length=255)]
    channel_nonce: Annotated[int, msgspec.Meta(ge=0)]
    app_definition: Address
    challenge_duration: Annotated[int, msgspec.Meta(ge=0, le=2**48 - 1)]
    encoded_state: EncodedState
    signature: Signature
    turn_rule: Annotated[str, msgspec.Meta(max_length=16)] = ""
    """Of an application channel: who may say something when."""


class SignedState(msgspec.Struct, frozen=True, array_like=True, tag="state", gc=False):
    """A state of a known channel with the sender's signature."""

    channel_id: ChannelId
    encoded_state: EncodedState
    signature: Signature
    receivers_signature: MaybeSignature = b""
    """On a final state, or one that a ledger's parties agreed on, the receiver's own, if the sender
    has it: the receiver may have lost it."""


class FinalStateRequest(msgspec.Struct, frozen=True, array_like=True, tag="close", gc=False):
    """Ask the payer to sign the final state first (M12), showing our largest voucher."""

    channel_id: ChannelId
    total: Amount32
    signature: MaybeSignature


class FinalStateRefusal(msgspec.Struct, frozen=True, array_like=True, tag="refuse", gc=False):
    """The sender never signs this final turn (M7); its largest voucher says why."""

    channel_id: ChannelId
    turn_num: Annotated[int, msgspec.Meta(ge=0, le=2**48 - 1)]
    total: Amount32
    signature: MaybeSignature


class ObjectiveRejection(msgspec.Struct, frozen=True, array_like=True, tag="reject", gc=False):
    """The sender takes no part in the proposed objective, and says why."""

    objective_id: ObjectiveId
    error_code: Text
    reason: Text


class Payment(msgspec.Struct, frozen=True, array_like=True, tag="pay", gc=False):
    """One payment under its own voucher."""

    channel_id: ChannelId
    payment_id: PaymentId
    amount: Amount32
    total: Amount32
    signature: Signature
    memo: Text = ""


class ListedPayment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One payment of a list."""

    payment_id: PaymentId
    amount: Amount32
    memo: Text = ""


class PaymentBatch(msgspec.Struct, frozen=True, array_like=True, tag="pay-all", gc=False):
    """A list of payments under one voucher, accepted whole or refused whole (M13)."""

    channel_id: ChannelId
    base: Amount32
    """The payee's largest accepted amount: what the list goes on from."""
    total: Amount32
    """The voucher's: the base and all amounts of the list."""
    signature: Signature
    payments: Annotated[
        tuple[ListedPayment, ...], msgspec.Meta(min_length=1, max_length=BATCH_PAYMENT_COUNT_MAX)
    ]


class PaymentRefusal(msgspec.Struct, frozen=True, array_like=True, tag="unpaid", gc=False):
    """The payee did not accept a payment, or a list, and says why."""

    channel_id: ChannelId
    payment_id: PaymentId
    """The last one's of a list."""
    total: Amount32
    accepted_total: Amount32
    """The payee's largest accepted voucher (M13: the base to go on from)."""
    error_code: Text
    reason: Text


class Receipt(msgspec.Struct, frozen=True, array_like=True, tag="receipt", gc=False):
    """The payee's signed acknowledgement (M13)."""

    channel_id: ChannelId
    total: Amount32
    payment_count: Annotated[int, msgspec.Meta(ge=0)]
    """Payments under the root; 0, and a root of zeros, for a voucher that was handed over."""
    root: Bytes32
    signature: Signature


class LedgerProposal(msgspec.Struct, frozen=True, array_like=True, tag="ledger", gc=False):
    """The leader signed the state that one more change of the ledger leads to."""

    channel_id: ChannelId
    turn_num: WireTurn
    kind: Annotated[str, msgspec.Meta(max_length=16)]
    target: ChannelId
    amount: Amount32
    left: Bytes32
    right: Bytes32
    left_amount: Amount32
    fee: Amount32
    signature: Signature
    """Over the whole resulting state."""
    request_id: Text = ""


class LedgerCountersignature(
    msgspec.Struct, frozen=True, array_like=True, tag="ledger-ok", gc=False
):
    """The follower signed that turn: it and all before it are agreed."""

    channel_id: ChannelId
    turn_num: WireTurn
    signature: Signature


class LedgerRefusal(msgspec.Struct, frozen=True, array_like=True, tag="ledger-no", gc=False):
    """The follower never signs that turn (M8), and says why."""

    channel_id: ChannelId
    turn_num: WireTurn
    error_code: Text
    reason: Text


class LedgerPaymentRequest(
    msgspec.Struct, frozen=True, array_like=True, tag="ledger-ask", gc=False
):
    """The follower asks the leader to take an amount of the follower's balance (M15)."""

    channel_id: ChannelId
    amount: Amount32
    request_id: Text


class LedgerPaymentRefusal(
    msgspec.Struct, frozen=True, array_like=True, tag="ledger-unpaid", gc=False
):
    """The leader will not propose the move that the follower asked for, and says why."""

    channel_id: ChannelId
    request_id: Text
    error_code: Text
    reason: Text


class LedgerResumption(msgspec.Struct, frozen=True, array_like=True, tag="ledger-resume", gc=False):
    """After a loss: what the sender knows to be agreed last, and holds of the receiver's log."""

    channel_id: ChannelId
    turn_num: WireTurn
    state_hash: Bytes32
    is_answer: bool
    """Whether the receiver asked."""
    head: LogHead | None = None


class VirtualProposal(msgspec.Struct, frozen=True, array_like=True, tag="vpropose", gc=False):
    """A virtual channel's fixed part, its prefund and every signature the sender has of it."""

    participants: Annotated[tuple[Address, ...], msgspec.Meta(max_length=255)]
    channel_nonce: Annotated[int, msgspec.Meta(ge=0)]
    app_definition: Address
    challenge_duration: Annotated[int, msgspec.Meta(ge=0, le=2**48 - 1)]
    encoded_state: EncodedState
    signatures: Signatures
    fees: Annotated[tuple[Amount32, ...], msgspec.Meta(max_length=255)]
    """By intermediary, in path order."""
    ledger_id: Annotated[bytes, msgspec.Meta(max_length=32)]
    """To a neighbour on the right: the ledger that carries the channel between us; else empty."""
    turn_rule: Annotated[str, msgspec.Meta(max_length=16)] = ""
    """Of an application channel: who may say something when."""


def fixed_part(proposal: ChannelProposal | VirtualProposal) -> FixedPart:
    """What never changes in the proposed channel. Raises InvalidWidth on a value out of shape."""
    return fixed_part_of(
        proposal.participants,
        proposal.channel_nonce,
        proposal.app_definition,
        proposal.challenge_duration,
    )


class VirtualState(msgspec.Struct, frozen=True, array_like=True, tag="vstate", gc=False):
    """A postfund or final state of a virtual channel with every signature the sender has of it."""

    channel_id: ChannelId
    encoded_state: EncodedState
    signatures: Signatures


class PostfundRenunciation(msgspec.Struct, frozen=True, array_like=True, tag="renounce", gc=False):
    """The sender never signed the postfund and never will (M16 b)."""

    channel_id: ChannelId
    error_code: Text
    reason: Text


class UnwindingRequest(msgspec.Struct, frozen=True, array_like=True, tag="unwind", gc=False):
    """The sender gives the channel up before it opened: please renounce the postfund."""

    channel_id: ChannelId
    error_code: Text
    reason: Text


AppPayload = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MESSAGE_SIZE_BYTES_MAX)]
MaybeDigest = Annotated[bytes, msgspec.Meta(max_length=32)]


class AppOffer(msgspec.Struct, frozen=True, array_like=True, tag="app-offer", gc=False):
    """Messages that the sender wants in the channel, unsigned (ADR 0086)."""

    channel_id: ChannelId
    base_count: WireTurn
    """Messages of the channel, as the sender knows it."""
    timestamp_ms: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    digest: MaybeDigest
    """Of the sender's view at the base."""
    payloads: Annotated[
        tuple[AppPayload, ...],
        msgspec.Meta(max_length=RUN_MESSAGE_COUNT_MAX),
    ]
    """None if what crossed the leader's messages is not offered again."""
    digests: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=RUN_MESSAGE_COUNT_MAX)]
    """Of the sender's view after each of them."""


class AppAnswer(msgspec.Struct, frozen=True, array_like=True, tag="app-answer", gc=False):
    """What the sender made of an offer, and its signature over the state that it leads to."""

    channel_id: ChannelId
    base_count: WireTurn
    decided_count: Annotated[int, msgspec.Meta(ge=0, le=RUN_MESSAGE_COUNT_MAX)]
    refusals: Annotated[tuple[ListedRefusal, ...], msgspec.Meta(max_length=RUN_MESSAGE_COUNT_MAX)]
    turn_num: WireTurn
    digest: MaybeDigest
    signature: MaybeSignature
    error_code: Text = ""
    """The rule that the offer broke as a whole; empty if its messages were judged."""


class AppConfirmation(msgspec.Struct, frozen=True, array_like=True, tag="app-confirm", gc=False):
    """The sender came to the same, and signed that turn too."""

    channel_id: ChannelId
    turn_num: WireTurn
    digest: MaybeDigest
    signature: Signature


class AppHalt(msgspec.Struct, frozen=True, array_like=True, tag="app-halt", gc=False):
    """The two ends do not come to the same: the sender signs nothing more but the end."""

    channel_id: ChannelId
    error_code: Text
    reason: Text


class AppStanding(msgspec.Struct, frozen=True, array_like=True, tag="app-standing", gc=False):
    """The newest running state that both ends signed: what the channel ends with (M27)."""

    channel_id: ChannelId
    encoded_state: EncodedState
    signatures: Annotated[tuple[Signature, ...], msgspec.Meta(min_length=2, max_length=2)]
    """By end."""


Body = (
    ChannelProposal
    | SignedState
    | FinalStateRequest
    | FinalStateRefusal
    | ObjectiveRejection
    | Payment
    | PaymentBatch
    | PaymentRefusal
    | Receipt
    | LedgerProposal
    | LedgerCountersignature
    | LedgerRefusal
    | LedgerPaymentRequest
    | LedgerPaymentRefusal
    | LedgerResumption
    | VirtualProposal
    | VirtualState
    | PostfundRenunciation
    | UnwindingRequest
    | AppOffer
    | AppAnswer
    | AppConfirmation
    | AppHalt
    | AppStanding
)

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Body] = msgspec.msgpack.Decoder(Body)


def encode_body(body: Body) -> bytes:
    """MessagePack array [tag, fields...]."""
    return _ENCODER.encode(body)


def decode_body(data: bytes) -> Body:
    """The inverse, bounded and validated; raises InvalidEncoding."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Text that is no UTF-8 is no DecodeError of msgspec.
        raise InvalidEncoding("message", str(error)[:TEXT_LENGTH_MAX]) from error
