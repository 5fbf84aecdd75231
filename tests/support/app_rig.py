"""Two nodes over the pure crank with an application channel, and a reducer made of rules.

The shell's part is done here: what `plan` asks is judged by `Till`, a view of one number, and
handed back. A message is one small integer: so much the sender gives to the other end.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from msgspec.structs import replace

from protocols import commands
from protocols.app_channel import ALTERNATE, MESSAGE_LOG, App
from protocols.app_data import NO_ROOT, next_root
from protocols.app_events import AppDefinitionRecorded, AppMessageApplied
from protocols.app_judging import AppRun, plan
from protocols.app_reducers import app_of
from protocols.draft import Context
from protocols.events import Event
from protocols.inputs import AppJudged, AppVerdict
from protocols.nonce import channel_nonce
from protocols.state import FixedPart
from protocols.types import ZERO_ADDRESS, ChannelId
from tests.support.actors import ALICE, BOB, Actor
from tests.support.builders import ADJUDICATOR, CHAIN_ID, DURATION_S, ENTROPY
from tests.support.builders import GAME_APP as GAME_APP
from tests.support.builders import LOG_APP as LOG_APP
from tests.support.network import CoreNode, Network

REDUCER = b"\x5e" * 32
STAKES = (1_000, 500)
FAILS = 100
"""Of this message the reducer of the tests makes nothing."""


def app_fixed(app: bytes = LOG_APP) -> FixedPart:
    nonce = channel_nonce(CHAIN_ID, ADJUDICATOR, ENTROPY)
    return FixedPart((ALICE.address, BOB.address), nonce, app, DURATION_S)


APP_CHANNEL: ChannelId = app_fixed().channel_id()


def open_app(turn_rule: str = ALTERNATE, **changes: object) -> commands.OpenApp:
    command = commands.OpenApp(
        BOB.address, ZERO_ADDRESS, *STAKES, DURATION_S, REDUCER, turn_rule, b"", ENTROPY
    )
    return replace(command, **changes)


class Till:
    """A view: what the first end has."""

    def __init__(self, stakes: tuple[int, int] = STAKES) -> None:
        self.amounts = stakes
        self.count = 0
        self._before: dict[int, tuple[int, int]] = {}

    def rewind(self, count: int) -> None:
        """Take back what came after so many messages."""
        while self.count > count:
            self.count -= 1
            self.amounts = self._before[self.count]

    def apply(self, given: bytes) -> AppVerdict:
        sender, amount = given[35], given[-1]
        if amount == FAILS:
            return AppVerdict(0, "trap-unreachable", (), b"")
        if amount > self.amounts[sender]:
            return AppVerdict(1, "", (), b"")
        change = -amount if sender == 0 else amount
        self._before[self.count] = self.amounts
        self.amounts = (self.amounts[0] + change, self.amounts[1] - change)
        self.count += 1
        return AppVerdict(0, "", self.amounts, self.digest)

    def digests_after(self, count: int, sender: int, *payloads: bytes) -> tuple[bytes, ...]:
        """What each of these messages of that end would come to after so many; nothing stays."""
        other, digests = deepcopy(self), list[bytes]()
        other.rewind(count)
        for payload in payloads:
            other.apply(bytes(35) + bytes((sender,)) + payload)
            digests.append(other.digest)
        return tuple(digests)

    @property
    def digest(self) -> bytes:
        return self.amounts[0].to_bytes(16, "big") + self.count.to_bytes(16, "big")


class AppNode(CoreNode):
    """A node that has the reducer."""

    def __init__(self, actor: Actor, *, verdict: str = "allow", rule: str = MESSAGE_LOG) -> None:
        super().__init__(actor, verdict=verdict)
        self.till = Till()
        self.installed = {REDUCER}
        self.runs: list[AppRun] = []
        self.bend: Callable[[AppVerdict], AppVerdict] = lambda verdict: verdict
        """What a reducer that differs makes of a verdict."""
        self.refuse_opening: Callable[[tuple[int, int]], str] = lambda deposits: ""
        """Why its reducer does not begin with those deposits."""
        self.patience = 1_000
        """Messages that are judged at once."""
        self.record(AppDefinitionRecorded(LOG_APP, MESSAGE_LOG))
        self.record(AppDefinitionRecorded(GAME_APP, "judged"))

    def context(self) -> Context:
        return replace(
            super().context(),
            has_reducer=self.installed.__contains__,
            why_not_opened=lambda reducer_id, channel_id, deposits: self.refuse_opening(deposits),
        )

    def app(self, channel_id: ChannelId = APP_CHANNEL) -> App:
        return app_of(self.channel(channel_id))

    def say(self, amount: int, number: int = 0, channel_id: ChannelId = APP_CHANNEL) -> None:
        name = (number or len(self.log)).to_bytes(32, "big")
        self.feed(commands.SendAppMessage(channel_id, bytes((amount,)), name))

    def judge(self) -> bool:
        """What the shell does at the end of a batch; whether anything came of it."""
        before = len(self.log)
        for channel_id in sorted(self.state.unjudged):
            while channel_id in self.state.unjudged and self.judge_channel(channel_id):
                pass
        return len(self.log) > before

    def judge_channel(self, channel_id: ChannelId) -> bool:
        """The reducer's word on what waits in one channel; whether anything came of it."""
        run = plan(self.state, channel_id, self.context())
        verdicts = () if run is None else self._run(run)
        count, before = self.app(channel_id).tip.count, len(self.log)
        self.feed(AppJudged(channel_id, count, verdicts, 0 if run is None else run.stamp_ms))
        return len(self.log) > before

    def _run(self, run: AppRun) -> tuple[AppVerdict, ...]:
        self.runs.append(run)
        self.till.rewind(run.base_count)
        verdicts: list[AppVerdict] = []
        for place, given in enumerate(run.inputs):
            verdicts.append(self.bend(self.till.apply(given)))
            if run.expected and verdicts[-1].digest != run.expected[place]:
                break
            if run.may_be_cut and len(verdicts) == self.patience:
                break
        return tuple(verdicts)

    def applied(self, channel_id: ChannelId = APP_CHANNEL) -> list[AppMessageApplied]:
        events = self.events_of(AppMessageApplied.NAME)
        return [event for event in events if event.channel_id == channel_id]


class AppNetwork(Network):
    """ALICE and BOB, who both have the reducer."""

    alice: AppNode
    bob: AppNode

    def __init__(self, *, verdict: str = "allow", depth: int = 0) -> None:
        super().__init__(verdict=verdict, depth=depth)
        self.alice, self.bob = AppNode(ALICE), AppNode(BOB, verdict=verdict)
        self.nodes.update({ALICE.address: self.alice, BOB.address: self.bob})
        self.reconnect()

    def settle(self) -> None:
        super().settle()
        while any([self.alice.judge(), self.bob.judge()]):
            super().settle()

    def require_agreement(self, channel_id: ChannelId = APP_CHANNEL) -> None:
        """Both hold the same newest state, and its root follows from what both recorded."""
        alice, bob = self.alice.app(channel_id), self.bob.app(channel_id)
        assert alice.supported == alice.tip == bob.supported == bob.tip
        messages = [event.message for event in self.alice.applied(channel_id)]
        assert messages == [event.message for event in self.bob.applied(channel_id)]
        root = NO_ROOT
        for message in messages:
            root = next_root(root, message)
        assert (alice.tip.root, alice.tip.count) == (root, len(messages))


def opened_app(turn_rule: str = ALTERNATE, **changes: object) -> AppNetwork:
    """A network whose application channel is open."""
    network = AppNetwork()
    network.alice.feed(open_app(turn_rule, **changes))
    network.settle()
    return network


def signed_hashes(node: CoreNode) -> dict[tuple[bytes, int], set[bytes]]:
    """By channel and turn: the states that the node signed (M6)."""
    found: dict[tuple[bytes, int], set[bytes]] = {}
    for name in ("app-state-signed", "state-signed"):
        for event in node.events_of(name):
            if name == "app-state-signed" or event.signer == node.actor.address:
                found.setdefault((event.channel_id, event.turn_num), set()).add(event.state_hash)
    return found


Events = list[Event]
