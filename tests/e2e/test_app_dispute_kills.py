"""A player whose node kills itself while a move goes to the chain: the game's outcome stands.

The moves between are claimed, registered and answered by one node alone, which falls at a write, a
sync or before; whatever it was at, it goes on with the very same move, for a second one at a turn
would be signed for nothing or lose the game.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node.rpc.call import RpcError
from protocols.app_events import AppStateSigned
from protocols.events import StateSigned
from tests.support.app_daemons import STAKE
from tests.support.chain_games import Played, count_of, registered_turns
from tests.support.daemons import LocalNode, Network, running_network
from tests.support.e2e_rig import (
    NODE_GONE,
    NOT_STOPPED_CLEANLY,
    Purse,
    audit_notes,
    channel_is,
    records,
    until,
)
from tests.support.games import LOST, WON
from tests.support.leaving_daemons import DURATION_S, is_left
from tests.support.old_states import challenge_with_old_state, pass_time

pytestmark = pytest.mark.e2e


class Mortal:
    """One node that is armed to kill itself, and is started again, unarmed, when it did."""

    def __init__(self, node: LocalNode) -> None:
        self.node = node
        self.crash_count = 0

    def arm(self, fault: str) -> None:
        """Start it so; its own first write may be the one it falls at."""
        if self.node.child.exit_code is None:
            assert self.node.stop() == 0
        self.node.launch(TALLY_FAULT=fault)
        with self._may_be_gone():
            self.node.wait_until_ready()

    @contextmanager
    def _may_be_gone(self) -> Iterator[None]:
        try:
            yield
        except NODE_GONE:
            until("it fell", lambda: self.node.child.exit_code is not None)

    def until(self, what: str, done: Callable[[], object]) -> None:
        """Wait, reviving it when it falls."""

        def tried() -> object:
            code = self.node.child.exit_code
            if code is not None:
                assert code == -signal.SIGKILL, self.node.stderr_tail()
                self.crash_count += 1
                self.node.kill()  # it is dead; this closes its pipe
                self.node.start()
            try:
                return done()
            except NODE_GONE:
                return False
            except RpcError as error:
                if not error.retry_safe:
                    raise
                return False  # it just started and does not know the chain yet

        until(what, tried)

    def call(self, method: str, **params: Any) -> None:
        """One call, repeated under its name until the node lives to answer it."""
        params["request_id"] = f"{method} {params}"[:64]
        self.until(f"{method} is answered", lambda: self.node.call(method, **params))

    def move(self, played: Played, count: int) -> None:
        """Its owner makes a move, whoever hears it."""
        self.call("app_send", channel_id=played.channel_id, payload=played.message(count))

    def require_no_second_signature(self) -> None:
        """Of each turn it signed one state, and the audit finds nothing wrong."""
        self.node.stop()
        signed: dict[tuple[bytes, int], set[bytes]] = {}
        for event in records(self.node):
            if isinstance(event, AppStateSigned | StateSigned):
                turn = (event.channel_id, event.turn_num)
                signed.setdefault(turn, set()).add(event.state_hash)
        assert signed
        assert all(len(hashes) == 1 for hashes in signed.values())
        notes = audit_notes(self.node)
        assert [note for note in notes if not note.startswith(NOT_STOPPED_CLEANLY)] == []


def is_registered(network: Network, channel_id: str, count: int) -> bool:
    """Whether so many different turns of the channel were registered; none was twice."""
    found = registered_turns(Purse(network), channel_id)
    assert found <= count
    return found == count


FAULTS = [
    f"{point}:{count}" for point in ("before-write", "after-sync") for count in (1, 2, 3, 4, 6, 8)
]
"""Each way to the end takes ten writes or more, of which ticks and blocks are some."""


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_move_that_is_claimed_and_registered_is_made_once(fault: str, tmp_path: Path) -> None:
    """BOB committed and is gone: ALICE reveals on chain, and falls on the way."""
    with running_network(tmp_path, fault_points=True) as network:
        purse, played = Purse(network), Played(network, WON)
        played.play(2)
        network.bob.kill()
        alice, channel_id = Mortal(network.alice), played.channel_id
        alice.arm(fault)
        alice.move(played, 3)
        alice.call("channel_exit", channel_id=channel_id)
        alice.until("her move stands", partial(is_registered, network, channel_id, 1))
        alice.until("she sees it", partial(channel_is, alice.node, channel_id, "challenged"))
        pass_time(network.chain, DURATION_S + 1)
        alice.until("everything is paid out", partial(is_left, alice.node, channel_id))
        assert alice.crash_count == 1
        assert purse.moved() == (STAKE, -STAKE)
        assert is_registered(network, channel_id, 1)
        alice.require_no_second_signature()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_an_old_move_is_answered_once(fault: str, tmp_path: Path) -> None:
    """ALICE lost and registers a move of long ago; BOB falls while he answers with the last."""
    with running_network(tmp_path, fault_points=True) as network:
        purse, played = Purse(network), Played(network, LOST)
        played.play(3)
        network.alice.kill()
        bob, channel_id = Mortal(network.bob), played.channel_id
        bob.move(played, 4)
        challenge_with_old_state(network, network.alice, channel_id)
        bob.arm(fault)
        bob.until("he answered", partial(is_registered, network, channel_id, 2))
        pass_time(network.chain, DURATION_S + 1)
        bob.until("it is over", partial(channel_is, bob.node, channel_id, "closed"))
        assert bob.crash_count == 1
        assert purse.moved() == (-STAKE, STAKE)
        bob.require_no_second_signature()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_move_that_the_chain_shows_is_taken_in_and_answered_once(
    fault: str, tmp_path: Path
) -> None:
    """BOB's commitment stands on chain; ALICE falls while she takes it in and reveals there."""
    with running_network(tmp_path, fault_points=True) as network:
        purse, played = Purse(network), Played(network, WON)
        played.play(1)
        alice, channel_id = Mortal(network.alice), played.channel_id
        network.alice.kill()
        played.move(2, until="durable")
        network.bob.call("channel_exit", channel_id=channel_id)
        until("his move stands", partial(is_registered, network, channel_id, 1))
        network.bob.kill()
        alice.arm(fault)
        alice.until("she took it in", lambda: count_of(alice.node, channel_id) == 2)
        alice.move(played, 3)
        alice.until("her move stands", partial(is_registered, network, channel_id, 2))
        pass_time(network.chain, DURATION_S + 1)
        alice.until("it is over", partial(channel_is, alice.node, channel_id, "closed"))
        assert alice.crash_count == 1
        assert purse.moved() == (STAKE, -STAKE)
        alice.require_no_second_signature()
