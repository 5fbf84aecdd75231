"""States that somebody signs for the chain alone: the record rises, and we leave all the same.

With real daemons on a real chain, by the real contracts' events: who is honest was never sent the
state that stands on record, reads it from the chain and challenges with it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from protocols.exit_calls import redemption
from protocols.ledger import after, ledger_state
from protocols.signed_state import SignedState
from tests.support.cheating_daemons import (
    Scales,
    channel_of,
    checkpoint,
    signer_of,
    turn_of,
    turn_on_record,
)
from tests.support.daemons import Network, open_channel
from tests.support.e2e_rig import channel_is, until
from tests.support.laptop import Laptop, error_of, export, lose, received
from tests.support.leaving_daemons import DURATION_S, leave, paid_ledger, pay

pytestmark = pytest.mark.e2e


@pytest.fixture
def channel_id(network: Network) -> str:
    """A channel in which alice paid bob three times."""
    opened = open_channel(network.alice, network.bob)
    pay(network.alice, opened, 3)
    return opened


@pytest.fixture
def kept_back(network: Network, channel_id: str) -> tuple[SignedState, SignedState]:
    """The redemption of bob's largest voucher, which he keeps to himself, and its proof."""
    bob = network.bob
    vouchers, proof = channel_of(bob, channel_id).vouchers, turn_of(bob, channel_id, 1)
    state = redemption(proof, vouchers.total, vouchers.signature)
    return SignedState(state, (b"", signer_of(bob)(state.state_hash()))), proof


def leaves_from(turn_num: int, network: Network, channel_id: str, scales: Scales) -> None:
    """Once the record is seen at that turn alice leaves, with what she was worth."""
    alice = network.alice
    until("she saw it", lambda: turn_on_record(alice, channel_id) == turn_num)
    leave(network, alice, channel_id)
    scales.holds()


def test_a_payee_that_checkpoints_its_redemption_does_not_hold_the_payer(
    network: Network, channel_id: str, kept_back: tuple[SignedState, SignedState]
) -> None:
    scales = Scales(network.chain, network.alice)
    network.bob.kill()
    checkpoint(network.chain, *kept_back)
    leaves_from(2, network, channel_id, scales)


def test_a_payee_that_clears_her_challenge_by_its_redemption_gains_one_more_challenges_time(
    network: Network, channel_id: str, kept_back: tuple[SignedState, SignedState]
) -> None:
    scales = Scales(network.chain, network.alice)
    network.bob.kill()
    network.alice.call("channel_exit", channel_id=channel_id)
    until("hers stands", partial(channel_is, network.alice, channel_id, "challenged"))
    checkpoint(network.chain, *kept_back)
    leaves_from(2, network, channel_id, scales)


def test_a_follower_that_checkpoints_what_it_never_answered_does_not_hold_the_leader(
    network: Network,
) -> None:
    alice, bob = network.nodes
    ledger_id = paid_ledger(network)
    bob.kill()
    alice.call("ledger_pay", channel_id=ledger_id, amount="300")
    scales = Scales(network.chain, alice)
    channel = channel_of(alice, ledger_id)
    ledger = channel.ledger
    assert ledger is not None
    (proposal,) = ledger.queue
    vars_ = after(ledger.current, proposal.change, channel.fixed)
    state = ledger_state(channel.fixed, ledger.asset, vars_, proposal.turn_num)
    theirs = signer_of(bob)(proposal.state_hash)
    checkpoint(network.chain, SignedState(state, (proposal.signature, theirs)))
    leaves_from(proposal.turn_num, network, ledger_id, scales)


def test_a_payers_kit_leaves_with_what_the_payee_checkpointed_if_it_has_her_key(
    network: Network,
    channel_id: str,
    kept_back: tuple[SignedState, SignedState],
    tmp_path: Path,
) -> None:
    alice, bob = network.nodes
    path = tmp_path / "kit.json"
    kit = export(alice, channel_id, path)
    password = (alice.directory.parent / "password").read_text().strip()
    keystore = tmp_path / "alice.keystore"
    keystore.write_text((alice.directory / "keystore.json").read_text())
    lose(alice)
    lose(bob)
    checkpoint(network.chain, *kept_back)
    laptop = Laptop(tmp_path / "laptop", network.chain, DURATION_S)
    laptop.fund()
    assert error_of(laptop, path) == "KIT_NEEDS_KEY"
    child = laptop.launch(path, "--channel-key", str(keystore), TALLY_PASSWORD=password)
    assert received(laptop.finish(child, 1)) == int(kit["worth"][0]["amount"])
