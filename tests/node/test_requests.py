"""Request ids: a command is carried out once; and callers hear of receipts, or that none comes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from node.answers import Answer
from node.requests import Requests
from protocols import app_events, commands, events, inputs, messages
from protocols.app_errors import AppChannelStopped
from protocols.draft import Decision
from protocols.errors import (
    ObjectiveNotWaitingForApproval,
    ProtocolError,
    RequestIdConflict,
)
from protocols.ledger_events import LedgerUpdateProposed
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB, Actor
from tests.support.app_rig import APP_CHANNEL, opened_app
from tests.support.builders import (
    CHANNEL,
    final_request,
    open_command,
    proposal,
)
from tests.support.engine_rig import Rig, opened, opened_ledger, pay
from tests.support.ledger_rig import LEDGER, payment_request


async def asked() -> Rig:
    """BOB's engine, with a proposal of ALICE's that waits for his owner."""
    rig = Rig(BOB)
    rig.decision = Decision("ask")
    await rig.take(rig.said(ALICE, proposal()))
    return rig


async def test_the_same_request_in_one_batch_is_carried_out_once_and_answered_alike() -> None:
    rig = await opened()
    first, again = rig.ask(pay(10, 1, "rent")), rig.ask(pay(10, 2, "rent"))
    await rig.work()
    assert first == again
    assert isinstance(first[0], Answer)
    assert len(rig.events_of(events.VoucherIssued)) == 1
    assert rig.state.channels[CHANNEL].vouchers.total == 10


async def test_the_same_request_in_a_later_batch_gets_the_first_answer() -> None:
    rig = await opened()
    first = await rig.answer(pay(10, 1, "rent"))
    await rig.answer(pay(4, 2, "other"))
    rig.journal.clear()
    assert await rig.answer(pay(10, 3, "rent")) == first
    assert rig.journal.order == ["answer"]
    assert rig.state.channels[CHANNEL].vouchers.total == 14


async def test_the_same_request_after_a_restart_gets_the_first_answer() -> None:
    rig = await opened()
    first = await rig.answer(pay(10, 1, "rent"))
    rig = rig.restarted()
    assert await rig.answer(pay(10, 2, "rent")) == first
    assert rig.state.channels[CHANNEL].vouchers.total == 10


async def test_a_request_whose_batch_was_not_written_is_carried_out_after_the_restart() -> None:
    rig = await opened()
    rig.kv.fails = True
    answers = rig.ask(pay(10, 1, "rent"))
    with pytest.raises(BaseExceptionGroup):
        await rig.work()
    assert answers == []
    rig.kv.fails = False
    rig = rig.restarted()
    assert (await rig.answer(pay(10, 2, "rent"))).total == 10
    assert len(rig.events_of(events.VoucherIssued)) == 1


async def test_what_one_batch_did_is_looked_up_in_the_log_once_it_is_written() -> None:
    rig = await opened()
    requests = Requests(rig.log, rig.state)
    command = pay(10, 1, "rent")
    payment_id, amount = amount_to_bytes(1), amount_to_bytes(10)
    fact = events.VoucherIssued(CHANNEL, payment_id, amount, amount, bytes(65), "", "rent")
    requests.remember(command, 77, (fact,))
    assert requests.find(command) == Answer(77, b"", CHANNEL, payment_id, 10)
    requests.end_batch()
    assert requests.find(command) is None


async def test_a_refused_request_may_be_asked_again() -> None:
    rig = await opened()
    with pytest.raises(ProtocolError):
        await rig.answer(pay(0, 1, "rent"))
    assert (await rig.answer(pay(10, 1, "rent"))).total == 10


@pytest.mark.parametrize(
    "other",
    [
        pay(11, 1, "rent"),
        pay(10, 1, "rent", memo="another memo"),
        replace(pay(10, 1, "rent"), channel_id=bytes(32)),
        commands.CloseChannel(CHANNEL, "rent"),
        open_command(request_id="rent"),
    ],
    ids=["amount", "memo", "channel", "close", "open"],
)
async def test_a_payment_s_request_id_is_refused_for_any_other_command(
    other: inputs.Input,
) -> None:
    rig = await opened()
    for _ in range(2):
        first, conflict = rig.ask(pay(10, 1, "rent")), rig.ask(other)
        await rig.work()
        assert isinstance(first[0], Answer)
        assert isinstance(conflict[0], RequestIdConflict)
    rig = rig.restarted()
    with pytest.raises(RequestIdConflict):
        await rig.answer(other)
    assert rig.state.channels[CHANNEL].vouchers.total == 10


async def test_an_open_is_carried_out_once_whatever_entropy_the_retry_draws() -> None:
    rig = Rig()
    first = await rig.answer(open_command(request_id="my channel"))
    retry = open_command(request_id="my channel", nonce_entropy=b"wxyz")
    assert await rig.answer(retry) == first
    rig = rig.restarted()
    assert await rig.answer(retry) == first
    assert len(rig.state.channels) == 1
    (record,) = rig.log.read(first.seq, first.seq + 1)
    created = record.event()
    assert isinstance(created, events.ObjectiveCreated)
    assert (created.objective_id, created.channel_id) == (first.objective_id, first.channel_id)


@pytest.mark.parametrize(
    "other",
    [
        open_command(request_id="my channel", amount=5),
        commands.CloseChannel(CHANNEL, "my channel"),
        pay(10, 1, "my channel"),
    ],
    ids=["amount", "close", "payment"],
)
async def test_an_open_s_request_id_is_refused_for_any_other_command(other: inputs.Input) -> None:
    rig = Rig()
    await rig.answer(open_command(request_id="my channel"))
    with pytest.raises(RequestIdConflict):
        await rig.answer(other)
    with pytest.raises(RequestIdConflict):
        await rig.restarted().answer(other)


async def test_a_close_is_carried_out_once() -> None:
    rig = await opened()
    first = await rig.answer(commands.CloseChannel(CHANNEL, "done"))
    assert await rig.answer(commands.CloseChannel(CHANNEL, "done")) == first
    assert await rig.restarted().answer(commands.CloseChannel(CHANNEL, "done")) == first


async def test_a_second_close_without_a_request_id_names_the_first_s_objective() -> None:
    rig = await opened()
    first = await rig.answer(commands.CloseChannel(CHANNEL))
    assert await rig.answer(commands.CloseChannel(CHANNEL)) == first
    assert await rig.answer(commands.CloseChannel(CHANNEL, "another name")) == first
    for _ in range(2):
        assert await rig.answer(commands.CloseChannel(CHANNEL, "another name")) == first
        with pytest.raises(RequestIdConflict):
            await rig.answer(pay(10, 1, "another name"))
        rig = rig.restarted()
    assert await rig.answer(commands.CloseChannel(CHANNEL)) == first
    assert len(rig.events_of(events.RequestRecorded)) == 1
    (record,) = rig.log.read(first.seq, first.seq + 1)
    assert isinstance(record.event(), events.ObjectiveCreated)


async def test_two_closes_in_one_batch_get_one_answer() -> None:
    rig = await opened()
    first, again = rig.ask(commands.CloseChannel(CHANNEL)), rig.ask(commands.CloseChannel(CHANNEL))
    await rig.work()
    assert first == again
    assert isinstance(first[0], Answer)


@pytest.mark.parametrize("together", [True, False])
async def test_a_close_of_what_the_peer_closes_names_the_record_of_the_peer_s(
    together: bool,
) -> None:
    rig = await opened()
    rig.queue(rig.said(BOB, final_request(0)))
    if not together:
        await rig.work()
    answer = await rig.answer(commands.CloseChannel(CHANNEL, "mine"))
    assert await rig.answer(commands.CloseChannel(CHANNEL)) == answer
    (record,) = rig.log.read(answer.seq, answer.seq + 1)
    created = record.event()
    assert isinstance(created, events.ObjectiveCreated)
    assert created.objective_id == answer.objective_id


async def test_commands_without_a_request_id_are_all_carried_out() -> None:
    rig = await opened()
    rig.ask(pay(10, 1))
    rig.ask(pay(10, 2))
    await rig.work()
    assert rig.state.channels[CHANNEL].vouchers.total == 20


async def test_an_approval_answers_with_the_objective_it_approved() -> None:
    rig = Rig()
    answer = await rig.answer(open_command())
    with pytest.raises(ObjectiveNotWaitingForApproval):
        await rig.answer(commands.ApproveObjective(answer.objective_id))


@pytest.mark.parametrize("decision", [commands.ApproveObjective, commands.RejectObjective])
async def test_a_decision_repeated_under_its_request_id_gets_the_first_answer(
    decision: type[commands.ApproveObjective] | type[commands.RejectObjective],
) -> None:
    rig = await asked()
    (identity,) = rig.state.objectives
    first, again = (rig.ask(decision(identity, request_id="yes or no")) for _ in range(2))
    await rig.work()
    assert first == again
    (answer,) = first
    assert isinstance(answer, Answer)
    assert answer.objective_id == identity
    for _ in range(2):
        assert await rig.answer(decision(identity, request_id="yes or no")) == answer
        rig = rig.restarted()
    with pytest.raises(ObjectiveNotWaitingForApproval):
        await rig.answer(decision(identity))
    with pytest.raises(ObjectiveNotWaitingForApproval):
        await rig.answer(decision(identity, request_id="another name"))
    assert len(rig.events_of(events.RequestRecorded)) == 1


async def test_a_decision_s_request_id_is_refused_for_any_other_command() -> None:
    rig = await asked()
    (identity,) = rig.state.objectives
    await rig.answer(commands.RejectObjective(identity, "too small", "no thanks"))
    others: list[inputs.Input] = [
        commands.RejectObjective(identity, "too large", "no thanks"),
        commands.ApproveObjective(identity, "no thanks"),
        commands.CloseChannel(CHANNEL, "no thanks"),
        pay(10, 1, "no thanks"),
    ]
    for other in others:
        with pytest.raises(RequestIdConflict):
            await rig.answer(other)


@pytest.mark.parametrize("request_id", ["", "no more"])
async def test_a_close_of_a_virtual_channel_that_is_not_open_yet_names_its_opening(
    request_id: str,
) -> None:
    rig = await opened_ledger(ALICE)
    command = commands.OpenVirtual((BOB.address,), ZERO_ADDRESS, 5, (), 86_400, bytes(4), "v")
    opened = await rig.answer(command)
    assert isinstance(opened, Answer)
    close = commands.CloseChannel(opened.channel_id, request_id)
    for _ in range(2):
        first, again = rig.ask(close), rig.ask(close)
        await rig.work()
        assert first == again
        (answer,) = first
        assert isinstance(answer, Answer)
        assert (answer.objective_id, answer.channel_id) == (opened.objective_id, opened.channel_id)
        (record,) = rig.log.read(answer.seq, answer.seq + 1)
        assert isinstance(record.event(), events.ObjectiveCreated)
        rig = rig.restarted()
    assert len(rig.events_of(events.RequestRecorded)) == bool(request_id)


async def test_an_open_is_answered_from_the_log_when_its_channel_was_pruned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("protocols.rejected.KEPT_COUNT_MAX", 0)
    rig = await opened_ledger(ALICE)
    command = commands.OpenVirtual((BOB.address,), ZERO_ADDRESS, 5, (), 86_400, bytes(4), "v")
    first = await rig.answer(command)
    assert isinstance(first, Answer)
    refusal = messages.ObjectiveRejection(first.objective_id, "POLICY_DENIED", "house rules")
    await rig.take(rig.said(BOB, refusal), inputs.Tick())
    assert rig.state.channels.get(first.channel_id) is None
    for _ in range(2):
        assert await rig.answer(replace(command, nonce_entropy=b"more")) == first
        rig = rig.restarted()


# --- payments in ledgers ---


@pytest.mark.parametrize("actor", [ALICE, BOB], ids=["leader", "follower"])
async def test_a_ledger_payment_repeated_under_its_request_id_is_made_once(actor: Actor) -> None:
    rig = await opened_ledger(actor)
    command = commands.PayLedger(LEDGER, 10, "rent")
    first, again = rig.ask(command), rig.ask(command)
    await rig.work()
    (answer,) = first
    assert first == again
    assert isinstance(answer, Answer)
    assert (answer.channel_id, answer.request_id) == (LEDGER, "rent")
    for _ in range(2):
        assert await rig.answer(command) == answer
        rig = rig.restarted()
    (recorded,) = rig.events_of(events.RequestRecorded)
    assert recorded.request_id == "rent"
    for other in (replace(command, amount=11), pay(10, 1, "rent")):
        with pytest.raises(RequestIdConflict):
            await rig.answer(other)


async def test_a_request_id_that_the_peer_s_owner_chose_answers_no_request_of_ours() -> None:
    rig = await opened_ledger(ALICE)
    await rig.take(rig.said(BOB, payment_request(10, "rent")))
    assert rig.events_of(LedgerUpdateProposed)[-1].request_id == "rent"
    answer = await rig.answer(open_command(request_id="rent"))
    assert answer.channel_id == CHANNEL
    rig = rig.restarted()
    assert await rig.answer(open_command(request_id="rent")) == answer


# --- receipts ---


# --- messages of applications ---


SAID = commands.SendAppMessage(APP_CHANNEL, b"\x05", b"\x0a" * 32, "said")
QUEUED = app_events.AppMessageQueued(APP_CHANNEL, SAID.message_id, SAID.payload, "said")


def with_message(*since: events.Event) -> Rig:
    """An engine whose application's channel has that message, and what became of it."""
    rig = Rig(ALICE)
    for _, event in opened_app().alice.log[3:]:
        rig.engine.record(event)
    for event in (QUEUED, *since):
        rig.engine.record(event)
    return rig


def test_a_message_that_waits_is_answered_as_it_was_when_it_is_repeated() -> None:
    rig = with_message()
    answer = Requests(rig.log, rig.state).find(SAID)
    assert answer is not None
    assert (answer.message_id, answer.message_count) == (SAID.message_id, 0)


@pytest.mark.parametrize(
    "over",
    [
        app_events.AppChannelHalted(APP_CHANNEL, "DIGEST_DIFFERS", 0, "a", "b"),
        app_events.AppHaltReceived(APP_CHANNEL, "DIGEST_DIFFERS", "theirs differs"),
        events.LogTailCut(0, 100, "000004.log"),
    ],
    ids=["halted by us", "halted by the other end", "records were lost"],
)
def test_a_message_that_nobody_decides_on_any_more_is_not_waited_for(over: events.Event) -> None:
    rig = with_message(over)
    with pytest.raises(AppChannelStopped):
        Requests(rig.log, rig.state).find(SAID)
