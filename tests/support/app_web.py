"""A row of nodes whose ends run an application over their ledgers; the hubs have no reducer."""

from __future__ import annotations

from typing import cast

from msgspec.structs import replace

from protocols import commands
from protocols.app_channel import LEADER
from protocols.app_definitions import rule_of
from protocols.exit_value import exit_value, material_of
from protocols.types import Address, ChannelId
from tests.support.actors import Actor
from tests.support.app_rig import REDUCER, AppNode, Till
from tests.support.builders import DURATION_S, PAYMENT_APP
from tests.support.exit_web import ExitWeb
from tests.support.web import WebNode

STAKE = 1_000
"""What the channel holds; all of it is the first end's in the beginning, unless a web says."""


class AppWebNode(WebNode, AppNode):
    """A node of the row; whether it has the reducer is the web's to say."""

    def __init__(self, actor: Actor) -> None:
        super().__init__(actor)
        self.till = Till((STAKE, 0))


class AppWeb(ExitWeb):
    """Ends with the reducer, hubs without, a chain behind them."""

    make_node = AppWebNode

    def __init__(
        self,
        hop_count: int,
        stakes: tuple[int, int] = (STAKE, 0),
        *,
        right_leads: frozenset[int] = frozenset(),
    ) -> None:
        super().__init__(hop_count, right_leads=right_leads)
        self.stakes = stakes
        for end in self.ends:
            end.till = Till(stakes)
        for hub in self.row[1:-1]:
            cast(AppWebNode, hub).installed.clear()

    @property
    def ends(self) -> tuple[AppWebNode, AppWebNode]:
        """Who plays."""
        return cast(AppWebNode, self.row[0]), cast(AppWebNode, self.row[-1])

    def app_command(self, **changes: object) -> commands.OpenVirtualApp:
        """The first end's owner opens an application over the whole row."""
        path = tuple(node.actor.address for node in self.row[1:])
        first, last = self.stakes
        money = path, self.asset, first, self.fees, DURATION_S
        app = REDUCER, LEADER, b"", b"game"
        command = commands.OpenVirtualApp(*money, *app, counterparty_amount=last)
        return replace(command, **changes)

    def open_app(self, **changes: object) -> ChannelId:
        """The application is proposed; nothing is delivered yet."""
        known = set(self.payer.state.channels)
        self.payer.feed(self.app_command(**changes))
        (channel_id,) = set(self.payer.state.channels) - known
        return channel_id

    def opened_app(self, **changes: object) -> ChannelId:
        """The application's channel is open for all."""
        channel_id = self.open_app(**changes)
        self.settle()
        return channel_id

    def say(self, channel_id: ChannelId, end: int, amount: int) -> None:
        """An end says something, and whoever is there answers."""
        self.ends[end].say(amount, channel_id=channel_id)
        self.settle()

    def settle(self, *, without: frozenset[Address] = frozenset()) -> None:
        super().settle(without=without)
        present = [end for end in self.ends if end.actor.address not in without]
        while sum(end.judge() for end in present):
            super().settle(without=without)


def worth(node: WebNode) -> int:
    """M22: what the node gets at least if it leaves everything now."""
    materials = [
        material_of(channel, PAYMENT_APP, rule_of(node.state.node, channel.fixed.app_definition))
        for channel in node.state.channels.values()
        if channel.turns
    ]
    return sum(exit_value(node.actor.address, materials).values())
