"""About what gas an order of ours takes: a little above what docs/contracts.md measured."""

from __future__ import annotations

from protocols.channel import REDEMPTION_TURN, Channel, funding_terms
from protocols.exit_plan import GAS, GUARANTEE_GAS
from protocols.transactions import DEPOSIT
from protocols.types import ZERO_ADDRESS

DEPOSIT_GAS = 52_000
"""The first one into a channel, of the chain's own currency."""
TOKEN_DEPOSIT_GAS = 95_000
"""The first one of a token."""


def gas_of(channel: Channel, kind: str) -> int | None:
    """What an order of that kind takes for the channel as it is; None where nobody measured it."""
    if kind == DEPOSIT:
        is_native = funding_terms(channel).asset == ZERO_ADDRESS
        return DEPOSIT_GAS if is_native else TOKEN_DEPOSIT_GAS
    step = kind.partition(" ")[0]
    if step == "challenge" and channel.ledger is None and channel.turn(REDEMPTION_TURN):
        step = "redemption"
    if step not in GAS:
        return None
    carried = () if channel.ledger is None else channel.ledger.current.guarantees
    is_shown = step in ("challenge", "checkpoint")
    return GAS[step] + (GUARANTEE_GAS * len(carried) if is_shown else 0)
