"""What the owner orders, through RPC: inputs that somebody waits for.

Two calls with one request id are the same command if what the caller chose is the same.
"""

from __future__ import annotations

from functools import lru_cache

from protocols.crypto import keccak256
from protocols.inputs import Input
from protocols.types import Address, Bytes32, ChannelId, ObjectiveId, PaymentId


class OpenChannel(Input, frozen=True, gc=False):
    """Open a one-way payment channel: we are participant 0 and pay."""

    counterparty: Address
    asset: Address
    amount: int
    """Our deposit, smallest unit."""
    counterparty_amount: int
    challenge_duration: int
    """Seconds."""
    nonce_entropy: bytes
    """4 random bytes, drawn by the shell (M10)."""
    request_id: str = ""


class OpenLedger(Input, frozen=True, gc=False):
    """Open a ledger channel: we lead it, both may deposit, and virtual channels run through it."""

    counterparty: Address
    asset: Address
    amount: int
    """Our deposit, smallest unit."""
    counterparty_amount: int
    challenge_duration: int
    """Seconds."""
    nonce_entropy: bytes
    request_id: str = ""


class OpenVirtual(Input, frozen=True, gc=False):
    """Open a one-way payment channel over ledgers: we are participant 0 and pay."""

    path: tuple[Address, ...]
    """The intermediaries in order, then the payee."""
    asset: Address
    amount: int
    """What we can pay at most, smallest unit."""
    fees: tuple[int, ...]
    """What each intermediary takes, in path order."""
    challenge_duration: int
    """Seconds."""
    nonce_entropy: bytes
    request_id: str = ""


class OpenApp(Input, frozen=True, gc=False):
    """Open an application channel: both may deposit, and both run the same reducer."""

    counterparty: Address
    asset: Address
    amount: int
    """Our deposit, smallest unit."""
    counterparty_amount: int
    challenge_duration: int
    """Seconds."""
    reducer_id: Bytes32
    """sha256 of the reducer's code."""
    turn_rule: str
    """`alternate` or `leader` (`app_channel`)."""
    app_definition: bytes
    """The contract; empty for the deployment's MessageLogApp."""
    nonce_entropy: bytes
    request_id: str = ""


class OpenVirtualApp(Input, frozen=True, gc=False):
    """Open an application channel over ledgers: we are participant 0."""

    path: tuple[Address, ...]
    """The intermediaries in order, then the other end."""
    asset: Address
    amount: int
    """What we put in, smallest unit."""
    fees: tuple[int, ...]
    """What each intermediary takes, in path order."""
    challenge_duration: int
    """Seconds."""
    reducer_id: Bytes32
    """sha256 of the reducer's code."""
    turn_rule: str
    """`alternate` or `leader` (`app_channel`)."""
    app_definition: bytes
    """The contract; empty for the deployment's MessageLogApp."""
    nonce_entropy: bytes
    request_id: str = ""
    counterparty_amount: int = 0
    """What the other end puts in."""


class PayLedger(Input, frozen=True, gc=False):
    """Move an amount of our balance in a ledger to the other party (M15)."""

    channel_id: ChannelId
    amount: int
    request_id: str
    """Never empty: it ties the follower's request to the leader's proposal."""
    id_is_drawn: bool = False
    """The shell drew the request id, so that no call can have carried it before."""


class CloseChannel(Input, frozen=True, gc=False):
    """Close a channel cooperatively, from either side."""

    channel_id: ChannelId
    request_id: str = ""


class ChallengeChannel(Input, frozen=True, gc=False):
    """Have our newest state of a channel registered on chain: the others have until its end."""

    channel_id: ChannelId
    request_id: str = ""


class ExitChannel(Input, frozen=True, gc=False):
    """Leave a channel alone: challenge what is needed, and withdraw all that is ours."""

    channel_id: ChannelId
    request_id: str = ""


class ResumeChannel(Input, frozen=True, gc=False):
    """Leave a ledger no more: if it is challenged it may go on (M20)."""

    channel_id: ChannelId
    request_id: str = ""


class ExportDisputeKit(Input, frozen=True, gc=False):
    """Sign in advance what leaves a channel from another machine (M21)."""

    channel_id: ChannelId
    sealed: bool = False
    """Sign the redemptions of the channels that pay us as well: they take no voucher any more."""


class SendPayment(Input, frozen=True, gc=False):
    """Pay in a channel in which we are participant 0."""

    channel_id: ChannelId
    amount: int
    payment_id: PaymentId
    """Unique; drawn by the shell, or derived from the request id."""
    memo: str = ""
    request_id: str = ""


class SendBatch(Input, frozen=True, gc=False):
    """Pay many times at once, all or nothing, in a channel in which we are participant 0."""

    channel_id: ChannelId
    amounts: tuple[int, ...]
    memos: tuple[str, ...]
    """One for each amount."""
    id_prefix: bytes
    """28 bytes that name the batch; drawn by the shell, or derived from the request id."""
    is_shared: bool | None = None
    """One voucher for all of them, or one for each; None: as this node is configured."""
    request_id: str = ""

    def payment_ids(self) -> list[PaymentId]:
        """The name of each payment: the prefix and its place in the list, four bytes."""
        prefix = self.id_prefix
        return [prefix + index.to_bytes(4, "big") for index in range(len(self.amounts))]


class SendAppMessage(Input, frozen=True, gc=False):
    """Say something in an application channel: one value in MessagePack, for its reducer."""

    channel_id: ChannelId
    payload: bytes
    message_id: Bytes32
    """Unique; drawn by the shell, or derived from the request id."""
    request_id: str = ""


class CreateVoucher(Input, frozen=True, gc=False):
    """Sign a voucher for the owner to hand over; nothing is sent, but it is spent."""

    channel_id: ChannelId
    amount: int
    """What it adds to all that was spent before."""
    payment_id: PaymentId
    memo: str = ""
    request_id: str = ""


class TakeVoucher(Input, frozen=True, gc=False):
    """Take a voucher that the owner was handed, in a channel in which we are the payee."""

    channel_id: ChannelId
    total: int
    """Cumulative, as every voucher's amount."""
    signature: bytes
    request_id: str = ""


class ApproveObjective(Input, frozen=True, gc=False):
    """Take part in what a peer proposed."""

    objective_id: ObjectiveId
    request_id: str = ""


class RejectObjective(Input, frozen=True, gc=False):
    """Take no part in what a peer proposed; the peer is told the reason."""

    objective_id: ObjectiveId
    reason: str = "rejected by the owner"
    request_id: str = ""


Command = (
    OpenChannel
    | OpenLedger
    | OpenVirtual
    | OpenVirtualApp
    | OpenApp
    | PayLedger
    | CloseChannel
    | ChallengeChannel
    | ExitChannel
    | ResumeChannel
    | ExportDisputeKit
    | SendPayment
    | SendBatch
    | SendAppMessage
    | CreateVoucher
    | TakeVoucher
    | ApproveObjective
    | RejectObjective
)
"""What the owner may order."""

_DRAWN_BY_SHELL = frozenset(
    {"nonce_entropy", "payment_id", "id_prefix", "message_id", "request_id", "id_is_drawn"}
)


def command_hash(command: Command) -> Bytes32:
    """keccak256 over the command's kind and what the caller chose: tells two commands apart that
    carry one request id."""
    kind = type(command)
    chosen = [repr(getattr(command, field)) for field in _chosen_fields(kind)]
    return keccak256("|".join([kind.__name__, *chosen]).encode())


@lru_cache(maxsize=64)
def _chosen_fields(kind: type[Command]) -> tuple[str, ...]:
    return tuple(field for field in kind.__struct_fields__ if field not in _DRAWN_BY_SHELL)
