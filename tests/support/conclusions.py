"""Final states that somebody concludes with, alone, and a payer that signed more than one."""

from __future__ import annotations

from protocols.exit_calls import conclude_call
from protocols.signed_state import SignedState
from protocols.state import State
from tests.support.actors import ALICE, BOB
from tests.support.builders import ADJUDICATOR, final, final_refusal, final_request, tx_hash
from tests.support.model_chain import ModelTransaction
from tests.support.network import CoreNode, Network, Said, opened


def conclude(network: Network, state: State) -> None:
    """Both signed that final state, and somebody concludes with it in the next block."""
    message = state.state_hash()
    data = conclude_call(SignedState(state, (ALICE.signer(message), BOB.signer(message))))
    name = tx_hash(len(network.chain.blocks), index=4)
    network.chain.pool.append(ModelTransaction(b"", name, b"\x98" * 20, ADJUDICATOR, 0, data))


def forgetful_payer(*paid: int) -> CoreNode:
    """ALICE after a loss of her payments: she signed a final state for each that BOB showed."""
    alice = opened().alice
    alice.lose_tail()
    first, *others = paid
    alice.feed(Said(BOB, final_request(first)))
    for amount in others:
        alice.feed(Said(BOB, final_refusal(alice.channel().turns[-1].turn_num, amount)))
    assert [turn.is_final for turn in alice.channel().turns[2:]] == [True] * len(paid)
    return alice


def concluded_with_refused() -> tuple[Network, CoreNode]:
    """BOB refused ALICE's final state of 20 for one of 30, and concludes with the first."""
    network = opened()
    network.alice = alice = network.nodes[ALICE.address] = forgetful_payer(20, 30)
    network.chain.feeds[ALICE.address].clear()
    conclude(network, final(20, alice.channel().turns[2].turn_num))
    return network, alice
