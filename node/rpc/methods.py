"""The method table: what can be asked of the node, what it takes and what it answers.

One entry per method; dispatch, documentation and `rpc.discover` all read it. A command becomes
an input of the engine and is answered when it is on disk; a query reads what the node believes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from node.answers import Answer
from node.rpc import (
    backups,
    commands,
    diff,
    disputes,
    exits,
    explain,
    follow,
    params,
    payments,
    proofs,
    queries,
    recovery,
    results,
    routes,
    whatif,
)
from node.rpc.interface import NodeApi
from node.rpc.openrpc import openrpc_document
from node.rpc.params import Params, params_decoder
from protocols import (
    errors,
    exit_errors,
    ledger_errors,
    moment_errors,
    payment_errors,
    virtual_errors,
)
from protocols.dispute_kit import DisputeKit
from protocols.errors import ProtocolError
from protocols.inputs import Input

_CHANNEL = "0x" + "ab" * 32
_PAID_CHANNEL = "0x" + "ba" * 32
_LEDGER = "0x" + "ef" * 32
_OBJECTIVE = "0x" + "cd" * 32
_PEER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

_CHANNEL_TERMS = (
    errors.ChannelAlreadySeen,
    errors.ParticipantsRefused,
    errors.ChallengeDurationTooShort,
    errors.AssetNotSupported,
    errors.OutcomeNotSupported,
    errors.PayeeMustOpenWithZero,
)
_PATH_TERMS = (
    virtual_errors.PathRefused,
    virtual_errors.HopWithoutLedger,
    virtual_errors.HopWithoutFunds,
    virtual_errors.FeeTooHigh,
    virtual_errors.ExposureTooHigh,
)
_APPROVAL = (
    errors.UnknownObjective,
    errors.ObjectiveNotWaitingForApproval,
    errors.RequestIdConflict,
)


_LEAVING = (
    errors.UnknownChannel,
    exit_errors.NothingToLeave,
    exit_errors.ChannelIsFinal,
    errors.RequestIdConflict,
)

_MOMENT = (moment_errors.MomentAhead, moment_errors.MomentBeforeLog)

_PAYING = (
    errors.UnknownChannel,
    payment_errors.NotAPaymentChannel,
    payment_errors.NotThePayer,
    payment_errors.ChannelNotOpen,
    payment_errors.ChannelClosing,
    payment_errors.ChannelDisputed,
    payment_errors.ChannelCloseOnly,
    payment_errors.AmountNotPositive,
    payment_errors.AmountAboveDeposit,
    payment_errors.ChainViewStale,
    payment_errors.TooManyPaymentsInFlight,
    errors.RequestIdConflict,
)


class Method(msgspec.Struct, frozen=True):
    """What every method has. The envelope's and `INVALID_PARAMS` refusals go without saying."""

    name: str
    summary: str
    """One sentence for the documentation."""
    params: type[Params]
    result: Any
    """The type of the answer: a Struct, or an annotated dict."""
    example: dict[str, Any]
    """Parameters of a typical call."""
    errors: tuple[type[ProtocolError], ...]
    """The core's refusals that a caller should expect."""


class Command(Method, frozen=True):
    """Changes something: answered when its record is on disk."""

    to_input: Callable[[Any], Input]
    """Parameters to input; raises `InvalidParams`."""
    to_result: Callable[[Answer], msgspec.Struct]
    complete: Callable[[NodeApi, Any], Awaitable[Any]] | None = None
    """Fills in what the caller left to the node, before anything else looks at it."""


class Query(Method, frozen=True):
    """Reads only."""

    read: Callable[[NodeApi, Any], Awaitable[object]]
    """Raises `InvalidParams` or a refusal."""


COMMANDS = (
    Command(
        "channel_open",
        "Open a one-way payment channel in which we pay: with a deposit on chain, or over ledgers.",
        params.ChannelOpenParams,
        results.CommandResult,
        {"counterparty": _PEER, "amount": "1000000000000000000", "request_id": "open-1"},
        (
            *_CHANNEL_TERMS,
            *_PATH_TERMS,
            errors.UnknownPeer,
            errors.ObjectiveFailed,
            errors.RequestIdConflict,
        ),
        commands.open_channel,
        commands.command_result,
        commands.with_fees,
    ),
    Command(
        "channel_close",
        "Close a channel of any kind together with the other participants, by what was paid in it.",
        params.ChannelCloseParams,
        results.CommandResult,
        {"channel_id": _CHANNEL},
        (
            errors.UnknownChannel,
            payment_errors.ChannelNotOpen,
            virtual_errors.OnlyEndsClose,
            ledger_errors.LedgerInUse,
            errors.ObjectiveFailed,
            errors.RequestIdConflict,
        ),
        commands.close_channel,
        commands.command_result,
    ),
    Command(
        "channel_challenge",
        "Register our newest state of a channel on chain: the others have until its end to answer.",
        params.ChannelLeaveParams,
        results.CommandResult,
        {"channel_id": _CHANNEL},
        _LEAVING,
        commands.challenge_channel,
        commands.command_result,
    ),
    Command(
        "channel_exit",
        "Leave a channel alone, in one call, until everything of ours is in our account.",
        params.ChannelLeaveParams,
        results.CommandResult,
        {"channel_id": _CHANNEL, "request_id": "exit-1"},
        _LEAVING,
        commands.exit_channel,
        commands.command_result,
    ),
    Command(
        "channel_resume",
        "Leave a ledger no more: if it is challenged, it goes on when the other party agrees.",
        params.ChannelLeaveParams,
        results.CommandResult,
        {"channel_id": _LEDGER, "request_id": "resume-1"},
        (errors.UnknownChannel, exit_errors.NotResumable, errors.RequestIdConflict),
        commands.resume_channel,
        commands.command_result,
    ),
    Command(
        "ledger_open",
        "Open a ledger with a peer, in which both may deposit: virtual channels run over it.",
        params.LedgerOpenParams,
        results.CommandResult,
        {"counterparty": _PEER, "amount": "1000000000000000000", "request_id": "ledger-1"},
        (*_CHANNEL_TERMS, errors.UnknownPeer, errors.ObjectiveFailed, errors.RequestIdConflict),
        commands.open_ledger,
        commands.command_result,
    ),
    Command(
        "ledger_pay",
        "Give the other party of a ledger some of our balance in it.",
        params.LedgerPayParams,
        results.LedgerPaymentResult,
        {"channel_id": _LEDGER, "amount": "1000", "request_id": "rent-1"},
        (
            errors.UnknownChannel,
            ledger_errors.NotALedger,
            ledger_errors.LedgerNotRunning,
            ledger_errors.LedgerFundsInsufficient,
            ledger_errors.InvalidLedgerChange,
            ledger_errors.TooManyProposalsWaiting,
            ledger_errors.LedgerPaymentNotMade,
            errors.RequestIdConflict,
        ),
        commands.pay_ledger,
        commands.ledger_payment_result,
    ),
    Command(
        "payment_send",
        "Pay the channel's payee with one signed voucher.",
        params.PaymentSendParams,
        results.PaymentResult,
        {"channel_id": _CHANNEL, "amount": "1000", "memo": "coffee", "until": "receipt"},
        (*_PAYING, payment_errors.PaymentRefusedByPayee),
        commands.send_payment,
        commands.payment_result,
    ),
    Command(
        "payment_batch",
        "Pay the channel's payee many times at once, all or nothing, as a rule under one voucher.",
        payments.PaymentBatchParams,
        payments.BatchResult,
        {
            "channel_id": _CHANNEL,
            "payments": [{"amount": "1000", "memo": "coffee"}, {"amount": "250"}],
            "request_id": "wages-11",
        },
        (*_PAYING, payment_errors.PaymentListTooLong, payment_errors.PaymentRefusedByPayee),
        payments.send_batch,
        payments.batch_result,
    ),
    Command(
        "voucher_create",
        "Sign a voucher for handing over by another way; it is not sent, and counts as spent.",
        payments.VoucherCreateParams,
        payments.CreatedVoucher,
        {"channel_id": _CHANNEL, "amount": "1000", "request_id": "gift-1"},
        _PAYING,
        payments.create_voucher,
        payments.created_voucher,
    ),
    Command(
        "voucher_receive",
        "Take a voucher that was handed over; one that is known already adds nothing.",
        payments.VoucherReceiveParams,
        payments.ReceivedVoucher,
        {"channel_id": _PAID_CHANNEL, "total": "1000", "signature": "0x" + "ab" * 64 + "1b"},
        (
            errors.UnknownChannel,
            payment_errors.NotAPaymentChannel,
            payment_errors.NotThePayee,
            payment_errors.VoucherSignatureWrong,
            payment_errors.AmountAboveDeposit,
            payment_errors.ChannelNotOpen,
            payment_errors.ChannelClosing,
            payment_errors.ChannelDisputed,
            payment_errors.ChannelCloseOnly,
            payment_errors.ChainViewStale,
            errors.RequestIdConflict,
        ),
        payments.receive_voucher,
        payments.received_voucher,
    ),
    Command(
        "objective_approve",
        "Accept what a peer proposed, where the policy asks the owner.",
        params.ObjectiveApproveParams,
        results.CommandResult,
        {"objective_id": _OBJECTIVE},
        _APPROVAL,
        commands.approve,
        commands.command_result,
    ),
    Command(
        "objective_reject",
        "Decline what a peer proposed, where the policy asks the owner.",
        params.ObjectiveRejectParams,
        results.CommandResult,
        {"objective_id": _OBJECTIVE, "reason": "not this month"},
        _APPROVAL,
        commands.reject,
        commands.command_result,
    ),
)

QUERIES = (
    Query(
        "node_status",
        "Who this node is, and how each of its rooms is doing.",
        params.MomentParams,
        results.NodeStatus,
        {},
        _MOMENT,
        queries.node_status,
    ),
    Query(
        "channel_exit_plan",
        "What leaving a channel alone takes: its steps, their dates and gas, and what comes of it.",
        params.ChannelPlanParams,
        exits.ExitPlanResult,
        {"channel_id": _CHANNEL},
        (errors.UnknownChannel, exit_errors.NothingToLeave),
        exits.exit_plan,
    ),
    Query(
        "dispute_export",
        "All that leaves a channel alone from another machine, signed in advance: a dispute kit.",
        disputes.DisputeExportParams,
        DisputeKit,
        {"channel_id": _CHANNEL, "sealed": True},
        (errors.UnknownChannel, exit_errors.NothingToLeave, exit_errors.KitNotMade),
        disputes.dispute_export,
    ),
    Query(
        "channel_get",
        "One channel: its money, its status and what the chain holds for it.",
        params.ChannelGetParams,
        results.ChannelView,
        {"channel_id": _CHANNEL},
        (errors.UnknownChannel, *_MOMENT),
        queries.channel_get,
    ),
    Query(
        "channel_list",
        "Channels in the order in which they were made, of one status or kind if wanted.",
        params.ChannelListParams,
        results.ChannelList,
        {"status": "open"},
        (errors.UnknownChannel, *_MOMENT),
        queries.channel_list,
    ),
    Query(
        "ledger_list",
        "Ledgers in the order in which they were made: with whom, in what, and what they hold.",
        params.LedgerListParams,
        results.ChannelList,
        {"counterparty": _PEER},
        (errors.UnknownChannel, *_MOMENT),
        queries.ledger_list,
    ),
    Query(
        "objective_get",
        "One objective: what it wants, what it waits for and how it ended.",
        params.ObjectiveGetParams,
        results.ObjectiveView,
        {"objective_id": _OBJECTIVE},
        (errors.UnknownObjective, *_MOMENT),
        queries.objective_get,
    ),
    Query(
        "objective_list",
        "Objectives in the order in which they were made, of one status if wanted.",
        params.ObjectiveListParams,
        results.ObjectiveList,
        {"status": "unapproved"},
        (errors.UnknownObjective, *_MOMENT),
        queries.objective_list,
    ),
    Query(
        "route_quote",
        "Whether a path would carry a virtual channel of ours now, and what it would cost.",
        routes.RouteQuoteParams,
        routes.RouteQuote,
        {"path": [_PEER], "amount": "1000000000000000000"},
        (virtual_errors.PathRefused,),
        routes.route_quote,
    ),
    Query(
        "hub_status",
        "Terms, room taken and fees earned in virtual channels.",
        params.MomentParams,
        routes.HubStatus,
        {},
        _MOMENT,
        routes.hub_status,
    ),
    Query(
        "payment_get",
        "One payment, made or received: its voucher, its receipt, and the proof under it.",
        payments.PaymentGetParams,
        payments.PaymentView,
        {"payment_id": "0x" + "0a" * 32},
        (errors.UnknownPayment, *_MOMENT),
        payments.payment_get,
    ),
    Query(
        "channel_explain",
        "A channel's story: each step, what it followed from, and where the channel stands now.",
        explain.ChannelExplainParams,
        explain.ChannelStory,
        {"channel_id": _CHANNEL},
        (errors.UnknownChannel,),
        explain.channel_explain,
    ),
    Query(
        "objective_explain",
        "An objective's story, from what began it to its end.",
        explain.ObjectiveExplainParams,
        explain.ChannelStory,
        {"objective_id": _OBJECTIVE},
        (errors.UnknownObjective,),
        explain.objective_explain,
    ),
    Query(
        "payment_explain",
        "A payment's story: made, listed, refused or receipted, and by which voucher it is proved.",
        explain.PaymentExplainParams,
        explain.PaymentStory,
        {"payment_id": "0x" + "0a" * 32},
        (errors.UnknownPayment,),
        explain.payment_explain,
    ),
    Query(
        "node_recovery",
        "After a loss of records: where each channel is on its way back.",
        params.MomentParams,
        recovery.RecoveryReport,
        {},
        _MOMENT,
        recovery.node_recovery,
    ),
    Query(
        "node_backup",
        "Copy the log of the running node into a new directory, consistent and checked.",
        backups.NodeBackupParams,
        backups.BackupResult,
        {"path": "/srv/backups/monday"},
        (),
        backups.node_backup,
    ),
    Query(
        "node_simulate",
        "What would happen if: assumed inputs folded on a copy, with no key in reach.",
        whatif.NodeSimulateParams,
        whatif.SimulationView,
        {
            "assumptions": [
                {"kind": "payment", "channel_id": _CHANNEL, "amount": "5"},
                {"kind": "silence", "peer": _PEER, "duration_s": 7200},
            ]
        },
        _MOMENT,
        whatif.node_simulate,
    ),
    Query(
        "log_follow",
        "Records from a number on that fit, as soon as there are any: how a log is followed.",
        follow.LogFollowParams,
        results.LogPage,
        {"from_seq": 0, "wait_ms": 0, "names": ["voucher-received"]},
        (),
        follow.log_follow,
    ),
    Query(
        "log_read",
        "Records of the log, each with its content id and its link in the chain of hashes.",
        params.LogReadParams,
        results.LogPage,
        {"from_seq": 0, "limit": 10},
        _MOMENT,
        queries.log_read,
    ),
    Query(
        "log_head",
        "The newest signed head of the log, and those that are kept of peers' logs.",
        proofs.LogHeadParams,
        proofs.LogHeads,
        {},
        _MOMENT,
        proofs.log_head,
    ),
    Query(
        "log_prove",
        "A record with what proves, to whoever has nothing else, that this node's log holds it.",
        proofs.LogProveParams,
        proofs.LogProofView,
        {"seq": 0},
        (moment_errors.MomentAhead,),
        proofs.log_prove,
    ),
    Query(
        "log_consistency",
        "What proves that this node's log only grew between two heads that it signed.",
        proofs.LogConsistencyParams,
        proofs.LogConsistencyView,
        {"from": 1},
        _MOMENT,
        proofs.log_consistency,
    ),
    Query(
        "log_diff",
        "What changed between two moments: channel by channel, and in all that is ours.",
        diff.LogDiffParams,
        diff.LogDiff,
        {"from": 0},
        (errors.UnknownChannel, *_MOMENT),
        diff.log_diff,
    ),
)


async def _discover(node: NodeApi, p: params.NoParams) -> object:
    return DOCUMENT


DISCOVER = Query(
    "rpc.discover",
    "This interface as an OpenRPC document, made from the same table that serves it.",
    params.NoParams,
    results.OpenRpcDocument,
    {},
    (),
    _discover,
)

_ALL: tuple[Command | Query, ...] = (*COMMANDS, *QUERIES, DISCOVER)

METHODS: dict[str, Command | Query] = {
    method.name: method for method in sorted(_ALL, key=lambda method: method.name)
}
"""Every method by name."""

DECODERS: dict[str, Callable[[msgspec.Raw | None], Any]] = {
    name: params_decoder(method.params) for name, method in METHODS.items()
}
"""The parameters of every method; they raise `InvalidParams`."""

DOCUMENT = openrpc_document(METHODS.values())
"""What `rpc.discover` answers."""
