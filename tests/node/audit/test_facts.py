"""The audit's own fold says the same about an honest history as the reducers do, by its own way."""

from node.audit.facts import Facts
from protocols import events
from protocols.channel import confirmed_holdings, is_funded
from protocols.funding import is_funded as is_guaranteed
from protocols.node_state import NodeState, apply
from protocols.virtual_paths import stands
from tests.support.actors import ALICE, BOB
from tests.support.audit_cases import History, alice, bob, changed, inserted, nth
from tests.support.audit_webs import (
    closing_follower,
    hub,
    leader,
    open_hub,
    payee,
    payer,
    target_of,
    unwound_hub,
)


def test_both_folds_agree_on_ledgers_and_what_they_carry() -> None:
    for make in (leader, closing_follower, payer, hub, payee, unwound_hub):
        facts, state = Facts(), NodeState()
        for event in make():
            facts.apply(event)
            apply(state, event, 5)
            for channel_id in state.channels:
                mine, theirs = facts.channels[channel_id], state.channels[channel_id]
                listed = sum(payment.amount for payment in mine.listed)
                assert mine.total + listed == theirs.vouchers.total
                assert (mine.ledger is None) == (theirs.ledger is None)
                assert (mine.virtual is None) == (theirs.virtual is None)
                if theirs.virtual is not None:
                    assert facts.is_funded(mine) == is_guaranteed(state, theirs)
                    for ledger_id in (theirs.virtual.left_ledger, theirs.virtual.right_ledger):
                        stood = stands(state, ledger_id, channel_id)
                        assert facts.may_stand(ledger_id, channel_id) == stood


def facts_of(history: History) -> Facts:
    facts = Facts()
    for event in history:
        facts.apply(event)
    return facts


def test_both_folds_agree_on_every_prefix_of_an_honest_history() -> None:
    for history in (alice(), bob()):
        facts, state = Facts(), NodeState()
        for event in history:
            facts.apply(event)
            apply(state, event, 5)
            for channel_id in state.channels:
                mine, theirs = facts.channels[channel_id], state.channels[channel_id]
                assert mine.total == theirs.vouchers.total
                assert len(mine.pending) == len(theirs.vouchers.pending)
                assert (mine.supported_turn or 0) == max(0, theirs.supported_turn)
                assert mine.held.get(bytes(20), 0) == confirmed_holdings(theirs, bytes(20))
                if theirs.turns:
                    assert facts.is_funded(mine) == is_funded(theirs)


def test_before_anything_was_said_nothing_is_known() -> None:
    assert Facts().me == b""
    assert facts_of(alice()[:1]).me == ALICE.address


def test_a_channel_without_a_prefund_has_no_deposits_and_no_funding() -> None:
    seq, _ = nth(alice(), events.ChannelCreated)
    facts = facts_of(alice()[: seq + 1])
    (channel,) = facts.channels.values()
    assert channel.deposits() == ()
    assert not facts.is_funded(channel)
    assert channel.deposit() == 0
    assert channel.participants == (ALICE.address, BOB.address)


def test_a_fixed_part_that_cannot_be_is_no_channel() -> None:
    facts = facts_of(changed(alice(), events.ChannelCreated, participants=()))
    assert facts.channels == {}


def test_a_channel_of_others_is_known_without_an_index() -> None:
    (channel,) = facts_of(alice()[1:]).channels.values()
    assert channel.my_index is None


def test_a_state_that_does_not_decode_is_no_state() -> None:
    history = changed(alice(), events.StateStored, 1, encoded_state=b"x")
    (channel,) = facts_of(history).channels.values()
    assert len(channel.states) == 2


def test_a_failed_objective_completes_nothing() -> None:
    history = changed(alice(), events.ObjectiveCompleted, -1, success=False)
    (channel,) = facts_of(history).channels.values()
    assert channel.completed == {"DirectFund"}
    stray = inserted(history, events.ObjectiveCompleted(b"\x01" * 32, True), events.NodeCreated)
    assert facts_of(stray).channels.keys() == facts_of(history).channels.keys()


def test_the_chains_word_at_depth_0_is_followed_and_a_reorg_takes_it_back() -> None:
    (channel,) = facts_of(alice()).channels.values()
    assert channel.chain_status() == "concluded"
    seq, _ = nth(alice(), events.ChannelConcluded)
    history = alice()[:seq]
    assert facts_of(history).channels[channel.channel_id].chain_status() == "concluded"
    undone = [*history, events.ChainReorged(0, bytes(32), bytes(32))]
    assert facts_of(undone).channels[channel.channel_id].chain_status() == "open"


def test_a_ledger_of_no_node_is_none() -> None:
    (ledger_id,) = facts_of(leader()).channels
    assert facts_of(leader()).ledgers_of_pair(facts_of(leader()).channels[ledger_id]) == [ledger_id]
    assert not facts_of(leader()[1:]).is_ledger(facts_of(leader()).channels[ledger_id])
    assert facts_of(leader()).ledger(b"\x01" * 32) is None
    assert not facts_of(leader()).is_guaranteed(b"\x01" * 32, bytes(32))


def test_a_virtual_channel_without_its_ledger_is_not_funded() -> None:
    facts = facts_of(open_hub())
    channel = facts.channels[target_of(open_hub())]
    assert facts.is_funded(channel)
    assert channel.virtual is not None
    channel.virtual.left_ledger = b"\x01" * 32
    assert facts.carrier(channel) is None
    assert not facts.is_funded(channel)
