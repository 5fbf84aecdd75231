"""What a checkpoint on chain shows, against what the log has of it (ADR 0068, ADR 0069).

    CheckpointSigned   a state that all signed: the log has it with every signature
    CheckpointProved   a redemption under a postfund that all signed: the log has these very two

Running states of ledgers are left out: whose signature agrees to them is judged by `ledgers`.
"""

from __future__ import annotations

from node.audit.channel_facts import ChannelFacts
from protocols.crypto import keccak256
from protocols.inputs import ChainLog

SIGNED, PROVED = "CheckpointSigned", "CheckpointProved"
SHOWING = frozenset((SIGNED, PROVED))
"""The adjudicator's logs that show states and become no record of their own."""
POSTFUND_TURN, REDEMPTION_TURN = 1, 2


def deviation(channel: ChannelFacts, log: ChainLog) -> str:
    """In what the log differs from what is shown; empty where it need not have it, or has it.

    Who lost records takes nothing in (M27).
    """
    if channel.my_index is None or channel.is_close_only:
        return ""
    if log.log_name == SIGNED:
        return _of_signed(channel, log)
    return _of_proved(channel, log)


def _of_signed(channel: ChannelFacts, log: ChainLog) -> str:
    if channel.ledger is not None and log.turn_num > POSTFUND_TURN:
        return ""
    if channel.is_signed_by_all(log.candidate_state_hash):
        return ""
    return f"the log lacks the state of turn {log.turn_num} that it shows, or a signature on it"


def _of_proved(channel: ChannelFacts, log: ChainLog) -> str:
    payee = channel.participants[-1]
    if channel.participants[channel.my_index or 0] == payee or channel.ledger is not None:
        # The payee makes its redemptions itself, with a dispute kit also beside its log.
        return ""
    if len(log.proof) != 1 or not log.candidate:
        return ""
    ((postfund, _),) = log.proof
    if not channel.is_signed_by_all(keccak256(postfund)):
        return "the log lacks the postfund that it shows, or a signature on it"
    redemptions = [
        state_hash
        for state_hash, state in channel.states.items()
        if state.turn_num == REDEMPTION_TURN and payee in channel.signers.get(state_hash, ())
    ]
    if not redemptions:
        return "what it redeems is not in the log"
    if log.candidate_state_hash in redemptions or channel.is_checkpoint_retracted:
        # One redemption is enough for a node: after a fork the chain may show another.
        return ""
    return "the log has another redemption"
