"""Courses: what owners and others do one after the other, in the smallest steps there are.

A step is a message, the end of a batch, or what a block tells one node: between any two of them
somebody may vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from protocols import commands, inputs
from protocols.channel import POSTFUND_TURN, PREFUND_TURN
from protocols.draft import Decision
from protocols.types import ZERO_ADDRESS
from protocols.virtual_paths import is_agreed
from tests.support.builders import DURATION_S
from tests.support.story_channels import all_sign_final
from tests.support.story_world import AMOUNT, StoryWorld

TOKEN = b"\x70" * 20
MOMENT_COUNT_MAX = 1_500
"""No course takes as many of the smallest steps."""

Command = Callable[[StoryWorld], None]


def moments(world: StoryWorld, *commands: Command) -> Iterator[None]:
    """Everything that happens, one thing at a time; each command once all before it is done."""
    for command in commands:
        command(world)
        yield
        quiet_count = 0
        while quiet_count < world.chain.depth + 2:
            quiet_count += 1
            for _ in _messages(world):
                quiet_count = 0
                yield
            for _ in _block(world):
                yield
            quiet_count = 0 if world.chain.is_busy else quiet_count


def _messages(world: StoryWorld) -> Iterator[None]:
    while world.links():
        for node, to in world.links():
            world.deliver(node, to)
            world.acknowledge(world.nodes[to], node.actor.address)
            yield
        for node in world.row:
            if node.feed(inputs.EndOfBatch()).events:
                yield


def _block(world: StoryWorld) -> Iterator[None]:
    for node in world.row:
        world.work_on_chain(node)
    world.chain.mine()
    for node in world.row:
        node.now_ms += 12_000
        while world.hear_of_chain(node):
            world.work_on_chain(node)
            yield
        node.feed(inputs.Tick())
        yield


# --- commands ---


def open_direct(world: StoryWorld) -> None:
    """The payer opens a channel with the payee, and deposits."""
    world.payer.feed(
        commands.OpenChannel(world.payee.actor.address, ZERO_ADDRESS, 700, 0, DURATION_S, b"open")
    )


def open_ledger(world: StoryWorld) -> None:
    """A ledger of payer and payee: both deposit."""
    _open_ledger(world, ZERO_ADDRESS)


def open_token_ledger(world: StoryWorld) -> None:
    """The same in a token, which must let the adjudicator take it first."""
    for node in world.row:
        node.assets = frozenset({ZERO_ADDRESS, TOKEN})
    _open_ledger(world, TOKEN)


def _open_ledger(world: StoryWorld, asset: bytes) -> None:
    world.payer.feed(
        commands.OpenLedger(world.payee.actor.address, asset, 600, 400, DURATION_S, b"ledg")
    )


def open_virtual(world: StoryWorld) -> None:
    """One more channel over the whole row."""
    world.payer.feed(world.open_command(AMOUNT, b"more"))


def ask_payee(world: StoryWorld) -> None:
    """The payee's owner is asked about everything."""
    world.payee.decision = Decision("ask")


def close_virtual(world: StoryWorld) -> None:
    """The payer closes."""
    world.payer.feed(commands.CloseChannel(world.virtual))


def payee_closes_all(world: StoryWorld) -> None:
    """The payee closes both channels."""
    for channel_id in (world.virtual, world.direct):
        world.payee.feed(commands.CloseChannel(channel_id))


def close_direct(world: StoryWorld) -> None:
    """The payer closes the direct channel."""
    world.payer.feed(commands.CloseChannel(world.direct))


def close_ledger(world: StoryWorld) -> None:
    """Every leader closes its ledger, which carries nothing any more."""
    for node in world.row:
        for ledger_id, _ in world.neighbours(node):
            if node.channel(ledger_id).my_index == 0:
                node.feed(commands.CloseChannel(ledger_id))


def followers_close(world: StoryWorld) -> None:
    """Every follower does."""
    for node in world.row:
        for ledger_id, _ in world.neighbours(node):
            if node.channel(ledger_id).my_index == 1:
                node.feed(commands.CloseChannel(ledger_id))


def propose_and_close(world: StoryWorld) -> None:
    """Every leader closes with a payment of its own on the way."""
    for node in world.row:
        for ledger_id, _ in world.neighbours(node):
            if node.channel(ledger_id).my_index == 0:
                node.feed(commands.PayLedger(ledger_id, 5, "late " + node.actor.name))
                node.feed(commands.CloseChannel(ledger_id))


def lose_tails(world: StoryWorld) -> None:
    """Everybody's log is cut: channels are close-only (M27)."""
    for node in world.row:
        node.lose_tail()


def all_pay(world: StoryWorld) -> None:
    """Both sides of every ledger pay: leaders propose, followers ask."""
    for node in world.row:
        for ledger_id, _ in world.neighbours(node):
            node.feed(commands.PayLedger(ledger_id, 9, "rent of " + node.actor.name))


def challenge_virtual(world: StoryWorld) -> None:
    """The payer challenges the virtual channel."""
    world.payer.feed(commands.ChallengeChannel(world.virtual))


def challenge_ledgers(world: StoryWorld) -> None:
    """Every leader challenges."""
    for node in world.row:
        for ledger_id, _ in world.neighbours(node):
            if node.channel(ledger_id).my_index == 0:
                node.feed(commands.ChallengeChannel(ledger_id))


def all_meet_again(world: StoryWorld) -> None:
    """Neighbours begin new sessions with each other."""
    for node in world.row:
        for _, other in world.neighbours(node):
            received = other.peer(node.actor.address).received
            node.feed(inputs.PeerConnected(other.actor.address, received))


def exit_virtual(world: StoryWorld) -> None:
    """The payer leaves the virtual channel."""
    world.payer.feed(commands.ExitChannel(world.virtual))


def exit_direct(world: StoryWorld) -> None:
    """The payer leaves the direct channel."""
    world.payer.feed(commands.ExitChannel(world.direct))


def exit_ledgers(world: StoryWorld) -> None:
    """Everybody leaves every ledger."""
    for node in world.row:
        for ledger_id, _ in world.neighbours(node):
            node.feed(commands.ExitChannel(ledger_id))


def stale_ledgers(world: StoryWorld) -> None:
    """Old states of all ledgers are registered."""
    for place, ledger_id in enumerate(world.ledgers):
        world.challenge(world.history[ledger_id][0], world.row[place])


def stale_virtual(world: StoryWorld) -> None:
    """The payer registers the prefunds."""
    for channel_id in (world.virtual, world.direct):
        world.challenge(world.signed(world.payer, channel_id, PREFUND_TURN), world.payer)


def postfund_of_all(world: StoryWorld) -> None:
    """The postfunds are registered, by the payer and by her first neighbour."""
    world.challenge(world.signed(world.payer, world.direct, POSTFUND_TURN), world.payer)
    world.challenge(world.signed(world.row[1], world.virtual, POSTFUND_TURN), world.row[1])


def time_passes(world: StoryWorld) -> None:
    """Every challenge runs out."""
    world.pass_to(world.chain.time_s + DURATION_S)


def give_up_early(world: StoryWorld) -> None:
    """The payer gives an opening up while the first hub's guarantee on its right is new."""
    _give_up(world, 1)


def give_up_late(world: StoryWorld) -> None:
    """The same once the payee has its guarantee, and hubs have signed the postfund."""
    _give_up(world, 2)


def _give_up(world: StoryWorld, place: int) -> None:
    channel_id = world.open(AMOUNT, b"more")
    ledger_id, pair = world.ledgers[place], world.row[place : place + 2]
    world.until(lambda: all(is_agreed(node.state, ledger_id, channel_id) for node in pair))
    world.payer.feed(commands.CloseChannel(channel_id))


def challenge_after_final(world: StoryWorld) -> None:
    """All signed the final states; the postfunds are registered before anything is given back."""
    all_sign_final(world)
    postfund_of_all(world)
    for _ in _block(world):
        pass


def own_challenge_after_final(world: StoryWorld) -> None:
    """The same by the payer's owner, who wants it concluded at once."""
    all_sign_final(world)
    challenge_virtual(world)
    world.payer.feed(commands.ChallengeChannel(world.direct))
