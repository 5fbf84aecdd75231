"""A lie of the endpoint in use: what the node does, and what it makes of it by its quorum."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node.whatif import assumptions as assume
from node.whatif.assumptions import LieKind
from node.whatif.costs import DEPOSIT_GAS, Bill
from node.whatif.course import Course
from node.whatif.endpoints import Endpoints, Verdict
from node.whatif.simulation import Simulation
from protocols import commands, inputs
from protocols.channel import (
    REDEMPTION_TURN,
    ChainStatus,
    confirmed_holdings,
    observed_chain_status,
)
from protocols.types import ZERO_ADDRESS
from tests.node.chain.test_quorum import Liar, chain_of, room, without_logs
from tests.support.builders import CHANNEL, DEPOSIT, DURATION_S
from tests.support.chain_room import until
from tests.support.exit_rig import until as until_seen
from tests.support.ledger_rig import LEADER_AMOUNT, LEDGER, open_ledger_command, opened_ledger
from tests.support.network import CoreNode, Network
from tests.support.short_pauses import shorten_pauses
from tests.support.whatif_nodes import half_open, names, paid_network, run, simulation_of, worth

DAY_S = DURATION_S + 3_600
ALONE = Endpoints("wss://first.example", 1, 1, 12)
OF_THREE = Endpoints("wss://first.example", 3, 2, 12)
OF_TWO = Endpoints("wss://first.example", 2, 2, 12)

INVENTED = assume.EndpointLies(LieKind.INVENTS_CHALLENGE, CHANNEL)
DEPOSITED = assume.EndpointLies(LieKind.INVENTS_DEPOSIT, CHANNEL, amount=DEPOSIT)
HIDDEN = assume.EndpointLies(LieKind.HIDES_CHALLENGE, CHANNEL, duration_s=DAY_S)


def lied_to(node: CoreNode, endpoints: Endpoints, *, others_answer: bool = True) -> Simulation:
    simulation = simulation_of(node, others_answer=others_answer)
    simulation.chain.endpoints = endpoints
    return simulation


def test_an_invented_challenge_is_defended_and_then_taken_back_by_a_quorum() -> None:
    simulation = lied_to(paid_network().bob, OF_THREE, others_answer=False)
    (step,) = run(simulation, INVENTED)
    # M19: defence asks nobody; the redemption was ordered before the lie came out.
    assert [found.order.kind for found in step.submitted] == ["challenge"]
    told = names(step)
    assert told.index("chain-log-observed") < told.index("transaction-requested")
    assert told.index("transaction-requested") < told.index("chain-reorged")
    assert "challenge-registered" not in told
    assert step.lie is not None
    assert (step.lie.verdict, step.lie.endpoint) == (Verdict.OUTVOTED, "wss://first.example")
    assert observed_chain_status(simulation.course.state.channels[CHANNEL]) == ChainStatus.OPEN
    # The blocks are the same ones; nothing that counted was touched.
    (reorged,) = [one.event for one in step.recorded if one.event.NAME == "chain-reorged"]
    assert reorged.old_block_hash == reorged.new_block_hash  # type: ignore[attr-defined]
    assert reorged.fork_block_num == simulation.course.before.node.processed_block_num + 1  # type: ignore[attr-defined]


def test_the_answer_to_an_invented_challenge_is_a_true_one() -> None:
    simulation = lied_to(paid_network().bob, OF_THREE)
    step, after = run(simulation, INVENTED, assume.Wait(DAY_S))
    assert names(step).count("challenge-registered") == 1
    assert worth(simulation).totals[0].after == 30
    assert "withdraw-completed" in names(after)


def test_an_invented_challenge_is_believed_where_nobody_else_is_asked() -> None:
    simulation = lied_to(paid_network().alice, ALONE)
    step, expired = run(simulation, INVENTED, assume.Wait(DAY_S))
    assert step.lie is not None
    assert step.lie.verdict == Verdict.BELIEVED
    assert names(step).count("challenge-registered") == 1
    assert "chain-reorged" not in names(step)
    # The payer waits, and what it then asks of the chain reverts: nothing is final there.
    assert "challenge-expired" in names(expired)
    assert {found.order.kind for found in expired.submitted} == {"transfer"}
    assert "withdraw-completed" not in names(expired)
    assert confirmed_holdings(simulation.chain.true_state().channels[CHANNEL], ZERO_ADDRESS) > 0


def test_a_ledger_answers_with_a_checkpoint_that_clears_nothing() -> None:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    simulation = lied_to(network.bob, OF_THREE)
    (step,) = run(simulation, assume.EndpointLies(LieKind.INVENTS_CHALLENGE, LEDGER))
    assert [found.order.kind for found in step.submitted] == ["checkpoint"]
    seen = [one.event for one in step.recorded if one.event.NAME == "chain-log-observed"]
    assert [one.log_name for one in seen] == ["ChallengeRegistered", "Checkpointed"]  # type: ignore[attr-defined]
    assert step.awaited == []


def test_an_invented_deposit_opens_a_channel_on_nothing_where_it_is_believed() -> None:
    simulation = lied_to(half_open().bob, ALONE)
    opened, paid = run(simulation, DEPOSITED, assume.Payment(CHANNEL, 30))
    assert "deposit-detected" in names(opened)
    assert "objective-completed" in names(opened)
    assert paid.refusal is None
    assert confirmed_holdings(simulation.course.state.channels[CHANNEL], ZERO_ADDRESS) == DEPOSIT
    # What leaving is worth goes by what is true: nothing was deposited.
    assert worth(simulation).totals[0].after == 0


def test_our_deposit_behind_an_invented_one_reverts_and_costs_no_more_than_gas() -> None:
    network = Network()
    network.alice.feed(open_ledger_command())
    network.deliver(network.alice)
    network.acknowledge(network.bob)
    network.deliver(network.bob)
    simulation = lied_to(network.bob, ALONE)
    invented = assume.EndpointLies(LieKind.INVENTS_DEPOSIT, LEDGER, amount=LEADER_AMOUNT)
    simulation.course.orders.gas_price_wei = 3
    (step,) = run(simulation, invented)
    assert [found.order.kind for found in step.submitted] == ["deposit"]
    (mined,) = [one.event for one in step.recorded if one.event.NAME == "transaction-mined"]
    assert not mined.succeeded  # type: ignore[attr-defined]
    found = worth(simulation)
    assert (found.totals[0].paid_in, found.totals[0].after) == (0, 0)
    assert found.spent == Bill(1, DEPOSIT_GAS, 0, 3 * DEPOSIT_GAS)
    assert found.leaving == Bill(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("endpoints", "verdict"), [(OF_THREE, Verdict.OUTVOTED), (OF_TWO, Verdict.UNDECIDED)]
)
def test_an_invented_deposit_never_counts_with_a_quorum(
    endpoints: Endpoints, verdict: Verdict
) -> None:
    simulation = lied_to(half_open().bob, endpoints)
    (step,) = run(simulation, DEPOSITED)
    assert step.lie is not None
    assert step.lie.verdict == verdict
    assert "chain-log-observed" in names(step)
    assert "deposit-detected" not in names(step)
    assert [found.waiting_for for found in step.awaited] == ["complete-funding"]


def test_a_hidden_challenge_is_answered_once_its_block_is_to_count() -> None:
    simulation = lied_to(paid_network().bob, OF_THREE)
    begin_ms = simulation.course.now_ms
    (step,) = run(simulation, HIDDEN)
    first = next(one for one in step.recorded if one.event.NAME == "chain-log-observed")
    assert first.time_ms == begin_ms + 1_000 * OF_THREE.counting_s
    assert [found.order.kind for found in step.submitted] == ["challenge", "transfer"]
    assert worth(simulation).totals[0].after == 30
    assert step.time_ms == begin_ms + 1_000 * DAY_S


def test_a_hidden_challenge_is_never_heard_of_where_nobody_else_is_asked() -> None:
    simulation = lied_to(paid_network().bob, ALONE)
    step, later = run(simulation, HIDDEN, assume.Wait(DAY_S))
    assert [name for name in names(step) if name != "chain-block-processed"] == []
    assert [name for name in names(later) if name != "chain-block-processed"] == []
    found = worth(simulation)
    # The old state stands: all of it is the payer's, whatever this node believes.
    assert (found.totals[0].before, found.totals[0].after) == (30, 0)


def test_all_that_happens_to_the_channel_is_hidden_for_as_long() -> None:
    simulation = lied_to(paid_network().alice, ALONE)
    hidden = assume.EndpointLies(LieKind.HIDES_CHALLENGE, CHANNEL, duration_s=3_600)
    (step,) = run(simulation, hidden)
    # The payee challenged with an old state, and redeemed its voucher meanwhile.
    assert "chain-log-observed" not in names(step)
    true = simulation.chain.true_state().channels[CHANNEL].adjudicated
    assert true is not None
    assert true.turn_num == REDEMPTION_TURN


def test_endpoints_that_disagree_let_nothing_count_until_a_restart() -> None:
    simulation = lied_to(paid_network().bob, OF_TWO)
    step, waited, again = run(simulation, INVENTED, assume.Wait(3_600), assume.Restart())
    assert step.lie is not None
    assert step.lie.verdict == Verdict.UNDECIDED
    assert [found.order.kind for found in step.submitted] == ["challenge"]
    for one in (step, waited):
        assert "transaction-mined" not in names(one)
        assert "chain-block-processed" not in names(one)
    # Read anew, the challenge is missing in a block that counts.
    assert "chain-log-refuted" in names(again)
    assert "transaction-mined" in names(again)


@pytest.mark.parametrize("endpoints", [ALONE, OF_TWO, OF_THREE])
def test_a_challenge_that_is_told_before_its_block_counts_is_found_then(
    endpoints: Endpoints,
) -> None:
    simulation = lied_to(paid_network().bob, endpoints, others_answer=False)
    begin_ms = simulation.course.now_ms
    hidden = assume.EndpointLies(LieKind.HIDES_CHALLENGE, CHANNEL, duration_s=60)
    (step,) = run(simulation, hidden)
    assert step.lie is not None
    assert step.lie.verdict == Verdict.FOUND_OUT
    first = next(one for one in step.recorded if one.event.NAME == "chain-log-observed")
    assert first.time_ms == begin_ms + 1_000 * endpoints.counting_s
    assert names(step).index("chain-reorged") < names(step).index("chain-log-observed")
    assert "challenge-registered" in names(step)
    assert [found.order.kind for found in step.submitted] == ["challenge"]


def test_of_two_that_disagree_nothing_counts_until_what_was_hidden_is_told() -> None:
    simulation = lied_to(paid_network().bob, OF_TWO)
    begin_ms = simulation.course.now_ms
    hidden = assume.EndpointLies(LieKind.HIDES_CHALLENGE, CHANNEL, duration_s=3_600)
    (step,) = run(simulation, hidden)
    assert step.lie is not None
    assert step.lie.verdict == Verdict.UNDECIDED
    seen = [one for one in step.recorded if one.event.NAME == "chain-log-observed"]
    assert seen[0].time_ms == begin_ms + 3_600_000
    assert "challenge-registered" in names(step)
    assert not simulation.chain.is_quiet


def test_what_is_true_and_does_not_count_yet_is_read_again_of_another() -> None:
    network = paid_network()
    network.bob.feed(commands.ExitChannel(CHANNEL))
    until_seen(network, network.bob, lambda: bool(network.bob.channel().observed))
    simulation = lied_to(network.bob, OF_THREE, others_answer=False)
    mined = list(simulation.course.before.unconfirmed.mined)
    assert len(mined) == 1
    (step,) = run(simulation, assume.EndpointLies(LieKind.INVENTS_DEPOSIT, CHANNEL, amount=5))
    told = names(step)
    assert told[:2] == ["chain-log-observed", "chain-reorged"]
    assert told.count("challenge-registered") == 1
    assert told.count("transaction-mined") == len(mined)
    assert "deposit-detected" not in told


def test_a_deep_fork_has_the_chain_asked_and_a_believed_deposit_come_out() -> None:
    simulation = lied_to(paid_network().bob, ALONE)
    deposited = assume.EndpointLies(LieKind.INVENTS_DEPOSIT, CHANNEL, amount=5)
    run(simulation, deposited)
    state = simulation.course.state
    assert confirmed_holdings(state.channels[CHANNEL], ZERO_ADDRESS) == DEPOSIT + 5
    (step,) = run(simulation, assume.Reorg(1_000))
    assert "holdings-read" in names(step)
    assert confirmed_holdings(state.channels[CHANNEL], ZERO_ADDRESS) == DEPOSIT
    assert "channel-halt-lifted" not in names(step)


def test_what_cannot_be_is_refused_and_leaves_nothing_behind() -> None:
    simulation = lied_to(paid_network().bob, OF_THREE)
    unknown = assume.EndpointLies(LieKind.HIDES_CHALLENGE, b"\x0f" * 32)
    never = assume.EndpointLies(LieKind.INVENTS_CHALLENGE, CHANNEL, 7)
    nobody, impossible, paid = run(simulation, unknown, never, assume.Payment(CHANNEL, 5))
    assert nobody.refusal is not None
    assert nobody.refusal.name() == "UNKNOWN_CHANNEL"
    assert impossible.refusal is not None
    assert impossible.refusal.name() == "CHALLENGE_IMPOSSIBLE"
    assert not simulation.chain.is_quiet
    assert paid.refusal is None


# --- the same with a real chain room ---

DEPTH = 2


def shapes(items: list[inputs.Input]) -> list[str]:
    """What the core is handed about logs, without their values."""
    kinds = {(inputs.ChainReorg, None): "taken back"}
    kinds |= {(inputs.ChainLog, False): "observed", (inputs.ChainLog, True): "confirmed"}
    keys = [(type(item), getattr(item, "confirmed", None)) for item in items]
    return [kinds[key] for key in keys if key in kinds]


async def told_by_a_room(endpoints: Endpoints, *, hides: bool) -> list[str]:
    """One log, which the first endpoint alone hides, or alone tells."""
    chain = chain_of()
    for deposits in ((), (7,), *[()] * DEPTH):
        chain.extend(*deposits)
    first, others = Liar(chain), Liar(chain)
    (first if hides else others).lies["eth_getLogs"] = without_logs
    chains = [first, *(others for _ in range(endpoints.count - 1))]
    async with room(chains, endpoints.quorum, DEPTH) as it:
        if endpoints.verdict() == Verdict.UNDECIDED:
            await until(lambda: it.troubles() == ["quorum-missing"])
            if hides:
                first.lies.clear()
                await it.heard.until(lambda: it.heard.confirmed)
        else:
            counts_num = chain.head.number - DEPTH
            await it.heard.until(
                lambda: counts_num in [h.processed_block_num for h in it.heard.heads]
            )
        return shapes(it.heard.items)


async def told_by_a_room_that_finds_out(endpoints: Endpoints) -> list[str]:
    """One log, which the first endpoint hides until its block is to count."""
    chain = chain_of()
    first = Liar(chain, eth_getLogs=without_logs)
    chains = [first, *(chain for _ in range(endpoints.count - 1))]
    async with room(chains, endpoints.quorum, DEPTH) as it:
        chain.extend(7)
        await until(lambda: it.follower.head == chain.head)
        first.lies.clear()
        for _ in range(DEPTH):
            chain.extend()
        await it.heard.until(lambda: it.heard.confirmed)
        return shapes(it.heard.items)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[inputs.Input]:
    """All that a core is handed in a simulation."""
    shorten_pauses(monkeypatch)
    found: list[inputs.Input] = []
    feed = Course.feed

    def noted(course: Course, item: inputs.Input) -> Iterator[None]:
        found.append(item)
        yield from feed(course, item)

    monkeypatch.setattr(Course, "feed", noted)
    return found


@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("endpoints", [ALONE, OF_THREE, OF_TWO], ids=lambda one: one.verdict())
async def test_the_core_is_handed_what_a_chain_room_hands_it(
    endpoints: Endpoints, hides: bool, heard: list[inputs.Input]
) -> None:
    simulation = lied_to(
        paid_network().alice if hides else half_open().bob, endpoints, others_answer=False
    )
    kind = LieKind.HIDES_CHALLENGE if hides else LieKind.INVENTS_DEPOSIT
    lasting_s = endpoints.counting_s if endpoints is not OF_TWO else DAY_S
    run(simulation, assume.EndpointLies(kind, CHANNEL, amount=DEPOSIT, duration_s=lasting_s))
    assert shapes(heard) == await told_by_a_room(endpoints, hides=hides)


@pytest.mark.parametrize("endpoints", [ALONE, OF_THREE, OF_TWO])
async def test_the_core_is_handed_the_same_where_a_lie_is_found_out(
    endpoints: Endpoints, heard: list[inputs.Input]
) -> None:
    simulation = lied_to(paid_network().alice, endpoints, others_answer=False)
    run(simulation, assume.EndpointLies(LieKind.HIDES_CHALLENGE, CHANNEL, duration_s=60))
    assert shapes(heard) == await told_by_a_room_that_finds_out(endpoints)
