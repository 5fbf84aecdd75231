"""Bugs in applications: in what is compared, signed, paid out and left with; see `planted`."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from node.store.batch import Batch, turn_key
from node.store.kv import SIGNED_TURNS
from protocols import (
    app_channel,
    app_judging,
    app_reducers,
    app_talk,
    channel_reducers,
    loss_reducers,
)
from protocols.channel import Channel
from protocols.draft import Draft
from protocols.inputs import AppVerdict
from protocols.messages import AppHalt
from protocols.objectives import app_supports, closing, supports
from protocols.outcome import Outcome, SingleAssetExit
from tests.simulation.simulator.reducers import Views

Change = tuple[Any, str, Any]


def _unguarded(batch: Batch, channel_id: bytes, turn_num: int, state_hash: bytes) -> None:
    """The store's guard, which only a bug can meet, is not asked."""
    batch._put(turn_key(channel_id, turn_num), state_hash, batch._store.handle(SIGNED_TURNS))


def digests_not_compared() -> list[Change]:
    """Who wrote a message signs whatever the other end's view holds after it."""
    difference, run_of = app_judging._difference, app_judging._run

    def unexpected(*arguments: Any, **how: Any) -> app_judging.AppRun:
        return replace(run_of(*arguments, **how), expected=())

    def blind(channel: Channel, answer: Any, run: Any, last: AppVerdict) -> Any:
        return difference(channel, replace(answer, digest=last.digest), run, last)

    return [
        (app_judging, "_run", unexpected),
        (app_judging, "_agreed_count", lambda expected, verdicts: len(verdicts)),
        (app_judging, "_difference", blind),
        (app_judging, "_has_other_view", lambda app: False),
    ]


def halt_not_heard() -> list[Change]:
    """That the other end halted is taken in and forgotten."""
    receive = app_talk.receive

    def deaf(draft: Draft, channel: Channel, body: app_talk.Message) -> None:
        if not isinstance(body, AppHalt):
            receive(draft, channel, body)

    return [(app_talk, "receive", deaf)]


def final_below_a_signed_turn() -> list[Change]:
    """The end is signed at the turn of the newest message."""

    def low(channel: Channel) -> int:
        app = channel.app
        return 3 if app is None else max(3, app.supported.turn_num)

    return [
        (closing, "next_own_final_turn", low),
        (closing, "_require_final_in_turn", lambda channel, state: None),
        (Batch, "sign_turn", _unguarded),
    ]


def claimed_move_signed_twice() -> list[Change]:
    """A move for the chain is signed once more, with what each end had before it."""
    judge_move = app_judging._judge_move

    def twice(draft: Draft, channel: Channel, verdicts: tuple[AppVerdict, ...]) -> None:
        before = app_reducers.app_of(channel)
        judge_move(draft, channel, verdicts)
        after = app_reducers.app_of(draft.state.channels[channel.channel_id])
        if before.claimed and after.tip.count > before.tip.count:
            (verdict,) = verdicts
            old = replace(verdict, amounts=before.tip.amounts)
            app_judging._sign(draft, channel.channel_id, old)

    return [(app_judging, "_judge_move", twice), (Batch, "sign_turn", _unguarded)]


def payouts_not_summing() -> list[Change]:
    """Of what the last end gets, one is nobody's."""
    outcome_of = app_channel.outcome_of

    def short(funding: SingleAssetExit, amounts: tuple[int, ...]) -> Outcome:
        return outcome_of(funding, (amounts[0], max(0, amounts[1] - 1)))

    return [(app_channel, "outcome_of", short)]


def refused_and_not_undone() -> list[Change]:
    """What a message did to the view before it was refused stays there."""
    run = Views.run

    def leaves_traces(views: Views, asked: app_judging.AppRun) -> Any:
        verdicts = run(views, asked)
        if any(verdict.code for verdict in verdicts or ()):
            tables = views._tables[asked.channel_id]
            tables[-1] = replace(tables[-1], shown=tables[-1].shown + b"!")
        return verdicts

    return [(Views, "run", leaves_traces)]


def talk_after_a_loss() -> list[Change]:
    """A channel whose newest records are lost goes on as if they had never been there."""
    restricted = channel_reducers.restricted

    def unless_it_talks(channel: Channel, turn_offset: int = 0) -> Channel:
        return channel if channel.app is not None else restricted(channel, turn_offset)

    return [(where, "restricted", unless_it_talks) for where in (channel_reducers, loss_reducers)]


def oldest_run_left_with() -> list[Change]:
    """Who leaves registers the opening, whatever was agreed on since."""

    def none(node: Any, channel: Channel) -> None:
        return None

    return [(where, "app_support", none) for where in (app_supports, supports)]
