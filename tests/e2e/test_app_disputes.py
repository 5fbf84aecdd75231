"""Applications whose other player is gone or cheats: the chain pays what the game came to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from node.rpc.call import RpcError
from tests.support.app_daemons import STAKE, open_till, say
from tests.support.chain_games import Played, count_of, logs, registered_turns
from tests.support.daemons import LocalNode, Network, running_network
from tests.support.e2e_rig import Purse, audit_notes, channel_is, until
from tests.support.games import LOST, TIED, WON
from tests.support.laptop import Laptop, export, lose, received, wealth
from tests.support.leaving_daemons import DURATION_S, is_answered, is_left
from tests.support.old_states import challenge_with_old_state, pass_time
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e


@pytest.fixture
def network(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with begun_by(python, running_network(tmp_path_factory.mktemp("disputes"))) as running:
        yield running


def leaves(network: Network, node: LocalNode, channel_id: str, kind: str = "channel_exit") -> None:
    """The owner leaves; the others' time passes; everything of the node's is out."""
    node.call(kind, channel_id=channel_id)
    until("the challenge stands", partial(channel_is, node, channel_id, "challenged"))
    pass_time(network.chain, DURATION_S + 1)
    until("everything is paid out", partial(is_left, node, channel_id))


def test_a_loser_who_vanishes_before_the_reveal_loses_on_chain(network: Network) -> None:
    """BOB committed, sees what ALICE would reveal, and is never heard of again."""
    purse = Purse(network)
    played = Played(network, WON)
    played.play(2)
    network.bob.kill()
    played.move(3, until="durable")
    leaves(network, network.alice, played.channel_id)
    assert purse.moved() == (STAKE, -STAKE)
    assert registered_turns(purse, played.channel_id) == 1, "nothing older was registered first"


def test_a_loser_who_hides_its_last_move_loses_on_chain(network: Network) -> None:
    purse = Purse(network)
    played = Played(network, WON)
    played.play(3)
    network.bob.kill()
    leaves(network, network.alice, played.channel_id)
    assert purse.moved() == (STAKE, -STAKE)


def test_a_winner_answers_the_loser_who_challenges_with_an_older_move(network: Network) -> None:
    """ALICE lost and registers her own last move, which would pay her: BOB's answer stands."""
    purse = Purse(network)
    played = Played(network, LOST)
    played.play(3)
    network.alice.kill()
    played.move(4, until="durable")
    challenge_with_old_state(network, network.alice, played.channel_id)
    bob = network.bob
    until("bob answered", lambda: registered_turns(purse, played.channel_id) == 2)
    pass_time(network.chain, DURATION_S + 1)
    until("it is over", partial(channel_is, bob, played.channel_id, "closed"))
    assert purse.moved() == (-STAKE, STAKE)


def test_a_game_is_played_to_its_end_on_chain(network: Network) -> None:
    """Nothing of the talk gets through; each move is registered, taken in and answered."""
    purse = Purse(network)
    played = Played(network, LOST)
    played.play(1)
    alice, bob = network.nodes
    alice.kill()
    played.move(2, until="durable")
    bob.call("channel_exit", channel_id=played.channel_id)
    until("bob's commitment stands", lambda: registered_turns(purse, played.channel_id) == 1)
    bob.kill()
    alice.start()
    until("alice took it in", lambda: count_of(alice, played.channel_id) == 2)
    played.move(3, until="durable")
    until("alice's reveal stands", lambda: registered_turns(purse, played.channel_id) == 2)
    alice.kill()
    bob.start()
    until("bob took it in", lambda: count_of(bob, played.channel_id) == 3)
    played.move(4, until="durable")
    until("bob's reveal stands", lambda: registered_turns(purse, played.channel_id) == 3)
    pass_time(network.chain, DURATION_S + 1)
    until("everything is paid out", partial(is_left, bob, played.channel_id))
    assert purse.moved() == (-STAKE, STAKE)
    bob.stop()
    assert audit_notes(bob) == []


def test_a_tie_gives_back_the_stakes_to_who_leaves(network: Network) -> None:
    purse = Purse(network)
    played = Played(network, TIED)
    played.play(4)
    network.alice.kill()
    leaves(network, network.bob, played.channel_id)
    assert purse.moved()[1] == 0
    network.alice.start()
    until("alice has hers, too", lambda: purse.moved() == (0, 0))


def test_a_cheating_move_is_refused_and_changes_nothing(network: Network) -> None:
    played = Played(network, WON)
    played.play(2)
    honest, played.channel_id = played.channel_id, "0x" + "77" * 32
    forged = played.message(3)
    played.channel_id = honest
    with pytest.raises(RpcError, match="code"):
        network.alice.call("app_send", channel_id=honest, payload=forged, until="decided")
    assert count_of(network.bob, honest) == 2
    played.move(3)
    assert count_of(network.alice, honest) == 3


def test_a_stale_challenge_of_a_log_is_cleared_and_the_talk_goes_on(network: Network) -> None:
    purse = Purse(network)
    channel_id = open_till(network)
    alice, bob = network.nodes
    say(alice, channel_id, 30)
    challenge_with_old_state(network, bob, channel_id)
    until("alice answered", partial(is_answered, alice, channel_id))
    assert len(logs(purse, "ChallengeCleared", channel_id)) == 1
    until("bob saw it", partial(channel_is, bob, channel_id, "open"))
    say(alice, channel_id, 5)
    bob.kill()
    leaves(network, alice, channel_id)
    bob.start()
    until("bob has his share, too", lambda: purse.moved() == (-35, 35))
    alice.stop()
    assert audit_notes(alice) == []


def test_a_kit_of_a_lost_machine_brings_the_pot(network: Network, tmp_path: Path) -> None:
    """ALICE won, and both machines are gone: who has her kit leaves without the reducer."""
    played = Played(network, WON)
    played.play(4)
    kit = tmp_path / "kit.json"
    document = export(network.alice, played.channel_id, kit)
    assert document["channels"][0]["app_rule"] == "judged"
    laptop = Laptop(tmp_path / "laptop", network.chain, DURATION_S)
    laptop.fund()
    before = wealth(network.chain, network.alice.address)
    lose(network.alice)
    lose(network.bob)
    told = laptop.finish(laptop.launch(kit), 1)
    assert received(told) == 2 * STAKE
    assert wealth(network.chain, network.alice.address) == before + 2 * STAKE
