"""Whether a reducer begins a channel of certain deposits: asked before anything is signed.

The opening is run on tables in memory that are gone behind it. Whatever hinders that is a reason
not to open: a channel whose reducer cannot be run could not be played.
"""

from __future__ import annotations

from functools import partial

import structlog
from msgspec.structs import replace

from node.apps.errors import ReducerMissing
from node.apps.installed import Installed
from node.views.errors import ReducerFailed, ViewError
from protocols.app_data import reducer_opening
from protocols.draft import Context
from protocols.types import ChannelId

log = structlog.get_logger()

Amounts = tuple[int, int]


def with_reducers(terms: Context, installed: Installed) -> Context:
    """What a crank is told, with what the installed reducers say of it."""
    ask = partial(why_not_opened, installed)
    return replace(terms, has_reducer=installed.has, why_not_opened=ask)


def why_not_opened(
    installed: Installed, reducer_id: bytes, channel_id: ChannelId, deposits: Amounts
) -> str:
    """Why the reducer does not begin that channel with those deposits; empty if it does."""
    try:
        return _run(installed, reducer_id, channel_id, deposits)
    except ReducerFailed as failed:
        return str(failed.failure)
    except (ViewError, ReducerMissing, OSError) as error:
        log.warning("no reducer was asked", reducer=reducer_id.hex(), reason=str(error))
        return f"it cannot be asked: {error}"


def _run(installed: Installed, reducer_id: bytes, channel_id: ChannelId, deposits: Amounts) -> str:
    from node.apps.payouts import check_payouts
    from node.views.view import View

    module = installed.module(reducer_id)
    with View(":memory:", module) as view:
        told = reducer_opening(channel_id, deposits)
        verdict = view.apply(0, told, check=check_payouts(deposits))
    if verdict.is_applied:
        return ""
    return f"code {verdict.code}" if verdict.failure is None else str(verdict.failure)
