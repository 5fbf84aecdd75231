"""A log against the chain that it tells of: a real chain, two daemons, one channel opened."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import structs

from node.audit.audit import AuditPlan, audit
from node.audit.chain_compare import compare
from node.audit.chain_facts import ChainFactsCheck
from node.audit.entry import decode_entry
from node.audit.facts import Facts
from node.chain.errors import ChainError, EndpointDown
from node.store.record import encode_record
from node.store.rocks import RocksKeyValue
from protocols.events import NodeCreated
from protocols.exit_calls import redemption
from protocols.signed_state import SignedState
from tests.support.anvil import start_anvil
from tests.support.cheating_daemons import (
    channel_of,
    checkpoint,
    signer_of,
    turn_of,
    turn_on_record,
)
from tests.support.daemons import Network, open_channel, running_network
from tests.support.e2e_rig import channel_is, until

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Told:
    """The network, and what alice's log says of its chain."""

    network: Network
    path: Path
    gathered: ChainFactsCheck
    facts: Facts
    node: NodeCreated

    def ask(self, **changes: object) -> list[str]:
        """What the chain says of it, with some of what was gathered changed."""
        gathered = ChainFactsCheck()
        for name in ("facts", "processed", "known_from"):
            setattr(gathered, name, getattr(self.gathered, name))
        for name, value in changes.items():
            setattr(gathered, name, value)
        faults, unasked = compare((self.network.chain.url,), gathered, self.facts, self.node)
        assert unasked == []
        return [fault.message for fault in faults]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("chain")
    with running_network(folder) as network:
        open_channel(network.alice, network.bob)
        yield what_alice_tells(network, folder)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The same of a channel that she left alone, with part of it paid to nobody yet."""
    folder = tmp_path_factory.mktemp("left")
    with running_network(folder) as network:
        channel_id = open_channel(network.alice, network.bob)
        network.alice.call("payment_send", channel_id=channel_id, amount="5", until="receipt")
        # Bob's redemption names both, and each pays for its own share.
        network.alice.kill()
        network.bob.call("channel_exit", channel_id=channel_id)
        until("it is challenged", lambda: channel_is(network.bob, channel_id, "challenged"))
        network.chain.call("evm_increaseTime", 86_401)
        network.chain.call("evm_mine")
        until("bob is paid", lambda: channel_is(network.bob, channel_id, "closed"))
        network.bob.kill()
        network.alice.start()
        until("so is alice", lambda: channel_is(network.alice, channel_id, "closed"))
        yield what_alice_tells(network, folder)


@pytest.fixture(scope="module")
def checkpointed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The same of a channel of which bob showed his redemption to the chain alone."""
    folder = tmp_path_factory.mktemp("checkpointed")
    with running_network(folder) as network:
        channel_id = open_channel(network.alice, network.bob)
        network.alice.call("payment_send", channel_id=channel_id, amount="5", until="receipt")
        vouchers = channel_of(network.bob, channel_id).vouchers
        proof = turn_of(network.bob, channel_id, 1)
        state = redemption(proof, vouchers.total, vouchers.signature)
        theirs = signer_of(network.bob)(state.state_hash())
        network.bob.kill()
        checkpoint(network.chain, SignedState(state, (b"", theirs)), proof)
        until("she saw it", lambda: turn_on_record(network.alice, channel_id) == 2)
        yield what_alice_tells(network, folder)


def what_alice_tells(network: Network, folder: Path) -> Told:
    path = folder / "copy"
    network.alice.kill()
    shutil.copytree(network.alice.log_path, path)
    gathered, facts = ChainFactsCheck(), Facts()
    store = RocksKeyValue.open_beside(path)
    for _, value in store.iterate("log"):
        entry = decode_entry(value[32:])
        list(gathered.take([entry]))
        facts.apply(entry.event)
    store.close()
    assert facts.node is not None
    return Told(network, path, gathered, facts, facts.node)


def test_an_honest_log_tells_what_the_chain_tells(told: Told) -> None:
    report = audit(told.path, plan=AuditPlan(rpc_urls=(told.network.chain.url,)))
    assert (report.findings, report.assumed) == ([], [])
    assert told.ask() == []
    assert [fact.log_names for fact in told.gathered.facts] == [("Deposited",)]


def test_a_log_that_is_not_on_the_chain_is_named(told: Told) -> None:
    (fact,) = told.gathered.facts
    for wrong in (
        replace(fact, tx_hash=b"\x01" * 32),
        replace(fact, block_num=fact.block_num - 1),
    ):
        missing, unrecorded = told.ask(facts=[wrong])
        assert "the chain has no Deposited of channel 0x" in missing
        assert "no record tells of Deposited" in unrecorded
    (message,) = told.ask(facts=[replace(fact, held=7)])
    assert "other values" in message


def test_a_log_of_the_chain_that_is_in_no_record_is_named(told: Told) -> None:
    (fact,) = told.gathered.facts
    (message,) = told.ask(facts=[])
    assert message == (
        f"no record tells of Deposited of channel 0x{fact.channel_id.hex()}: "
        f"block {fact.block_num}, transaction 0x{fact.tx_hash.hex()}"
    )
    assert told.ask(facts=[], known_from={}) == []


def test_another_block_at_the_same_height_is_named(told: Told) -> None:
    assert told.gathered.processed is not None
    seq, number, _ = told.gathered.processed
    (message,) = told.ask(processed=(seq, number, b"\x02" * 32))
    assert message.startswith(f"block {number} of the chain is 0x")


def test_an_endpoint_that_lags_is_no_fault_of_the_log(told: Told) -> None:
    with pytest.raises(EndpointDown, match="it lags"):
        told.ask(processed=(5, 10_000_000, b"\x02" * 32))


def test_holdings_and_status_are_compared(told: Told) -> None:
    (channel,) = told.facts.channels.values()
    (asset,) = channel.held
    channel.held[asset] += 1
    channel.is_concluded = True
    try:
        messages = told.ask()
    finally:
        channel.held[asset] -= 1
        channel.is_concluded = False
    assert any("the log says" in message for message in messages)
    assert any("concluded in the log, and open on the chain" in message for message in messages)


def test_what_stands_of_a_left_channel_is_held_against_the_chains_own_word(left: Told) -> None:
    (channel,) = left.facts.channels.values()
    # Everything was paid out: of that the chain keeps a zero.
    assert (channel.standing_fingerprint(), left.ask()) == (bytes(20), [])
    honest = channel.standing
    assert honest is not None
    channel.standing = [structs.replace(honest[0], amount=1), *honest[1:]]
    try:
        (message,) = left.ask()
    finally:
        channel.standing = honest
    assert "stands on chain with another outcome than the log's" in message


def test_what_a_checkpoint_shows_is_held_against_the_states_in_the_log(
    checkpointed: Told,
) -> None:
    (channel,) = checkpointed.facts.channels.values()
    honest = channel.states
    (shown,) = [known for known, state in honest.items() if state.turn_num == 2]
    others = {known: state for known, state in honest.items() if known != shown}
    planted = structs.replace(honest[shown], app_data=bytes(128))
    channel.signers[planted.state_hash()] = channel.signers[shown]
    lies = {
        "what it redeems is not in the log": others,
        "the log has another redemption": {**others, planted.state_hash(): planted},
    }
    assert checkpointed.ask() == []
    try:
        for what, states in lies.items():
            channel.states = states
            (message,) = checkpointed.ask()
            assert message.startswith(f"CheckpointProved of channel 0x{channel.channel_id.hex()}")
            assert message.endswith(what)
    finally:
        channel.states = honest


def test_other_code_of_a_message_log_is_named(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    apps = {told.node.consensus_app: "message-log", told.node.adjudicator: "judged"}
    monkeypatch.setattr(told.facts, "app_definitions", apps)
    faults, _ = compare((told.network.chain.url,), told.gathered, told.facts, told.node)
    assert [fault.message for fault in faults] == [
        f"the code at 0x{told.node.consensus_app.hex()} is not that of MessageLogApp"
    ]


def test_other_code_at_an_address_is_named(told: Told) -> None:
    faults, _ = compare(
        (told.network.chain.url,),
        told.gathered,
        told.facts,
        structs.replace(told.node, virtual_payment_app=told.node.consensus_app),
    )
    assert [fault.message for fault in faults] == [
        f"the code at 0x{told.node.consensus_app.hex()} is not that of VirtualPaymentApp"
    ]


def test_the_first_endpoint_that_answers_counts(told: Told) -> None:
    urls = ("http://127.0.0.1:1", told.network.chain.url)
    assert audit(told.path, plan=AuditPlan(rpc_urls=urls)).findings == []
    with pytest.raises(ChainError, match=r"127\.0\.0\.1:1"):
        audit(told.path, plan=AuditPlan(rpc_urls=urls[:1]))


def test_another_chain_is_refused_before_the_audit(told: Told) -> None:
    with start_anvil(chain_id=5) as other, pytest.raises(EndpointDown, match="serves chain 5"):
        audit(told.path, plan=AuditPlan(rpc_urls=(other.url,)))


def test_what_is_told_of_the_chain_is_gathered() -> None:
    created = decode_entry(
        encode_record(0, 5, None, NodeCreated(1, 1, *(bytes(20) for _ in range(4))))
    )
    gathered = ChainFactsCheck()
    assert list(gathered.take([created])) == []
    assert (gathered.facts, gathered.processed) == ([], None)
