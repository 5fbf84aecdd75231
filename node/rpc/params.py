"""What each method takes: one Struct per method, checked to the last character.

Parameters come by name; an unknown one is refused, for a misspelt optional parameter would
otherwise be a silent default. Amounts are decimal or 0x-hex strings in the asset's smallest
unit, never JSON numbers, which many clients round. The Structs also make the schemas of
`rpc.discover`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Struct

from node.moments import Moment
from node.moments import parse_moment as moment_named
from node.rpc.bounds import (
    LIST_COUNT_MAX,
    LOG_READ_COUNT_MAX,
    PATH_COUNT_MAX,
    REQUEST_ID_LENGTH_MAX,
    TEXT_LENGTH_MAX,
)
from node.rpc.errors import InvalidParams
from protocols.channel import ChannelStatus
from protocols.errors import EncodingError
from protocols.event_codec import EVENTS
from protocols.objectives.base import ObjectiveStatus
from protocols.types import UINT48_MAX, UINT256_MAX, parse_address

_ZERO_ADDRESS_TEXT = "0x" + "00" * 20

AmountText = Annotated[
    str,
    Meta(
        description="Smallest unit of the asset, 0 to 2^256 - 1: decimal digits or 0x hex.",
        examples=["1000000000000000000", "0xde0b6b3a7640000"],
        extra_json_schema={"pattern": "^(0|[1-9][0-9]{0,77}|0x[0-9a-fA-F]{1,64})$"},
    ),
]
AddressText = Annotated[
    str,
    Meta(
        description="20 bytes in 0x hex; mixed case must carry the EIP-55 checksum.",
        examples=["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],
        extra_json_schema={"pattern": "^0x[0-9a-fA-F]{40}$"},
    ),
]
Hash32Text = Annotated[
    str,
    Meta(
        description="32 bytes in 0x hex.",
        examples=["0x" + "ab" * 32],
        extra_json_schema={"pattern": "^0x[0-9a-fA-F]{64}$"},
    ),
]
RequestIdText = Annotated[
    str,
    Meta(
        description="A name of your choice: a call repeated under it is answered, not done twice.",
        max_length=REQUEST_ID_LENGTH_MAX,
        examples=["invoice-2041"],
    ),
]
MomentText = Annotated[
    int | str,
    Meta(
        description="After which record: its number; or a time, with its zone or as seconds (s) or "
        "milliseconds (ms) since 1970: the last record by then; or a block: the record with which "
        "it was processed.",
        examples=[1234, "2026-11-21T10:00:00Z", "1763719200s", "block:123"],
    ),
]
ChallengeDuration = Annotated[int, Meta(ge=0, le=UINT48_MAX)]
"""Seconds."""
ChannelKind = Literal["direct", "ledger", "virtual", "app"]
"""direct: a payment channel funded on chain. virtual: one that ledgers carry."""
ShortText = Annotated[str, Meta(max_length=TEXT_LENGTH_MAX)]
EventNames = Annotated[list[str], Meta(max_length=len(EVENTS))]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]

P = TypeVar("P", bound="Params")


class Params(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Base of all parameter objects."""


class NoParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """A method without parameters."""


class MomentParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """A method that shows the node as a whole, now or at another moment."""

    at: MomentText | None = None
    """The moment to show; left out, now."""


class ChannelOpenParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Whom to pay, how much at most, and what carries the channel: the chain, or ledgers."""

    amount: AmountText
    """What can be paid at most: deposited on chain, or guaranteed by the ledgers of the path."""
    counterparty: AddressText | None = None
    """Who will be paid, unless the path says it; the configuration says where it listens."""
    asset: AddressText = _ZERO_ADDRESS_TEXT
    """The zero address is the chain's own currency."""
    counterparty_amount: AmountText = "0"
    """The payee's deposit; anything but 0 is refused."""
    challenge_duration_s: ChallengeDuration = 86_400
    """How long each side has to answer a challenge on chain."""
    path: Annotated[list[AddressText], Meta(max_length=PATH_COUNT_MAX)] | None = None
    """Over ledgers: the intermediaries in order, then the payee."""
    over_ledger: bool = False
    """Without a path: over our own ledger with the payee, nobody in between."""
    fees: Annotated[list[AmountText], Meta(max_length=PATH_COUNT_MAX)] | None = None
    """What each intermediary takes, in path order; left out, what the path quotes now."""
    fee_max: AmountText | None = None
    """What all of them together may take; nothing, unless `fees` or this says it."""
    request_id: RequestIdText = ""
    until: Literal["durable", "completed"] = "durable"
    """durable: answered once the proposal is on our disk. completed: once the channel is open."""


class ChannelCloseParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which channel to close."""

    channel_id: Hash32Text
    request_id: RequestIdText = ""
    until: Literal["durable", "completed"] = "durable"
    """durable: answered once the wish is on our disk. completed: once it is settled or paid
    out."""


class ChannelLeaveParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which channel to leave alone, or to leave no more."""

    channel_id: Hash32Text
    request_id: RequestIdText = ""
    until: Literal["durable", "completed"] = "durable"
    """durable: answered once the wish is on our disk. completed: once everything of ours is paid
    out, or the challenge is over."""


class ChannelPlanParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which channel would be left."""

    channel_id: Hash32Text


class ChannelGetParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which channel to show."""

    channel_id: Hash32Text
    at: MomentText | None = None
    """The moment to show; left out, now."""


class ChannelListParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which channels to show."""

    status: ChannelStatus | None = None
    """Only channels of this status."""
    kind: ChannelKind | None = None
    """Only channels of this kind."""
    after: Hash32Text | None = None
    """The last channel already seen; the list goes on behind it."""
    limit: Annotated[int, Meta(ge=1, le=LIST_COUNT_MAX)] = LIST_COUNT_MAX
    at: MomentText | None = None
    """The moment to show; left out, now."""


class LedgerOpenParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Whom to open a ledger with; we lead it."""

    counterparty: AddressText
    """The other party; the configuration says where it listens."""
    amount: AmountText
    """Our deposit."""
    asset: AddressText = _ZERO_ADDRESS_TEXT
    """The zero address is the chain's own currency."""
    counterparty_amount: AmountText = "0"
    """What the other party deposits, if it agrees."""
    challenge_duration_s: ChallengeDuration = 86_400
    """How long each side has to answer a challenge on chain."""
    request_id: RequestIdText = ""
    until: Literal["durable", "completed"] = "durable"
    """durable: answered once the proposal is on our disk. completed: once the ledger is open."""


class LedgerPayParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """How much of our balance to give to the other party of a ledger."""

    channel_id: Hash32Text
    amount: AmountText
    request_id: RequestIdText = ""
    """Ties the payment to the ledger's update; made up if none is given."""
    until: Literal["durable", "agreed"] = "durable"
    """durable: answered once the order is on our disk. agreed: once the other party signed it."""


class LedgerListParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which ledgers to show."""

    counterparty: AddressText | None = None
    """Only ledgers with this peer."""
    asset: AddressText | None = None
    """Only ledgers in this asset."""
    status: ChannelStatus | None = None
    """Only ledgers of this status."""
    after: Hash32Text | None = None
    """The last ledger already seen; the list goes on behind it."""
    limit: Annotated[int, Meta(ge=1, le=LIST_COUNT_MAX)] = LIST_COUNT_MAX
    at: MomentText | None = None
    """The moment to show; left out, now."""


class PaymentSendParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """How much to pay in which channel."""

    channel_id: Hash32Text
    amount: AmountText
    memo: ShortText = ""
    """Goes to the payee and into both logs, readable by nobody else."""
    request_id: RequestIdText = ""
    until: Literal["durable", "receipt"] = "durable"
    """durable: answered once the payment is on our disk. receipt: once the payee signed for it."""


class ObjectiveGetParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which objective to show."""

    objective_id: Hash32Text
    at: MomentText | None = None
    """The moment to show; left out, now."""


class ObjectiveListParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which objectives to show."""

    status: ObjectiveStatus | None = None
    """Only objectives of this status."""
    after: Hash32Text | None = None
    """The last objective already seen; the list goes on behind it."""
    limit: Annotated[int, Meta(ge=1, le=LIST_COUNT_MAX)] = LIST_COUNT_MAX
    at: MomentText | None = None
    """The moment to show; left out, now."""


class ObjectiveApproveParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which proposal of a peer to accept."""

    objective_id: Hash32Text
    request_id: RequestIdText = ""


class ObjectiveRejectParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which proposal of a peer to decline."""

    objective_id: Hash32Text
    reason: ShortText = "rejected by the owner"
    """Told to the peer."""
    request_id: RequestIdText = ""


class LogReadParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which part of the log to read; at most one of the two ids."""

    from_seq: Count = 0
    """The first record to read."""
    limit: Annotated[int, Meta(ge=1, le=LOG_READ_COUNT_MAX)] = 100
    """How many at most; large records make a page end earlier."""
    channel_id: Hash32Text | None = None
    """Only records about this channel."""
    objective_id: Hash32Text | None = None
    """Only records about this objective."""
    at: MomentText | None = None
    """Only records up to this moment."""
    names: EventNames | None = None
    """Only events of these names; all if left out."""
    peer: AddressText | None = None
    """Only records about this peer: what it did, and its channels."""


_VALIDATION_PLACE = re.compile(r"^(?P<reason>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_HEX_AMOUNT = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)
_SIGNED = re.compile(r"-[0-9]", re.ASCII)
_AMOUNT_DIGITS_MAX = len(str(UINT256_MAX))


def params_decoder(params: type[P]) -> Callable[[msgspec.Raw | None], P]:
    """A decoder of one method's parameters that raises `InvalidParams`."""
    decode = msgspec.json.Decoder(params).decode

    def decode_params(raw: msgspec.Raw | None) -> P:
        try:
            return decode(b"{}" if raw is None else raw)
        except msgspec.ValidationError as error:
            _refuse(raw, error)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise InvalidParams("params", str(error)) from error

    return decode_params


def _refuse(raw: msgspec.Raw | None, error: msgspec.ValidationError) -> NoReturn:
    if raw is not None and bytes(raw)[:1] == b"[":
        raise InvalidParams("params", "parameters go by name: send an object") from error
    place = _VALIDATION_PLACE.match(str(error))
    assert place is not None, "the pattern matches any text"
    raise InvalidParams(place["path"] or "params", place["reason"]) from error


def parse_amount(parameter: str, text: str) -> int:
    """An amount's number; `InvalidParams` says what is wrong with anything else."""
    if text.isascii() and text.isdigit() and (text[0] != "0" or text == "0"):
        # Digits first, because long texts are slow to convert.
        if len(text) <= _AMOUNT_DIGITS_MAX and (amount := int(text)) <= UINT256_MAX:
            return amount
        raise InvalidParams(parameter, "above 2^256 - 1")
    if _HEX_AMOUNT.fullmatch(text) is not None:
        return int(text, 16)
    if _SIGNED.match(text) is not None:
        raise InvalidParams(parameter, "an amount is never negative")
    raise InvalidParams(parameter, "expected a whole number in decimal digits or 0x hex")


def parse_hash32(parameter: str, text: str) -> bytes:
    """The 32 bytes of an id; `InvalidParams` for anything else."""
    if len(text) == 66 and text.isascii() and text[:2] == "0x" and text[2:].isalnum():
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            pass  # a letter above f: refused below like any other text
    raise InvalidParams(parameter, "expected 0x and 64 hex digits")


def parse_account(parameter: str, text: str) -> bytes:
    """The 20 bytes of an address; `InvalidParams` for anything else, a wrong checksum included."""
    try:
        return parse_address(text)
    except EncodingError as error:
        raise InvalidParams(parameter, str(error)) from error


def parse_moment(parameter: str, named: int | str) -> Moment:
    """The moment a caller names; `InvalidParams` for anything else."""
    try:
        return moment_named(named)
    except ValueError as error:
        raise InvalidParams(parameter, str(error)) from error
