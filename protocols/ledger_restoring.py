"""After a cut tail: the newest state that both signed is shown, and whoever forgot it takes it.

Our own signature under a state is proof enough that we agreed to it, so a state with both is taken
from anybody. From then on the ledger may only be closed (M27), until the two agree to go on
(`ledger_resuming`): what else we may have signed on top of it, nobody can show.
"""

from __future__ import annotations

from protocols import ledger_resuming, messages
from protocols.channel import POSTFUND_TURN, Channel, funding_terms, known_signer
from protocols.crypto import keccak256
from protocols.draft import Draft
from protocols.errors import EquivocationRefused, StateRefused, WrongSigner
from protocols.ledger import balance_total, ledger_state, vars_of
from protocols.ledger_events import LedgerRestored, LedgerUpdateResent
from protocols.ledger_reducers import ledger_of
from protocols.ledgers import has_final, proposal_message
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.state import State


def retell(draft: Draft, channel: Channel) -> None:
    """Say again what the other party may have lost, or may answer with what we lost."""
    if channel.ledger is None or has_final(channel):
        return
    show_agreed(draft, channel)
    _repeat_queue(draft, channel)


def _repeat_queue(draft: Draft, channel: Channel) -> None:
    """A leader that lost nothing says again what the follower has not answered."""
    if channel.my_index != 0 or channel.close_only:
        return
    for proposal in ledger_of(channel).queue:
        body = proposal_message(channel.channel_id, proposal)
        fact = LedgerUpdateResent(channel.channel_id, proposal.turn_num)
        draft.send_covered(channel.counterparty, body, fact)


def show_agreed(draft: Draft, channel: Channel) -> None:
    """Send the newest agreed state with both signatures. The postfund is shown by DirectFund."""
    ledger = ledger_of(channel)
    if ledger.turn_num <= POSTFUND_TURN:
        return
    state = ledger_state(channel.fixed, ledger.asset, ledger.current, ledger.turn_num)
    mine, theirs = ledger.signatures[channel.my_index], ledger.signatures[1 - channel.my_index]
    body = messages.SignedState(channel.channel_id, state.encode(), mine, theirs)
    identity = objective_id(ObjectiveType.DIRECT_FUND, channel.channel_id)
    draft.send(channel.counterparty, body, identity)


def receive_agreed(
    draft: Draft, channel: Channel, state: State, body: messages.SignedState
) -> None:
    """The other party shows what it knows to be agreed: take it, or show what we know.

    Raises a ProtocolError for a state that was never agreed.
    """
    if channel.ledger is None:
        raise StateRefused(state.turn_num, "the ledger is not funded")
    ledger, state_hash = channel.ledger, keccak256(body.encoded_state)
    if state.turn_num == ledger.turn_num and state_hash != ledger.state_hash:
        raise EquivocationRefused(channel.channel_id, state.turn_num)
    if state.turn_num == POSTFUND_TURN:
        # Said again: the other party forgot that the ledger was open, and so all that followed.
        retell(draft, channel)
        return
    if state.turn_num <= ledger.turn_num:
        if state.turn_num < ledger.turn_num:
            show_agreed(draft, channel)
        return
    if any(waiting.state_hash == state_hash for waiting in ledger.queue) and not channel.close_only:
        return  # The countersignature itself says so, in its turn.
    if ledger.resumption is not None and ledger.resumption.jump_hash == state_hash:
        return  # Likewise.
    total = balance_total(vars_of(state))
    if state.outcome[0].asset != ledger.asset or total != funding_terms(channel).total:
        raise StateRefused(state.turn_num, "it does not share out what was deposited")
    shown = (body.signature, body.receivers_signature)
    signatures = shown if channel.my_index == 1 else (shown[1], shown[0])
    for index, signature in enumerate(signatures):
        signer = known_signer(channel, index)
        if signer is None or not signer.verify(state_hash, signature):
            raise WrongSigner(channel.fixed.participants[index])
    draft.emit(LedgerRestored(channel.channel_id, state_hash, body.encoded_state, *signatures))
    ledger_resuming.advance(draft, channel.channel_id)
