"""Virtual channels: on a path that our ledgers carry, opened by all or by none (M14, M16)."""

from collections.abc import Iterator

from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.guarantees import ending_faults
from node.audit.ledgers import has_final
from node.audit.virtual_facts import VirtualFacts
from protocols import events, virtual_events
from protocols.objectives.base import LEAVING, ObjectiveType
from protocols.outcome import SIMPLE, Allocation, SingleAssetExit, destination_of
from protocols.state import State
from protocols.types import amount_from_bytes

PREFUND_TURN, POSTFUND_TURN = 0, 1


class VirtualCheck(Check):
    """M5, M7, M12, M14 and M16, as far as the states of virtual channels go."""

    name = "virtual"
    judges = None

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[str]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if isinstance(event, events.ObjectiveCompleted | events.ObjectiveRejected):
            yield from self._ended(event)
        channel_id = getattr(event, "channel_id", None)
        known = self._facts.channels.get(channel_id) if isinstance(channel_id, bytes) else None
        if known is not None and known.virtual is not None and known.virtual.is_pruned:
            yield "the channel was pruned before: nothing follows from it"
        if not isinstance(event, _VIRTUAL_RULES):
            return
        channel = self._facts.channels.get(event.channel_id)
        if isinstance(event, events.StateSigned):
            if channel is not None:
                yield from self._signed(channel, event)
            return
        if channel is None or channel.my_index is None:
            yield f"{entry.name} names no channel of ours"
            return
        if isinstance(event, virtual_events.VirtualChannelRecorded):
            yield from self._recorded(channel, channel.my_index, event)
        elif channel.virtual is None:
            yield f"{entry.name} names no virtual channel"
        elif isinstance(event, virtual_events.PostfundRenounced):
            yield from self._renounced(channel, channel.virtual, event)
        elif isinstance(event, virtual_events.VirtualChannelPruned):
            yield from self._pruned(channel, channel.virtual)
        else:
            if channel.signed_at(POSTFUND_TURN) == set(channel.participants):
                yield "the channel is open: it is left by a final state (M16)"
            if channel.virtual.is_given_up:
                yield "the channel was given up before"

    # --- what carries it ---

    def _recorded(
        self, channel: ChannelFacts, my_index: int, event: virtual_events.VirtualChannelRecorded
    ) -> Iterator[str]:
        node, last = self._facts.node, len(channel.participants) - 1
        is_app = channel.fixed.app_definition in self._facts.app_definitions
        is_payment = node is not None and channel.fixed.app_definition == node.virtual_payment_app
        if not is_payment and not is_app:
            yield "only payment channels and applications are virtual (M1)"
        prefund = channel.prefund()
        if prefund is None or prefund != _opening(prefund, is_app=is_app):
            kind = "application" if is_app else "one-way channel"
            yield f"its prefund is no {kind} from payer to payee in one asset (M14)"
        fees = tuple(amount_from_bytes(fee) for fee in event.fees)
        if len(fees) != last - 1:
            yield f"{len(fees)} fees for {last - 1} intermediaries (M14)"
        known = channel.virtual
        if known is None and channel.signed_by_me:
            yield "we signed before it was recorded what carries the channel (M14)"
        elif known is not None:
            is_completion = my_index == last and not known.left_ledger and event.left_ledger
            if not is_completion or fees != known.fees:
                yield "what carries the channel was recorded before (M17)"
        if bool(event.right_ledger) != (my_index < last):
            yield "all but the payee have a ledger to the right"
        if my_index == 0 and event.left_ledger:
            yield "the payer has no ledger to the left"
        if 0 < my_index < last and not event.left_ledger:
            yield "an intermediary has a ledger to the left"
        for ledger_id, neighbour in (
            (event.left_ledger, my_index - 1),
            (event.right_ledger, my_index + 1),
        ):
            if ledger_id:
                pair = {self._facts.me, *channel.participants[neighbour : neighbour + 1]}
                yield from self._carrier(ledger_id, pair, prefund)

    def _carrier(self, ledger_id: bytes, pair: set[bytes], prefund: State | None) -> Iterator[str]:
        carrier = self._facts.channels.get(ledger_id)
        name = f"ledger 0x{ledger_id.hex()}"
        if carrier is None or carrier.ledger is None:
            yield f"{name} is not open"
            return
        if set(carrier.participants) != pair:
            yield f"{name} is not between us and our neighbour on the path"
        if prefund is not None and [e.asset for e in prefund.outcome] != [carrier.ledger.asset]:
            yield f"{name} is in another asset (M14)"
        if has_final(carrier) or carrier.is_close_only or carrier.chain_status() != "open":
            yield f"{name} takes no guarantees any more"

    # --- its states ---

    def _signed(self, channel: ChannelFacts, event: events.StateSigned) -> Iterator[str]:
        state = channel.states.get(event.state_hash)
        if state is None or channel.my_index is None:
            return  # Another family says so.
        if channel.virtual is None:
            if len(channel.participants) > 2:
                yield "we signed before it was recorded what carries the channel (M14)"
            return
        if ObjectiveType.VIRTUAL_FUND in channel.rejected and not state.is_final:
            yield "the channel was rejected before"
        if state.turn_num == POSTFUND_TURN:
            yield from self._postfund(channel, channel.virtual, channel.my_index)
        elif state.is_final:
            yield from self._final(channel, channel.my_index, state, event)

    def _postfund(
        self, channel: ChannelFacts, virtual: VirtualFacts, my_index: int
    ) -> Iterator[str]:
        facts, last = self._facts, len(channel.participants) - 1
        if my_index > 0 and not facts.is_guaranteed(virtual.left_ledger, channel.channel_id):
            yield "we signed the postfund before our left guarantee was agreed (M14)"
        if my_index < last and not facts.is_guaranteed(virtual.right_ledger, channel.channel_id):
            yield "we signed the postfund before our right guarantee was agreed (M14)"
        if set(channel.participants[my_index + 1 :]) - channel.signed_at(POSTFUND_TURN):
            yield "we signed the postfund before those to our right (M16)"
        if facts.me in virtual.renounced:
            yield "we recorded that we never sign the postfund (M16)"
        if virtual.is_given_up:
            yield "the channel was given up before (M16)"
        if has_final(channel):
            yield "the channel has a final state"

    def _final(
        self, channel: ChannelFacts, my_index: int, state: State, event: events.StateSigned
    ) -> Iterator[str]:
        prefund = channel.prefund()
        if prefund is None or not _is_split_of(state, prefund):
            yield "the final state is no split of the deposit between payer and payee"
        if channel.signed_at(PREFUND_TURN) != set(channel.participants):
            yield "the prefund is not signed by all"
        if not 0 < my_index < len(channel.participants) - 1:
            return
        to_the_right = set(channel.participants[my_index + 1 :])
        if to_the_right - channel.signers.get(event.state_hash, set()):
            yield "an intermediary signs after the payee and those to its right"
        others = set(channel.signed_by_me) - {PREFUND_TURN, POSTFUND_TURN, event.turn_num}
        if others:
            yield f"an intermediary signs one final state, we signed turn {min(others)}"
        yield from ending_faults(self._facts, channel, state)

    # --- the way back ---

    def _renounced(
        self, channel: ChannelFacts, virtual: VirtualFacts, event: virtual_events.PostfundRenounced
    ) -> Iterator[str]:
        who = event.participant
        if who not in channel.participants[1:]:
            yield "the payer signs last and has nothing to renounce"
            return
        if who in virtual.renounced:
            yield "it renounced before"
        is_payee = who == channel.participants[-1]
        if not is_payee and who in channel.signed_at(POSTFUND_TURN):
            yield "it signed the postfund before (M16)"
        if who == self._facts.me:
            if is_payee and channel.total:
                yield "we accepted a voucher before (M16)"
            if is_payee and channel.app is not None and channel.app.signed_count:
                yield "we signed a running state before (M16)"
            if self._facts.may_stand(virtual.right_ledger, channel.channel_id):
                yield "our own right guarantee stands (M16)"
            if channel.supported_final() is not None:
                yield "a final state of all is known: its split counts (M16)"
            return
        if channel.my_index is None or channel.participants.index(who) != channel.my_index + 1:
            yield "it is not our right neighbour's"
        if channel.signed_at(POSTFUND_TURN) == set(channel.participants):
            yield "the channel is open (M16)"

    def _pruned(self, channel: ChannelFacts, virtual: VirtualFacts) -> Iterator[str]:
        """Only what was given up before anybody could need our part in it is pruned (M10, M16)."""
        if ObjectiveType.VIRTUAL_FUND not in channel.rejected:
            yield "the channel was not rejected"
        if virtual.is_given_up:
            yield "the channel had guarantees: others may need its final state (M16)"
        if any(state.turn_num != PREFUND_TURN for state in channel.states.values()):
            yield "more than its prefund is known (M16)"
        if channel.is_close_only:
            yield "the log had lost a tail: more may have been signed than is known (M27)"
        for ledger_id in (virtual.left_ledger, virtual.right_ledger):
            if self._facts.may_stand(ledger_id, channel.channel_id):
                yield f"ledger 0x{ledger_id.hex()} may guarantee the channel still (M16)"

    def _ended(self, event: events.ObjectiveCompleted | events.ObjectiveRejected) -> Iterator[str]:
        """An opening ends open or without guarantees, a closing without any."""
        objective = self._facts.objectives.get(event.objective_id)
        channel = self._facts.channels.get(objective.channel_id) if objective is not None else None
        if objective is None or channel is None or channel.virtual is None:
            return
        is_opened = isinstance(event, events.ObjectiveCompleted) and event.success
        if is_opened and objective.objective_type == ObjectiveType.VIRTUAL_FUND:
            if channel.signed_at(POSTFUND_TURN) != set(channel.participants):
                yield "the channel is not open: its postfund is not signed by all (M5)"
            return
        if objective.objective_type in LEAVING or (not is_opened and channel.is_final):
            return  # What ended on chain is settled by VirtualDefund, or by the ledger's own end.
        for ledger_id in (channel.virtual.left_ledger, channel.virtual.right_ledger):
            carrier = self._facts.channels.get(ledger_id)
            if carrier is not None and carrier.is_final:
                continue  # The chain gives it back.
            if self._facts.may_stand(ledger_id, channel.channel_id):
                yield f"ledger 0x{ledger_id.hex()} may guarantee the channel still (M16)"


_VIRTUAL_RULES = (
    events.StateSigned
    | virtual_events.VirtualChannelRecorded
    | virtual_events.PostfundRenounced
    | virtual_events.UnwindingAsked
    | virtual_events.VirtualChannelPruned
)


def _split(prefund: State, to_payer: int, to_payee: int) -> tuple[SingleAssetExit, ...]:
    payer, payee = prefund.fixed.participants[0], prefund.fixed.participants[-1]
    allocations = (
        Allocation(destination_of(payer), to_payer, SIMPLE),
        Allocation(destination_of(payee), to_payee, SIMPLE),
    )
    return (SingleAssetExit(prefund.outcome[0].asset, allocations),)


def _opening(prefund: State, *, is_app: bool) -> State | None:
    """The prefund as such a channel may have it: the first end puts in all, or in an application a
    part; None if there are no such amounts. What an application commits to is checked with its own
    record."""
    amounts = _amounts(prefund)
    if amounts is None or not amounts[0] or (amounts[1] and not is_app):
        return None
    app_data = prefund.app_data if is_app else b""
    return State(prefund.fixed, app_data, _split(prefund, *amounts), PREFUND_TURN, False)


def _is_split_of(state: State, prefund: State) -> bool:
    amounts = _amounts(state)
    opening = _amounts(prefund)
    if amounts is None or opening is None or sum(amounts) != sum(opening):
        return False
    return not state.app_data and state.outcome == _split(prefund, *amounts)


def _amounts(state: State) -> tuple[int, int] | None:
    if len(state.outcome) != 1 or len(state.outcome[0].allocations) != 2:
        return None
    first, second = state.outcome[0].allocations
    return first.amount, second.amount
