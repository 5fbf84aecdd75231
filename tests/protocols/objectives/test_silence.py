"""A silent peer is challenged if the owner says after how long, and only over money of ours."""

from __future__ import annotations

from msgspec.structs import replace

from protocols import commands, inputs
from protocols.draft import Context
from protocols.objectives.base import ObjectiveType, newest
from tests.support.builders import CHANNEL, chain_log, open_command
from tests.support.network import CoreNode, Network, opened

LIMIT_S = 600


class Impatient(CoreNode):
    """A node whose owner does not wait for ever."""

    def context(self) -> Context:
        return replace(super().context(), challenge_after_silence_s=LIMIT_S)


def challenges(node: CoreNode) -> bool:
    return newest(node.state.objectives, ObjectiveType.CHALLENGE, CHANNEL) is not None


def closing(seconds: int, *, impatient: bool = True) -> CoreNode:
    """ALICE closed, BOB says nothing, and so many seconds pass."""
    network = opened()
    alice = network.alice
    if impatient:
        alice.__class__ = Impatient
    alice.feed(commands.CloseChannel(CHANNEL))
    alice.now_ms += 1_000 * seconds
    alice.feed(inputs.Tick())
    return alice


def test_silence_is_borne_for_as_long_as_the_owner_said() -> None:
    assert not challenges(closing(LIMIT_S - 1))
    assert challenges(closing(LIMIT_S))


def test_without_a_word_of_the_owner_nobody_is_challenged() -> None:
    assert not challenges(closing(10 * LIMIT_S, impatient=False))


def test_a_challenge_is_raised_once() -> None:
    alice = closing(LIMIT_S)
    before = len(alice.events_of("objective-created"))
    alice.now_ms += 1_000 * LIMIT_S
    alice.feed(inputs.Tick())
    assert len(alice.events_of("objective-created")) == before


def test_who_has_nothing_in_the_channel_challenges_nobody() -> None:
    network = Network(depth=0)
    alice = network.alice
    alice.__class__ = Impatient
    alice.feed(open_command())
    alice.now_ms += 10_000 * LIMIT_S
    alice.feed(inputs.Tick())
    assert not challenges(alice)


def test_silence_counts_from_the_clearing_of_a_challenge() -> None:
    alice = closing(LIMIT_S)
    answered = {"turn_num": 1, "number": 10**10}
    alice.feed(chain_log("ChallengeRegistered", 50, **answered))
    alice.now_ms += 1_000
    alice.feed(chain_log("ChallengeCleared", 51, number=2))
    count = len(alice.events_of("objective-created"))
    alice.now_ms += 1_000 * LIMIT_S - 1
    alice.feed(inputs.Tick())
    assert len(alice.events_of("objective-created")) == count
    alice.now_ms += 1
    alice.feed(inputs.Tick())
    assert len(alice.events_of("objective-created")) == count + 1
