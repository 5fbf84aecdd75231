"""Ledger updates in company: they lead to what `crank` makes of one after the other."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.draft import CrankResult
from protocols.errors import ProtocolError
from protocols.ledger import QUEUE_COUNT_MAX
from protocols.ledger_errors import TooManyGuarantees
from protocols.ledger_runs import (
    EVENTS_PER_PAYMENT,
    answer_run,
    ordered_together,
    pay_run,
    told_together,
    update_run,
)
from protocols.messages import decode_body
from tests.support.actors import ALICE, BOB, IRENE
from tests.support.builders import CHANNEL, open_command
from tests.support.ledger_rig import (
    LEDGER,
    Verdicts,
    add,
    judged_by,
    ledger_at,
    ledger_fixed,
    open_ledger_command,
    opened_ledger,
    propose,
    target,
)
from tests.support.network import CoreNode, Network
from tests.support.purity import Purity

ENTROPIES = (b"ledg", b"leds", b"ledt")
LEDGERS = tuple(ledger_fixed(entropy).channel_id() for entropy in ENTROPIES)


def three_ledgers() -> Network:
    """ALICE leads three ledgers with BOB."""
    network = opened_ledger()
    for entropy in ENTROPIES[1:]:
        network.alice.feed(open_ledger_command(nonce_entropy=entropy))
    network.settle()
    for node in (network.alice, network.bob):
        node.proves_purity = False
    return network


def pay(number: int, amount: int = 1, ledger: bytes | None = None) -> commands.PayLedger:
    """A payment named by its number, in the ledger of that number or in another."""
    chosen = LEDGERS[number % len(LEDGERS)] if ledger is None else ledger
    return commands.PayLedger(chosen, amount, f"payment-{number}")


def waiting(sender: CoreNode, receiver: CoreNode) -> list[inputs.Input]:
    """All that waits for the receiver, as it comes in."""
    return [
        inputs.PeerMessage(
            sender.actor.address, sent.sequence, decode_body(sent.body), len(sent.body)
        )
        for sent in sender.outbox.get(receiver.actor.address, [])
    ]


def run_of(node: CoreNode, items: Sequence[inputs.Input]) -> tuple[CrankResult, int]:
    """What a run makes of the first items and how many it took. Proves that it is pure."""
    purity = Purity()
    purity.note(node.state)
    if ordered := ordered_together(items):
        result, size = pay_run(node.state, ordered, node.context()), EVENTS_PER_PAYMENT
    elif told := told_together(items):
        result, size = update_run(node.state, told), 1
    else:
        return CrankResult((), ()), 0
    assert purity.is_kept(node.state), "the run changed the state it was given"
    return result, len(result.events) // size


def take_in_company(node: CoreNode, items: Sequence[inputs.Input]) -> int:
    """A batch, runs first; how many inputs came in company."""
    place = company = 0
    while place < len(items):
        result, count = run_of(node, items[place:])
        company += count
        if count:
            node.take(result)
        else:
            take_alone(node, items[place : place + 1])
        place += count or 1
    node.take(answer_run(node.state, node.context()))
    return company


def take_alone(node: CoreNode, items: Sequence[inputs.Input]) -> None:
    for item in items:
        try:
            node.feed(item)
        except ProtocolError:
            pass


class Pair:
    """The same two nodes twice: one pair takes batches in company, the other alone."""

    def __init__(self) -> None:
        self.together, self.alone = three_ledgers(), three_ledgers()
        self.company = 0

    def take(self, name: str, items: Sequence[inputs.Input]) -> int:
        """A batch for the node of that name; how many of it came in company."""
        quick, slow = getattr(self.together, name), getattr(self.alone, name)
        company = take_in_company(quick, items)
        take_alone(slow, items)
        for node in (quick, slow):
            node.feed(inputs.EndOfBatch())
        assert quick.log == slow.log
        assert quick.outbox == slow.outbox
        assert quick.state.unanswered == slow.state.unanswered
        assert quick.state.digest() == slow.state.digest() == quick.fold().digest()
        self.company += company
        return company

    def deliver(self, name: str, change: object = None) -> int:
        """All that waits for the node of that name, acknowledged; how many came in company."""
        receiver = getattr(self.together, name)
        sender = self.together.other(receiver)
        items = waiting(sender, receiver)
        if callable(change):
            items = change(items)
        company = self.take(name, items)
        for network in (self.together, self.alone):
            network.acknowledge(getattr(network, name))
        return company


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_an_update_of_each_ledger_goes_through_in_company(pair: Pair) -> None:
    assert pair.take("alice", [pay(number) for number in range(7)]) == 7
    assert pair.deliver("bob") == 7
    assert pair.deliver("alice") == 3
    for channel_id, turn_num in zip(LEDGERS, (4, 3, 3), strict=True):
        for node in (pair.together.alice, pair.together.bob):
            ledger = ledger_at(node, channel_id)
            assert (ledger.turn_num, ledger.queue) == (turn_num, ())


@pytest.mark.parametrize(
    ("commands", "company"),
    [
        ([pay(0), pay(1, 0), pay(2)], 2),
        ([pay(0), pay(1, 10**6), pay(2)], 2),
        ([pay(0), pay(1, 1, CHANNEL), pay(2)], 2),
        ([pay(0), replace(pay(1), request_id=""), pay(2)], 2),
        ([pay(0, 600), pay(3, 600), pay(1)], 2),
        ([inputs.Tick(), pay(0)], 1),
    ],
)
def test_what_is_not_in_order_is_refused_as_it_is_alone(
    pair: Pair, commands: list[inputs.Input], company: int
) -> None:
    assert pair.take("alice", commands) == company


def test_a_payment_channel_is_no_ledger_in_company_either(pair: Pair) -> None:
    for network in (pair.together, pair.alone):
        network.alice.feed(open_command())
        network.settle()
    assert pair.take("alice", [pay(0), pay(1, 1, CHANNEL)]) == 1


def test_a_follower_asks_alone_and_its_wish_is_met_alone(pair: Pair) -> None:
    assert pair.take("bob", [pay(0), pay(1)]) == 0
    assert pair.deliver("alice") == 0
    assert pair.deliver("bob") == 2  # The proposals; that they were asked for is judged alone.
    assert pair.deliver("alice") == 0
    assert ledger_at(pair.together.alice).current.leader == 1_001


def test_no_more_is_proposed_in_company_than_a_queue_holds(pair: Pair) -> None:
    full = [pay(3 * number) for number in range(QUEUE_COUNT_MAX + 1)]
    assert pair.take("alice", full) == QUEUE_COUNT_MAX


def test_nothing_is_paid_or_countersigned_in_company_once_a_ledger_closes(pair: Pair) -> None:
    assert pair.take("alice", [pay(0)]) == 1
    for network in (pair.together, pair.alone):
        network.bob.feed(commands.CloseChannel(LEDGER, "enough"))
        network.alice.feed(network.bob.resolve(final_request_of(network)))
    assert pair.take("alice", [pay(3)]) == 0
    assert pair.deliver("bob") <= 1


def final_request_of(network: Network) -> inputs.Input:
    sent = network.bob.outbox[ALICE.address][-1]
    return inputs.PeerMessage(BOB.address, sent.sequence, decode_body(sent.body), len(sent.body))


def _forged(items: list[inputs.Input]) -> list[inputs.Input]:
    """The second message with another's signature."""
    first, second, *rest = items
    assert isinstance(second, inputs.PeerMessage)
    signature = IRENE.signer(bytes(32))
    body = replace(second.body, signature=signature)  # type: ignore[type-var]
    return [first, replace(second, body=body), *rest]


def _skipping(items: list[inputs.Input]) -> list[inputs.Input]:
    """The second message with a turn that is not the next."""
    first, second, *rest = items
    assert isinstance(second, inputs.PeerMessage)
    assert isinstance(second.body, messages.LedgerProposal | messages.LedgerCountersignature)
    body = replace(second.body, turn_num=second.body.turn_num + 1)
    return [first, replace(second, body=body), *rest]


def _of_a_stranger(items: list[inputs.Input]) -> list[inputs.Input]:
    return [replace(item, peer=IRENE.address) for item in items]


def _twice(items: list[inputs.Input]) -> list[inputs.Input]:
    return [*items, *items]


def _with_a_gap(items: list[inputs.Input]) -> list[inputs.Input]:
    return [items[0], *items[2:]]


def _in_no_ledger(items: list[inputs.Input]) -> list[inputs.Input]:
    first, second, *rest = items
    assert isinstance(second, inputs.PeerMessage)
    body = replace(second.body, channel_id=target(9))  # type: ignore[type-var]
    return [first, replace(second, body=body), *rest]


@pytest.mark.parametrize(
    ("change", "company"),
    [
        (_forged, 2),
        (_skipping, 2),
        (_of_a_stranger, 0),
        (_twice, 3),
        (_with_a_gap, 1),
        (_in_no_ledger, 2),
    ],
)
@pytest.mark.parametrize("name", ["alice", "bob"])
def test_what_is_told_wrongly_is_dropped_as_it_is_alone(
    pair: Pair, name: str, change: object, company: int
) -> None:
    pair.take("alice", [pay(0), pay(1), pay(2)])
    if name == "alice":
        pair.deliver("bob")
    assert pair.deliver(name, change) == company


def test_guarantees_are_proposed_judged_and_agreed_alone(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = judged_by(monkeypatch)
    verdicts.by_target[target(2)] = TooManyGuarantees(1, 1)
    for number in (1, 2):
        for network in (pair.together, pair.alone):
            propose(network.alice, add(number, 10), LEDGER)
    pair.take("alice", [pay(0), pay(1)])
    assert pair.deliver("bob") == 4
    assert pair.deliver("alice") >= 1
    pair.deliver("bob")
    pair.deliver("alice")
    assert len(ledger_at(pair.together.bob).current.guarantees) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_batches_in_company_are_those_alone_whatever_comes(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, pair, verdicts = random.Random(seed), Pair(), judged_by(monkeypatch)
    number = 0
    for _ in range(25):
        number += 10
        match draw.randrange(6):
            case 0 | 1:
                amounts = (1, 2, 1, 5, 400, 0)
                count = draw.randrange(1, 8)
                batch = [
                    pay(number + n, draw.choice(amounts), draw.choice(LEDGERS))
                    for n in range(count)
                ]
                pair.take(draw.choice(("alice", "alice", "bob")), batch)
            case 2:
                _guarantee(draw, pair, verdicts, number)
            case 3 | 4:
                pair.deliver("bob", draw.choice((None, None, _twice)))
            case _:
                pair.deliver("alice", draw.choice((None, None, _twice)))
    for _ in range(4):
        pair.deliver("bob")
        pair.deliver("alice")
    assert pair.company > 10


def _guarantee(draw: random.Random, pair: Pair, verdicts: Verdicts, number: int) -> None:
    """ALICE proposes a guarantee that BOB will allow, refuse, or leave for later."""
    verdict = draw.choice((True, TooManyGuarantees(1, 1), False))
    verdicts.by_target[target(number)] = verdict
    channel_id = draw.choice(LEDGERS)
    for network in (pair.together, pair.alone):
        try:
            propose(network.alice, add(number, 10), channel_id)
        except ProtocolError:
            pass


def test_runs_hold_one_update_a_ledger_and_one_kind() -> None:
    commands: list[inputs.Input] = [pay(0), pay(1), pay(2), pay(3)]
    assert ordered_together(commands) == commands[:3]
    assert ordered_together(commands, 1) == commands[1:]
    assert ordered_together([pay(0), replace(pay(1), request_id="payment-0")]) == [pay(0)]
    assert told_together(commands) == []
    pair = Pair()
    pair.take("alice", [pay(0), pay(1)])
    said = waiting(pair.together.alice, pair.together.bob)
    assert told_together(said) == said
    assert told_together([said[0], said[0]]) == said[:1]
    assert told_together([replace(said[0], body=None)]) == []
    pair.deliver("bob")
    answers = waiting(pair.together.bob, pair.together.alice)
    assert told_together(answers) == answers
    assert told_together([said[0], *answers]) == said[:1]
