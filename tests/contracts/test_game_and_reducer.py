"""Rock-paper-scissors is judged twice, on chain and by the reducer: both say the same of each move.

If the reducer took in what the chain refuses, a player could be left with a state that nobody
enforces; if it refused what the chain takes, a player could win on chain what both views deny.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.support.app_states import Claim, Said, next_root, postfund_of, split
from tests.support.applications import Application
from tests.support.contract_calls import RevertedError
from tests.support.evm import EvmRpc
from tests.support.games import Game, packed
from tests.support.nitro_chain import Nitro, deploy_nitro
from tests.support.nitro_signing import Channel
from tests.support.rows_games import direct_channel, game_channel
from tests.support.soak import times

GAME_COUNT = times(40)
ATTEMPT_COUNT = 25
"""Messages of a game, most of them against the rules."""


@pytest.fixture(scope="module")
def nitro() -> Nitro:
    return deploy_nitro(EvmRpc())


def is_supported(nitro: Nitro, claim: Claim) -> bool:
    call = ("stateIsSupported", claim.channel.fixed_part, claim.proof, claim.signed)
    try:
        supported, _ = nitro.adjudicator.call(*call)
    except RevertedError:
        return False
    return bool(supported)


class Played:
    """One game, told to the reducer and claimed on chain, move by move."""

    def __init__(self, nitro: Nitro, seed: int) -> None:
        self.random = draw = random.Random(seed)
        self.nitro = nitro
        self.channel: Channel = draw.choice((game_channel, direct_channel))(nitro)
        self.stakes = (draw.randint(0, 5), draw.randint(1, 5))
        choices = draw.choice(((1, 2, 3), (1,), (2, 3)))
        rounds = [(draw.choice(choices), draw.choice(choices)) for _ in range(ATTEMPT_COUNT)]
        self.game = Game(self.channel, rounds, self.stakes)
        self.postfund = postfund_of(self.channel, self.stakes)
        self.reached: Said | None = None

    @property
    def count(self) -> int:
        return 0 if self.reached is None else self.reached.count

    def said(self, sender: int, shown: bytes, amounts: tuple[int, int]) -> Said:
        """The state that this move leads to, signed by who says it."""
        root = bytes(32) if self.reached is None else self.reached.root
        message, count = packed(shown), self.count + 1
        signer = self.channel.actors[-sender]
        outcome = split(*amounts)
        return Said(count + 1, outcome, (signer,), count, next_root(root, message), message)

    def claims(self, sender: int, shown: bytes, amounts: tuple[int, int]) -> bool:
        said = self.said(sender, shown, amounts)
        return is_supported(self.nitro, Claim(self.channel, said, self.postfund, self.reached))

    def attempt(self) -> tuple[int, bytes]:
        """Who says what next: often the next move, often nearly."""
        draw, sender = self.random, self.count % 2
        shown = self.game.shown(self.count + 1)
        kind = draw.randrange(8)
        if kind == 0:
            sender = 1 - sender
        elif kind == 1:
            shown = shown[: draw.randrange(len(shown))]
        elif kind == 2:
            shown += draw.randbytes(draw.choice((1, 32, 33)))
        elif kind in (3, 4):
            place = draw.randrange(len(shown))
            shown = shown[:place] + draw.randbytes(1) + shown[place + 1 :]
        return sender, shown


@pytest.mark.slow
def test_chain_and_reducer_say_the_same_of_every_move(nitro: Nitro) -> None:
    met: Counter[str] = Counter()
    for seed in range(GAME_COUNT):
        played = Played(nitro, seed)
        pot = sum(played.stakes)
        with Application("rock_paper_scissors", played.stakes, played.channel.channel_id) as game:
            for _ in range(ATTEMPT_COUNT):
                sender, shown = played.attempt()
                verdict = game.say(sender, shown)
                met[f"refused {verdict.code}" if verdict.code else "taken in"] += 1
                amounts = game.payouts()
                others = {(pot, 0), (0, pot), played.stakes} - {amounts}
                assert played.claims(sender, shown, amounts) == verdict.is_applied, (seed, shown)
                assert not any(played.claims(sender, shown, other) for other in others), seed
                if verdict.is_applied:
                    played.reached = played.said(sender, shown, amounts)
    assert met["taken in"] > GAME_COUNT
    assert {f"refused {code}" for code in (1, 2, 3, 4, 5, 6)} < set(met)
