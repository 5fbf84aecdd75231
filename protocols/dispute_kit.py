"""Dispute kits: all that leaves a channel alone from a machine that has nothing else (M21).

One JSON document: byte strings as 0x hex, amounts and the nonce as decimal strings, times in
seconds unless the name says otherwise. Its checksum finds damage; that what it says is right is
checked against signatures when it is read (`dispute_reading`). How it is made is in
`dispute_making`. Holds no key. Pure: where the bytes lie is not known here.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from protocols.crypto import keccak256
from protocols.exit_errors import KitDamaged, KitTooNew
from protocols.types import to_hex

KIT_FORMAT = "tally-dispute-kit"
KIT_VERSION = 1

KIT_SIZE_BYTES_MAX = 64 * 2**20
"""A ledger with the most guarantees, and every channel under them, takes a fifth of it."""
KIT_CHANNEL_COUNT_MAX = 1_024
"""Two ledgers with all they may guarantee are 802."""
KIT_STATE_COUNT_MAX = 64
"""Of one channel: honest parties sign five, or six."""


class KitState(Struct, frozen=True, forbid_unknown_fields=True):
    """A state and the signatures that the exporter holds of it."""

    turn_num: int
    is_final: bool
    state_hash: str
    encoded_state: str
    """What was signed, ABI-encoded."""
    signatures: list[str]
    """By participant, with the v that recovers its signer (M9); "0x" where missing."""


class KitVoucher(Struct, frozen=True, forbid_unknown_fields=True):
    """The largest voucher."""

    amount: str
    signature: str
    """The payer's."""


class KitPath(Struct, frozen=True, forbid_unknown_fields=True):
    """What carries a virtual channel on the exporter's side; "0x" where nothing does."""

    left_ledger: str
    right_ledger: str
    fees: list[str]
    """By intermediary, in path order."""


class KitChallenge(Struct, frozen=True, forbid_unknown_fields=True):
    """The exporter's signature as the challenger, made in advance."""

    turn_num: int
    state_hash: str
    signature: str


class KitOnChain(Struct, frozen=True, forbid_unknown_fields=True):
    """What the adjudicator kept of the channel, confirmed, at the kit's block."""

    status: str
    """open, challenged, expired or concluded."""
    held: str
    turn_num: int
    finalizes_at: int
    """Chain seconds; 0 without a challenge or a conclusion."""
    state_hash: str
    first_outcome: str
    """As of the challenge or the conclusion, ABI-encoded; "0x" if there is none."""
    outcome: str
    """As it stood then."""


class KitCall(Struct, frozen=True, forbid_unknown_fields=True):
    """A call of the adjudicator that could be made when the kit was made."""

    call: str
    """challenge, checkpoint, conclude or conclude_and_transfer."""
    data: str


class KitChannel(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One channel: the one that is to be left, a ledger that funds it, or one funded beside it."""

    channel_id: str
    participants: list[str]
    channel_nonce: str
    app_definition: str
    challenge_duration_s: int
    states: list[KitState]
    """By turn number. Of a ledger the openings and what was agreed last, of an application the
    openings and the newest running states."""
    voucher: KitVoucher | None
    path: KitPath | None
    """None for a channel with holdings of its own."""
    challenge: KitChallenge | None
    on_chain: KitOnChain
    calls: list[KitCall]
    app_rule: str = ""
    """Of an application's contract: message-log or judged; left out for other channels."""


class KitDeployment(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the channels live."""

    chain_id: int
    adjudicator: str
    virtual_payment_app: str
    consensus_app: str
    confirmation_count: int
    """Blocks on top of a block before what is in it counts."""


class KitMoment(Struct, frozen=True, forbid_unknown_fields=True):
    """When and from what it was made."""

    time_ms: int
    """Unix milliseconds."""
    block_num: int
    """The newest block that counted; -1 for none."""
    block_hash: str
    block_time_s: int
    log_seq: int
    """The record of the export in the exporter's log."""
    log_hash: str
    """That record's link in the chain of hashes."""


class KitWorth(Struct, frozen=True, forbid_unknown_fields=True):
    """What the account gets at least, of one asset (M22), gas left out."""

    asset: str
    amount: str


class DisputeKit(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document."""

    format: str
    version: int
    channel_id: str
    """What it was exported for."""
    account: str
    """Whose money it is: everything is paid out there."""
    destination: str
    """The same as outcomes spell it."""
    sealed: bool
    needs_key: bool
    """Whether the account's channel key is needed to run it."""
    deployment: KitDeployment
    made: KitMoment
    worth: list[KitWorth] | None
    """None if there were too many ways for the channels to end."""
    limits: list[str]
    """What it cannot do, in words for whoever finds the file."""
    channels: list[KitChannel]
    """First the one it was exported for."""
    checksum: str = ""
    """keccak256 over this document with an empty one, as compact JSON in this order."""


class _Head(Struct):
    format: str = ""
    version: int = 0


_ENCODER = msgspec.json.Encoder()


def checksum_of(kit: DisputeKit) -> str:
    """What the kit's checksum has to be."""
    bare = msgspec.structs.replace(kit, checksum="")
    return to_hex(keccak256(_ENCODER.encode(bare)))


def encode_kit(kit: DisputeKit) -> bytes:
    """The file's bytes, with the checksum, for people to read as well."""
    whole = msgspec.structs.replace(kit, checksum=checksum_of(kit))
    return msgspec.json.format(_ENCODER.encode(whole), indent=1) + b"\n"


def decode_kit(data: bytes) -> DisputeKit:
    """The kit in a file's bytes. Raises KitDamaged or KitTooNew.

    What it says of states and signatures is not checked here.
    """
    if len(data) > KIT_SIZE_BYTES_MAX:
        raise KitDamaged("size", f"it has more than {KIT_SIZE_BYTES_MAX} bytes")
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format != KIT_FORMAT:
            raise KitDamaged("format", f"it is no {KIT_FORMAT}")
        if head.version > KIT_VERSION:
            raise KitTooNew(head.version, KIT_VERSION)
        kit = msgspec.json.decode(data, type=DisputeKit)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KitDamaged("its JSON", str(error)) from error
    if kit.version != KIT_VERSION:
        raise KitDamaged("version", "there never was such a version")
    if kit.checksum != checksum_of(kit):
        raise KitDamaged("checksum", "the file is not what was written")
    if len(kit.channels) > KIT_CHANNEL_COUNT_MAX:
        raise KitDamaged("channels", f"there are more than {KIT_CHANNEL_COUNT_MAX}")
    return kit
