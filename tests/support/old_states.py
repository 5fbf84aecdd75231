"""What somebody dishonest does on a real chain: a state of long ago is registered; time passes."""

from __future__ import annotations

from typing import Protocol

from node.cli.local_node import LocalNode
from node.devnet import Devnet
from node.keys import unlock
from node.store.log import EventLog
from protocols.crypto import Signer
from protocols.exit_calls import challenge_call
from protocols.node_state import NodeState, apply_all
from protocols.signed_state import SignedState
from protocols.state import challenge_message
from protocols.types import from_hex, to_hex


class HasChain(Protocol):
    """Whatever runs on a chain of its own."""

    @property
    def chain(self) -> Devnet:
        """That chain."""
        ...


def pass_time(chain: Devnet, seconds: int) -> None:
    """The chain's clock moves on, and a block is mined there."""
    chain.call("evm_increaseTime", seconds)
    chain.call("evm_mine")


def challenge_with_old_state(network: HasChain, cheat: LocalNode, ledger_id: str) -> None:
    """The cheat registers the ledger's postfund, of before any payment, by a transaction alone.

    It is sent from an account of the chain's own: the cheat's node knows nothing of it.
    """
    state = NodeState()
    log = EventLog.open(cheat.log_path, read_only=True)
    try:
        apply_all(state, ((event, record.time_ms) for record, event in log.read_events()))
    finally:
        log.close()
    channel = state.channels[from_hex(ledger_id)]
    postfund = channel.turn(1)
    assert postfund is not None
    password = (cheat.directory.parent / "password").read_text().strip()
    secret = unlock(cheat.directory / "keystore.json", password)
    wish = Signer(secret)(challenge_message(postfund.state_hash))
    signed = SignedState(channel.state(postfund), postfund.signatures)
    order = {
        "from": network.chain.call("eth_accounts")[0],
        "to": network.chain.deployment.addresses["adjudicator"],
        "data": to_hex(challenge_call(signed, (), wish)),
        "gas": hex(1_000_000),
    }
    network.chain.call("eth_sendTransaction", order)
