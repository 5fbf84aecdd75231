"""A kit that is run by a stranger brings what the exporter's material is worth, to the unit."""

from __future__ import annotations

from contextlib import suppress

import pytest
from msgspec.structs import replace

from protocols import commands
from protocols.channel import REDEMPTION_TURN, observed_adjudicated
from protocols.dispute_kit import DisputeKit, KitState
from protocols.dispute_reading import read_kit
from protocols.exit_errors import KeyNotOfKit, KitDamaged, KitNeedsKey
from protocols.types import ChannelId, checksum_address, to_hex
from tests.support.actors import ALICE, BOB
from tests.support.audit_cases import TOKEN
from tests.support.builders import CHANNEL, DEPOSIT, open_command
from tests.support.exit_rig import (
    challenge_with_turn,
    checkpoint_redemption,
    exit_value_of,
    paid_to,
    until,
    wait_out,
)
from tests.support.exit_web import ExitWeb
from tests.support.kit_rig import StillRunning, again, export, facts_since, run, stranger
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import CoreNode, Network, opened, pay
from tests.support.web import BALANCE

PAID, AMOUNT, FEES = 300, 1_000, 3


def paid_network(amount: int = 30) -> Network:
    network = opened(depth=2)
    pay(network, amount, 1)
    network.settle()
    return network


def worth_of(kit: DisputeKit) -> int:
    assert kit.worth is not None
    return sum(int(found.amount) for found in kit.worth)


def test_a_payers_kit_brings_back_what_nobody_redeems() -> None:
    network = paid_network()
    kit = export(network.alice, CHANNEL)
    assert not kit.needs_key
    assert worth_of(kit) == DEPOSIT - 30
    assert run(network.chain, stranger(network.alice, kit)) == DEPOSIT


def test_a_payers_kit_leaves_with_the_redemption_that_the_payee_checkpointed() -> None:
    network = paid_network()
    early = export(network.alice, CHANNEL)
    checkpoint_redemption(network, CHANNEL)
    until(network, network.alice, lambda: holds_redemption(network))
    # One made now holds her signature for it; one from before takes her key.
    late = export(network.alice, CHANNEL)
    assert late.channels[0].challenge is not None
    assert late.channels[0].challenge.turn_num == REDEMPTION_TURN
    with pytest.raises(KitNeedsKey):
        run(network.chain, stranger(network.alice, early))
    assert worth_of(late) == DEPOSIT - 30
    assert run(network.chain, stranger(network.alice, late)) == DEPOSIT - 30


def test_a_payers_kit_from_before_the_checkpoint_runs_with_her_key() -> None:
    network = paid_network()
    kit = export(network.alice, CHANNEL)
    checkpoint_redemption(network, CHANNEL)
    assert run(network.chain, stranger(network.alice, kit, ALICE.signer)) == DEPOSIT - 30


def test_a_kits_redemption_moves_one_voucher_and_nothing_else() -> None:
    network = paid_network()
    checkpoint_redemption(network, CHANNEL)
    until(network, network.alice, lambda: holds_redemption(network))
    kit = export(network.alice, CHANNEL)
    channel = kit.channels[0]
    turn = network.alice.channel().turn(REDEMPTION_TURN)
    assert turn is not None
    state = network.alice.channel().state(turn)
    forged = replace(state, app_data=state.app_data[:-1] + bytes([state.app_data[-1] ^ 1]))
    signatures = ["0x", to_hex(BOB.signer(forged.state_hash()))]
    said = KitState(2, False, to_hex(forged.state_hash()), to_hex(forged.encode()), signatures)
    states = [said if known.turn_num == 2 else known for known in channel.states]
    with pytest.raises(KitDamaged):
        read_kit(again(replace(kit, channels=[replace(channel, states=states)])))


def holds_redemption(network: Network) -> bool:
    return network.alice.channel().turn(REDEMPTION_TURN) is not None


def test_a_sealed_payees_kit_redeems_with_no_key() -> None:
    network = paid_network()
    kit = export(network.bob, CHANNEL, sealed=True)
    assert not kit.needs_key
    assert network.bob.channel().signed_by_me(REDEMPTION_TURN)
    assert run(network.chain, stranger(network.bob, kit)) == worth_of(kit) == 30


def test_a_token_channels_kit_brings_the_token() -> None:
    network = Network(depth=2)
    for node in network.nodes.values():
        node.assets = frozenset((TOKEN,))
    network.alice.feed(open_command(asset=TOKEN))
    network.settle()
    pay(network, 30, 1)
    network.settle()
    kit = export(network.bob, CHANNEL, sealed=True)
    assert kit.worth is not None
    assert [(found.asset, found.amount) for found in kit.worth] == [(checksum_address(TOKEN), "30")]
    assert run(network.chain, stranger(network.bob, kit)) == 30


def test_a_payees_kit_that_is_not_sealed_wants_the_right_key() -> None:
    network = paid_network()
    kit = export(network.bob, CHANNEL)
    assert kit.needs_key
    assert not network.bob.channel().signed_by_me(REDEMPTION_TURN)
    with pytest.raises(KitNeedsKey):
        stranger(network.bob, kit)
    with pytest.raises(KeyNotOfKit):
        stranger(network.bob, kit, ALICE.signer)
    assert run(network.chain, stranger(network.bob, kit, BOB.signer)) == worth_of(kit) == 30


def test_a_kit_that_holds_the_final_state_concludes() -> None:
    network = paid_network()
    network.bob.feed(commands.CloseChannel(CHANNEL))
    # All signed the final state, and nobody has put it on chain yet.
    while network.waiting(network.alice) or network.waiting(network.bob):
        for node in (network.alice, network.bob):
            while network.waiting(node):
                network.deliver(node)
                network.acknowledge(network.other(node))
    kit = export(network.bob, CHANNEL)
    assert [call.call for call in kit.channels[0].calls] == ["conclude_and_transfer"]
    for node in (network.alice, network.bob):
        node.submissions.clear()
    assert run(network.chain, stranger(network.bob, kit)) == 30


def test_a_ledgers_kit_answers_a_stale_challenge_of_the_other_side() -> None:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    kit = export(network.bob, LEDGER)
    who = stranger(network.bob, kit)
    challenge_with_turn(network, network.alice, LEDGER, 1)
    assert run(network.chain, who) == worth_of(kit) == 700


def roots(web: ExitWeb, place: int) -> list[ChannelId]:
    return web.ledgers[max(0, place - 1) : place + 1]


@pytest.mark.parametrize("place", range(4), ids=["payer", "first hub", "second hub", "payee"])
def test_the_kit_of_each_role_of_a_path_brings_its_exit_value(place: int) -> None:
    web = ExitWeb(2)
    channel_id = web.opened(PAID, AMOUNT)
    node = web.row[place]
    worth = exit_value_of(node)
    kit = export(node, channel_id, sealed=True)
    assert worth_of(kit) == worth
    unredeemed = PAID if place == 0 else 0
    got = run(web.chain, stranger(node, kit))
    assert got == worth + unredeemed
    assert got == (BALANCE - FEES, 2 * BALANCE + 1, 2 * BALANCE + 2, BALANCE + PAID)[place]
    assert paid_to(web, node) == got


def test_the_kit_of_a_paths_payee_redeems_with_its_key() -> None:
    web = ExitWeb(1)
    channel_id = web.opened(PAID, AMOUNT)
    kit = export(web.payee, channel_id)
    assert kit.needs_key
    assert run(web.chain, stranger(web.payee, kit, BOB.signer)) == worth_of(kit) == BALANCE + PAID


@pytest.mark.parametrize("place", range(4), ids=["payer", "first hub", "second hub", "payee"])
def test_a_ledgers_kit_brings_what_it_guarantees_as_well(place: int) -> None:
    web = ExitWeb(2)
    web.opened(PAID, AMOUNT)
    web.open(AMOUNT, entropy=b"next")
    web.settle()
    node = web.row[place]
    (ledger_id, *_) = roots(web, place)
    kit = export(node, ledger_id, sealed=True)
    assert run(web.chain, stranger(node, kit)) >= worth_of(kit)


def test_an_older_kit_brings_what_is_on_chain_when_it_is_outranked() -> None:
    network = opened_ledger()
    old = export(network.bob, LEDGER)
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    new = export(network.alice, LEDGER)
    theirs = stranger(network.alice, new)
    who = stranger(network.bob, old)
    who.feed(commands.ExitChannel(LEDGER))
    assert run(network.chain, theirs) == 800
    assert run(network.chain, who) == 700


@pytest.mark.parametrize("turn_num", [0, 1])
def test_a_sealed_payees_kit_answers_who_challenges_with_less(turn_num: int) -> None:
    network = paid_network()
    who = stranger(network.bob, export(network.bob, CHANNEL, sealed=True))
    challenge_with_turn(network, network.alice, CHANNEL, turn_num)
    assert run(network.chain, who) == 30


def test_a_kit_that_is_made_under_a_stale_challenge_answers_it() -> None:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    challenge_with_turn(network, network.alice, LEDGER, 1)
    hear(network, network.bob)
    kit = export(network.bob, LEDGER)
    assert kit.channels[0].on_chain.status == "challenged"
    who = stranger(network.bob, kit)
    assert observed_adjudicated(who.channel(LEDGER)).turn_num == 1
    assert run(network.chain, who) == worth_of(kit) == 700


def test_a_kit_that_is_made_when_all_is_final_is_paid_out() -> None:
    network = opened_ledger()
    network.bob.feed(commands.ExitChannel(LEDGER))
    wait_out(network, network.bob, LEDGER)
    hear(network, network.bob)
    kit = export(network.bob, LEDGER)
    assert kit.channels[0].on_chain.status == "expired"
    assert kit.channels[0].calls == []
    assert run(network.chain, stranger(network.bob, kit)) == worth_of(kit) == 500


def hear(network: Network, node: CoreNode) -> None:
    """A few blocks come; the node hears of them, and is lost before any answer leaves."""
    for _ in range(4):
        network.chain.mine()
        while network.hear_of_chain(node):
            pass


def test_a_hubs_kit_withstands_stale_challenges_of_what_is_in_it() -> None:
    web = ExitWeb(2)
    channel_id = web.opened(PAID, AMOUNT)
    hub = web.row[1]
    kit = export(hub, channel_id)
    who = stranger(hub, kit)
    challenge_with_turn(web, web.payer, web.ledgers[0], 1)
    challenge_with_turn(web, web.payer, channel_id, 0)
    assert run(web.chain, who) == worth_of(kit) == 2 * BALANCE + 1


# --- damage ---


UNSIGNED: list[tuple[str, dict[str, object]]] = [
    ("on_chain", {"status": "challenged", "finalizes_at": 1}),
    ("on_chain", {"status": "expired"}),
    ("on_chain", {"status": "concluded"}),
    ("on_chain", {"turn_num": 9}),
    ("on_chain", {"held": "100000"}),
    ("on_chain", {"held": "0"}),
    ("made", {"block_num": 0}),
    ("made", {"block_num": 10**6}),
    ("made", {"block_time_s": 2**48 - 1}),
]


@pytest.mark.parametrize(("where", "changes"), UNSIGNED)
def test_what_nobody_signed_may_make_a_run_fail_and_never_loses_a_wei(
    where: str, changes: dict[str, object]
) -> None:
    network = paid_network()
    kit = export(network.bob, CHANNEL, sealed=True)
    channel = kit.channels[0]
    if where == "made":
        damaged = replace(kit, made=replace(kit.made, **changes))
    else:
        on_chain = replace(channel.on_chain, **changes)
        damaged = replace(kit, channels=[replace(channel, on_chain=on_chain)], worth=None)
    with suppress(KitDamaged, StillRunning):
        run(network.chain, stranger(network.bob, again(damaged)), step_count_max=30)
    # Whatever it did, the kit as it was written does the rest.
    network.chain.feeds[BOB.address] = facts_since(network.chain, kit.made.block_num)
    run(network.chain, stranger(network.bob, kit))
    assert paid_to(network, network.bob) == 30


def test_what_was_changed_is_found_behind_the_checksum() -> None:
    network = paid_network()
    kit = export(network.bob, CHANNEL, sealed=True)
    channel = kit.channels[0]
    assert channel.voucher is not None
    more = replace(channel, voucher=replace(channel.voucher, amount="31"))
    with pytest.raises(KitDamaged, match="voucher"):
        read_kit(again(replace(kit, channels=[more])))
    fewer = replace(channel, states=channel.states[:-1])
    with pytest.raises(KitDamaged):
        read_kit(again(replace(kit, channels=[fewer])))
    with pytest.raises(KitDamaged, match="worth"):
        read_kit(again(replace(kit, worth=[replace(kit.worth[0], amount="31")])))
    with pytest.raises(KitDamaged, match="destination"):
        read_kit(again(replace(kit, destination="0x" + "00" * 32)))
    with pytest.raises(KitDamaged, match="calls"):
        read_kit(again(replace(kit, channels=[replace(channel, calls=[])])))
