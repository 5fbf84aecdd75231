"""The agenda: what is under way, found without looking at what is over."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from protocols import commands, inputs
from protocols.agenda import Agenda
from protocols.node_state import NodeState
from protocols.objectives.base import Objective, ObjectiveStatus, ObjectiveType
from protocols.rejections import REJECTED_COUNT_MAX
from protocols.types import ObjectiveId
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.builders import CHANNEL, fixed_part, proposal, state
from tests.support.network import Said, opened, pay

ME = BOB.address
HOUR_MS = 3_600_000


def proposed(number: int, by: bytes = ALICE.address, at_ms: int = 0) -> Objective:
    identity = number.to_bytes(32, "big")
    kind = ObjectiveType.DIRECT_FUND
    return Objective(identity, kind, CHANNEL, (by, ME), initiator=by, created_ms=at_ms)


def approved(objective: Objective) -> Objective:
    return replace(objective, status=ObjectiveStatus.APPROVED)


def funded(objective: Objective) -> Objective:
    return replace(objective, status=ObjectiveStatus.COMPLETED, success=True)


def rejected(objective: Objective) -> Objective:
    return replace(objective, status=ObjectiveStatus.REJECTED)


def agenda_of(*objectives: Objective) -> Agenda:
    agenda = Agenda()
    for objective in objectives:
        agenda.update(objective, ME)
    return agenda


def test_what_is_approved_is_active_until_it_ends() -> None:
    first, second = proposed(1), proposed(2)
    agenda = agenda_of(first, approved(second), approved(first), approved(second))
    assert list(agenda.active) == [second.objective_id, first.objective_id]
    for end in (funded(first), rejected(second)):
        agenda.update(end, ME)
    assert list(agenda.active) == []


def virtual(objective: Objective) -> Objective:
    return replace(objective, objective_type=ObjectiveType.VIRTUAL_FUND)


def test_virtual_channels_count_by_peer_until_they_open_or_end() -> None:
    first, second, third = (virtual(proposed(number)) for number in (1, 2, 3))
    agenda = agenda_of(first, approved(first), second, virtual(proposed(4, IVAN.address)))
    assert (agenda.opening_count(ALICE.address), agenda.strangers_opening_count()) == (2, 3)
    assert agenda.unfunded_count(ALICE.address, 0) == 0
    for end in (funded(first), rejected(second)):
        agenda.update(end, ME)
    assert (agenda.opening_count(ALICE.address), agenda.strangers_opening_count()) == (0, 1)
    agenda.update(third, ME)
    agenda.update(funded(proposed(9)), ME)
    assert (agenda.opening_count(ALICE.address), agenda.strangers_opening_count()) == (1, 1)


def test_who_only_opened_a_virtual_channel_stays_a_stranger() -> None:
    agenda = agenda_of(virtual(proposed(1)), funded(virtual(proposed(1))))
    assert ALICE.address not in agenda.proven


def test_rejected_virtual_channels_count_as_rejected_ones() -> None:
    agenda = Agenda()
    for number in range(REJECTED_COUNT_MAX):
        agenda.update(virtual(proposed(number)), ME)
        agenda.update(rejected(virtual(proposed(number))), ME)
    assert agenda.rejections.is_payer_full(ALICE.address, ALICE.address, 0)


def test_unfunded_proposals_count_by_peer_and_from_a_moment_on() -> None:
    proposals = [proposed(number, at_ms=number * HOUR_MS) for number in range(5)]
    agenda = agenda_of(*proposals, proposed(9, IVAN.address, at_ms=4 * HOUR_MS))
    assert agenda.unfunded_count(ALICE.address, 0) == 5
    assert agenda.unfunded_count(ALICE.address, 3 * HOUR_MS) == 2
    assert agenda.unfunded_count(ALICE.address, 9 * HOUR_MS) == 0
    assert agenda.strangers_count(3 * HOUR_MS) == 3
    agenda.update(approved(proposals[4]), ME)
    assert agenda.unfunded_count(ALICE.address, 0) == 5
    agenda.update(rejected(proposals[4]), ME)
    assert agenda.unfunded_count(ALICE.address, 0) == 4
    assert agenda.strangers_count(0) == 5


def test_a_peer_that_funded_a_channel_is_no_stranger_on_either_side() -> None:
    agenda = agenda_of(proposed(1), proposed(2), proposed(3, IVAN.address))
    agenda.update(funded(proposed(1)), ME)
    assert agenda.proven == {ALICE.address}
    assert agenda.strangers_count(0) == 1
    assert agenda.unfunded_count(ALICE.address, 0) == 1
    agenda.update(proposed(4), ME)
    assert agenda.strangers_count(0) == 1
    assert agenda.unfunded_count(ALICE.address, 0) == 2


def test_what_we_propose_ourselves_is_no_proposal_of_a_peer() -> None:
    ours = replace(proposed(1, ME), participants=(ME, ALICE.address))
    agenda = agenda_of(ours, approved(ours))
    assert agenda.unfunded_count(ME, 0) == agenda.strangers_count(0) == 0
    agenda.update(funded(ours), ME)
    assert agenda.proven == {ALICE.address}


def test_only_fundings_by_the_chain_are_counted() -> None:
    close = replace(proposed(1), objective_type=ObjectiveType.DIRECT_DEFUND)
    agenda = agenda_of(approved(close))
    assert list(agenda.active) == [close.objective_id]
    assert agenda.unfunded_count(ALICE.address, 0) == 0
    agenda.update(funded(close), ME)
    assert agenda.proven == set()


def relayed(number: int, payer: bytes) -> Objective:
    """What IVAN, a hub, proposes to us for a payer."""
    return replace(virtual(proposed(number, IVAN.address)), participants=(payer, IVAN.address, ME))


def test_what_a_hub_proposes_counts_for_each_of_its_payers() -> None:
    first, second, other = (relayed(1, b"a" * 20), relayed(2, b"a" * 20), relayed(3, b"b" * 20))
    agenda = agenda_of(first, approved(first), second, other)
    assert agenda.opening_count(IVAN.address) == 3
    assert agenda.opening_count_for(IVAN.address, b"a" * 20) == 2
    assert agenda.opening_count_for(IVAN.address, IVAN.address) == 0
    for end in (funded(first), rejected(second)):
        agenda.update(end, ME)
    assert agenda.opening_count_for(IVAN.address, b"a" * 20) == 0
    assert agenda.opening_count_for(IVAN.address, b"b" * 20) == 1


def test_rejections_of_one_payer_leave_the_hub_and_its_other_payers_alone() -> None:
    agenda = Agenda()
    for number in range(REJECTED_COUNT_MAX):
        for objective in (relayed(number, b"a" * 20), rejected(relayed(number, b"a" * 20))):
            agenda.update(objective, ME)
    full = agenda.rejections.is_payer_full
    assert full(IVAN.address, b"a" * 20, 0)
    assert not full(IVAN.address, b"b" * 20, 0)
    assert not full(IVAN.address, IVAN.address, 0)


def test_rejections_are_remembered_with_the_times_of_their_proposals() -> None:
    agenda = Agenda()
    for number in range(REJECTED_COUNT_MAX + 5):
        full = agenda.rejections.is_payer_full(ALICE.address, ALICE.address, 0)
        assert full == (number >= REJECTED_COUNT_MAX)
        for objective in (proposed(number, at_ms=number), rejected(proposed(number, at_ms=number))):
            agenda.update(objective, ME)
    assert agenda.rejections.is_payer_full(ALICE.address, ALICE.address, 5)
    assert not agenda.rejections.is_payer_full(ALICE.address, ALICE.address, 6)
    assert not agenda.rejections.is_payer_full(IVAN.address, IVAN.address, 0)


class Unlisted(dict[ObjectiveId, Objective]):
    """Objectives by their ids alone."""

    def __iter__(self) -> Iterator[ObjectiveId]:
        raise AssertionError("somebody looks at every objective there ever was")


def test_neither_a_tick_nor_a_proposal_looks_at_all_objectives() -> None:
    bob = opened().bob
    bob.proves_purity = False
    bob.state.objectives = Unlisted(bob.state.objectives.items())
    bob.feed(commands.CloseChannel(CHANNEL))
    bob.feed(inputs.Tick())
    fixed = fixed_part(channel_nonce=fixed_part().channel_nonce + 1)
    bob.feed(Said(ALICE, proposal(state(0, fixed=fixed))))
    assert len(bob.state.channels) == 2


def view(node_state: NodeState) -> tuple[object, ...]:
    agenda = node_state.agenda
    counts = [agenda.unfunded_count(who.address, 0) for who in (ALICE, BOB)]
    return list(agenda.active), agenda.proven, counts, agenda.strangers_count(0)


def test_a_replay_finds_the_same_agenda() -> None:
    network = opened()
    pay(network, 30, 1)
    network.alice.feed(commands.CloseChannel(CHANNEL))
    for _ in range(2):
        for node in network.nodes.values():
            assert view(node.state) == view(node.fold())
        assert network.alice.state.agenda.proven == {BOB.address}
        network.settle()
    assert list(network.alice.state.agenda.active) == []
