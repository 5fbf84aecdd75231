"""Sentences for transactions, and for what the chain showed."""

from __future__ import annotations

from node.explain.channel_sentences import Sentence
from node.explain.story import Cast, Telling
from node.explain.words import amount_words, harmless, moment, short_bytes
from protocols import events, exit_events
from protocols.event import Event
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.transaction_events import TransactionHeldBack, TransactionReplaced
from protocols.transactions import OUT_OF_GAS, REVERTED
from protocols.types import Address, Amount32, amount_from_bytes

_CALLS = {
    "deposit": "deposit",
    "conclude": "settle the channel by its final state",
    "approve": "let the adjudicator take our deposit of a token",
    "challenge": "challenge with the newest state we can show",
    "checkpoint": "answer a challenge with a newer state",
    "transfer": "be paid what is ours of the finalised channel",
    "reclaim": "get back what the ledger guaranteed",
    "fill": "use up a nonce that is missing, by sending ourselves nothing",
}
"""What our transactions are for; other kinds are shown as they are."""


_BID_REASONS = {
    "underpriced": "the chain asked for more",
    "slow": "it was not mined for long",
    "deadline": "its deadline came nearer",
}


def _call(kind: str) -> str:
    # A reclaim names the channel whose guarantee it is for behind its kind.
    return _CALLS.get(kind.partition(" ")[0], harmless(kind))


def _of_asset(asset: Address, amount: Amount32) -> str:
    return amount_words(asset, amount_from_bytes(amount))


def _requested(event: events.TransactionRequested, cast: Cast) -> Telling:
    value = amount_from_bytes(event.value)
    sum_ = f" {amount_words(bytes(20), value)}" if value else ""
    return Telling(f"We decided on a transaction, to {_call(event.kind)}{sum_}.")


def _submitted(event: events.TransactionSubmitted, cast: Cast) -> Telling:
    return Telling(
        f"The transaction was signed (nonce {event.nonce}) and may be broadcast from now on: "
        f"{short_bytes(event.tx_hash)}.",
        "us",
        "chain",
        None,
        f"transaction {short_bytes(event.tx_hash)}",
    )


def _gwei(fee: Amount32) -> str:
    whole, rest = divmod(amount_from_bytes(fee), 10**9)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".") + " gwei"


def _replaced(event: TransactionReplaced, cast: Cast) -> Telling:
    why = _BID_REASONS.get(event.reason, harmless(event.reason))
    return Telling(
        f"The transaction was signed anew with higher fees, because {why}: at most "
        f"{_gwei(event.max_fee)} instead of {_gwei(event.old_max_fee)}, of that "
        f"{_gwei(event.priority_fee)} for the block's maker (nonce {event.nonce}): "
        f"{short_bytes(event.tx_hash)} instead of {short_bytes(event.old_tx_hash)}.",
        "us",
        "chain",
        None,
        f"transaction {short_bytes(event.tx_hash)} at {_gwei(event.max_fee)}",
    )


def _held_back(event: TransactionHeldBack, cast: Cast) -> Telling:
    return Telling(
        f"ALARM: the transaction may miss its deadline, {moment(event.deadline_s * 1_000)} UTC "
        f"({event.blocks_left} blocks after block {event.block_num}): the chain asks "
        f"{_gwei(event.base_fee)} and we may bid {_gwei(event.fee_ceiling)}.",
        "chain",
        "us",
        None,
        "fee ceiling reached",
    )


def _mined(event: events.TransactionMined, cast: Cast) -> Telling:
    cost = event.gas_used * amount_from_bytes(event.gas_price)
    ran_out = event.failure == OUT_OF_GAS
    how = "worked" if event.succeeded else "ran out of gas" if ran_out else "was reverted"
    return Telling(
        f"The transaction {short_bytes(event.tx_hash)} is in block {event.block_num} and {how}; "
        f"its gas cost {amount_words(bytes(20), cost)}.",
        "chain",
        "us",
        None,
        f"mined in block {event.block_num}" if event.succeeded else event.failure or REVERTED,
    )


def _failed(event: events.TransactionFailed, cast: Cast) -> Telling:
    return Telling(
        f"The transaction came to nothing: {harmless(event.reason)}.",
        "chain",
        "us",
        None,
        "transaction refused",
    )


def _observed(event: events.ChainLogObserved, cast: Cast) -> Telling:
    return Telling(
        f"The chain shows {_log(event)} in block {event.block_num}; it counts when it is "
        "confirmed.",
        "chain",
        "us",
        None,
        is_detail=True,
    )


def _refuted(event: events.ChainLogRefuted, cast: Cast) -> Telling:
    return Telling(
        f"Block {event.block_num} counts, and what was seen of the channel in it is not there: it "
        "is taken back.",
        "chain",
        "us",
        None,
        f"not in block {event.block_num}",
    )


def _log(event: events.ChainLogObserved) -> str:
    held = _of_asset(event.asset, event.amount)
    match event.log_name:
        case "Deposited":
            return f"a deposit (held: {held})"
        case "AllocationUpdated":
            return f"a payout (still held: {held})"
        case "ChallengeRegistered":
            return f"a challenge that ends {moment(event.number * 1_000)} UTC"
        case "ChallengeCleared" | "Checkpointed":
            return f"turn {event.number} on record, no challenge"
        case "Concluded":
            shares = " and ".join(_of_asset(event.asset, amount) for amount in event.amounts)
            return f"the conclusion, with {shares}" if shares else "the conclusion"
        case "OutcomePaid":
            return "what was paid out"
        case "OutcomeReclaimed":
            return f"a guarantee given back ({held} of it to the party nearer to the payee)"
        case name:
            return harmless(name)


def _deposit(event: events.DepositDetected, cast: Cast) -> Telling:
    amount = _of_asset(event.asset, event.amount_deposited)
    held = _of_asset(event.asset, event.now_held)
    return Telling(
        f"A deposit of {amount} was confirmed in block {event.block_num}; the adjudicator holds "
        f"{held} for the channel.",
        "chain",
        "us",
        None,
        f"{amount} deposited, block {event.block_num}",
    )


def _allocation(event: events.AllocationUpdated, cast: Cast) -> Telling:
    held = _of_asset(event.asset, event.new_amount)
    return Telling(
        f"After a payout in block {event.block_num} the adjudicator still holds {held}.",
        "chain",
        "us",
        None,
        is_detail=True,
    )


def _challenge(event: events.ChallengeRegistered, cast: Cast) -> Telling:
    who = cast.person(event.challenger)
    final = ", a final state" if event.is_final else ""
    return Telling(
        f"{'We' if who == 'we' else who} challenged with turn {event.turn_num_record}{final} "
        f"in block {event.block_num}; it ends {moment(event.finalization_time * 1_000)} UTC.",
        "chain",
        "us",
        None,
        f"challenged with turn {event.turn_num_record}",
    )


def _cleared(event: events.ChallengeCleared, cast: Cast) -> Telling:
    return Telling(
        f"Turn {event.new_turn_num_record} is on record since block {event.block_num}: no "
        "challenge runs.",
        "chain",
        "us",
        None,
        f"turn {event.new_turn_num_record} on record",
    )


def _concluded(event: events.ChannelConcluded, cast: Cast) -> Telling:
    turn = "" if event.finalized_at_turn is None else f" at turn {event.finalized_at_turn}"
    return Telling(
        f"The channel was concluded on chain{turn}, block {event.block_num}.",
        "chain",
        "us",
        None,
        f"concluded, block {event.block_num}",
    )


def _withdrawn(event: events.WithdrawCompleted, cast: Cast) -> Telling:
    amount, who = _of_asset(event.asset, event.amount), cast.person(event.recipient)
    to = "us" if who == "we" else who
    return Telling(
        f"{amount} was paid out to {to}, block {event.block_num}.",
        "chain",
        "us" if who == "we" else "peer",
        None if who == "we" else event.recipient,
        f"pays {amount}",
    )


def _outcome_paid(event: exit_events.OutcomePaid, cast: Cast) -> Telling:
    count = len(event.indices)
    shares = "one share of the outcome" if count == 1 else f"{count} shares of the outcome"
    return Telling(
        f"The adjudicator paid {shares} out, block {event.block_num}.",
        "chain",
        "us",
        None,
        is_detail=True,
    )


def _outcome_reclaimed(event: exit_events.OutcomeReclaimed, cast: Cast) -> Telling:
    share = amount_from_bytes(event.right_share)
    return Telling(
        f"The ledger's guarantee for channel {short_bytes(event.target)} was given back in block "
        f"{event.block_num}: {share} of it to the party nearer to the payee, the rest to the "
        "other one.",
        "chain",
        "us",
        None,
        "guarantee reclaimed",
    )


def _expired(event: exit_events.ChallengeExpired, cast: Cast) -> Telling:
    return Telling(
        f"Nobody answered the challenge until {moment(event.finalizes_at * 1_000)} UTC: the "
        "channel is final with the state it carries, and is paid out by it.",
        "chain",
        "us",
        None,
        "challenge expired",
    )


def _unanswerable(event: exit_events.ChallengeUnanswerable, cast: Cast) -> Telling:
    cost = _of_asset(event.asset, event.cost)
    own = "none" if event.own_turn < 0 else f"turn {event.own_turn}"
    return Telling(
        f"We cannot answer the challenge with turn {event.turn_num_record}; the newest state we "
        f"can show is {own}. It ends {moment(event.finalizes_at * 1_000)} UTC and costs us {cost}.",
        "us",
        None,
        None,
        "challenge cannot be answered",
    )


def _kit_exported(event: exit_events.DisputeKitExported, cast: Cast) -> Telling:
    count = len(event.channels)
    states = "the newest state of 1 channel" if count == 1 else f"the newest of {count} channels"
    sealed = " It is sealed: who is paid in them takes no voucher any more." if event.sealed else ""
    return Telling(
        f"A dispute kit left: whoever holds it can challenge for us with {states}.{sealed}",
        "us",
        None,
        None,
        "dispute kit exported",
    )


def _holdings(event: events.HoldingsRead, cast: Cast) -> Telling:
    return Telling(
        f"We asked the chain: at block {event.block_num} it holds "
        f"{_of_asset(event.asset, event.held)} for the channel.",
        "chain",
        "us",
        None,
        "holdings read",
    )


def _block(event: events.ChainBlockProcessed, cast: Cast) -> Telling:
    return Telling(f"Everything up to block {event.block_num} is known.", "chain", is_detail=True)


def _reorg(event: events.ChainReorged, cast: Cast) -> Telling:
    return Telling(
        f"The chain replaced its blocks from {event.fork_block_num} on: what was seen in them "
        "no longer counts.",
        "chain",
        "us",
        None,
        f"blocks from {event.fork_block_num} replaced",
    )


def _halted(event: ChannelHalted, cast: Cast) -> Telling:
    return Telling(
        f"ALARM: the chain replaced its blocks from {event.fork_block_num} on, and with them what "
        f"counted as confirmed up to block {event.confirmed_block_num} "
        f"({_of_asset(event.asset, event.held)} held, {harmless(event.chain_status)}): no payments "
        "until the chain shows as much again.",
        "chain",
        "us",
        None,
        f"halted: blocks from {event.fork_block_num} replaced",
    )


def _halt_lifted(event: ChannelHaltLifted, cast: Cast) -> Telling:
    return Telling(
        f"The chain shows again what it had taken back from block {event.fork_block_num} on: the "
        "channel goes on.",
        "chain",
        "us",
        None,
        "goes on",
    )


CHAIN_SENTENCES: dict[type[Event], Sentence] = {
    events.TransactionRequested: _requested,
    events.TransactionSubmitted: _submitted,
    TransactionReplaced: _replaced,
    TransactionHeldBack: _held_back,
    events.TransactionMined: _mined,
    events.TransactionFailed: _failed,
    events.ChainLogObserved: _observed,
    events.ChainLogRefuted: _refuted,
    events.DepositDetected: _deposit,
    events.AllocationUpdated: _allocation,
    events.ChallengeRegistered: _challenge,
    events.ChallengeCleared: _cleared,
    events.ChannelConcluded: _concluded,
    events.WithdrawCompleted: _withdrawn,
    exit_events.OutcomePaid: _outcome_paid,
    exit_events.OutcomeReclaimed: _outcome_reclaimed,
    exit_events.ChallengeExpired: _expired,
    exit_events.ChallengeUnanswerable: _unanswerable,
    exit_events.DisputeKitExported: _kit_exported,
    events.HoldingsRead: _holdings,
    events.ChainBlockProcessed: _block,
    events.ChainReorged: _reorg,
    ChannelHalted: _halted,
    ChannelHaltLifted: _halt_lifted,
}
"""By event: what it says of a transaction or the chain."""
