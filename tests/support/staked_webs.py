"""What became of applications over two hubs for which both ends put in, and who recorded what."""

from __future__ import annotations

from functools import lru_cache

from protocols import commands
from protocols.objectives.base import ObjectiveType
from protocols.types import ChannelId
from protocols.virtual_paths import is_agreed
from tests.support.app_web import AppWeb
from tests.support.audit_cases import History, as_audited
from tests.support.audit_webs import log_of
from tests.support.exit_rig import is_completed

STAKES = (700, 400)
POT = sum(STAKES)
WON = 80
"""What one end wins of the other in the stories that say so."""

STORIES = ("open", "won by first", "won by last", "unwound", "half open", "left", "hub left")


@lru_cache
def told(story: str) -> tuple[AppWeb, ChannelId]:
    """A row of four that went through that."""
    web = AppWeb(2, STAKES)
    channel_id = web.open_app()
    if story in ("unwound", "half open"):
        hub, place = (web.row[2], 1) if story == "unwound" else (web.payee, 2)
        web.until(lambda: is_agreed(hub.state, web.ledgers[place], channel_id))
        if story == "half open":
            web.until(lambda: web.row[2].channel(channel_id).signed_by_me(1))
        web.payer.feed(commands.CloseChannel(channel_id))
        web.settle()
        return web, channel_id
    web.settle()
    if story == "open":
        return web, channel_id
    web.say(channel_id, int(story == "won by first"), WON)
    if "left" in story:
        node = web.row[2] if story == "hub left" else web.payee
        node.feed(commands.ExitChannel(channel_id))
        web.run([node], lambda: is_completed(node, ObjectiveType.EXIT, channel_id))
    else:
        web.payee.feed(commands.CloseChannel(channel_id))
        web.settle()
    return web, channel_id


def history(story: str, place: int) -> History:
    """What the node at that place recorded."""
    return list(as_audited(log_of(told(story)[0].row[place])))
