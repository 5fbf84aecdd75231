"""Games judged on chain: every move in order, and every way to cheat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.support.app_states import (
    DATA,
    OPENINGS,
    POSTFUNDS,
    SHAPES,
    Claim,
    ClaimOf,
    Refused,
    Spoil,
    before,
    candidate,
    checkpoint_row,
    next_root,
    opening_claim,
    refused_rows,
    row,
    split,
)
from tests.support.contract_tables import Case, Row, Rows
from tests.support.games import (
    LOST,
    PAPER,
    ROCK,
    SCISSORS,
    TIED,
    WON,
    Game,
    Round,
    commitment,
    packed,
    salt_of,
)
from tests.support.nitro_chain import ALICE, BOB, HUB, MALLORY, Nitro
from tests.support.nitro_signing import Channel
from tests.support.rows_force_move import challenged

MOVER = "not signed by the mover"
MOVERS_POT, WINNERS_POT = "the pot is the mover's", "the pot is the winner's"


def game_channel(nitro: Nitro) -> Channel:
    """With a hub between the two players."""
    return Channel((ALICE, HUB, BOB), nitro.game_app.address)


def direct_channel(nitro: Nitro) -> Channel:
    """Two players and nobody else."""
    return Channel((ALICE, BOB), nitro.game_app.address)


def played(count: int, *rounds: Round, stakes: tuple[int, int] = (600, 400)) -> ClaimOf:
    """The claim after that many moves of a game."""
    return lambda channel, asset: Game(channel, rounds, stakes, asset).claim(count)


def move(count: int, *rounds: Round, stakes: tuple[int, int] = (600, 400), **named: str) -> Row:
    return row(game_channel, played(count, *rounds, stakes=stakes), **named)  # type: ignore[arg-type]


def cheated(count: int, rounds: tuple[Round, ...], spoil: Spoil, reason: str) -> Row:
    return row(game_channel, played(count, *rounds), spoil, reason=reason)


def message(change: Callable[[bytes], bytes]) -> Spoil:
    """Another message, with the root it leads to."""

    def spoil(claim: Claim) -> Claim:
        made = change(claim.candidate.message)
        root_before = claim.before.root if claim.before else bytes(32)
        return candidate(message=made, root=next_root(root_before, made))(claim)

    return spoil


def shown(change: Callable[[bytes], bytes]) -> Spoil:
    """Another content of the message, packed as it should be."""
    return message(lambda old: packed(change(old[2:])))


def put(at: int, value: bytes) -> Callable[[bytes], bytes]:
    return lambda old: old[:at] + value + old[at + len(value) :]


def copied_commitment(nitro: Nitro) -> Case:
    """The last player repeats the first's commitment, and later its move and salt."""
    channel = game_channel(nitro)
    theirs = commitment(channel.channel_id, 0, PAPER, salt_of(0, 0))
    copier = Game(channel, [TIED], commitments={(1, 0): theirs})
    claim = shown(put(97, bytes([PAPER]) + salt_of(0, 0)))(copier.claim(4))
    reason = "not the move of the commitment"
    return challenged(nitro, channel, claim.signed, BOB, claim.proof, reason)


def foreign_commitment(player: int, channel_id: bytes | None = None) -> Row:
    """A commitment of another channel's, or of the other player's."""

    def build(nitro: Nitro) -> Case:
        channel = game_channel(nitro)
        who = player if channel_id else 1 - player
        made = commitment(channel_id or channel.channel_id, who, PAPER, salt_of(player, 0))
        game = Game(channel, [TIED], commitments={(player, 0): made})
        claim = game.claim(3 + player)
        reason = "not the move of the commitment"
        return challenged(nitro, channel, claim.signed, BOB, claim.proof, reason)

    return build


def no_such_move(player: int, number: int) -> Row:
    """A move that was committed and is none."""
    moves = (number, ROCK) if player == 0 else (ROCK, number)
    return row(game_channel, played(3 + player, moves), reason="no such move")


def answered(nitro: Nitro) -> Case:
    """The first does not like what the last reveals, and challenges with its own last move."""
    channel = game_channel(nitro)
    game = Game(channel, [LOST])
    stale, newest = game.claim(3), game.claim(4)
    nitro.challenge(channel, stale.signed, stale.proof, ALICE)
    return challenged(nitro, channel, newest.signed, BOB, newest.proof)


def withheld(nitro: Nitro) -> Case:
    """The last knows that it lost and hides its move: the move before it pays the first."""
    channel = direct_channel(nitro)
    claim = Game(channel, [WON]).claim(3)
    assert claim.candidate.outcome == split(1_000, 0)
    return challenged(nitro, channel, claim.signed, ALICE, claim.proof)


MOVES: Refused = {
    "a move of the other player's signature": (candidate(signers=(BOB,)), MOVER),
    "a move of the hub's signature": (candidate(signers=(HUB,)), MOVER),
    "a move that all but the mover signed": (candidate(signers=(HUB, BOB)), MOVER),
    "a move of nobody's signature": (candidate(signers=()), MOVER),
    "a move of a stranger's signature": (candidate(signers=(MALLORY,)), MOVER),
    "a state before of the mover's signature": (before(signers=(ALICE,)), MOVER),
    "a state before of the hub's signature": (before(signers=(HUB,)), MOVER),
    "no state before": (lambda claim: replace(claim, before=None), "the state before is missing"),
    "a final move": (candidate(is_final=True), "final states are concluded"),
    "another reducer": (candidate(reducer_id=bytes(32)), "reducer changed"),
    "another reducer before": (before(reducer_id=bytes(32)), "reducer changed"),
    "a turn above the count": (candidate(turn=5), "bad count"),
    "another root before": (before(root=bytes(32)), "bad log root"),
    "another message than the root's": (candidate(root=bytes(32)), "bad log root"),
    "the same turn before": (
        lambda claim: replace(claim, before=claim.candidate),
        "bad proof[1].turnNum",
    ),
    "a salt that was not committed": (shown(put(65, bytes(32))), "not the move of the commitment"),
    "a move that was not committed": (
        shown(put(64, bytes([SCISSORS]))),
        "not the move of the commitment",
    ),
    "another commitment of the first's": (
        shown(put(0, bytes(32))),
        "not the move of the commitment",
    ),
    "another commitment of the last's": (shown(put(32, bytes(32))), "what was shown changed"),
    "another kind of MessagePack": (message(put(0, b"\xc5")), "bad move length"),
    "a size that is not the move's": (message(put(1, b"\x60")), "bad move length"),
    "a move of one byte more": (shown(lambda old: old + b"\x00"), "bad move length"),
    "a move of one byte less": (shown(lambda old: old[:-1]), "bad move length"),
    "a move without a message": (message(lambda old: b""), "bad move length"),
    "a move of another step": (shown(lambda old: old[:64]), "bad move length"),
    "a move that pays the stakes": (candidate(outcome=split(600, 400)), MOVERS_POT),
    "a move that pays the other": (candidate(outcome=split(0, 1_000)), MOVERS_POT),
    "a move that leaves one to the other": (candidate(outcome=split(999, 1)), MOVERS_POT),
}
"""How the first participant's reveal, the third move, is spoilt."""

OTHERS: dict[str, tuple[int, tuple[Round, ...], Spoil, str]] = {
    "the first commitment, signed by the last": (1, (WON,), candidate(signers=(BOB,)), MOVER),
    "the second commitment, signed by the first": (2, (WON,), candidate(signers=(ALICE,)), MOVER),
    "the second commitment, signed by the hub": (2, (WON,), candidate(signers=(HUB,)), MOVER),
    "the last reveal, signed by the first": (4, (WON,), candidate(signers=(ALICE,)), MOVER),
    "a commitment for the other": (1, (WON,), candidate(outcome=split(0, 1_000)), MOVERS_POT),
    "a commitment for the stakes": (2, (WON,), candidate(outcome=split(600, 400)), MOVERS_POT),
    "a second commitment for the first": (
        2,
        (WON,),
        candidate(outcome=split(1_000, 0)),
        MOVERS_POT,
    ),
    "a second commitment over another first": (
        2,
        (WON,),
        shown(put(0, bytes(32))),
        "what was shown changed",
    ),
    "a lost round for the last": (4, (WON,), candidate(outcome=split(0, 1_000)), WINNERS_POT),
    "a lost round for the stakes": (4, (WON,), candidate(outcome=split(600, 400)), WINNERS_POT),
    "a won round for the first": (4, (LOST,), candidate(outcome=split(1_000, 0)), WINNERS_POT),
    "a tie for the last": (
        4,
        (TIED,),
        candidate(outcome=split(0, 1_000)),
        "a tie gives back the stakes",
    ),
    "a tie with one unit more for the last": (
        4,
        (TIED,),
        candidate(outcome=split(599, 401)),
        "a tie gives back the stakes",
    ),
    "another reveal of the first's": (
        4,
        (WON,),
        shown(put(64, bytes([SCISSORS]))),
        "not the move of the commitment",
    ),
    "another move than the last committed": (
        4,
        (WON,),
        shown(put(97, bytes([SCISSORS]))),
        "not the move of the commitment",
    ),
    "a commitment in the place of a reveal": (
        3,
        (WON,),
        lambda claim: candidate(turn=3, count=2)(claim),
        MOVER,
    ),
    "a round after one that was won": (5, (WON, WON), lambda claim: claim, "the game is decided"),
    "a round after one that was lost": (5, (LOST, WON), lambda claim: claim, "the game is decided"),
    "a first move of a later turn": (
        1,
        (WON,),
        candidate(turn=6, count=5),
        "the state before is missing",
    ),
    "a first root on another root": (
        1,
        (WON,),
        candidate(root=next_root(b"\x01" * 32, b"")),
        "bad log root",
    ),
}

RESULTS = [(first, last) for first in (ROCK, PAPER, SCISSORS) for last in (ROCK, PAPER, SCISSORS)]

ROWS: Rows = {
    "the prefund, signed by all": row(game_channel, lambda channel, _: opening_claim(channel, 0)),
    "the postfund, signed by all": row(game_channel, lambda channel, _: opening_claim(channel)),
    **{f"move {count}": move(count, WON) for count in (1, 2, 3)},
    **{f"move {count} after a tie": move(count, TIED, WON) for count in (5, 6, 7, 8)},
    **{f"{first} against {last}": move(4, (first, last)) for first, last in RESULTS},
    "a game of a token": move(4, WON, kind="token"),
    "a game for nothing": move(4, WON, stakes=(0, 0)),
    "a tie of unequal stakes": move(4, TIED, stakes=(1, 999)),
    "a move signed by all": row(game_channel, played(2, WON), candidate(signers=(ALICE, HUB, BOB))),
    "a move challenged by the hub": move(3, WON, challenger=HUB),  # type: ignore[arg-type]
    "two players and no hub": row(direct_channel, played(4, LOST)),
    "a loser who hides its move": withheld,
    "a hidden loss answered": answered,
    "a checkpoint with a move": checkpoint_row(game_channel, played(3, WON)),
    "a copied commitment": copied_commitment,
    "a commitment of the other player's, opened by the first": foreign_commitment(0),
    "a commitment of the other player's, opened by the last": foreign_commitment(1),
    "a commitment of another channel": foreign_commitment(0, b"\x01" * 32),
    "move 0": no_such_move(0, 0),
    "move 4": no_such_move(1, 4),
    "move 255": no_such_move(1, 255),
    **refused_rows(game_channel, lambda channel, _: opening_claim(channel), OPENINGS),
    **refused_rows(game_channel, played(3, WON), {**POSTFUNDS, **SHAPES, **DATA, **MOVES}),
    **{name: cheated(*fields) for name, fields in OTHERS.items()},
}
