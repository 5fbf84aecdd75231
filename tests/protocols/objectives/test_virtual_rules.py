"""What is refused before anything of a virtual channel is signed, and what the payer hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, messages, rejections
from protocols.error import ProtocolError
from protocols.errors import (
    AssetNotSupported,
    ChallengeDurationTooLong,
    ChallengeDurationTooShort,
    InvalidWidth,
    OutcomeNotSupported,
)
from protocols.messages import VirtualProposal
from protocols.objectives import virtual_rules
from protocols.objectives.base import ObjectiveStatus
from protocols.objectives.virtual_rules import PARTICIPANT_COUNT_MAX, require_path
from protocols.outcome import GUARANTEE, Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, ChannelId, amount_to_bytes
from protocols.virtual_errors import (
    ExposureTooHigh,
    HopWithoutFunds,
    HopWithoutLedger,
    PathRefused,
)
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.builders import CONSENSUS_APP
from tests.support.web import BALANCE, HUBS, Web, WebNode

A, B, C = (actor.address for actor in (ALICE, IVAN, BOB))


# --- the path ---


@pytest.mark.parametrize(
    ("path", "fees", "hop"),
    [
        ((A,), (), 0),
        ((A, B, A), (1,), 2),
        ((A, A), (), 1),
        ((A, B, C, B), (1, 1), 3),
        ((A, ZERO_ADDRESS, C), (1,), 1),
        ((A, B, ZERO_ADDRESS), (1,), 2),
        ((A, B, C), (), 2),
        ((A, B, C), (1, 1), 2),
        (tuple(bytes((n,)) * 20 for n in range(1, 34)), (0,) * 31, PARTICIPANT_COUNT_MAX),
    ],
    ids=["alone", "cycle", "self", "hub twice", "zero hub", "zero payee", "no fee", "fees", "long"],
)
def test_a_path_leads_through_distinct_participants_that_can_sign(
    path: tuple[bytes, ...], fees: tuple[int, ...], hop: int
) -> None:
    with pytest.raises(PathRefused) as refused:
        require_path(path, fees)
    assert refused.value.hop == hop


def test_an_owners_path_with_a_cycle_opens_nothing() -> None:
    web = Web(1)
    command = replace(web.open_command(), path=(IVAN.address, ALICE.address))
    with pytest.raises(PathRefused):
        web.payer.feed(command)
    assert set(web.payer.state.channels) == {web.ledgers[0]}


# --- the payer's own command ---


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"path": (BOB.address,), "fees": ()}, HopWithoutLedger),
        ({"asset": b"\x70" * 20}, AssetNotSupported),
        ({"amount": BALANCE}, HopWithoutFunds),
        ({"amount": BALANCE + 1}, HopWithoutFunds),
        ({"amount": 0}, OutcomeNotSupported),
        ({"amount": 2**256 - 1, "fees": (1,)}, InvalidWidth),
        ({"challenge_duration": 3_599}, ChallengeDurationTooShort),
        ({"challenge_duration": 2**40}, ChallengeDurationTooLong),
    ],
    ids=["stranger", "token", "no fee left", "poor", "nothing", "overflow", "short", "long"],
)
def test_a_payer_is_told_at_once_what_her_own_side_does_not_allow(
    changes: dict[str, Any], error: type[ProtocolError]
) -> None:
    web = Web(1)
    with pytest.raises(error):
        web.payer.feed(replace(web.open_command(), **changes))
    assert web.payer.outbox == {}


def test_a_payer_whose_ledger_has_another_asset_has_none_for_it() -> None:
    web = Web(1)
    web.payer.assets = frozenset({b"\x70" * 20})
    with pytest.raises(HopWithoutLedger) as refused:
        web.payer.feed(replace(web.open_command(), asset=b"\x70" * 20))
    assert refused.value.hop == 1


def test_a_payer_keeps_to_her_own_limit() -> None:
    web = Web(1)
    web.payer.exposure_max = 999
    with pytest.raises(ExposureTooHigh):
        web.payer.feed(web.open_command(1_000))


# --- refused further along: the payer hears which hop, and why ---


def poor(web: Web, place: int) -> None:
    """The node at that place paid nearly all of its balance in its right ledger away."""
    node, ledger_id = web.row[place], web.ledgers[place]
    node.feed(commands.PayLedger(ledger_id, BALANCE - 10, "rent"))
    web.settle()


def closed(web: Web, place: int) -> None:
    """The ledger at the right of that place is closing."""
    web.row[place].feed(commands.CloseChannel(web.ledgers[place]))
    web.settle()


def dear(web: Web, place: int) -> None:
    web.row[place].fee = 1_000


def closed_to_others(web: Web, place: int) -> None:
    web.row[place].is_hub = False


def full(web: Web, place: int) -> None:
    web.row[place].guarantee_count_max = 0


def careful(web: Web, place: int) -> None:
    web.row[place].exposure_max = 10


def slow(web: Web, place: int) -> None:
    web.row[place].challenge_duration_s_min = 2 * 86_400


def hasty(web: Web, place: int) -> None:
    web.row[place].challenge_duration_s_max = 86_399


def denying(web: Web, place: int) -> None:
    web.row[place].decision = type(web.row[place].decision)("deny", "house rules")


@pytest.mark.parametrize("hops", [1, 2, 4])
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (poor, "HOP_WITHOUT_FUNDS"),
        (closed, "HOP_WITHOUT_LEDGER"),
        (dear, "FEE_TOO_LOW"),
        (closed_to_others, "NOT_A_HUB"),
        (full, "TOO_MANY_GUARANTEES"),
        (careful, "EXPOSURE_TOO_HIGH"),
        (slow, "CHALLENGE_DURATION_TOO_SHORT"),
        (hasty, "CHALLENGE_DURATION_TOO_LONG"),
        (denying, "POLICY_DENIED"),
    ],
)
def test_a_hub_that_cannot_says_so_and_the_payer_hears_which(
    hops: int, spoil: Callable[[Web, int], None], code: str
) -> None:
    for place in range(1, hops + 1):
        web = Web(hops)
        spoil(web, place)
        before = web.balances()
        channel_id = web.open(1_000)
        web.settle()
        rejected = web.payer.events_of("objective-rejected")
        named = place + 1 if spoil is closed else place
        assert [event.error_code for event in rejected] == [code]
        assert rejected[0].reason.startswith(f"hop {named}"), rejected[0].reason
        for node in web.row:
            assert web.fund_status(node, channel_id) in (ObjectiveStatus.REJECTED, "")
        assert web.balances() == before
        web.nothing_was_dropped()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(slow, "CHALLENGE_DURATION_TOO_SHORT"), (denying, "POLICY_DENIED"), (careful, "EXPOSURE")],
)
@pytest.mark.parametrize("hops", [0, 1, 2])
def test_a_payee_that_does_not_want_it_says_so(
    hops: int, spoil: Callable[[Web, int], None], code: str
) -> None:
    web = Web(hops)
    spoil(web, hops + 1)
    channel_id = web.open(1_000)
    web.settle()
    (rejected,) = web.payer.events_of("objective-rejected")
    assert rejected.error_code.startswith(code)
    assert rejected.reason.startswith(f"hop {hops + 1}")
    for node in web.row:
        assert web.fund_status(node, channel_id) in (ObjectiveStatus.REJECTED, "")
    web.nothing_was_dropped()


def test_a_hub_whose_left_neighbour_is_poor_names_it() -> None:
    web = Web(1)
    channel_id = web.open(1_000)
    body = proposal_to(web, web.row[1].actor.address)
    assert channel_id in web.payer.state.channels
    other = Web(1)
    other.payer.feed(commands.PayLedger(other.ledgers[0], BALANCE - 10, "rent"))
    other.settle()
    assert other.hears(other.row[1], other.payer, body) == ""
    (told,) = (messages.decode_body(sent.body) for sent in other.row[1].outbox[A][-1:])
    assert isinstance(told, messages.ObjectiveRejection)
    assert (told.error_code, told.reason[:5]) == ("HOP_WITHOUT_FUNDS", "hop 0")


# --- what no honest node sends ---


def proposal_to(web: Web, to: bytes) -> VirtualProposal:
    body = messages.decode_body(web.payer.outbox[to][0].body)
    assert isinstance(body, VirtualProposal)
    return body


def hub_drops(change: Callable[[VirtualProposal], VirtualProposal], *, fresh: bool = True) -> str:
    """By what name a hub drops the payer's proposal with one change."""
    web = Web(1)
    web.open(1_000)
    body = proposal_to(web, web.row[1].actor.address)
    return web.hears(Web(1).row[1] if fresh else web.row[1], web.payer, change(body))


def signed_again(body: VirtualProposal, **changes: Any) -> VirtualProposal:
    """The proposal with another prefund, truly signed by the payer."""
    fixed = FixedPart(
        changes.pop("participants", body.participants),
        changes.pop("channel_nonce", body.channel_nonce),
        changes.pop("app_definition", body.app_definition),
        body.challenge_duration,
    )
    ends = (
        Allocation(destination_of(fixed.participants[0]), 1_000),
        Allocation(destination_of(fixed.participants[-1]), 0),
    )
    outcome = changes.pop("outcome", (SingleAssetExit(ZERO_ADDRESS, ends),))
    state = State(fixed, b"", outcome, changes.pop("turn_num", 0), changes.pop("is_final", False))
    signatures = (ALICE.signer(state.state_hash()), *[b""] * (len(fixed.participants) - 1))
    return replace(
        body,
        participants=fixed.participants,
        channel_nonce=fixed.channel_nonce,
        app_definition=fixed.app_definition,
        encoded_state=state.encode(),
        signatures=signatures,
        **changes,
    )


def shares(*allocations: Allocation) -> tuple[SingleAssetExit, ...]:
    return (SingleAssetExit(ZERO_ADDRESS, allocations),)


PAYER, PAYEE = destination_of(ALICE.address), destination_of(BOB.address)
STRANGER = HUBS[3].address


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"participants": (A, B, A)}, "PATH_REFUSED"),
        ({"participants": (A, B, ZERO_ADDRESS)}, "PATH_REFUSED"),
        ({"participants": (A, B, B)}, "PATH_REFUSED"),
        ({"fees": ()}, "PATH_REFUSED"),
        ({"fees": (amount_to_bytes(2**256 - 1),)}, "INVALID_WIDTH"),
        ({"participants": (A, STRANGER, C)}, "PARTICIPANTS_REFUSED"),
        ({"participants": (A, STRANGER, B, C), "fees": (bytes(32),) * 2}, "UNKNOWN_CHANNEL"),
        ({"participants": (B, A, C)}, "UNKNOWN_CHANNEL"),
        ({"channel_nonce": 7}, "NONCE_PREFIX_MISMATCH"),
        ({"turn_num": 1}, "STATE_REFUSED"),
        ({"is_final": True}, "STATE_REFUSED"),
        ({"outcome": ()}, "OUTCOME_NOT_SUPPORTED"),
        ({"outcome": shares(Allocation(PAYER, 1_000))}, "OUTCOME_NOT_SUPPORTED"),
        (
            {"outcome": shares(Allocation(PAYEE, 1_000), Allocation(PAYER, 0))},
            "OUTCOME_NOT_SUPPORTED",
        ),
        (
            {"outcome": shares(Allocation(PAYER, 0), Allocation(PAYEE, 0))},
            "OUTCOME_NOT_SUPPORTED",
        ),
        (
            {"outcome": shares(Allocation(PAYER, 1_000), Allocation(PAYEE, 1))},
            "PAYEE_MUST_OPEN_WITH_ZERO",
        ),
        (
            {"outcome": shares(Allocation(PAYER, 1, GUARANTEE), Allocation(PAYEE, 0))},
            "OUTCOME_NOT_SUPPORTED",
        ),
    ],
)
def test_a_proposal_that_breaks_a_rule_is_dropped_by_its_name(
    changes: dict[str, Any], name: str
) -> None:
    assert hub_drops(lambda body: signed_again(body, **changes)) == name


def test_a_proposal_that_the_payer_did_not_sign_is_dropped() -> None:
    def unsigned(body: VirtualProposal) -> VirtualProposal:
        return replace(body, signatures=(b"", b"", b""))

    def by_another(body: VirtualProposal) -> VirtualProposal:
        state_hash = bytes(32)
        return replace(body, signatures=(ALICE.signer(state_hash), b"", b""))

    def too_many(body: VirtualProposal) -> VirtualProposal:
        return replace(body, signatures=(*body.signatures, b""))

    for change in (unsigned, by_another, too_many):
        assert hub_drops(change) == "WRONG_SIGNER"


def test_a_signature_that_is_not_its_participants_is_dropped() -> None:
    def forged(body: VirtualProposal) -> VirtualProposal:
        return replace(body, signatures=(body.signatures[0], b"", body.signatures[0]))

    assert hub_drops(forged) == "WRONG_SIGNER"
    assert hub_drops(forged, fresh=False) == "WRONG_SIGNER"


def test_a_second_prefund_of_one_channel_is_dropped() -> None:
    web = Web(1)
    web.open(1_000)
    hub = web.row[1]
    body = proposal_to(web, hub.actor.address)
    assert web.hears(hub, web.payer, body) == ""
    less = shares(Allocation(PAYER, 999), Allocation(PAYEE, 0))
    assert web.hears(hub, web.payer, signed_again(body, outcome=less)) == "STATE_REFUSED"


@pytest.mark.parametrize("ledger_id", [b"", bytes(32), b"\xee" * 32, "payee's", "token's"])
def test_a_ledger_that_is_not_ours_with_the_neighbour_is_refused(ledger_id: Any) -> None:
    web = Web(1)
    web.open(1_000)
    hub = web.row[1]
    token = web.add_ledger(0, b"tokn", asset=b"\x70" * 20)
    named: dict[Any, ChannelId] = {"payee's": web.ledgers[1], "token's": token}
    body = replace(proposal_to(web, hub.actor.address), ledger_id=named.get(ledger_id, ledger_id))
    assert web.hears(hub, web.payer, body) == ""
    told = messages.decode_body(hub.outbox[A][-1].body)
    assert isinstance(told, messages.ObjectiveRejection)
    assert told.error_code == "HOP_WITHOUT_LEDGER"


@pytest.mark.parametrize("app", [b"\x09" * 20, CONSENSUS_APP])
def test_a_contract_that_we_do_not_know_is_answered_by_name(app: bytes) -> None:
    web = Web(1)
    web.open(1_000)
    hub = web.row[1]
    body = signed_again(proposal_to(web, hub.actor.address), app_definition=app)
    assert web.hears(hub, web.payer, body) == ""
    assert told_last(hub) == "APP_NOT_SUPPORTED"
    assert messages.fixed_part(body).channel_id() not in hub.state.channels


def told_last(node: WebNode) -> str:
    """The error code of the rejection that the node told the payer last."""
    told = messages.decode_body(node.outbox[A][-1].body)
    assert isinstance(told, messages.ObjectiveRejection)
    return told.error_code


def test_proposals_of_one_peer_and_of_all_strangers_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = Web(1)
    hub = web.row[1]
    hub.decision = type(hub.decision)("ask")
    hub.state.agenda.proven.clear()
    for number in range(3):
        web.open(100, b"s%03d" % number)
    bodies = [messages.decode_body(sent.body) for sent in web.payer.outbox[hub.actor.address]]
    assert web.hears(hub, web.payer, bodies[0]) == ""
    monkeypatch.setattr(virtual_rules, "STRANGERS_OPENING_COUNT_MAX", 1)
    assert web.hears(hub, web.payer, bodies[1]) == ""
    assert told_last(hub) == "TOO_MANY_STRANGERS"
    hub.state.agenda.proven.add(web.payer.actor.address)
    assert web.hears(hub, web.payer, bodies[1]) == ""
    monkeypatch.setattr(virtual_rules, "OPENING_COUNT_MAX", 2)
    assert web.hears(hub, web.payer, bodies[2]) == ""
    assert told_last(hub) == "TOO_MANY_PROPOSALS"


def given_up(web: Web, count: int) -> None:
    """The payer opens so many channels as far as the payee's owner, and gives each up."""
    decision = web.payee.decision
    web.payee.decision = type(decision)("ask")
    for number in range(count):
        channel_id = web.open(10, b"g%03d" % number)
        web.settle()
        web.payer.feed(commands.CloseChannel(channel_id))
        web.settle()
        assert web.fund_status(web.row[2], channel_id) == ObjectiveStatus.REJECTED
    web.payee.decision = decision


def opens_from(web: Web, place: int) -> str:
    """Whether a channel of that node to the payee opens: how its opening ended."""
    node = web.row[place]
    path = tuple(other.actor.address for other in web.row[place + 1 :])
    command = replace(web.open_command(10, b"mine"), path=path, fees=web.fees[place:])
    node.feed(command)
    web.settle()
    return node.state.objectives[node.events_of("objective-created")[-1].objective_id].status


def test_a_payer_who_gives_channels_up_all_day_shuts_out_nobody_but_herself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rejections, "REJECTED_COUNT_MAX", 3)
    web = Web(2)
    given_up(web, 3)
    (pairs, first) = (web.row[2].state.agenda.rejections, web.row[1].actor.address)
    assert pairs.is_payer_full(first, web.payer.actor.address, 0)
    assert opens_from(web, 1) == ObjectiveStatus.COMPLETED
    web.nothing_was_dropped()


def test_channels_that_one_payer_leaves_half_open_shut_out_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(virtual_rules, "OPENING_COUNT_MAX", 2)
    web = Web(2)
    decision = web.payee.decision
    web.payee.decision = type(decision)("ask")
    for number in range(2):
        web.open(10, b"h%03d" % number)
    web.settle()
    assert web.row[2].state.agenda.opening_count(web.row[1].actor.address) == 2
    web.payee.decision = decision
    assert opens_from(web, 1) == ObjectiveStatus.COMPLETED


@pytest.mark.parametrize("bound", ["NEIGHBOUR_OPENING_COUNT_MAX", "NEIGHBOUR_REJECTED_COUNT_MAX"])
def test_all_that_a_neighbour_brings_is_bounded_whomever_it_speaks_for(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    web = Web(2)
    given_up(web, 3)
    where, limit = (virtual_rules, 0) if "OPENING" in bound else (rejections, 3)
    monkeypatch.setattr(where, bound, limit)
    assert opens_from(web, 1) != ObjectiveStatus.COMPLETED
    # Whoever reached the bound of all it asks in vain is answered no more, and at fault.
    dropped = [e.reason.split(":")[0] for e in web.row[2].events_of("message-dropped")]
    assert dropped == ([] if "OPENING" in bound else ["TOO_MANY_PROPOSALS"])
