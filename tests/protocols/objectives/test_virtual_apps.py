"""Applications over ledgers: both ends agree on messages, hubs only on how it begins and ends."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import commands, events, messages
from protocols.app_channel import ALTERNATE, LEADER
from protocols.app_errors import AppOpeningRefused, ReducerNotInstalled, TurnRuleUnknown
from protocols.app_events import AppDefinitionRecorded
from protocols.channel import ChainStatus, ChannelStatus, status
from protocols.draft import HUB, PLAYER, Draft
from protocols.errors import AppNotSupported
from protocols.messages import decode_body
from protocols.objectives import unwinding
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, WaitingFor
from protocols.payment_errors import NotAPaymentChannel
from protocols.types import ChannelId
from tests.support.app_rig import GAME_APP, REDUCER
from tests.support.app_web import STAKE, AppWeb, worth
from tests.support.exit_rig import is_completed, paid_to
from tests.support.web import BALANCE, WebNode

HOPS = (0, 1, 2)


def talk(web: AppWeb, channel_id: ChannelId) -> int:
    """Both say something; what the second end has then."""
    for end, amount in ((0, 40), (0, 30), (1, 20)):
        web.say(channel_id, end, amount)
    return 50


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("closer", [0, 1])
def test_an_application_over_hubs_moves_the_ends_money_and_the_hubs_fees(
    hops: int, closer: int
) -> None:
    web = AppWeb(hops)
    channel_id = web.opened_app()
    for node in web.row:
        assert status(node.channel(channel_id)) == ChannelStatus.OPEN
        assert node.submissions == []
    owed = talk(web, channel_id)
    first, last = web.ends
    assert first.app(channel_id).supported == last.app(channel_id).supported
    assert first.app(channel_id).supported.amounts == (STAKE - owed, owed)
    web.ends[closer].feed(commands.CloseChannel(channel_id))
    web.settle()
    for node in web.row:
        assert status(node.channel(channel_id)) == ChannelStatus.CLOSED
        assert web.defund_status(node, channel_id) == ObjectiveStatus.COMPLETED
        assert node.fold().digest() == node.state.digest()
    assert web.changes() == [-owed - sum(web.fees), *web.fees, owed]
    web.no_guarantee_is_left()
    web.sums_are_constant()
    web.nothing_was_dropped()
    web.nobody_signed_twice()


@pytest.mark.parametrize("hops", HOPS)
def test_a_game_that_a_contract_judges_runs_over_hubs_too(hops: int) -> None:
    web = AppWeb(hops)
    channel_id = web.opened_app(app_definition=GAME_APP, turn_rule=ALTERNATE)
    web.say(channel_id, 0, 40)
    web.say(channel_id, 1, 15)
    for end in web.ends:
        end.feed(commands.CloseChannel(channel_id))
    web.settle()
    assert web.changes() == [-25 - sum(web.fees), *web.fees, 25]
    web.no_guarantee_is_left()


def test_a_channel_in_which_nothing_was_said_gives_all_back_but_the_fees() -> None:
    web = AppWeb(2)
    channel_id = web.opened_app()
    web.ends[1].feed(commands.CloseChannel(channel_id))
    web.settle()
    assert web.changes() == [-sum(web.fees), *web.fees, 0]


def test_what_is_said_is_heard_by_the_ends_alone() -> None:
    web = AppWeb(2)
    channel_id = web.opened_app()
    counts = [len(hub.log) for hub in web.row[1:-1]]
    talk(web, channel_id)
    assert [len(hub.log) for hub in web.row[1:-1]] == counts
    for hub in web.row[1:-1]:
        assert [turn.turn_num for turn in hub.channel(channel_id).turns] == [0, 1]


def test_policy_is_asked_as_a_hub_or_as_a_player() -> None:
    web = AppWeb(1)
    web.opened_app()
    _, hub, last = web.row
    for node, role, fee in ((hub, HUB, 1), (last, PLAYER, 0)):
        asked = node.proposals[-1]
        assert (asked.role, asked.reducer_id, asked.guaranteed, asked.fee) == (
            role,
            REDUCER,
            STAKE,
            fee,
        )


# --- refusals ---


def _refused(web: AppWeb, channel_id: ChannelId, hop: int, name: str) -> None:
    assert web.fund_status(web.payer, channel_id) == ObjectiveStatus.REJECTED
    rejected = web.payer.events_of(events.ObjectiveRejected.NAME)
    assert [event.error_code for event in rejected] == [name]
    assert rejected[0].reason.startswith(f"hop {hop}: ")
    assert web.changes() == [0] * len(web.row)
    web.no_guarantee_is_left()
    assert channel_id not in web.row[hop].state.channels


def test_a_hub_refuses_a_contract_that_its_log_does_not_know() -> None:
    web = AppWeb(2)
    other = b"\x77" * 20
    for node in (*web.ends, web.row[1]):
        node.record(AppDefinitionRecorded(other, "message-log"))
    channel_id = web.open_app(app_definition=other)
    web.settle()
    _refused(web, channel_id, 2, AppNotSupported.name())


def test_an_end_without_the_reducer_says_so() -> None:
    web = AppWeb(1)
    web.ends[1].installed.clear()
    channel_id = web.open_app()
    web.settle()
    _refused(web, channel_id, 2, ReducerNotInstalled.name())


def test_an_end_whose_reducer_does_not_begin_with_the_stakes_signs_nothing() -> None:
    web = AppWeb(1, (700, 400))
    web.ends[1].refuse_opening = lambda deposits: f"not for {deposits[1]}"
    channel_id = web.open_app()
    web.settle()
    assert web.fund_status(web.payer, channel_id) == ObjectiveStatus.REJECTED
    (rejected,) = web.payer.events_of(events.ObjectiveRejected.NAME)
    assert rejected.error_code == AppOpeningRefused.name()
    assert rejected.reason.startswith("hop 2: ")
    assert "not for 400" in rejected.reason
    assert not web.ends[1].channel(channel_id).signed_by_me(0)
    web.no_guarantee_is_left()


def test_the_first_end_asks_its_reducer_before_it_proposes() -> None:
    web = AppWeb(1)
    web.ends[0].refuse_opening = lambda deposits: "code 3"
    with pytest.raises(AppOpeningRefused):
        web.open_app()
    assert web.payer.state.channels.keys() == set(web.ledgers[:1])


def test_hubs_need_no_reducer_but_the_first_end_does() -> None:
    web = AppWeb(1)
    web.ends[0].installed.clear()
    with pytest.raises(ReducerNotInstalled):
        web.open_app()


@pytest.mark.parametrize("rule", ["", "whoever"])
def test_a_rule_of_turns_has_to_be_one(rule: str) -> None:
    with pytest.raises(TurnRuleUnknown):
        AppWeb(1).open_app(turn_rule=rule)


def test_no_contract_at_all_is_refused_by_the_first_end() -> None:
    with pytest.raises(AppNotSupported):
        AppWeb(1).open_app(app_definition=b"\x77" * 20)


def _proposal(web: AppWeb) -> messages.VirtualProposal:
    web.open_app()
    sent = web.payer.outbox[web.row[1].actor.address]
    (body,) = (decode_body(effect.body) for effect in sent)
    assert isinstance(body, messages.VirtualProposal)
    return body


def test_a_payment_channel_has_no_rule_of_turns() -> None:
    web = AppWeb(1)
    web.open()
    (sent,) = web.payer.outbox[web.row[1].actor.address]
    body = decode_body(sent.body)
    assert isinstance(body, messages.VirtualProposal)
    assert body.turn_rule == ""
    changed = replace(body, turn_rule=LEADER)
    assert web.hears(web.row[1], web.payer, changed) == TurnRuleUnknown.name()


def test_another_rule_of_turns_is_refused_when_it_is_said_again() -> None:
    web = AppWeb(1)
    body = _proposal(web)
    hub = web.row[1]
    assert web.hears(hub, web.payer, body) == ""
    assert web.hears(hub, web.payer, replace(body, turn_rule=ALTERNATE)) == "STATE_REFUSED"


def test_nothing_is_paid_by_voucher_in_an_application() -> None:
    web = AppWeb(1)
    channel_id = web.opened_app()
    with pytest.raises(NotAPaymentChannel):
        web.pay(channel_id, 5)


# --- giving it up ---


def test_an_opening_that_the_last_end_refuses_leaves_nobody_with_less() -> None:
    web = AppWeb(2)
    channel_id = web.open_app()
    web.until(lambda: bool(web.row[1].events_of("ledger-update-signed")))
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    web.no_guarantee_is_left()
    assert all(change >= 0 for change in web.changes()[1:-1])
    assert sum(web.changes()) == 0


def test_a_last_end_that_signed_a_running_state_renounces_nothing() -> None:
    """M16 (b): as a payee that accepted a voucher."""
    web = AppWeb(1)
    channel_id = web.opened_app()
    talk(web, channel_id)
    last = web.ends[1]
    channel = last.channel(channel_id)
    assert channel.virtual is not None
    unwound = replace(channel, virtual=replace(channel.virtual, unwinding=True))
    last.state.channels[channel_id] = unwound
    draft = Draft(last.state, last.context())
    opening = last.objective(ObjectiveType.VIRTUAL_FUND, channel_id)
    assert unwinding.crank(draft, opening) == WaitingFor.SUPPORTED_FINAL_STATE
    assert draft.events == []


# --- leaving alone ---


def is_out(node: WebNode, channel_id: ChannelId) -> bool:
    return is_completed(node, ObjectiveType.EXIT, channel_id)


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("end", [0, 1])
def test_an_end_leaves_alone_with_the_newest_state_of_both_through_the_ledgers(
    hops: int, end: int
) -> None:
    web = AppWeb(hops)
    channel_id = web.opened_app()
    owed = talk(web, channel_id)
    node = web.ends[end]
    expected = BALANCE - owed - sum(web.fees) if end == 0 else BALANCE + owed
    assert worth(node) == expected
    node.feed(commands.ExitChannel(channel_id))
    web.run([node], lambda: is_out(node, channel_id))
    assert web.chain.disputes.kept[channel_id].turn_num == 4
    assert paid_to(web, node) == expected
    assert status(node.channel(channel_id)) == ChannelStatus.CLOSED
    assert node.fold().digest() == node.state.digest()


@pytest.mark.parametrize("hop", [1, 2])
def test_a_hub_that_leaves_alone_loses_nothing(hop: int) -> None:
    web = AppWeb(2)
    channel_id = web.opened_app()
    talk(web, channel_id)
    hub = web.row[hop]
    assert worth(hub) == 2 * BALANCE + hop
    hub.feed(commands.ExitChannel(channel_id))
    web.run([hub], lambda: is_out(hub, channel_id))
    assert paid_to(web, hub) == 2 * BALANCE + hop


def test_an_older_state_on_chain_is_answered_by_the_other_end() -> None:
    """A hub registers the postfund; both ends hold newer states and know it."""
    web = AppWeb(1)
    channel_id = web.opened_app()
    talk(web, channel_id)
    hub, last = web.row[1], web.ends[1]
    hub.feed(commands.ExitChannel(channel_id))
    web.run(
        [hub, last],
        lambda: (
            last.channel(channel_id).chain_status == ChainStatus.EXPIRED
            and web.chain.disputes.kept[channel_id].turn_num == 4
        ),
    )
