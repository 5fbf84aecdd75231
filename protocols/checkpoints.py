"""What a checkpoint on chain shows: the signatures of a state that we signed and nobody answered.

    a proposal of ours -> agreed      a postfund or a final state -> signed by both

Who signs such a state in secret could checkpoint it, and leave us with nothing to challenge with:
what we hold is below the record, and of what the record stands for we lack a signature (ADR 0068).
Only ledgers, whose states are known by their hash before anybody answers. A signature counts
whatever becomes of the block that showed it, so the log is taken in as soon as it is observed.
"""

from __future__ import annotations

from protocols.channel import Channel
from protocols.crypto import recover_address, with_low_s
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.inputs import ChainLog
from protocols.ledger_answers import see_countersignature
from protocols.ledgers import is_ledger
from protocols.objectives.states import take_in
from protocols.types import ChannelId


def receive(draft: Draft, log: ChainLog) -> list[ChannelId]:
    """Record what the log shows and we did not know; the channels that it concerns.

    A log that shows nothing new leads to nothing: anybody may call the adjudicator, and put any
    signatures there beside those that count.
    """
    channel = draft.state.channels.get(log.channel_id)
    if channel is None or not is_ledger(draft, channel):
        return []
    if _take_in(draft, channel, log):
        return [log.channel_id]
    return see_countersignature(draft, channel, log)


def _take_in(draft: Draft, channel: Channel, log: ChainLog) -> bool:
    """Whether the other party's signature on a whole state of ours was new."""
    turn = channel.turn(log.turn_num)
    if turn is None or turn.state_hash != log.candidate_state_hash or all(turn.signatures):
        return False
    if not turn.signatures[channel.my_index]:
        return False
    for signature in map(with_low_s, log.signatures):
        try:
            signer = recover_address(turn.state_hash, signature)
        except ProtocolError:
            continue
        if signer == channel.counterparty:
            return take_in(draft, channel, channel.state(turn), turn.encoded_state, signature)
    return False
