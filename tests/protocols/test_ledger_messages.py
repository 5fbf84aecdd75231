"""The conversation about a ledger: whoever says what in whatever order, both end up alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import commands, inputs, messages
from protocols.error import ProtocolError
from protocols.events import MessageDropped
from protocols.ledger import ADD, Ledger, balance_total, deltas, find_guarantee, inverse
from protocols.ledger_errors import LedgerRefused
from protocols.ledger_queue import Secured, find_proposed, secured
from protocols.types import amount_to_bytes
from protocols.virtual_errors import FeeTooLow
from tests.support.actors import ALICE, BOB, IRENE
from tests.support.builders import CHANNEL
from tests.support.ledger_rig import (
    LEDGER,
    LEDGER_FIXED,
    START,
    TOTAL,
    Verdicts,
    add,
    countersignature,
    judged_by,
    ledger_at,
    move,
    move_back,
    open_ledger_command,
    opened_ledger,
    payment_request,
    proposals,
    propose,
    refusal,
    remove,
    target,
)
from tests.support.network import CoreNode, Network, Said, opened

END = inputs.EndOfBatch()


def reason_of(node: CoreNode) -> str:
    event = node.log[-1][1]
    assert isinstance(event, MessageDropped), event
    return event.reason


BODIES = [
    *proposals(move(5)),
    countersignature(2, START),
    refusal(2),
    payment_request(5),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_stranger_says_nothing_about_a_ledger(body: Any) -> None:
    network = opened_ledger()
    for node in (network.alice, network.bob):
        before = ledger_at(node)
        node.feed(Said(IRENE, body))
        assert reason_of(node).startswith("UNKNOWN_CHANNEL")
        assert ledger_at(node) == before


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_payment_channel_is_no_ledger(body: messages.LedgerProposal) -> None:
    network = opened()
    for node, other in ((network.alice, BOB), (network.bob, ALICE)):
        node.feed(Said(other, _for(body, CHANNEL)))
        assert reason_of(node).startswith("NOT_A_LEDGER")


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_nothing_is_said_about_a_ledger_before_it_is_funded(body: Any) -> None:
    network = Network()
    network.alice.feed(open_ledger_command())
    network.deliver(network.alice)
    leads = isinstance(body, messages.LedgerProposal)
    node, other = (network.bob, ALICE) if leads else (network.alice, BOB)
    node.feed(Said(other, body))
    assert reason_of(node).startswith("LEDGER_NOT_RUNNING")


def _for(body: Any, channel_id: bytes) -> Any:
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    return type(body)(**{**fields, "channel_id": channel_id})


# --- any order of things ---

numbers = st.integers(min_value=1, max_value=4)
amounts = st.sampled_from([0, 1, 50, 100, 400, 500, 900, 1_000, 1_200])
verdict_kinds = st.sampled_from(["yes", "no", "later"])
steps = st.one_of(
    st.tuples(st.just("judge"), numbers, verdict_kinds),
    st.tuples(st.just("add"), numbers, amounts, amounts),
    st.tuples(st.just("remove"), numbers, amounts),
    st.tuples(st.just("move"), amounts),
    st.tuples(st.just("ask"), amounts),
    st.tuples(st.just("demand"), amounts),
    st.tuples(st.sampled_from(["to-bob", "to-alice", "again-bob", "again-alice", "end", "ack"])),
)


def worst_case(ledger: Ledger) -> Secured:
    """What is left if everything that gives is refused, from the queue alone."""
    leader, follower = ledger.current.leader, ledger.current.follower
    count, refused = len(ledger.current.guarantees), [p for p in ledger.queue if p.refusal]
    undone = [p.change for p in refused]
    for waiting in ledger.queue:
        if waiting in refused:
            continue
        undoes = [c for c in undone if inverse(c) == waiting.change]
        earlier = [p.turn_num for p in refused if undoes and p.change == undoes[0]]
        if undoes and min(earlier) < waiting.turn_num:
            undone.remove(undoes[0])
            continue
        to_leader, to_follower = deltas(waiting.change, LEDGER_FIXED)
        leader, follower = leader + min(to_leader, 0), follower + min(to_follower, 0)
        count += waiting.change.kind == ADD
    return Secured(leader, follower, count)


class Play:
    """Two parties of one ledger, moved a step at a time; every signed state is looked at."""

    def __init__(self, verdicts: Verdicts) -> None:
        self.verdicts = verdicts
        self.network = opened_ledger()
        self.alice, self.bob = self.network.alice, self.network.bob
        self.alice.proves_purity = self.bob.proves_purity = False
        self.count = 0

    def judge(self, number: int, kind: str) -> None:
        """From now on the follower says this of the channel's guarantee."""
        answer = {"yes": True, "no": FeeTooLow(1, 2), "later": False}[kind]
        self.verdicts.by_target[target(number)] = answer

    def take(self, step: tuple[Any, ...]) -> None:
        doing: dict[str, Callable[..., None]] = {
            "judge": self.judge,
            "add": self.add,
            "remove": self.remove,
            "move": lambda amount: self.propose(move(amount)),
            "demand": lambda amount: self.propose(move_back(amount)),
            "ask": self.ask,
            "to-bob": lambda: self.deliver(self.alice),
            "to-alice": lambda: self.deliver(self.bob),
            "again-bob": lambda: self.deliver(self.alice, 1),
            "again-alice": lambda: self.deliver(self.bob, 1),
            "end": self.end,
            "ack": self.acknowledge,
        }
        doing[step[0]](*step[1:])
        for node in (self.alice, self.bob):
            for vars_ in (ledger_at(node).current, ledger_at(node).proposed):
                assert balance_total(vars_) == TOTAL
                assert min(vars_.leader, vars_.follower) >= 0
            assert worst_case(ledger_at(node)) == secured(ledger_at(node))

    def propose(self, change: Any) -> None:
        try:
            propose(self.alice, change)
        except LedgerRefused:
            return

    def add(self, number: int, amount: int, left: int) -> None:
        self.propose(add(number, amount, min(left, amount), fee=amount // 50))

    def remove(self, number: int, left: int) -> None:
        ledger = ledger_at(self.alice)
        found = find_guarantee(ledger.current, target(number))
        if found is not None and find_proposed(ledger, target(number)) is None:
            self.propose(remove(number, found.amount, min(left, found.amount)))

    def ask(self, amount: int) -> None:
        self.count += 1
        try:
            self.bob.feed(commands.PayLedger(LEDGER, amount, f"request {self.count}"))
        except ProtocolError:
            return

    def end(self) -> None:
        self.bob.feed(END)

    def deliver(self, sender: CoreNode, index: int = 0) -> None:
        if self.network.waiting(sender) > index:
            self.network.deliver(sender, index)

    def acknowledge(self) -> None:
        for node in (self.alice, self.bob):
            self.network.acknowledge(node)

    def finish(self) -> None:
        """Whatever waited is accepted now, and every message arrives."""
        for number, verdict in list(self.verdicts.by_target.items()):
            if verdict is False:
                self.verdicts.by_target[number] = True
        self.network.settle()


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=40))
def test_both_sides_end_with_the_same_ledger_whatever_happens(
    taken: list[tuple[Any, ...]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        play = Play(judged_by(patch))
        for step in taken:
            play.take(step)
        play.finish()
    alice, bob = ledger_at(play.alice), ledger_at(play.bob)
    assert alice.current == bob.current == alice.proposed == bob.proposed
    assert (alice.turn_num, alice.state_hash) == (bob.turn_num, bob.state_hash)
    assert alice.signatures == bob.signatures
    assert not alice.queue
    assert not bob.queue
    assert balance_total(alice.current) == TOTAL
    refused = {event.turn_num for event in play.bob.events_of("ledger-update-refused")}
    signed = {event.turn_num for event in play.bob.events_of("ledger-update-signed")}
    assert not refused & signed
    hashes: dict[int, bytes] = {}
    for event in play.alice.events_of("ledger-update-proposed"):
        assert hashes.setdefault(event.turn_num, event.state_hash) == event.state_hash
    dropped = play.alice.events_of("message-dropped") + play.bob.events_of("message-dropped")
    assert not dropped, "honest parties never break a rule"
    for node in (play.alice, play.bob):
        assert node.fold().digest() == node.state.digest()
        assert node.fold().unanswered == node.state.unanswered == set()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=30))
def test_the_followers_balance_falls_by_what_it_asked_and_by_its_guarantees_alone(
    taken: list[tuple[Any, ...]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        play = Play(judged_by(patch))
        for step in taken:
            if step[0] not in ("add", "remove"):
                play.take(step)
        play.finish()
    asked = sum(
        int.from_bytes(event.amount, "big") for event in play.bob.events_of("ledger-payment-asked")
    )
    assert ledger_at(play.bob).current.follower >= START.follower - asked


def test_a_ledgers_messages_are_facts_without_a_message_event() -> None:
    network = opened_ledger()
    before = len(network.alice.events_of("message-sent"))
    network.alice.feed(commands.PayLedger(LEDGER, 5, "rent"))
    network.settle()
    assert len(network.alice.events_of("message-sent")) == before
    assert network.alice.events_of("ledger-update-proposed")[0].amount == amount_to_bytes(5)
