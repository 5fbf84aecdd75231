"""Channels and states: ids and hashes recomputed, signatures recovered, turns in their rules."""

from collections.abc import Iterator
from typing import get_args

from node.audit.apps import running_faults
from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.verify.claims import Said, Signed
from protocols import events
from protocols.crypto import keccak256, with_low_s
from protocols.errors import ProtocolError
from protocols.nonce import has_prefix
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import ZERO_ADDRESS
from protocols.voucher import voucher_hash

PREFUND_TURN, POSTFUND_TURN, REDEMPTION_TURN, FIRST_FINAL_TURN = 0, 1, 2, 3
VOUCHER_SIZE_BYTES = 128
"""Of a voucher in app data: amount, v, r, s."""

_STATE_EVENTS = (
    events.StateStored
    | events.StateSigned
    | events.StateReceived
    | events.StateSupportedUpdated
    | events.ChannelFinalized
)
_JUDGED = (*get_args(_STATE_EVENTS), events.ChannelCreated)


class StateCheck(Check):
    """M5 to M7, M10 and M12, as far as states go."""

    name = "states"
    judges = _JUDGED

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[Said]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if isinstance(event, events.ChannelCreated):
            yield from self._created(event)
            return
        if not isinstance(event, _STATE_EVENTS):
            return
        channel = self._facts.channels.get(event.channel_id)
        if channel is None:
            yield f"{entry.name} names a channel that was never created"
            return
        match event:
            case events.StateStored():
                is_ledger = self._facts.is_ledger(channel)
                is_app = channel.fixed.app_definition in self._facts.app_definitions
                yield from _stored(channel, event, is_ledger=is_ledger, is_app=is_app)
            case events.StateSigned():
                yield from self._signed(channel, event)
            case events.StateReceived():
                yield from self._received(channel, event)
            case events.StateSupportedUpdated():
                yield from _supported(channel, event)
            case events.ChannelFinalized():
                yield from _finalized(channel, event)

    def _created(self, event: events.ChannelCreated) -> Iterator[str]:
        if event.channel_id in self._facts.channels:
            yield "the channel was created before (M10)"
        try:
            fixed = FixedPart(
                event.participants,
                event.channel_nonce,
                event.app_definition,
                event.challenge_duration,
            )
        except ProtocolError as error:
            yield f"no channel has such a fixed part: {error}"
            return
        if fixed.channel_id() != event.channel_id:
            yield f"the channel id of its fixed part is 0x{fixed.channel_id().hex()}"
        who = event.participants
        if len(set(who)) != len(who) or len(who) < 2 or ZERO_ADDRESS in who:
            yield "its participants are not two or more distinct addresses"
        if self._facts.me not in who:
            yield "we take no part in it"
        node = self._facts.node
        if node is None:
            return
        if not has_prefix(event.channel_nonce, node.chain_id, node.adjudicator):
            yield "its nonce is bound to another chain or adjudicator (M10)"
        apps = (node.virtual_payment_app, node.consensus_app, *self._facts.app_definitions)
        if event.app_definition not in apps:
            yield "its app is not the one this node can enforce (M1)"

    def _signed(self, channel: ChannelFacts, event: events.StateSigned) -> Iterator[Said]:
        if event.signer != self._facts.me:
            yield f"it is signed by 0x{event.signer.hex()}, not by us"
        other = channel.signed_by_me.get(event.turn_num, event.state_hash)
        if other != event.state_hash:
            yield f"we signed another state of turn {event.turn_num}: 0x{other.hex()} (M6)"
        if event.turn_num in channel.refused_by_me:
            yield f"we refused turn {event.turn_num} for ever (M7)"
        state = channel.states.get(event.state_hash)
        yield from _names_its_state(channel, state, event)
        if state is None:
            return
        expected = keccak256(state.app_data) if state.app_data else None
        if event.app_data_hash != expected:
            yield "its app data hash is not that of the state"
        yield from self._may_sign(channel, state, event)

    def _may_sign(
        self, channel: ChannelFacts, state: State, event: events.StateSigned
    ) -> Iterator[str]:
        if state.turn_num == POSTFUND_TURN:
            if channel.supported_turn is None:
                yield "we signed the postfund before the prefund was signed by all"
            if channel.virtual is None and not channel.holds_deposits():
                yield "we signed the postfund before the deposits were confirmed (C8)"
        if not state.is_final:
            return
        offered = _to_payee(state)
        if offered is None or offered < channel.total:
            yield f"it pays {offered}, the largest voucher is {channel.total} (M12)"
        payer_signed = channel.participants[0] in channel.signers.get(event.state_hash, ())
        if channel.my_index != 0 and not payer_signed:
            yield "the payer signs the final state first (M12)"

    def _received(self, channel: ChannelFacts, event: events.StateReceived) -> Iterator[Said]:
        if event.signer == self._facts.me or event.signer not in channel.participants:
            yield f"0x{event.signer.hex()} is no counterparty"
        yield from _names_its_state(channel, channel.states.get(event.state_hash), event)


def _stored(
    channel: ChannelFacts, event: events.StateStored, *, is_ledger: bool, is_app: bool
) -> Iterator[Said]:
    if keccak256(event.encoded_state) != event.state_hash:
        yield "the state hash is not that of the encoded state"
    if event.state_hash in channel.states:
        yield "the state was stored before"
    try:
        state = state_from_encoding(channel.fixed, event.encoded_state)
    except ProtocolError as error:
        yield f"no state of this channel: {error}"
        return
    turn_num = state.turn_num
    taken = [known for known in channel.states.values() if known.turn_num == turn_num]
    if taken and event.state_hash not in channel.states:
        yield f"turn {turn_num} is taken by another state"
    # What a ledger does between its postfund and its end is recorded as changes.
    first_final = POSTFUND_TURN + 1 if is_ledger else FIRST_FINAL_TURN
    if is_app and not state.is_final and turn_num > POSTFUND_TURN:
        # The chain showed it: what the ends say to each other is recorded as messages.
        yield from running_faults(channel, state)
        return
    if state.is_final != (turn_num >= first_final):
        yield f"turn {turn_num} is {'' if state.is_final else 'not '}final (M7)"
    if turn_num == REDEMPTION_TURN and not is_ledger:
        yield from _redeems(channel, state)
    prefund = channel.prefund()
    if turn_num == POSTFUND_TURN and (prefund is None or prefund.outcome != state.outcome):
        yield "the postfund does not carry the prefund's outcome (M5)"


def _redeems(channel: ChannelFacts, state: State) -> Iterator[Said]:
    """Why it is not what the payee redeems: the largest voucher that we accepted (M20), or what the
    payee showed on chain of the vouchers that were given to it."""
    prefund, data = channel.prefund(), state.app_data
    if prefund is None or len(data) != VOUCHER_SIZE_BYTES:
        yield "turn 2 is the redemption's alone (M7)"
        return
    total, v = int.from_bytes(data[:32], "big"), data[63:64]
    deposit = channel.deposits()[0]
    is_payee = channel.my_index == len(channel.participants) - 1
    if is_payee and not total == channel.total > 0:
        yield f"it redeems {total}, our largest accepted voucher is {channel.total} (M20)"
    amounts = [share.amount for exit_ in state.outcome for share in exit_.allocations]
    if amounts != [deposit - total, total] or _shape(state) != _shape(prefund):
        yield "it moves more than the voucher's amount (M1)"
    message = voucher_hash(channel.channel_id, total)
    signature = with_low_s(data[64:] + v)
    yield Signed("the voucher redeemed", message, signature, channel.participants[0])


def _shape(state: State) -> list[object]:
    """What a redemption keeps of its postfund: all but the amounts."""
    return [
        (
            (exit_.asset, exit_.asset_type, exit_.asset_metadata),
            [(s.destination, s.allocation_type, s.metadata) for s in exit_.allocations],
        )
        for exit_ in state.outcome
    ]


def _names_its_state(
    channel: ChannelFacts, state: State | None, event: events.StateSigned | events.StateReceived
) -> Iterator[Said]:
    if state is None:
        yield "it names a state that was not stored before"
    elif (state.turn_num, state.is_final) != (event.turn_num, event.is_final):
        yield f"the state it names has turn {state.turn_num}, final: {state.is_final}"
    if event.signer in channel.signers.get(event.state_hash, ()):
        yield "that signature is in the log already"
    yield Signed(f"turn {event.turn_num}", event.state_hash, event.signature, event.signer)


def _to_payee(state: State) -> int | None:
    if len(state.outcome) != 1 or len(state.outcome[0].allocations) != 2:
        return None
    return state.outcome[0].allocations[1].amount


def _supported(channel: ChannelFacts, event: events.StateSupportedUpdated) -> Iterator[str]:
    state = channel.states.get(event.state_hash)
    if state is None or state.turn_num != event.supported_turn:
        yield "it names no stored state of that turn"
    if not channel.is_signed_by_all(event.state_hash):
        yield "the state is not signed by all"
    if event.num_signatures != len(channel.participants):
        yield f"{event.num_signatures} signatures of {len(channel.participants)} participants"
    if event.prev_supported_turn != channel.supported_turn:
        yield f"the turn supported before is {channel.supported_turn}"
    if channel.supported_turn is not None and event.supported_turn <= channel.supported_turn:
        yield "support does not rise"


def _finalized(channel: ChannelFacts, event: events.ChannelFinalized) -> Iterator[str]:
    state = channel.states.get(event.final_state_hash)
    if state is None or not state.is_final or state.turn_num != event.final_turn:
        yield "it names no stored final state of that turn"
    if not channel.is_signed_by_all(event.final_state_hash):
        yield "the final state is not signed by all"
