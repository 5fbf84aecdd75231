"""An application over ledgers for which both ends put in: who pays what, and what nobody loses."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import commands, events, inputs, messages
from protocols.app_channel import ALTERNATE, after, state_at
from protocols.channel import ChannelStatus, Virtual, status
from protocols.draft import HUB, PLAYER
from protocols.error import ProtocolError
from protocols.errors import OutcomeNotSupported
from protocols.exit_calls import challenge_call
from protocols.ledger import REMOVE
from protocols.messages import decode_body
from protocols.objectives import closing
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, objective_id
from protocols.signed_state import SignedState
from protocols.state import State, challenge_message
from protocols.types import ChannelId
from protocols.virtual_errors import HopWithoutFunds
from protocols.virtual_paths import (
    addition,
    costs_nothing,
    is_agreed,
    parts_at,
    removal_by_unwinding,
)
from tests.support.app_rig import GAME_APP
from tests.support.app_web import AppWeb, worth
from tests.support.builders import ADJUDICATOR, tx_hash
from tests.support.exit_rig import is_completed, paid_to
from tests.support.model_chain import ModelTransaction
from tests.support.web import BALANCE, WebNode

STAKES = (700, 400)
POT = sum(STAKES)
HOPS = (0, 1, 2)


def web_of(hops: int, stakes: tuple[int, int] = STAKES) -> AppWeb:
    return AppWeb(hops, stakes)


def lost_by_first(web: AppWeb, channel_id: ChannelId) -> int:
    """The first end loses all but a little, the last end gives some of it back."""
    for end, amount in ((0, 90), (0, 80), (1, 20)):
        web.say(channel_id, end, amount)
    return 150


def won_by_first(web: AppWeb, channel_id: ChannelId) -> int:
    for amount in (99, 98, 97):
        web.say(channel_id, 1, amount)
    return -294


STORIES = (lost_by_first, won_by_first)


# --- one update each ---


@pytest.mark.parametrize("hops", HOPS)
def test_each_guarantee_is_the_sum_and_takes_both_parts_in_one_update(hops: int) -> None:
    web = web_of(hops)
    channel_id = web.opened_app()
    for place in range(hops + 1):
        left, right = web.row[place], web.row[place + 1]
        (guarantee,) = web.vars_of(place).guarantees
        assert guarantee.amount == POT
        fee = sum(web.fees[place:])
        ledger_id = web.ledgers[place]
        assert (_own(left, ledger_id), _own(right, ledger_id)) == (
            BALANCE - STAKES[0] - fee,
            BALANCE - STAKES[1] + fee,
        )
        assert left.ledger(ledger_id).turn_num == 2
    for node in web.row:
        assert status(node.channel(channel_id)) == ChannelStatus.OPEN


def _own(node: WebNode, ledger_id: ChannelId) -> int:
    held = node.ledger(ledger_id).current
    return held.follower if node.channel(ledger_id).my_index else held.leader


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("closer", [0, 1])
@pytest.mark.parametrize("story", STORIES)
def test_what_was_won_moves_between_the_ends_and_hubs_keep_their_fees(
    hops: int, closer: int, story: object
) -> None:
    web = web_of(hops)
    channel_id = web.opened_app()
    owed = story(web, channel_id)  # type: ignore[operator]
    web.ends[closer].feed(commands.CloseChannel(channel_id))
    web.settle()
    assert web.changes() == [-owed - sum(web.fees), *web.fees, owed]
    for node in web.row:
        assert status(node.channel(channel_id)) == ChannelStatus.CLOSED
        assert node.fold().digest() == node.state.digest()
    web.no_guarantee_is_left()
    web.sums_are_constant()
    web.nothing_was_dropped()
    web.nobody_signed_twice()


@pytest.mark.parametrize("hops", HOPS)
def test_a_game_that_a_contract_judges_is_played_for_both_stakes(hops: int) -> None:
    web = web_of(hops)
    channel_id = web.opened_app(app_definition=GAME_APP, turn_rule=ALTERNATE)
    web.say(channel_id, 0, 40)
    web.say(channel_id, 1, 99)
    for end in web.ends:
        end.feed(commands.CloseChannel(channel_id))
    web.settle()
    assert web.changes() == [59 - sum(web.fees), *web.fees, -59]


def test_a_fee_above_the_last_ends_part_pays_all_of_it() -> None:
    """The right of a ledger gains then, and needs nothing free."""
    assert parts_at((10, 3), (5, 2), 0) == (17, 0)
    assert parts_at((10, 3), (5, 2), 1) == (12, 1)
    assert parts_at((10, 3), (5, 2), 2) == (10, 3)
    web = AppWeb(2, (700, 1))
    channel_id = web.opened_app()
    web.ends[0].feed(commands.CloseChannel(channel_id))
    web.settle()
    assert web.changes() == [-sum(web.fees), *web.fees, 0]


# --- before the first signature ---


def test_the_first_end_has_to_put_something_in() -> None:
    with pytest.raises(OutcomeNotSupported):
        AppWeb(1, (0, 5)).open_app()


def test_policy_and_limits_count_both_parts() -> None:
    web = web_of(1)
    web.opened_app()
    _, hub, last = web.row
    for node, role in ((hub, HUB), (last, PLAYER)):
        asked = node.proposals[-1]
        assert (asked.role, asked.guaranteed, asked.amount) == (role, POT, POT)
    for node in web.row:
        assert set(node.state.carried.exposure.values()) == {POT}
    assert hub.state.carried.amount_as_hub == {web.asset: POT}


@pytest.mark.parametrize("hop", [1, 2])
def test_a_participant_refuses_both_parts_above_its_exposure(hop: int) -> None:
    web = web_of(1)
    web.row[hop].exposure_max = POT - 1
    channel_id = web.open_app()
    web.settle()
    _refused(web, channel_id, "EXPOSURE_TOO_HIGH")


def _refused(web: AppWeb, channel_id: ChannelId, name: str) -> None:
    assert web.fund_status(web.payer, channel_id) == ObjectiveStatus.REJECTED
    rejected = web.payer.events_of(events.ObjectiveRejected.NAME)
    assert [event.error_code for event in rejected] == [name]
    assert web.changes() == [0] * len(web.row)
    web.no_guarantee_is_left()


def _spend(web: AppWeb, node: WebNode, place: int, left: int) -> None:
    """All but so much of the node's balance in that ledger goes to the other party."""
    ledger_id = web.ledgers[place]
    node.feed(commands.PayLedger(ledger_id, _own(node, ledger_id) - left, "spent"))
    web.settle()


@pytest.mark.parametrize(
    ("payer", "place"),
    [(1, 0), (2, 1), (3, 2)],
    ids=["first hub, on its left", "second hub, on its left", "last end"],
)
def test_who_lacks_its_part_on_the_left_refuses_before_anything_is_guaranteed(
    payer: int, place: int
) -> None:
    web = web_of(2)
    node = web.row[payer]
    needed = parts_at(STAKES, web.fees, place).right
    _spend(web, node, place, needed - 1)
    before = web.balances()
    if payer == 1:
        # Its left neighbour, the first end, sees it itself.
        with pytest.raises(HopWithoutFunds):
            web.open_app()
        return
    channel_id = web.open_app()
    web.settle()
    rejected = web.payer.events_of(events.ObjectiveRejected.NAME)
    assert [event.error_code for event in rejected] == ["HOP_WITHOUT_FUNDS"]
    assert web.fund_status(web.payer, channel_id) == ObjectiveStatus.REJECTED
    assert web.balances() == before
    web.no_guarantee_is_left()


@pytest.mark.parametrize(("payer", "place"), [(1, 0), (2, 1), (3, 2)])
def test_who_has_just_its_part_takes_part(payer: int, place: int) -> None:
    web = web_of(2)
    _spend(web, web.row[payer], place, parts_at(STAKES, web.fees, place).right)
    channel_id = web.opened_app()
    assert web.fund_status(web.payer, channel_id) == ObjectiveStatus.COMPLETED


def test_a_hub_without_its_part_refuses_what_its_left_neighbour_proposes_all_the_same() -> None:
    """The neighbour does not look at what is ours, or lies."""
    elsewhere = web_of(1)
    elsewhere.open_app()
    (sent,) = elsewhere.payer.outbox[elsewhere.row[1].actor.address]
    web = web_of(1)
    hub = web.row[1]
    _spend(web, hub, 0, STAKES[1] - web.fees[0] - 1)
    known = set(hub.state.channels)
    assert web.hears(hub, web.payer, decode_body(sent.body)) == ""
    assert set(hub.state.channels) == known
    told = [decode_body(one.body) for one in hub.outbox[web.payer.actor.address]]
    assert [body.error_code for body in told if isinstance(body, messages.ObjectiveRejection)] == [
        "HOP_WITHOUT_FUNDS"
    ]


# --- a neighbour that lies about the split ---


@pytest.mark.parametrize("follower", [1, 2])
@pytest.mark.parametrize("more", [-1, 1, -STAKES[1], STAKES[0]])
def test_a_leader_that_names_another_split_is_refused_by_the_follower(
    follower: int, more: int
) -> None:
    web = web_of(1)
    channel_id = web.open_app()
    place = follower - 1
    ledger_id = web.ledgers[place]
    node = web.row[follower]
    if follower == 1:
        web.until(lambda: len(_prefund_signatures(node, channel_id)) == 3)
    else:
        web.until(lambda: is_agreed(web.row[1].state, web.ledgers[0], channel_id))
        web.until(lambda: len(_prefund_signatures(node, channel_id)) == 3)
    change = addition(node.channel(channel_id), place)
    lie = replace(change, left_amount=change.left_amount - more)
    before = _own(node, ledger_id)
    assert web.refusals(node, ledger_id, lie) != []
    assert _own(node, ledger_id) == before
    assert not is_agreed(node.state, ledger_id, channel_id)


def _prefund_signatures(node: WebNode, channel_id: ChannelId) -> list[bytes]:
    channel = node.state.channels.get(channel_id)
    return (
        []
        if channel is None or not channel.turns
        else [s for s in channel.turns[0].signatures if s]
    )


def test_a_prefund_said_again_with_another_split_is_refused() -> None:
    web = web_of(1)
    web.open_app()
    (sent,) = web.payer.outbox[web.row[1].actor.address]
    body = decode_body(sent.body)
    assert isinstance(body, messages.VirtualProposal)
    hub = web.row[1]
    assert web.hears(hub, web.payer, body) == ""
    (channel_id,) = hub.state.channels.keys() - set(web.ledgers)
    prefund = hub.channel(channel_id).state(hub.channel(channel_id).turns[0])
    (exit_,) = prefund.outcome
    first, last = exit_.allocations
    shares = (replace(first, amount=first.amount - 1), replace(last, amount=last.amount + 1))
    other = replace(prefund, outcome=(replace(exit_, allocations=shares),))
    signed = web.payer.actor.signer(other.state_hash())
    lie = replace(body, encoded_state=other.encode(), signatures=(signed, b"", b""))
    assert web.hears(hub, web.payer, lie) == "STATE_REFUSED"


# --- giving it up (M16 b) ---


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("by", [0, -1])
@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_an_opening_that_is_given_up_at_any_moment_costs_nobody_a_stake(
    hops: int, by: int, steps: int
) -> None:
    web = web_of(hops)
    channel_id = web.open_app()
    _deliver(web, steps)
    giver = web.row[by]
    objective = objective_id(ObjectiveType.VIRTUAL_FUND, channel_id)
    if by == 0:
        giver.feed(commands.CloseChannel(channel_id))
    elif giver.state.objectives.get(objective) is not None:
        _try(giver, commands.RejectObjective(objective))
    web.settle()
    for _ in range(12):
        if web.fund_status(web.payer, channel_id) == ObjectiveStatus.COMPLETED:
            web.payer.feed(commands.CloseChannel(channel_id))
        web.wait(60_000)
        web.settle()
    web.no_guarantee_is_left()
    web.sums_are_constant()
    web.nobody_signed_twice()
    changes = web.changes()
    assert changes in ([0] * len(web.row), [-sum(web.fees), *web.fees, 0])
    for node in web.row:
        assert node.fold().digest() == node.state.digest()


def _deliver(web: AppWeb, count: int) -> None:
    """So many messages reach their receivers, in order."""
    for _ in range(count):
        links = web.links()
        if not links:
            if not web.end_batches():
                return
            continue
        sender, to = links[0]
        web.deliver(sender, to)
        web.acknowledge(web.nodes[to], sender.actor.address)


def _try(node: WebNode, item: inputs.Input) -> None:
    try:
        node.feed(item)
    except ProtocolError:
        return


def half_open(web: AppWeb) -> ChannelId:
    """The last hub signed the postfund, the first end did not."""
    channel_id = web.open_app()
    hub = web.row[-2]
    web.until(lambda: hub.channel(channel_id).signed_by_me(1) if _knows(hub, channel_id) else False)
    return channel_id


def _knows(node: WebNode, channel_id: ChannelId) -> bool:
    return node.state.channels.get(channel_id) is not None


@pytest.mark.parametrize("hops", [1, 2])
def test_a_hub_that_signed_the_postfund_is_left_by_a_final_state_alone(hops: int) -> None:
    """The last end renounces: what it promised, it could break together with the first end."""
    web = web_of(hops)
    channel_id = half_open(web)
    hub = web.row[-2]
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    web.no_guarantee_is_left()
    assert web.changes() == [-sum(web.fees), *web.fees, 0]
    removed = [
        event
        for event in hub.events_of("ledger-update-confirmed")
        if is_agreed(hub.state, web.ledgers[-1], channel_id)
    ]
    assert removed == []


def test_a_follower_on_the_left_refuses_to_unwind_once_it_signed_the_postfund() -> None:
    web = AppWeb(1, STAKES, right_leads=frozenset({1}))
    channel_id = half_open(web)
    hub = web.row[1]
    change = removal_by_unwinding(hub.channel(channel_id), 1)
    assert change.kind == REMOVE
    assert web.refusals(hub, web.ledgers[1], change) == ["REMOVAL_NOT_ALLOWED"]


def test_where_all_is_the_first_ends_a_follower_on_the_left_may_always_unwind() -> None:
    web = AppWeb(1, (POT, 0), right_leads=frozenset({1}))
    channel_id = half_open(web)
    hub = web.row[1]
    assert web.refusals(hub, web.ledgers[1], removal_by_unwinding(hub.channel(channel_id), 1)) == []


def test_an_end_with_an_open_channel_does_not_take_back_its_stake_alone() -> None:
    """It may have won: the other end renounced after it lost."""
    web = AppWeb(0, STAKES, right_leads=frozenset({0}))
    channel_id = web.opened_app()
    won_by_first(web, channel_id)
    first = web.ends[0]
    change = removal_by_unwinding(first.channel(channel_id), 0)
    assert web.refusals(first, web.ledgers[0], change) == ["REMOVAL_NOT_ALLOWED"]


# --- what a hub signs at the end ---


def final_of(web: AppWeb, node: WebNode, channel_id: ChannelId, to_last: int) -> messages.Body:
    """A final state with so much for the last end, signed by both ends."""
    channel = node.channel(channel_id)
    outcome = closing.final_outcome(channel, to_last)
    state = State(channel.fixed, b"", outcome, 3, True)
    signed = [b""] * len(web.row)
    for place in (0, -1):
        signed[place] = web.row[place].actor.signer(state.state_hash())
    return messages.VirtualState(channel_id, state.encode(), tuple(signed))


def left_alone(web: AppWeb) -> ChannelId:
    """The hub has its left guarantee, and no right one."""
    channel_id = web.open_app()
    hub = web.row[1]
    web.until(lambda: is_agreed(hub.state, web.ledgers[0], channel_id))
    assert not is_agreed(hub.state, web.ledgers[1], channel_id)
    return channel_id


@pytest.mark.parametrize("to_last", [0, STAKES[1] - 1])
def test_a_hub_whose_right_guarantee_is_not_there_signs_no_end_that_takes_its_part(
    to_last: int,
) -> None:
    web = web_of(1)
    channel_id = left_alone(web)
    hub = web.row[1]
    assert not costs_nothing(hub.state, hub.channel(channel_id), to_last)
    final = final_of(web, hub, channel_id, to_last)
    assert web.hears(hub, web.payer, final) == "STATE_REFUSED"
    assert not any(turn.is_final for turn in hub.channel(channel_id).turns)


@pytest.mark.parametrize("to_last", [0, STAKES[1], POT])
def test_a_hub_with_both_guarantees_signs_any_end(to_last: int) -> None:
    web = web_of(1)
    channel_id = web.opened_app()
    hub = web.row[1]
    assert costs_nothing(hub.state, hub.channel(channel_id), to_last)
    assert web.hears(hub, web.payer, final_of(web, hub, channel_id, to_last)) == ""
    assert hub.channel(channel_id).turn(3).is_signed_by_all()  # type: ignore[union-attr]


# --- leaving alone ---


def is_out(node: WebNode, channel_id: ChannelId) -> bool:
    return is_completed(node, ObjectiveType.EXIT, channel_id)


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("story", STORIES)
def test_an_end_leaves_alone_with_what_both_signed_last(hops: int, end: int, story: object) -> None:
    web = web_of(hops)
    channel_id = web.opened_app()
    owed = story(web, channel_id)  # type: ignore[operator]
    node = web.ends[end]
    expected = BALANCE - owed - sum(web.fees) if end == 0 else BALANCE + owed
    assert worth(node) == expected
    node.feed(commands.ExitChannel(channel_id))
    web.run([node], lambda: is_out(node, channel_id))
    assert paid_to(web, node) == expected


@pytest.mark.parametrize("hop", [1, 2])
@pytest.mark.parametrize("story", STORIES)
def test_a_hub_that_leaves_alone_loses_nothing(hop: int, story: object) -> None:
    web = web_of(2)
    channel_id = web.opened_app()
    story(web, channel_id)  # type: ignore[operator]
    hub = web.row[hop]
    assert worth(hub) == 2 * BALANCE + hop
    hub.feed(commands.ExitChannel(channel_id))
    web.run([hub], lambda: is_out(hub, channel_id))
    assert paid_to(web, hub) == 2 * BALANCE + hop


def test_a_hub_that_is_left_with_its_left_guarantee_alone_gets_its_part_back() -> None:
    """By the prefund, which all signed: the fee stays with it, and its part comes back."""
    web = web_of(1)
    left_alone(web)
    hub = web.row[1]
    expected = 2 * BALANCE + web.fees[0]
    assert worth(hub) == expected
    hub.feed(commands.ExitChannel(web.ledgers[0]))
    web.run([hub], lambda: is_completed(hub, ObjectiveType.EXIT, web.ledgers[0]))
    got = sum(
        amount for to, amount in hub.channel(web.ledgers[0]).withdrawn if to == hub.actor.address
    )
    assert got == BALANCE + web.fees[0]


def test_the_last_end_that_is_left_alone_half_open_gets_its_stake_back() -> None:
    web = web_of(1)
    channel_id = half_open(web)
    last = web.row[-1]
    assert worth(last) == BALANCE
    last.feed(commands.ExitChannel(channel_id))
    web.run([last], lambda: is_out(last, channel_id))
    assert paid_to(web, last) == BALANCE


def shows_a_secret_move(web: AppWeb, channel_id: ChannelId, to_last: int) -> None:
    """The first end, which gave the channel up, signs the postfund after all, and a move on it."""
    hub, first = web.row[1], web.ends[0].actor
    channel = hub.channel(channel_id)
    postfund = channel.turn(1)
    assert postfund is not None
    signatures = (first.signer(postfund.state_hash), *postfund.signatures[1:])
    opened = SignedState(channel.state(postfund), signatures)
    assert opened.is_signed_by_all
    app = web.ends[1].app(channel_id)
    point = replace(after(app.supported, b"\x0a", 0), amounts=(POT - to_last, to_last))
    move = state_at(app, channel.fixed, opened.state.outcome[0], point)
    signed = SignedState(move, (first.signer(move.state_hash()), b"", b""))
    wish = first.signer(challenge_message(move.state_hash()))
    data = challenge_call(signed, [opened], wish)
    name = tx_hash(len(web.chain.blocks), index=6)
    web.chain.pool.append(ModelTransaction(b"", name, b"\x98" * 20, ADJUDICATOR, 0, data))


@pytest.mark.parametrize("to_last", [0, 410])
def test_a_first_end_that_gave_up_and_plays_on_in_secret_costs_no_hub(to_last: int) -> None:
    """Both of the hub's guarantees stand, for it had signed the postfund: what it pays on one side
    it gets on the other."""
    web = web_of(1)
    channel_id = web.open_app(app_definition=GAME_APP, turn_rule=ALTERNATE)
    hub, last = web.row[1], web.ends[1]
    web.until(lambda: _knows(hub, channel_id) and hub.channel(channel_id).signed_by_me(1))
    web.payer.feed(commands.CloseChannel(channel_id))
    web.until(lambda: last.actor.address in _virtual(hub, channel_id).renounced)
    assert worth(hub) >= 2 * BALANCE
    shows_a_secret_move(web, channel_id, to_last)
    web.step(hub, last)
    assert web.chain.disputes.kept[channel_id].turn_num == 2
    hub.feed(commands.ExitChannel(channel_id))
    web.run([hub], lambda: is_out(hub, channel_id))
    assert paid_to(web, hub) == 2 * BALANCE + web.fees[0]


def _virtual(node: WebNode, channel_id: ChannelId) -> Virtual:
    found = node.channel(channel_id).virtual
    assert found is not None
    return found


def test_the_last_end_answers_a_secret_move_although_it_had_renounced() -> None:
    web = web_of(1)
    channel_id = web.open_app(app_definition=GAME_APP, turn_rule=ALTERNATE)
    hub, last = web.row[1], web.ends[1]
    web.until(lambda: _knows(hub, channel_id) and hub.channel(channel_id).signed_by_me(1))
    wish = messages.UnwindingRequest(channel_id, "GIVEN_UP", "a lie")
    assert web.hears(last, web.payer, wish) == ""
    assert last.actor.address in _virtual(last, channel_id).renounced
    shows_a_secret_move(web, channel_id, STAKES[1] + 10)
    web.step(last)
    assert last.app(channel_id).supported.count == 1
    last.say(5, channel_id=channel_id)
    last.feed(commands.ExitChannel(channel_id))
    web.run([last], lambda: is_out(last, channel_id))
    assert web.chain.disputes.kept[channel_id].turn_num == 3
    assert paid_to(web, last) == BALANCE + 10 - 5
