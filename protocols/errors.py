"""What broke which rule: one class per refusal, with the values that were checked.

A refusal is data. It carries a stable name and code, whether a retry is safe and what to do next,
so that the caller, the peer's log line and the recorded event can all say the same. Anything else
that is raised inside `protocols` is a bug of ours and stops the node.

    ProtocolError
      EncodingError      bytes that are not what they claim
      ChannelRefused     a channel or state we may not sign or accept
      PaymentRefused     a voucher we may not issue or accept (`payment_errors`)
      CommandRefused     a caller's command that cannot be carried out
      DeliveryRefused    a peer's message that does not fit the conversation
      LedgerRefused      a change of a ledger we may not propose or countersign (`ledger_errors`)
      VirtualRefused     a virtual channel we take no part in (`virtual_errors`)
      MomentRefused      a moment that is not in the log (`moment_errors`)
"""

from dataclasses import dataclass

from protocols import (
    app_errors,
    exit_errors,
    ledger_errors,
    moment_errors,
    payment_errors,
    virtual_errors,
)
from protocols.error import ProtocolError as ProtocolError


class EncodingError(ProtocolError):
    """Bytes that are not what they claim to be."""


@dataclass(eq=False)
class InvalidWidth(EncodingError):
    """A value has another width or type than its field."""

    code = 1001
    template = "{field}: expected {expected}, got {got}"
    field: str
    expected: str
    got: str


@dataclass(eq=False)
class InvalidSignature(EncodingError):
    """A signature has no valid form: 65 bytes, low s, v 27 or 28 (M9)."""

    code = 1002
    template = "invalid signature: {reason}"
    reason: str


@dataclass(eq=False)
class InvalidEncoding(EncodingError):
    """Bytes do not decode to what they stand for."""

    code = 1003
    template = "invalid encoding of {what}: {reason}"
    what: str
    reason: str


class ChannelRefused(ProtocolError):
    """A channel or a state that may not be signed or accepted."""


@dataclass(eq=False)
class UnknownChannel(ChannelRefused):
    """The message or command names a channel that this node does not share with its sender."""

    code = 1101
    next_step = "list the channels"
    template = "no channel {channel_id}"
    channel_id: bytes


@dataclass(eq=False)
class ChannelAlreadySeen(ChannelRefused):
    """M10: a channel id is used once."""

    code = 1102
    next_step = "propose again with a fresh nonce"
    template = "channel {channel_id} was seen before"
    channel_id: bytes


@dataclass(eq=False)
class NoncePrefixMismatch(ChannelRefused):
    """M10: the nonce binds the channel to one chain and one adjudicator."""

    code = 1103
    next_step = "use the chain and adjudicator this node was made for"
    template = "nonce {nonce} does not begin with {expected_prefix}, the prefix of our deployment"
    nonce: int
    expected_prefix: bytes


@dataclass(eq=False)
class ParticipantsRefused(ChannelRefused):
    """M14: participants are distinct, non-zero, the proposer first and we last."""

    code = 1104
    template = "participants refused: {reason}"
    reason: str


@dataclass(eq=False)
class ChallengeDurationTooShort(ChannelRefused):
    """M19: a duration below the policy's minimum cannot be defended."""

    code = 1105
    next_step = (
        "use at least the minimum, or lower policy.challenge_duration_s_min on the node that "
        "refuses"
    )
    template = "challenge duration of {got_s} s is below the minimum of {minimum_s} s"
    got_s: int
    minimum_s: int


@dataclass(eq=False)
class ChallengeDurationTooLong(ChannelRefused):
    """M11: a challenge that never ends enforces no voucher, and a long one binds money for long."""

    code = 1114
    next_step = (
        "use at most the maximum, or raise policy.challenge_duration_s_max on the node that refuses"
    )
    template = "challenge duration of {got_s} s is above the maximum of {maximum_s} s"
    got_s: int
    maximum_s: int


@dataclass(eq=False)
class AppNotSupported(ChannelRefused):
    """M1: payment channels run on the deployment's VirtualPaymentApp only."""

    code = 1106
    template = "app definition {app_definition} is not one this node can enforce"
    app_definition: bytes


@dataclass(eq=False)
class AssetNotSupported(ChannelRefused):
    """Channels hold the chain's own currency and the tokens that the configuration lists."""

    code = 1107
    next_step = "use the zero address, or add the token to [policy] assets of both nodes"
    template = "asset {asset} is not one that this node's channels hold"
    asset: bytes


@dataclass(eq=False)
class OutcomeNotSupported(ChannelRefused):
    """M1, M14: one asset, two simple allocations to the participants, in order."""

    code = 1108
    template = "outcome refused: {reason}"
    reason: str


@dataclass(eq=False)
class PayeeMustOpenWithZero(ChannelRefused):
    """M1: only a payee that opens with 0 can redeem a voucher on chain."""

    code = 1109
    next_step = "open a second channel for payments in the other direction"
    template = "the payee must open with 0, not {amount}"
    amount: int


@dataclass(eq=False)
class StateRefused(ChannelRefused):
    """The state is not the one this step of the protocol allows."""

    code = 1110
    template = "state of turn {turn_num} refused: {reason}"
    turn_num: int
    reason: str


@dataclass(eq=False)
class EquivocationRefused(ChannelRefused):
    """M6: never a second, different state for one turn."""

    code = 1111
    template = "channel {channel_id}: another state of turn {turn_num} is already signed"
    channel_id: bytes
    turn_num: int


@dataclass(eq=False)
class WrongSigner(ChannelRefused):
    """The signature is sound but made by somebody else."""

    code = 1112
    template = "signature is not by {expected}"
    expected: bytes


@dataclass(eq=False)
class TooManyProposals(ChannelRefused):
    """A peer may have only so many channels with us that nobody funded yet."""

    code = 1113
    retry_safe = True
    next_step = "fund or withdraw the proposals that are open"
    template = "peer {peer} has {count} unfunded or rejected channels with us already"
    peer: bytes
    count: int


@dataclass(eq=False)
class TooManyStrangers(ChannelRefused):
    """Peers that never funded a channel with us may together have only so many unfunded ones."""

    code = 1115
    retry_safe = True
    next_step = "propose the channel again tomorrow, or have the owner reject what is open"
    template = "peers without a funded channel have {count} unfunded ones with us already"
    count: int


class CommandRefused(ProtocolError):
    """A caller's command that cannot be carried out now."""


@dataclass(eq=False)
class RequestIdConflict(CommandRefused):
    """A request id stands for one command, for ever."""

    code = 1301
    next_step = "use a fresh request id, or repeat the first call unchanged"
    template = "request id {request_id} was used for another command"
    request_id: str


@dataclass(eq=False)
class UnknownObjective(CommandRefused):
    """The message or command names an objective that this node does not share with its sender."""

    code = 1302
    next_step = "list the objectives"
    template = "no objective {objective_id}"
    objective_id: bytes


@dataclass(eq=False)
class ObjectiveNotWaitingForApproval(CommandRefused):
    """Only an unapproved objective can be approved or rejected."""

    code = 1303
    next_step = "look at the objective: what has money in it is ended by closing its channel"
    template = "objective {objective_id} is {status}: it can no longer be approved or rejected"
    objective_id: bytes
    status: str


@dataclass(eq=False)
class ObjectiveDenied(CommandRefused):
    """Policy refuses the objective."""

    code = 1304
    template = "policy denies this objective: {reason}"
    reason: str


@dataclass(eq=False)
class ObjectiveFailed(CommandRefused):
    """The objective that the caller waited for ended without success."""

    code = 1306
    next_step = "look at the objective and the channel; what was reserved is given back by itself"
    template = "objective {objective_id} ended without success: {reason}"
    objective_id: bytes
    reason: str


@dataclass(eq=False)
class UnknownPeer(CommandRefused):
    """Only peers of the address book can be reached."""

    code = 1305
    next_step = "add the peer's address to [p2p] peers in the configuration"
    template = "no address is known for peer {peer}"
    peer: bytes


@dataclass(eq=False)
class UnknownPayment(CommandRefused):
    """No payment of that name was made or received."""

    code = 1309
    next_step = "take the id from the answer to the payment, or from the log"
    template = "no payment {payment_id}"
    payment_id: bytes


@dataclass(eq=False)
class TooManyEndings(CommandRefused):
    """What leaving is worth is a minimum over all ways in which linked ledgers may end."""

    code = 1310
    retry_safe = True
    next_step = "ask again when proposals of our ledgers have been answered"
    template = "{count} guarantees would have to be looked at, the most is {limit}"
    count: int
    limit: int


class DeliveryRefused(ProtocolError):
    """A peer's message that does not fit the conversation."""


@dataclass(eq=False)
class UnexpectedMessage(DeliveryRefused):
    """The message does not fit where the conversation stands."""

    code = 1401
    template = "unexpected {kind}: {reason}"
    kind: str
    reason: str


@dataclass(eq=False)
class ReceiptWrong(DeliveryRefused):
    """M13: a receipt covers the oldest payments without one, in order, signed by the payee."""

    code = 1402
    template = "receipt for {total} refused: {reason}"
    total: int
    reason: str


def all_errors() -> dict[str, type[ProtocolError]]:
    """Every refusal that can be raised, by stable name: for the reference page and the wire."""
    found: dict[str, type[ProtocolError]] = {}
    pending = [
        ProtocolError,
        app_errors.AppRefused,
        exit_errors.LeavingRefused,
        ledger_errors.LedgerRefused,
        moment_errors.MomentRefused,
        payment_errors.PaymentRefused,
        virtual_errors.VirtualRefused,
    ]
    while pending:
        error = pending.pop()
        pending.extend(error.__subclasses__())
        if "template" in vars(error) and error is not ProtocolError:
            found[error.name()] = error
    return dict(sorted(found.items()))
