"""What a checkpoint on chain shows: signatures that we lack, and states that we never had.

    a proposal of ours -> agreed      a postfund or a final state -> signed by all
    a payee's redemption -> known: whoever is held by it can challenge with it

Who signs such a state in secret could checkpoint it, and leave us with nothing to challenge with:
what we hold is below the record, and of what the record stands for we lack a signature (ADR 0068)
or everything (ADR 0069). A signature counts whatever becomes of the block that showed it, so the
log is taken in as soon as it is observed.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocols.channel import POSTFUND_TURN, REDEMPTION_TURN, Channel
from protocols.crypto import keccak256, recover_address, with_low_s
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.inputs import ChainLog
from protocols.ledger_answers import see_countersignature
from protocols.objectives.virtual_states import take_in
from protocols.redemptions import redeemed_by
from protocols.state import state_from_encoding
from protocols.types import ChannelId, Signature, StateHash

CHECKPOINT_LOGS = frozenset(("CheckpointSigned", "CheckpointProved"))
"""Ours: they tell by what a checkpoint was made."""


def receive(draft: Draft, log: ChainLog) -> list[ChannelId]:
    """Record what the log shows and we did not know; the channels that it concerns.

    A log that shows nothing new leads to nothing: anybody may call the adjudicator, and put any
    signatures there beside those that count.
    """
    channel = draft.state.channels.get(log.channel_id)
    if channel is None:
        return []
    if log.log_name == "CheckpointProved":
        return [log.channel_id] if _take_in_proved(draft, channel, log) else []
    if take_in_signatures(draft, channel, log.turn_num, log.candidate_state_hash, log.signatures):
        return [log.channel_id]
    return see_countersignature(draft, channel, log)


def take_in_signatures(
    draft: Draft,
    channel: Channel,
    turn_num: int,
    state_hash: StateHash,
    given: Sequence[Signature],
) -> bool:
    """Whether another's signature on a whole state of ours was new."""
    turn = channel.turn(turn_num)
    if turn is None or turn.state_hash != state_hash or turn.is_signed_by_all():
        return False
    if not turn.signatures[channel.my_index]:
        return False
    found = by_participant(channel, state_hash, given)
    state, encoded = channel.state(turn), turn.encoded_state
    return take_in(draft, channel.channel_id, state, encoded, found, channel.counterparty)


def by_participant(
    channel: Channel, state_hash: StateHash, given: Sequence[Signature]
) -> tuple[Signature, ...]:
    """The participants' own of these signatures, at their places; b"" where there is none."""
    people = channel.fixed.participants
    found = [b""] * len(people)
    for signature in map(with_low_s, given):
        try:
            signer = recover_address(state_hash, signature)
        except ProtocolError:
            continue
        if signer in people:
            found[people.index(signer)] = signature
            if all(found):
                break
    return tuple(found)


def _take_in_proved(draft: Draft, channel: Channel, log: ChainLog) -> bool:
    """Whether the log shows a redemption that we did not know, or a signature under its proof."""
    app = draft.state.node.virtual_payment_app
    if channel.fixed.app_definition != app or len(log.proof) != 1:
        return False
    encoded, given = log.proof[0]
    is_new = take_in_signatures(draft, channel, POSTFUND_TURN, keccak256(encoded), given)
    return _take_in_redemption(draft, draft.state.channels[log.channel_id], log) or is_new


def _take_in_redemption(draft: Draft, channel: Channel, log: ChainLog) -> bool:
    postfund = channel.turn(POSTFUND_TURN)
    is_known = channel.turn(REDEMPTION_TURN) is not None
    if postfund is None or not postfund.is_signed_by_all() or is_known:
        return False
    try:
        state = state_from_encoding(channel.fixed, log.candidate)
        redeemed_by(state, channel.state(postfund))
    except ProtocolError:
        return False
    # The payee's signature alone makes it a redemption, so that one is kept.
    *others, payees = by_participant(channel, keccak256(log.candidate), log.signatures)
    if not payees:
        return False
    found = (*(b"" for _ in others), payees)
    return take_in(draft, log.channel_id, state, log.candidate, found, channel.counterparty)
