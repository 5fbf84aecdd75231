"""A corpus of deviations: each is refused by its own name, costs nobody anything, and is forgotten.

Each begins in a web of honest nodes at some stage of a virtual channel's life. Somebody says one
thing that no honest node says. The listener refuses it by name, records it in bounded form, signs
and owes nothing by it, and the next channel opens, carries payments and closes as if nothing had
been said.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocols import messages
from protocols.channel import ChannelStatus, status
from protocols.errors import all_errors
from tests.support.deviations import (
    PAID,
    RECORD_SIZE_BYTES_MAX,
    Deviation,
    Said,
    Scene,
    half_open,
    idle,
    opened,
    prefund_of,
    refusals,
    size_bytes,
)
from tests.support.deviations_closing import CLOSINGS
from tests.support.deviations_guarantees import GUARANTEES
from tests.support.deviations_ledger import LEDGERS, asks
from tests.support.deviations_opening import OPENINGS
from tests.support.deviations_payments import PAYMENTS, pays

pytestmark = pytest.mark.slow

CORPUS = [*PAYMENTS, *LEDGERS, *GUARANTEES, *OPENINGS, *CLOSINGS]
SPAM_COUNT = 60


@pytest.mark.parametrize("deviation", CORPUS, ids=lambda deviation: deviation.name)
def test_a_deviation_is_refused_by_its_name_and_costs_nobody_anything(deviation: Deviation) -> None:
    scene = deviation.stage()
    said = deviation.crime(scene)
    scene.web.hand_over(said.by, said.to.actor.address)
    victim, before, ledgers = said.to, scene.money(said.by), agreed(scene)
    answered = scene.utter(said)
    assert refusals(answered, victim) == [deviation.error]
    assert max(map(size_bytes, answered)) <= RECORD_SIZE_BYTES_MAX
    assert agreed(scene) == ledgers
    assert scene.money(said.by) == before
    scene.goes_on()


def agreed(scene: Scene) -> list[object]:
    """What all nodes hold to be agreed in every ledger, paid, and supported."""
    found: list[object] = []
    for node in scene.web.row:
        for channel_id in node.state.channels:
            channel = node.channel(channel_id)
            ledger = channel.ledger
            money = (channel.vouchers.total, channel.supported_turn)
            found.append((channel_id, money, ledger and (ledger.turn_num, ledger.current)))
    return found


def test_the_corpus_is_as_large_as_it_claims_and_its_names_are_known() -> None:
    assert len(CORPUS) >= 200
    assert len({deviation.name for deviation in CORPUS}) == len(CORPUS)
    assert {deviation.error for deviation in CORPUS} <= {*all_errors(), "FINAL_STATE_REFUSED"}


# --- what is said over and over ---


def rejection(scene: Scene, number: int) -> Said:
    identity = number.to_bytes(32, "big")
    return Said(scene.bob, scene.ivan, messages.ObjectiveRejection(identity, "NO", "no " * 80))


def worthless_voucher(scene: Scene, number: int) -> Said:
    return Said(scene.alice, scene.bob, pays(scene, PAID + 10, 11 + number))


def unpayable_proposal(scene: Scene, number: int) -> Said:
    fixed = scene.fixed(entropy=number.to_bytes(4, "big"))
    return Said(scene.alice, scene.ivan, scene.proposal(prefund_of(fixed, 10**6, 0)))


@pytest.mark.parametrize("spam", [rejection, worthless_voucher, unpayable_proposal])
def test_what_is_refused_over_and_over_leaves_nothing_but_its_records(
    spam: Callable[[Scene, int], Said],
) -> None:
    """How often a peer may do so is for the session: it is cut, and expelled for a minute."""
    scene = opened()
    first = spam(scene, 0)
    entities = len(list(first.to.state.entities()))
    for number in range(SPAM_COUNT):
        answered = scene.utter(spam(scene, number))
        assert len(refusals(answered, first.to)) == 1
        assert sum(map(size_bytes, answered)) <= RECORD_SIZE_BYTES_MAX
    assert len(list(first.to.state.entities())) == entities
    scene.goes_on()


def test_a_follower_that_wishes_and_then_refuses_moves_nothing() -> None:
    scene = idle()
    for number in range(SPAM_COUNT // 3):
        assert refusals(scene.utter(asks(scene, 1, str(number))), scene.alice) == []
    # The follower's own node asked for nothing: it refuses what the leader proposes, which undoes
    # it all.
    scene.web.settle()
    assert scene.web.changes() == [0, 0, 0]
    scene.goes_on()


# --- what is taken in, and brings nothing ---


def test_a_payee_that_signs_the_postfund_too_early_opens_nothing() -> None:
    """A signature that comes early is no fault, but the hub signs after its own guarantees."""
    scene = half_open()
    said = Said(scene.bob, scene.ivan, scene.signed(scene.postfund(), scene.bob))
    assert refusals(scene.utter(said), scene.ivan) == []
    assert not scene.channel(scene.ivan).signed_by_me(1)
    assert status(scene.channel(scene.ivan)) == ChannelStatus.FUNDING
    scene.goes_on()


def test_a_payee_that_asks_the_hub_to_unwind_takes_nothing_from_anybody() -> None:
    scene = half_open()
    body = messages.UnwindingRequest(scene.channel_id, "GIVEN_UP", "no")
    scene.web.hand_over(scene.ivan, scene.bob.actor.address)
    assert refusals(scene.utter(Said(scene.bob, scene.ivan, body)), scene.ivan) == []
    scene.web.settle()
    scene.web.wait(3_600_000)
    scene.web.settle()
    assert scene.web.changes() == [0, 0, 0]
    scene.web.no_guarantee_is_left()
    scene.goes_on()
