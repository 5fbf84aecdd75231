"""The four reference applications, each played between two daemons on a real chain."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from node.views.encoding import encode, uint256
from protocols.app_data import AppData, encode_app_data
from tests.support.app_daemons import payouts
from tests.support.applications import folder_of
from tests.support.daemons import Network, open_channel, running_network
from tests.support.e2e_rig import Purse, at_rest, audit_notes, until
from tests.support.games import PAPER, ROCK, SCISSORS, commitment
from tests.support.leaving_daemons import leave
from tests.support.playing import Table
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e

GAME_TIME_S_MAX = 2.0
"""Of a game of rock-paper-scissors, with its reveals."""
APP_DATA_SIZE_BYTES_MAX = 1_024
SALTS = (b"\xa7" * 32, b"\xb7" * 32)
STAKE = 50


@pytest.fixture(scope="module")
def network(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with begun_by(python, running_network(tmp_path_factory.mktemp("applications"))) as running:
        yield running


def close(table: Table) -> None:
    """Both players close: whoever is to move gives the game up by its owner's word alone."""
    network = table.network
    for node in network.nodes:
        node.call("channel_close", channel_id=table.channel_id)
    for node in network.nodes:
        until(f"{node.name} has its money", partial(at_rest, node, table.channel_id))


def open_game(network: Network) -> Table:
    """A table whose moves the contract judges."""
    contract = network.chain.deployment.addresses["rock_paper_scissors_app"]
    return Table(network, "rock_paper_scissors", (STAKE, STAKE), app=contract)


class Round:
    """One round of rock-paper-scissors, as its players' programs would play it."""

    def __init__(self, table: Table) -> None:
        self.table, self.shown = table, b""

    def commit(self, player: int, move: int) -> None:
        channel_id = bytes.fromhex(self.table.channel_id[2:])
        self._say(player, commitment(channel_id, player, move, SALTS[player]))

    def reveal(self, player: int, move: int) -> None:
        self._say(player, bytes([move]) + SALTS[player])

    def _say(self, player: int, part: bytes) -> None:
        assert self.table.say(player, self.shown + part) == 0
        self.shown += part


def test_a_game_with_reveals_takes_less_than_two_seconds(network: Network) -> None:
    purse = Purse(network)
    table = open_game(network)
    began_s = time.monotonic()
    played = Round(table)
    played.commit(0, ROCK)
    played.commit(1, SCISSORS)
    played.reveal(0, ROCK)
    played.reveal(1, SCISSORS)
    took_s = time.monotonic() - began_s
    assert took_s < GAME_TIME_S_MAX
    found = table.agree()
    assert found["count"] == 4
    for message in found["messages"]:
        data = AppData(
            bytes(32), bytes(32), message["count"], bytes.fromhex(message["message"][2:])
        )
        assert len(encode_app_data(data)) < APP_DATA_SIZE_BYTES_MAX
    for node in network.nodes:
        assert payouts(node, table.channel_id) == [2 * STAKE, 0]
        assert table.rows(node, "rounds", "number, first_move, last_move, winner") == [
            [1, ROCK, SCISSORS, 0]
        ]
    close(table)
    assert purse.moved() == (STAKE, -STAKE)


def test_after_a_tie_the_stakes_are_back_and_another_round_decides(network: Network) -> None:
    purse = Purse(network)
    table = open_game(network)
    for moves in ((PAPER, PAPER), (PAPER, SCISSORS)):
        played = Round(table)
        for player in (0, 1):
            played.commit(player, moves[player])
        for player in (0, 1):
            played.reveal(player, moves[player])
        if moves[0] == moves[1]:
            table.agree()
            assert payouts(network.bob, table.channel_id) == [STAKE, STAKE]
    assert table.agree()["count"] == 8
    close(table)
    assert purse.moved() == (-STAKE, STAKE)


def test_a_cheating_move_is_refused_and_the_game_goes_on(network: Network) -> None:
    table = open_game(network)
    played = Round(table)
    played.commit(0, ROCK)
    played.commit(1, PAPER)
    before = table.agree()
    other_move = played.shown + bytes([SCISSORS]) + SALTS[0]
    other_past = bytes(64) + bytes([ROCK]) + SALTS[0]
    assert table.say(0, other_move) == 5
    assert table.say(0, other_past) == 3
    assert table.agree() == before
    played.reveal(0, ROCK)
    played.reveal(1, PAPER)
    table.agree()
    assert payouts(network.alice, table.channel_id) == [0, 2 * STAKE]


def test_a_tactics_game_is_played_to_its_end(network: Network) -> None:
    purse = Purse(network)
    table = Table(network, "tactics", (STAKE, STAKE))
    assert table.play(folder_of("tactics") / "messages.jsonl") == 18
    close(table)
    assert purse.moved() == (STAKE, -STAKE)


def test_whoever_moves_too_far_or_out_of_range_is_refused_by_both(network: Network) -> None:
    table = Table(network, "tactics", (STAKE, STAKE), turn_rule="leader")
    for place in range(3):
        assert table.say(0, ["spawn", place, 1]) == 0
        assert table.say(1, ["spawn", place, 6]) == 0
    assert table.say(1, ["pass"]) == 1
    assert table.say(0, ["move", 0, 0, 5]) == 6
    assert table.say(0, ["attack", 0, 1]) == 7
    assert table.say(0, ["move", 0, 0, 4]) == 0
    assert table.say(1, ["attack", 1, 0]) == 0
    table.agree()
    for node in network.nodes:
        assert table.rows(node, "units", "id, x, y, points")[0] == [0, 0, 4, 80]


def test_both_write_to_the_board_and_read_the_same(network: Network) -> None:
    table = Table(network, "board", (STAKE, 0), turn_rule="leader")
    for number in range(1, 6):
        assert table.say(number % 2, ["post", f"post {number}"]) == 0
        assert table.say(1 - number % 2, ["reply", 2 * number - 1, "answer"]) == 0
    assert table.say(0, ["edit", 1, "never said"]) == 1
    assert table.say(1, ["reply", 99, "to nobody"]) == 4
    table.agree()
    alice, bob = (table.rows(node, "posts") for node in network.nodes)
    assert alice == bob
    assert [row[0] for row in alice] == list(range(1, 11))
    stamps_ms = [row[2] for row in alice]
    assert stamps_ms == sorted(stamps_ms)
    close(table)


def test_what_the_meter_says_is_paid_in_the_channel_beside_it(network: Network) -> None:
    alice, bob = network.nodes
    purse = Purse(network)
    payments = open_channel(alice, bob)
    table = Table(network, "metered_api", (1, 0), turn_rule="leader")
    price, credit, request_count = 7, 20, 12
    assert table.say(1, ["price", "square", uint256(price)]) == 0
    assert table.say(1, ["credit", uint256(credit)]) == 0
    owed = 0
    for number in range(1, request_count + 1):
        code = table.say(0, ["request", "square", bytes([number])])
        if code == 5:
            paid = int(alice.call("channel_get", channel_id=payments)["paid"])
            alice.call(
                "payment_send", channel_id=payments, amount=str(owed - paid), until="receipt"
            )
            # The server believes its own node alone.
            received = int(bob.call("channel_get", channel_id=payments)["paid"])
            assert received == owed
            assert table.say(1, ["paid", uint256(received)]) == 0
            assert table.say(0, ["request", "square", bytes([number])]) == 0
        else:
            assert code == 0
        assert table.say(1, ["answer", number, bytes([number * number])]) == 0
        owed += price
    table.agree()
    ((_, count, *_),) = table.rows(bob, "meter")
    assert count == request_count
    paid = int(bob.call("channel_get", channel_id=payments)["paid"])
    assert paid > owed - credit
    close(table)
    bob.call("channel_close", channel_id=payments)
    for node in network.nodes:
        until(f"{node.name} is paid", partial(at_rest, node, payments))
    assert purse.moved() == (-paid, paid)


def test_the_files_of_messages_are_said_as_they_are(network: Network) -> None:
    table = Table(network, "metered_api", (1, 0), turn_rule="leader")
    assert table.play(folder_of("metered_api") / "messages.jsonl") > 0


def test_a_player_who_vanishes_before_the_last_reveal_loses_on_chain(
    python: WarmPython, tmp_path: Path
) -> None:
    with begun_by(python, running_network(tmp_path)) as network:
        table = open_game(network)
        played = Round(table)
        played.commit(0, ROCK)
        played.commit(1, PAPER)
        played.reveal(0, ROCK)
        table.agree()
        # bob would win, but he has to show it.
        network.bob.kill()
        purse = Purse(network)
        leave(network, network.alice, table.channel_id)
        assert purse.moved()[0] == 2 * STAKE
        assert network.alice.stop() == 0
        assert audit_notes(network.alice) == []


def test_a_loser_who_hides_that_she_lost_loses_on_chain(python: WarmPython, tmp_path: Path) -> None:
    with begun_by(python, running_network(tmp_path)) as network:
        table = open_game(network)
        played = Round(table)
        played.commit(0, ROCK)
        played.commit(1, PAPER)
        played.reveal(0, ROCK)
        table.agree()
        # alice gives no sign any more: bob's winning reveal is judged without her.
        network.alice.kill()
        purse = Purse(network)
        shown = played.shown + bytes([PAPER]) + SALTS[1]
        network.bob.call(
            "app_send", channel_id=table.channel_id, payload="0x" + encode(shown).hex()
        )
        leave(network, network.bob, table.channel_id)
        assert purse.moved()[1] == 2 * STAKE
        assert network.bob.stop() == 0
        assert audit_notes(network.bob) == []


def test_the_audit_finds_nothing_whatever_was_played(network: Network) -> None:
    for node in network.nodes:
        assert node.stop() == 0
        assert audit_notes(node) == []
        node.start()  # It need not be the last test of its worker.
