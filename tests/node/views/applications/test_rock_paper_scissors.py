"""Rock-paper-scissors against a model of ADR 0079: every game, and every way to cheat."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from eth_abi import encode as abi_encode

from node.views.encoding import encode
from node.views.errors import Failure
from protocols.crypto import keccak256
from tests.support.applications import CHANNEL_ID, Application

NAME = "rock_paper_scissors"
NOT_YOUR_TURN, WRONG_SIZE, SHOWN_CHANGED, NO_SUCH_MOVE, NOT_COMMITTED, IS_OVER = range(1, 7)
ROCK, PAPER, SCISSORS = 1, 2, 3
TIE = 2
BEATS = {(ROCK, SCISSORS), (SCISSORS, PAPER), (PAPER, ROCK)}
SALTS = (b"\xa0" * 32, b"\xb0" * 32)


def commitment(player: int, move: int, salt: bytes, channel_id: bytes = CHANNEL_ID) -> bytes:
    return keccak256(channel_id + bytes([player, move]) + salt)


def winner(first: int, last: int) -> int:
    return TIE if first == last else 0 if (first, last) in BEATS else 1


@dataclass
class Round:
    """One round, played by the rules."""

    game: Application
    shown: bytes = b""
    step: int = field(default=0)

    def say(self, part: bytes, sender: int | None = None, shown: bytes | None = None) -> int:
        """The code it is refused with; 0 if it was taken in."""
        mover = self.step % 2 if sender is None else sender
        payload = (self.shown if shown is None else shown) + part
        verdict = self.game.say(mover, payload)
        assert verdict.failure is None
        if verdict.is_applied:
            self.shown, self.step = payload, self.step + 1
        return verdict.code

    def play(self, first: int, last: int) -> None:
        for player, move in enumerate((first, last)):
            assert self.say(commitment(player, move, SALTS[player])) == 0
            assert self.game.payouts() == pot_of(player)
        for player, move in enumerate((first, last)):
            assert self.say(bytes([move]) + SALTS[player]) == 0
            assert player == 1 or self.game.payouts() == pot_of(0)


def pot_of(player: int) -> tuple[int, int]:
    return (100, 0) if player == 0 else (0, 100)


@pytest.mark.parametrize("first", [ROCK, PAPER, SCISSORS])
@pytest.mark.parametrize("last", [ROCK, PAPER, SCISSORS])
def test_every_game_ends_as_the_rules_say(first: int, last: int) -> None:
    with Application(NAME, (70, 30)) as game:
        Round(game).play(first, last)
        won = winner(first, last)
        assert game.payouts() == ((70, 30) if won == TIE else pot_of(won))
        ((number, _, first_move, last_move, found),) = game.rows("rounds")
        assert (number, first_move, last_move, found) == (1, first, last, won)
        assert game.rows("stakes") == [(0, (70).to_bytes(32)), (1, (30).to_bytes(32))]


def test_after_ties_another_round_is_played_and_after_a_win_none() -> None:
    with Application(NAME, (70, 30)) as game:
        for move in (ROCK, PAPER, SCISSORS):
            Round(game).play(move, move)
        Round(game).play(ROCK, PAPER)
        assert [row[0] for row in game.rows("rounds")] == [1, 2, 3, 4]
        assert [row[4] for row in game.rows("rounds")] == [TIE, TIE, TIE, 1]
        assert Round(game).say(bytes(32)) == IS_OVER
        assert game.payouts() == (0, 100)


@pytest.mark.parametrize(
    ("committed", "revealed", "salt"),
    [(move, other, salt) for move in (1, 2, 3) for other in (1, 2, 3) for salt in SALTS],
)
def test_only_the_move_that_was_committed_to_is_taken(
    committed: int, revealed: int, salt: bytes
) -> None:
    with Application(NAME, (50, 50)) as game:
        played = Round(game)
        played.say(commitment(0, committed, SALTS[0]))
        played.say(commitment(1, ROCK, SALTS[1]))
        is_honest = (committed, SALTS[0]) == (revealed, salt)
        assert played.say(bytes([revealed]) + salt) == (0 if is_honest else NOT_COMMITTED)


@pytest.mark.parametrize("move", [0, 4, 255])
def test_a_move_that_does_not_exist_is_refused_although_it_was_committed_to(move: int) -> None:
    with Application(NAME, (50, 50)) as game:
        played = Round(game)
        played.say(commitment(0, move, SALTS[0]))
        played.say(commitment(1, ROCK, SALTS[1]))
        assert played.say(bytes([move]) + SALTS[0]) == NO_SUCH_MOVE


def test_a_commitment_of_the_other_or_of_another_channel_cannot_be_opened() -> None:
    for foreign in (commitment(0, ROCK, SALTS[0]), commitment(1, ROCK, SALTS[0], b"\x12" * 32)):
        with Application(NAME, (50, 50)) as game:
            played = Round(game)
            assert played.say(commitment(0, ROCK, SALTS[0])) == 0
            assert played.say(foreign) == 0
            assert played.say(bytes([ROCK]) + SALTS[0]) == 0
            assert played.say(bytes([ROCK]) + SALTS[0]) == NOT_COMMITTED
            assert game.payouts() == (100, 0)


def test_whatever_is_said_only_the_next_step_is_taken() -> None:
    draw = random.Random(6)
    with Application(NAME, (50, 50)) as game:
        played = Round(game)
        parts = [
            commitment(0, ROCK, SALTS[0]),
            commitment(1, PAPER, SALTS[1]),
            bytes([ROCK]) + SALTS[0],
            bytes([PAPER]) + SALTS[1],
        ]
        for step, part in enumerate(parts):
            for _ in range(60):
                assert _wrong(draw, played, part) != 0
            assert played.step == step
            assert played.say(part) == 0
        assert game.payouts() == (0, 100)


def _wrong(draw: random.Random, played: Round, part: bytes) -> int:
    """Say something that is not the next step."""
    kind = draw.randrange(4)
    if kind == 0:
        return played.say(part, sender=1 - played.step % 2)
    if kind == 1:
        return played.say(part + draw.randbytes(draw.randrange(1, 5)))
    if kind == 2:
        return played.say(part[: draw.randrange(len(part))])
    if not played.shown:
        return played.say(b"")
    place = draw.randrange(len(played.shown))
    changed = bytearray(played.shown)
    changed[place] ^= 1 + draw.randrange(255)
    assert played.say(part, shown=bytes(changed)) == SHOWN_CHANGED
    return SHOWN_CHANGED


@pytest.mark.parametrize("payload", [None, 1, "text", [b"\0" * 32], []])
def test_what_is_no_bytes_is_a_failure(payload: object) -> None:
    with Application(NAME, (50, 50)) as game:
        assert game.say(0, payload).failure is Failure.TRAP_UNREACHABLE


def test_app_data_stays_far_below_a_kilobyte() -> None:
    with Application(NAME) as game:
        played, sizes = Round(game), []
        for player, part in enumerate([commitment(0, 1, SALTS[0]), commitment(1, 1, SALTS[1])]):
            assert played.say(part, sender=player) == 0
        for salt in SALTS:
            assert played.say(bytes([ROCK]) + salt) == 0
            fields = (game.view.stamp.code_hash, bytes(32), played.step, encode(played.shown))
            sizes.append(len(abi_encode(["bytes32", "bytes32", "uint64", "bytes"], fields)))
    assert max(sizes) == 320
