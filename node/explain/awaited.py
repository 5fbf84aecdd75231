"""What an objective waits for, as a person says it."""

from __future__ import annotations

AWAITED = {
    "nothing": "nothing",
    "approval": "your approval: tally approve",
    "complete-prefund": "the peer to agree; its owner may have to approve it: tally approve",
    "token-allowance": "the token to let the adjudicator take our deposit",
    "my-deposit": "our deposit to be mined",
    "complete-funding": "the deposit to be confirmed on chain",
    "complete-postfund": "the peer to confirm that the channel is open",
    "largest-voucher": "the peer to show the largest voucher it holds",
    "final-state-from-payer": "the payer to sign the channel's final state",
    "supported-final-state": "the peer to sign the channel's final state",
    "final-state-from-leader": "the ledger's leader to sign its final state",
    "latest-ledger-state": "the peer to show the newest state of the ledger",
    "owners-word": "its owner to close it too, or to move: the peer wants a game ended at our move",
    "app-run": "the peer to answer or confirm the messages that are under way",
    "empty-ledger": "the ledger to be empty: close the channels it carries",
    "left-guarantee": "the ledger nearer to the payer to carry the channel",
    "right-guarantee": "the ledger nearer to the payee to carry the channel",
    "renunciation": "the others on the path to give the channel up",
    "guarantee-removal": "our ledgers to be settled",
    "conclusion": "the closing transaction to be mined",
    "withdrawal": "the payout to be confirmed on chain",
    "challenge-registration": "our challenge to be mined",
    "challenge-expiry": "the challenge's time to be up",
    "challenge-clearance": "our answer to the challenge to be mined and confirmed",
    "finalization": "the end of the channel to be confirmed on chain",
    "target-finalization": "a channel that the ledger carries to be final on chain",
    "reclaim": "what the ledger guaranteed to be given back on chain",
    "known-outcome": "the other party: we lost what the channel ended with",
}
"""What each unmet condition means to a person."""


def awaited(condition: str) -> str:
    """The node's name of an unmet condition in words; a name from a later node as it is."""
    return AWAITED.get(condition, condition.replace("-", " "))
