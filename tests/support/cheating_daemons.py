"""What somebody does with a real daemon's log and key, and what an honest one is worth (M22)."""

from __future__ import annotations

from node.devnet import Devnet
from node.keys import unlock
from node.store.log import EventLog
from protocols.channel import Channel
from protocols.crypto import Signer
from protocols.exit_calls import challenge_call, checkpoint_call, redemption
from protocols.exit_value import exit_value, material_of
from protocols.ledger import ledger_state
from protocols.node_state import NodeState, apply_all
from protocols.signed_state import SignedState
from protocols.state import challenge_message
from protocols.types import from_hex, to_hex
from tests.support.daemons import LocalNode
from tests.support.e2e_rig import audit_notes, until
from tests.support.leaving_daemons import wealth


def state_of(node: LocalNode) -> NodeState:
    """The fold of the node's log, read beside it or after it."""
    state = NodeState()
    log = EventLog.open(node.log_path, read_only=True)
    try:
        apply_all(state, ((event, record.time_ms) for record, event in log.read_events()))
    finally:
        log.close()
    return state


def worth_of(node: LocalNode) -> int:
    """M22: what the node gets at least of all its channels, from its signed material."""
    state = state_of(node)
    channels = [state.channels[known] for known in sorted(state.channels)]
    app = state.node.virtual_payment_app
    materials = [material_of(channel, app) for channel in channels if channel.turns]
    return sum(exit_value(state.node.address, materials).values())


class Scales:
    """What a node is worth now, and what its account gains from now on."""

    def __init__(self, chain: Devnet, node: LocalNode) -> None:
        self.chain, self.node = chain, node
        self.worth = worth_of(node)
        self.before = wealth(chain, node)

    def received(self) -> int:
        """Since, gas left out."""
        return wealth(self.chain, self.node) - self.before

    def holds(self) -> None:
        """At least that came home, and the log is sound."""
        got = self.received()
        assert got >= self.worth, f"{self.node.name} was worth {self.worth} and received {got}"
        assert self.node.stop() == 0
        assert audit_notes(self.node) == []


def channel_of(cheat: LocalNode, channel_id: str) -> Channel:
    """The channel as the cheat's log has it."""
    return state_of(cheat).channels[from_hex(channel_id)]


def turn_of(cheat: LocalNode, channel_id: str, turn_num: int) -> SignedState:
    """A state of the channel that all signed."""
    channel = channel_of(cheat, channel_id)
    turn = channel.turn(turn_num)
    assert turn is not None
    return SignedState(channel.state(turn), turn.signatures)


def agreed_now(cheat: LocalNode, ledger_id: str) -> SignedState:
    """The ledger's newest agreed state, to be registered when it is old."""
    channel = channel_of(cheat, ledger_id)
    ledger = channel.ledger
    assert ledger is not None
    state = ledger_state(channel.fixed, ledger.asset, ledger.current, ledger.turn_num)
    return SignedState(state, ledger.signatures)


def signer_of(cheat: LocalNode) -> Signer:
    """The cheat's key."""
    password = (cheat.directory.parent / "password").read_text().strip()
    return Signer(unlock(cheat.directory / "keystore.json", password))


def register(chain: Devnet, cheat: LocalNode, state: SignedState, *proof: SignedState) -> None:
    """The cheat challenges with that state, by somebody else's transaction."""
    wish = signer_of(cheat)(challenge_message(state.state.state_hash()))
    order = {
        "from": chain.call("eth_accounts")[0],
        "to": chain.deployment.addresses["adjudicator"],
        "data": to_hex(challenge_call(state, proof, wish)),
        "gas": hex(1_000_000),
    }
    chain.call("eth_sendTransaction", order)


def redeem(chain: Devnet, payee: LocalNode, channel_id: str) -> None:
    """The payee registers its largest voucher."""
    channel = channel_of(payee, channel_id)
    proof = turn_of(payee, channel_id, 1)
    vouchers = channel.vouchers
    state = redemption(proof, vouchers.total, vouchers.signature)
    nobody = (b"",) * (len(channel.fixed.participants) - 1)
    signature = signer_of(payee)(state.state_hash())
    register(chain, payee, SignedState(state, (*nobody, signature)), proof)


def checkpoint(chain: Devnet, state: SignedState, *proof: SignedState) -> None:
    """The record is raised, by somebody else's transaction; it must not revert."""
    order = {
        "from": chain.call("eth_accounts")[0],
        "to": chain.deployment.addresses["adjudicator"],
        "data": to_hex(checkpoint_call(state, proof)),
        "gas": hex(1_000_000),
    }
    name = chain.call("eth_sendTransaction", order)
    until("it is mined", lambda: chain.call("eth_getTransactionReceipt", name) is not None)
    assert chain.call("eth_getTransactionReceipt", name)["status"] == "0x1"


def turn_on_record(node: LocalNode, channel_id: str) -> int:
    """The record as the node's log confirms it."""
    known = channel_of(node, channel_id).adjudicated
    return 0 if known is None else known.turn_num
