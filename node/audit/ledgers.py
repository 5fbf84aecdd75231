"""Ledgers: every update leads to the state that was signed, and binds nobody to what M8 forbids."""

from collections.abc import Iterator
from typing import get_args

from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.guarantees import addition_faults, removal_faults
from node.audit.ledger_facts import (
    LEDGER_EVENTS,
    AgreementEvent,
    AskedEvent,
    Book,
    Change,
    LedgerFacts,
    Proposal,
    ProposalEvent,
    RefusalEvent,
    WishRefusalEvent,
    book_of,
    change_of,
    state_of,
)
from node.verify.claims import Said, Signed
from protocols import events, ledger_events
from protocols.crypto import keccak256
from protocols.errors import ProtocolError
from protocols.ledger import ADD, MOVE, REMOVE, RESTORED_TURN_JUMP
from protocols.outcome import total
from protocols.state import State, state_from_encoding
from protocols.types import amount_from_bytes

LEADER, FOLLOWER = 0, 1


class LedgerCheck(Check):
    """M8, M15 to M17, and M27 as far as ledgers go."""

    name = "ledgers"
    judges = (*get_args(LEDGER_EVENTS), events.StateSigned, events.StateReceived)

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[Said]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if isinstance(event, events.StateSigned | events.StateReceived):
            yield from self._whole_state(event)
        if not isinstance(event, LEDGER_EVENTS):
            return
        channel = self._facts.channels.get(event.channel_id)
        if channel is None or not self._facts.is_ledger(channel):
            yield f"{entry.name} names no ledger of ours"
            return
        if channel.ledger is None:
            yield "the ledger is not open: its postfund is not signed by both"
            return
        ledger = channel.ledger
        match event:
            case ledger_events.LedgerUpdateProposed() | ledger_events.LedgerUpdateReceived():
                yield from self._proposed(channel, ledger, event)
            case (
                ledger_events.LedgerUpdateSigned()
                | ledger_events.LedgerUpdateConfirmed()
                | ledger_events.LedgerCountersignatureSeen()
            ):
                yield from self._agreed(channel, ledger, event)
            case ledger_events.LedgerUpdateRefused() | ledger_events.LedgerRefusalReceived():
                yield from _refused(channel, ledger, event)
            case ledger_events.LedgerPaymentAsked() | ledger_events.LedgerPaymentRequested():
                yield from _asked(channel, ledger, event)
            case (
                ledger_events.LedgerPaymentRefused() | ledger_events.LedgerPaymentRefusalReceived()
            ):
                yield from _wish_refused(channel, ledger, event)
            case ledger_events.LedgerUpdateResent():
                if channel.my_index != LEADER or ledger.proposal(event.turn_num) is None:
                    yield f"no proposal of ours waits at turn {event.turn_num}"
            case ledger_events.LedgerRestored():
                yield from self._restored(channel, ledger, event)

    # --- proposals ---

    def _proposed(
        self, channel: ChannelFacts, ledger: LedgerFacts, event: ProposalEvent
    ) -> Iterator[Said]:
        is_ours = isinstance(event, ledger_events.LedgerUpdateProposed)
        if is_ours != (channel.my_index == LEADER):
            yield "only the leader proposes"
        if event.turn_num != ledger.highest_turn + 1:
            yield f"turn {event.turn_num} does not follow turn {ledger.highest_turn} (M8)"
        if has_final(channel):
            yield "a final state is signed: no running one follows (M8)"
        change = change_of(event)
        faults = list(ledger.proposed.faults(change))
        yield from faults
        yield from _resulting_state(ledger, change, event)
        leader = channel.participants[LEADER]
        what = f"turn {event.turn_num}"
        yield Signed(what, event.state_hash, event.signature, leader)
        if is_ours and not faults:
            yield from self._may_propose(channel, ledger, change)

    def _may_propose(
        self, channel: ChannelFacts, ledger: LedgerFacts, change: Change
    ) -> Iterator[str]:
        if channel.is_close_only:
            yield "the log had lost a tail: the ledger may only be closed (M27)"
        standing = ledger.refused_standing(ledger.highest_turn)
        if any(change == refused.change.inverse() for refused in standing):
            return  # Exempt from what follows: it only takes back (M8).
        for refused in standing:
            yield f"turn {refused.turn_num} was refused and is not undone first (M8)"
        waiting = list(ledger.own_changes(ledger.highest_turn))
        if change.kind != MOVE and any(p.change.target == change.target for p in waiting):
            yield "a change of that guarantee waits for the follower's answer"
        answered = {p.change.request_id for p in waiting if _takes_from_follower(ledger, p.change)}
        yield from self._may_agree(channel, ledger, change, answered)

    # --- agreements ---

    def _agreed(
        self, channel: ChannelFacts, ledger: LedgerFacts, event: AgreementEvent
    ) -> Iterator[Said]:
        is_ours = isinstance(event, ledger_events.LedgerUpdateSigned)
        if is_ours != (channel.my_index == FOLLOWER):
            yield "only the follower countersigns"
        proposal = ledger.proposal(event.turn_num)
        if proposal is None:
            yield f"no proposal waits at turn {event.turn_num}"
            return
        if proposal.state_hash != event.state_hash:
            yield f"the state proposed at that turn is 0x{proposal.state_hash.hex()}"
        if not isinstance(event, ledger_events.LedgerCountersignatureSeen):
            # Whoever signs for the chain what it refused breaks its word, not this log.
            yield from _unsettled(ledger, proposal)
        follower = channel.participants[FOLLOWER]
        what = f"turn {event.turn_num}"
        yield Signed(what, event.state_hash, event.signature, follower)
        if not is_ours:
            return
        if has_final(channel):
            yield "a final state is signed: no running one follows (M8)"
        own_changes = list(ledger.own_changes(event.turn_num))
        # What only takes back says again what was agreed (ADR 0046); the queue must end to close.
        if channel.is_close_only and own_changes:
            yield "the log had lost a tail: the ledger may only be closed (M27)"
        answered: set[str] = set()
        for own in own_changes:
            for message in self._may_agree(channel, ledger, own.change, answered):
                yield f"turn {own.turn_num}: {message}"
            if _takes_from_follower(ledger, own.change):
                answered.add(own.change.request_id)

    def _may_agree(
        self, channel: ChannelFacts, ledger: LedgerFacts, change: Change, answered: set[str]
    ) -> Iterator[str]:
        """What keeps us from signing a change that is no inverse."""
        status = channel.chain_status()
        # A challenged ledger goes on by a move of 0 (M20), and gives guarantees back.
        is_way_on = status == "challenged" and change.kind == MOVE and not change.amount
        is_allowed = change.kind == REMOVE or is_way_on
        if status == "concluded" or (status != "open" and not is_allowed):
            yield f"the ledger is {status} on chain"
        if channel.has_final_request and change.kind != REMOVE:
            yield "the ledger is closing"
        if change.kind == ADD:
            yield from addition_faults(self._facts, channel, ledger, change)
        elif change.kind == REMOVE:
            yield from removal_faults(self._facts, channel, ledger, change)
        elif _takes_from_follower(ledger, change):
            asked = ledger.asked.get(change.request_id)
            if asked != change.amount or change.request_id in answered:
                yield f"the follower's balance falls by {change.amount}, unasked (M15)"

    # --- the end, and the way back after a cut tail ---

    def _whole_state(self, event: events.StateSigned | events.StateReceived) -> Iterator[str]:
        """The final state of a ledger; its first two are judged as those of any channel."""
        channel = self._facts.channels.get(event.channel_id)
        state = channel.states.get(event.state_hash) if channel is not None else None
        if channel is None or state is None or not self._facts.is_ledger(channel):
            return
        if not state.is_final:
            return
        ledger = channel.ledger
        if ledger is None:
            yield "the ledger ends before it was open"
            return
        if ledger.agreed.guarantees:
            yield f"the ledger ends with {len(ledger.agreed.guarantees)} guarantees"
        free = Book(ledger.agreed.balances)
        if state != state_of(ledger.fixed, ledger.asset, free, state.turn_num, is_final=True):
            yield "the final state does not pay out what was agreed last"
        yield from _closing_turn(channel, ledger, state)

    def _restored(
        self, channel: ChannelFacts, ledger: LedgerFacts, event: ledger_events.LedgerRestored
    ) -> Iterator[Said]:
        if not self._facts.has_cut_tail:
            yield "no tail was cut: this log holds whatever we signed"
        if keccak256(event.encoded_state) != event.state_hash:
            yield "the state hash is not that of the encoded state"
        try:
            state = state_from_encoding(channel.fixed, event.encoded_state)
        except ProtocolError as error:
            yield f"no state of this channel: {error}"
            return
        book = book_of(state)
        if book is None or state.is_final:
            yield "no running state of a ledger looks like this"
        elif book.total() != ledger.opening_total:
            yield f"it shares out {book.total()}, the ledger has {ledger.opening_total}"
        if state.turn_num <= ledger.turn_num:
            yield f"turn {ledger.turn_num} was agreed before"
        signatures = (event.leader_signature, event.follower_signature)
        for who, signature in zip(channel.participants, signatures, strict=True):
            yield Signed("the state", event.state_hash, signature, who)


def has_final(channel: ChannelFacts) -> bool:
    """Whether a final state of the channel is known, signed by whomever."""
    return any(state.is_final for state in channel.states.values())


def _unsettled(ledger: LedgerFacts, proposal: Proposal) -> Iterator[str]:
    if proposal.is_refused:
        yield f"turn {proposal.turn_num} was refused for ever (M8)"
    for refused in ledger.refused_standing(proposal.turn_num):
        if refused is not proposal:
            yield f"turn {refused.turn_num} was refused and is not undone up to there (M8)"


def _takes_from_follower(ledger: LedgerFacts, change: Change) -> bool:
    return change.kind == MOVE and change.left == ledger.follower and change.amount > 0


def _resulting_state(ledger: LedgerFacts, change: Change, event: ProposalEvent) -> Iterator[str]:
    """The whole state that the change leads to, built from the fold and hashed."""
    book = ledger.proposed.copy()
    book.apply(change)
    try:
        state = state_of(ledger.fixed, ledger.asset, book, event.turn_num)
    except ProtocolError as error:
        yield f"no ledger can stand like that: {error}"
        return
    if state.state_hash() != event.state_hash:
        yield f"the change leads to state 0x{state.state_hash().hex()}"
    shared_out = sum(total(exit_) for exit_ in state.outcome)
    if shared_out != ledger.opening_total:
        yield f"it shares out {shared_out}, the ledger has {ledger.opening_total}"


def _refused(channel: ChannelFacts, ledger: LedgerFacts, event: RefusalEvent) -> Iterator[str]:
    is_ours = isinstance(event, ledger_events.LedgerUpdateRefused)
    if is_ours != (channel.my_index == FOLLOWER):
        yield "only the follower refuses"
    proposal = ledger.proposal(event.turn_num)
    if proposal is None:
        yield f"no proposal waits at turn {event.turn_num}"
    elif proposal.is_refused:
        yield f"turn {event.turn_num} was refused before"
    elif proposal not in list(ledger.own_changes(event.turn_num)):
        yield f"turn {event.turn_num} undoes a refused one: nobody refuses it (M8)"
    if not event.error_code:
        yield "the refusal has no name (M8)"


def _asked(channel: ChannelFacts, ledger: LedgerFacts, event: AskedEvent) -> Iterator[str]:
    is_ours = isinstance(event, ledger_events.LedgerPaymentAsked)
    if is_ours != (channel.my_index == FOLLOWER):
        yield "only the follower asks"
    amount = amount_from_bytes(event.amount)
    if amount < 1 or not event.request_id:
        yield "a payment has an amount and a request id"
    if event.request_id in ledger.asked:
        yield "that request waits for an answer already"
    if has_final(channel) or channel.is_close_only or channel.chain_status() != "open":
        yield "the ledger takes no payments any more"
    balance = ledger.agreed.balances[ledger.follower]
    if is_ours and amount + sum(ledger.asked.values()) > balance:
        yield f"{amount} and what was asked for before are above our balance of {balance}"


def _wish_refused(
    channel: ChannelFacts, ledger: LedgerFacts, event: WishRefusalEvent
) -> Iterator[str]:
    is_ours = isinstance(event, ledger_events.LedgerPaymentRefused)
    if is_ours != (channel.my_index == LEADER):
        yield "only the leader refuses what was asked for"
    if is_ours == (event.request_id in ledger.asked):
        yield "that request was taken in" if is_ours else "nothing was asked for under that id"
    if not event.error_code:
        yield "the refusal has no name"


def _closing_turn(channel: ChannelFacts, ledger: LedgerFacts, state: State) -> Iterator[str]:
    """M8: the highest turn that anyone signed, plus one; far above it after a cut tail (M27)."""
    rise = state.turn_num - ledger.highest_turn
    jump_turn = -1 if ledger.jump is None else ledger.jump[0]
    has_jumped = jump_turn > ledger.highest_turn
    if has_jumped and state.turn_num == jump_turn + 1:
        return  # The move of 0 was signed, and its answer is not there yet.
    if channel.is_close_only or channel.my_index == FOLLOWER:
        # Who lost its end jumps over all that it may have forgotten.
        if rise == 1 or rise > RESTORED_TURN_JUMP // 2:
            return
    elif rise == 1 and not ledger.queue and not has_jumped:
        return
    yield f"a ledger at turn {ledger.highest_turn} does not close at turn {state.turn_num} (M8)"
