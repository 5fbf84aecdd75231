"""An application channel: where its messages have come to, and what is under way (M23, M24).

The two ends agree on runs of messages. Who wrote them offers them, unsigned; the other end checks
its clock, runs the reducer, signs the state they lead to and says what its view came to; who wrote
them compares, and signs. So nothing is signed that could still be refused for any reason but the
reducer's, and no signature burns a turn (ADR 0086). Who writes has run its own reducer before it
offers, and says with each message what it came to: the other end signs nothing from the first on
that comes to something else there (ADR 0097).

    queued: judged -> offered -> [asked: judged -> signed] -> answered: signed -> confirmed

Values and questions to them; how they change is in `app_reducers`, what is said in `app_talk`.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from protocols.app_data import (
    NO_ROOT,
    AppData,
    encode_app_data,
    log_message,
    next_root,
    opening_data,
    parse_log_message,
    reducer_input,
)
from protocols.outcome import Outcome, SingleAssetExit
from protocols.state import FixedPart, State
from protocols.types import Bytes32, ChannelId

MESSAGE_LOG = "message-log"
"""A contract's rule: both ends sign a running state, and its form is checked (M23)."""
JUDGED = "judged"
"""The contract judges the moves: the mover's signature alone supports one (M25)."""
ALTERNATE = "alternate"
"""The ends take turns, the first participant begins; a run is one message."""
LEADER = "leader"
"""The first participant orders what both say; the other end's offers are requests to it."""
TURN_RULES = (ALTERNATE, LEADER)

RUN_MESSAGE_COUNT_MAX = 128
"""Messages that are offered together: with the largest ones half a frame is left, and signing and
the write cost one of them a hundredth of what they cost alone."""
CLOSE_TURN_GAP = 2**20
"""Turns that a party leaves out for a final state after it lost records: runs it forgot are below
(M6, M27)."""


class AppPoint(Struct, frozen=True, array_like=True, gc=False):
    """Where the messages of a channel have come to."""

    count: int = 0
    root: Bytes32 = NO_ROOT
    message: bytes = b""
    """The last one, as the state commits to it."""
    timestamp_ms: int = 0
    """Of the last one; 0 where none is agreed on."""
    amounts: tuple[int, ...] = ()
    """What each end gets if it ends here."""
    digest: bytes = b""
    """Of the view after it; empty before the first message."""
    signatures: tuple[bytes, bytes] = (b"", b"")
    """By end; empty where missing, and at count 0: that is the postfund."""

    @property
    def is_supported(self) -> bool:
        """Whether both ends signed it, or it is the postfund."""
        return self.count == 0 or all(self.signatures)

    @property
    def turn_num(self) -> int:
        """The state's number (M23)."""
        return self.count + 1


class QueuedMessage(Struct, frozen=True, array_like=True, gc=False):
    """A message of ours that is not decided."""

    message_id: Bytes32
    payload: bytes


class Asked(Struct, frozen=True, array_like=True, gc=False):
    """What the other end offers, to be judged by us."""

    base_count: int
    timestamp_ms: int
    digest: bytes
    """Of its view, at the base."""
    payloads: tuple[bytes, ...]
    digests: tuple[bytes, ...] = ()
    """Of its view after each of them."""


class ListedRefusal(Struct, frozen=True, array_like=True, gc=False):
    """A message of a run that the reducer refused: its place there, and why."""

    place: Annotated[int, Meta(ge=0, le=2**16)]
    code: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    """The reducer's own; 0 if it failed."""
    failure: Annotated[str, Meta(max_length=64)]
    """The failure's name; empty if it refused."""


class Answer(Struct, frozen=True, array_like=True, gc=False):
    """What the other end made of our offer, to be judged by us."""

    base_count: int
    decided_count: int
    refusals: tuple[ListedRefusal, ...]
    turn_num: int
    digest: bytes
    signature: bytes


class App(Struct, frozen=True, array_like=True, gc=False):
    """What an application channel has beside what every channel has."""

    reducer_id: Bytes32
    turn_rule: str
    definition_rule: str
    """Of the contract it runs on (`app_definitions`)."""
    tip: AppPoint
    """The newest point that we know; maybe one signature is missing."""
    supported: AppPoint
    before: AppPoint | None = None
    """The supported one of the turn before `supported`, where a contract judges the moves."""
    queue: tuple[QueuedMessage, ...] = ()
    """Ours, in order."""
    offered_count: int = 0
    """How many of them the other end was offered and did not decide on; 0: none."""
    offered_ms: int = 0
    """Their timestamp."""
    restamp_count: int = 0
    """How often the first of them was refused for its timestamp."""
    asked: Asked | None = None
    answer: Answer | None = None
    halted: str = ""
    """Why nothing is signed any more but the end; empty while it goes on."""
    claimed: bool = False
    """Our next move is to be signed alone, for the chain."""
    shown: bytes = b""
    """The other end's next move, as the chain shows it; empty if there is none to be judged."""
    crossed: bool = False
    """What the follower offered crossed the leader's messages and is void: it offers again, or
    says that it has nothing more to offer, before the leader goes on."""
    wished_count: int = -1
    """At how many messages we asked for the end; -1: never."""

    @property
    def is_judged(self) -> bool:
        """Whether the app's contract judges the moves itself."""
        return self.definition_rule == JUDGED

    @property
    def is_settled(self) -> bool:
        """Whether the newest point can be enforced: then the next message may follow."""
        tip = self.tip
        return tip.is_supported or (self.is_judged and bool(tip.signatures[(tip.count - 1) % 2]))


def mover(app: App, count: int) -> int:
    """Which end writes the message after so many, where the ends take turns."""
    return count % 2


def orders(app: App, my_end: int) -> bool:
    """Whether we are the leader."""
    return app.turn_rule == LEADER and my_end == 0


class Due(Enum):
    """What a channel's reducer is to run on next."""

    NOTHING = "nothing"
    ANSWER = "answer"
    """Messages of ours that the other end took in or refused."""
    MOVE = "move"
    """A move for the chain, or from it, that waits for nobody's answer."""
    ASKED = "asked"
    """What the other end offers."""
    QUEUE = "queue"
    """Messages of ours, before the other end is told of them."""


def due(app: App, my_end: int) -> Due:
    """What the channel waits for our reducer with now: the first of what there is."""
    if app.answer is not None:
        return Due.ANSWER
    if app.is_settled and (app.shown or may_claim(app, my_end)):
        return Due.MOVE
    may_answer, may_offer = _may_answer(app, my_end), _may_offer(app, my_end)
    if may_answer and may_offer and orders(app, my_end):
        # Where both have much to say, neither waits for the other to be silent.
        return Due.QUEUE if _spoke_last(app) else Due.ASKED
    if may_answer:
        return Due.ASKED
    return Due.QUEUE if may_offer else Due.NOTHING


def _may_answer(app: App, my_end: int) -> bool:
    if app.halted or app.asked is None or not app.is_settled:
        return False
    # The leader's own offer comes before what it is asked for.
    return not (orders(app, my_end) and app.offered_count)


def _may_offer(app: App, my_end: int) -> bool:
    """Whether it is on us to offer what we have: nothing of ours is under way."""
    is_said = app.offered_count or app.claimed
    if app.halted or not app.queue or is_said or not app.is_settled:
        return False
    return app.turn_rule != ALTERNATE or mover(app, app.tip.count) == my_end


def _spoke_last(app: App) -> bool:
    """Whether the newest message is the follower's."""
    return app.tip.count > 0 and parse_log_message(app.tip.message).sender == 1


def may_claim(app: App, my_end: int) -> bool:
    """Whether a move of ours, which was claimed, is to be made now."""
    is_ours = mover(app, app.tip.count) == my_end
    return app.claimed and bool(app.queue) and is_ours


def is_at_rest(app: App) -> bool:
    """Whether no run is under way."""
    return not app.offered_count and app.asked is None and app.is_settled


def message_of(app: App, sender: int, timestamp_ms: int, payload: bytes) -> bytes:
    """The message as a state commits to it."""
    return payload if app.is_judged else log_message(sender, timestamp_ms, payload)


def input_of(app: App, channel_id: ChannelId, sender: int, stamp_ms: int, payload: bytes) -> bytes:
    """The message as the reducer is given it."""
    return reducer_input(channel_id, sender, 0 if app.is_judged else stamp_ms, payload)


def after(point: AppPoint, message: bytes, timestamp_ms: int) -> AppPoint:
    """The point with one more message, unsigned, with what it had of amounts and digest."""
    return AppPoint(
        point.count + 1,
        next_root(point.root, message),
        message,
        timestamp_ms,
        point.amounts,
        point.digest,
    )


def outcome_of(funding: SingleAssetExit, amounts: tuple[int, ...]) -> Outcome:
    """The postfund's outcome with other amounts."""
    shares = zip(funding.allocations, amounts, strict=True)
    allocations = tuple(replace(share, amount=amount) for share, amount in shares)
    return (replace(funding, allocations=allocations),)


def state_at(app: App, fixed: FixedPart, funding: SingleAssetExit, point: AppPoint) -> State:
    """The state of a point above the postfund."""
    assert point.count > 0, "the postfund is a state of its own"
    data = AppData(app.reducer_id, point.root, point.count, point.message)
    outcome = outcome_of(funding, point.amounts)
    return State(fixed, encode_app_data(data), outcome, point.turn_num, False)


def opening(reducer_id: Bytes32, turn_rule: str, rule: str, amounts: tuple[int, ...]) -> App:
    """A new application channel."""
    point = AppPoint(amounts=amounts)
    return App(reducer_id, turn_rule, rule, point, point)


def data_of_opening(app: App) -> bytes:
    """The app data of its pre- and postfund."""
    return opening_data(app.reducer_id)
