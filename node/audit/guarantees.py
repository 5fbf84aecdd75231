"""Guarantees: what a change of a ledger that we sign means to the channel it funds (M14 to M17)."""

from collections.abc import Iterator

from node.audit.channel_facts import ChannelFacts
from node.audit.facts import Facts
from node.audit.ledger_facts import Change, LedgerFacts
from node.audit.virtual_facts import VirtualFacts
from protocols.objectives.base import ObjectiveType
from protocols.outcome import destination_of
from protocols.state import State

PREFUND_TURN, POSTFUND_TURN = 0, 1


def addition_faults(
    facts: Facts, carrier: ChannelFacts, ledger: LedgerFacts, change: Change
) -> Iterator[str]:
    """Why we may not sign a guarantee's addition, given all that the log says before."""
    channel = facts.channels.get(change.target)
    if channel is None or channel.virtual is None or channel.my_index is None:
        yield "it guarantees no virtual channel that we know"
        return
    virtual = channel.virtual
    place = virtual.place_of(carrier.channel_id, channel.my_index)
    if place is None:
        yield "another ledger carries that channel (M17)"
        return
    yield from _values(channel, virtual, place, ledger, change)
    if channel.signed_at(PREFUND_TURN) != set(channel.participants):
        yield "the channel's prefund is not signed by all: nobody could enforce the guarantee"
    is_hubs_right = 0 < channel.my_index == place
    if is_hubs_right and not facts.is_guaranteed(virtual.left_ledger, change.target):
        yield "our left guarantee is not countersigned (M14)"
    for ledger_id in facts.ledgers_of_pair(carrier):
        if ledger_id != carrier.channel_id and facts.may_stand(ledger_id, change.target):
            yield f"ledger 0x{ledger_id.hex()} of the pair guarantees it too (M17)"
    if virtual.is_given_up or ObjectiveType.VIRTUAL_FUND in channel.rejected:
        yield "the channel was given up before"
    if facts.me in channel.signed_at(POSTFUND_TURN):
        yield "we signed the postfund before: the channel's guarantees were made already"
    if any(state.is_final for state in channel.states.values()):
        yield "the channel has a final state"


def _values(
    channel: ChannelFacts, virtual: VirtualFacts, place: int, ledger: LedgerFacts, change: Change
) -> Iterator[str]:
    deposits, prefund = channel.deposits(), channel.prefund()
    pair = tuple(destination_of(who) for who in channel.participants[place : place + 2])
    if (change.left, change.right) != pair:
        yield "left and right are not the neighbours on the path (M14)"
    if change.amount != channel.deposit():
        yield f"it guarantees {change.amount}, the prefund shares out {channel.deposit()} (M14)"
    if deposits and change.left_amount != deposits[0]:
        yield f"left puts in {change.left_amount}, the payer's amount is {deposits[0]} (M14)"
    if change.fee != virtual.fee_at(place):
        yield f"it moves a fee of {change.fee}, {virtual.fee_at(place)} was agreed (M14)"
    if prefund is not None and [exit_.asset for exit_ in prefund.outcome] != [ledger.asset]:
        yield "the channel is in another asset than the ledger (M14)"


def removal_faults(
    facts: Facts, carrier: ChannelFacts, ledger: LedgerFacts, change: Change
) -> Iterator[str]:
    """Why we may not sign a guarantee's removal (M16), given all that the log says before."""
    channel = facts.channels.get(change.target)
    if channel is None or channel.virtual is None or channel.my_index is None:
        yield "it was for no virtual channel that we know"
        return
    if channel.is_final:
        # The chain decided, and that was confirmed before.
        first = channel.first_standing
        if first is None or (change.left_amount, change.fee) != (first[0].amount, 0):
            yield "it is not the split that the channel finalised with on chain (M16)"
        return
    final = channel.supported_final()
    if final is not None and (change.left_amount, change.fee) == (payers_amount(final), 0):
        if channel.chain_status() != "open":
            yield f"the channel is {channel.chain_status()} on chain (M16)"
        return
    added = ledger.additions.get(change.target)
    if added is None or change != added.inverse():
        yield "it is neither the split of a final state of all nor what each side put in (M16)"
        return
    is_ours_to_give_back = change.right == destination_of(facts.me)
    if is_ours_to_give_back:
        yield from _unwinding_faults(facts, channel, channel.virtual)
    elif _has_two_stakes(channel):
        yield from _taking_back_faults(facts, channel)


def _has_two_stakes(channel: ChannelFacts) -> bool:
    deposits = channel.deposits()
    return len(deposits) == 2 and deposits[1] > 0


def _taking_back_faults(facts: Facts, channel: ChannelFacts) -> Iterator[str]:
    """M16 (b), on the left side, where right put in a part: ours may not be all there is to get."""
    if facts.me in channel.signed_at(POSTFUND_TURN):
        yield "both ends put in, and we signed the postfund: it may end in another split (M16)"
    signed = (channel.states.get(state_hash) for state_hash in channel.signed_by_me.values())
    if any(state is not None and state.is_final for state in signed):
        yield "both ends put in, and we signed a final state: its split counts (M16)"
    if channel.is_close_only:
        yield "both ends put in, and what we signed of it is not all known any more (M16, M27)"


def ending_faults(facts: Facts, channel: ChannelFacts, final: State) -> Iterator[str]:
    """Why a hub may not sign that end: it would lose what no guarantee gives back."""
    virtual, payers = channel.virtual, payers_amount(final)
    if virtual is None or payers is None or not _has_two_stakes(channel) or channel.is_close_only:
        return
    gain = channel.deposits()[0] - payers
    left, right = (
        _may_be_in_force(facts, ledger_id, channel.channel_id)
        for ledger_id in (virtual.left_ledger, virtual.right_ledger)
    )
    if any((on_left - on_right) * gain < 0 for on_left in left for on_right in right):
        yield "only one of our guarantees is sure, and the final state takes from us by it (M16)"


def _may_be_in_force(facts: Facts, ledger_id: bytes, target: bytes) -> set[bool]:
    if not facts.may_stand(ledger_id, target):
        return {False}
    ledger, carrier = facts.ledger(ledger_id), facts.channels.get(ledger_id)
    is_ours = ledger is not None and carrier is not None and carrier.my_index == 0
    queue = ledger.queue if ledger is not None and is_ours else []
    return {False, True} if any(p.change.target == target for p in queue) else {True}


def _unwinding_faults(facts: Facts, channel: ChannelFacts, virtual: VirtualFacts) -> Iterator[str]:
    """M16 (b), on the right side of a ledger."""
    if channel.supported_final() is not None:
        yield "a final state of all is known: its split counts (M16)"
    if facts.me not in virtual.renounced:
        yield "we have not recorded that we never sign the postfund (M16)"
    is_payee = facts.me == channel.participants[-1]
    if is_payee and channel.total:
        yield "we accepted a voucher (M16)"
    if not is_payee and facts.me in channel.signed_at(POSTFUND_TURN):
        yield "we signed the postfund (M16)"
    if not is_payee and facts.may_stand(virtual.right_ledger, channel.channel_id):
        yield "our own right guarantee stands (M16)"


def payers_amount(state: State) -> int | None:
    """What the payer gets; None if the state is no split between two."""
    if len(state.outcome) != 1 or len(state.outcome[0].allocations) != 2:
        return None
    return state.outcome[0].allocations[0].amount
