"""What a bad neighbour may say, one deviation at a time, and how an honest node must take it.

A `Scene` is a payer, a hub and a payee over the pure core, with a stranger beside them. A
`Deviation` brings the scene to a stage, has somebody say one thing that no honest node says, and
names the refusal. What is said goes through the speaker's own outbox, so that the conversation goes
on after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from protocols import commands, inputs, ledgers, messages
from protocols.channel import Channel
from protocols.crypto import Signer
from protocols.draft import Draft
from protocols.effects import SendMessage
from protocols.errors import InvalidEncoding
from protocols.event import Event
from protocols.exit_value import exit_value, material_of
from protocols.ledger import Change
from protocols.nonce import channel_nonce
from protocols.objectives.base import ObjectiveStatus
from protocols.objectives.closing import final_outcome
from protocols.objectives.virtual_states import is_complete
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, Address, ChannelId, amount_to_bytes
from protocols.virtual_paths import is_agreed
from tests.support.actors import Actor
from tests.support.builders import ADJUDICATOR, CHAIN_ID, DURATION_S, PAYMENT_APP
from tests.support.web import Web, WebNode

DEPOSIT = 1_000
PAID = 100
"""What was paid in the channel of an `opened` scene, in one payment with its receipt."""
RECORD_SIZE_BYTES_MAX = 2_048
"""Nothing that is refused leaves a larger record, however much was said."""

_SECRET = b"\x66" * 32
_SIGNER = Signer(_SECRET)
MALLORY = Actor("mallory", _SECRET, _SIGNER.address, _SIGNER)


@dataclass(frozen=True)
class Said:
    """One thing that somebody says; bytes are sent as they are."""

    by: WebNode
    to: WebNode
    body: messages.Body | bytes


@dataclass(frozen=True)
class Imposed:
    """A leader signs and sends a change of a ledger that its own rules forbid."""

    by: WebNode
    to: WebNode
    ledger_id: ChannelId
    change: Change


class Scene:
    """A row of nodes, a stranger, and the channel that the story is about."""

    def __init__(self, hop_count: int = 1, *, right_leads: frozenset[int] = frozenset()) -> None:
        self.web = Web(hop_count, right_leads=right_leads)
        self.mallory = WebNode(MALLORY)
        self.web.nodes[MALLORY.address] = self.mallory
        for node in self.web.nodes.values():
            node.proves_purity = False
        self.channel_id: ChannelId = b""

    @property
    def alice(self) -> WebNode:
        """The payer."""
        return self.web.payer

    @property
    def ivan(self) -> WebNode:
        """The first hub."""
        return self.web.row[1]

    @property
    def bob(self) -> WebNode:
        """The payee."""
        return self.web.payee

    def channel(self, node: WebNode) -> Channel:
        """The story's channel, as that node knows it."""
        return node.channel(self.channel_id)

    # --- what is said ---

    def utter(self, said: Said | Imposed) -> list[Event]:
        """Everything that waits for the listener is delivered, then this; what it leads to."""
        body = messages.ObjectiveRejection(bytes(32), "", "")
        draft = Draft(said.by.state, said.by.context())
        if isinstance(said, Imposed):
            channel = said.by.channel(said.ledger_id)
            ledger = said.by.ledger(said.ledger_id)
            ledgers.sign_and_send(draft, channel, ledger, said.change)
        else:
            draft.send(said.to.actor.address, body, bytes(32))
        said.by.take(draft.result())
        waiting = said.by.outbox[said.to.actor.address]
        if isinstance(said, Said):
            raw = said.body if isinstance(said.body, bytes) else messages.encode_body(said.body)
            waiting[-1] = replace(waiting[-1], body=raw)
        for sent in waiting[:-1]:
            self._deliver(said.by, said.to, sent)
        count = len(said.to.log)
        self._deliver(said.by, said.to, waiting[-1])
        if isinstance(said, Imposed):
            said.to.feed(inputs.EndOfBatch())
        self.web.acknowledge(said.to, said.by.actor.address)
        return [event for _, event in said.to.log[count:]]

    @staticmethod
    def _deliver(by: WebNode, to: WebNode, sent: SendMessage) -> None:
        body: messages.Body | None = None
        fault = ""
        try:
            body = messages.decode_body(sent.body)
        except InvalidEncoding as error:
            fault = str(error)  # as a session does
        to.feed(inputs.PeerMessage(by.actor.address, sent.sequence, body, len(sent.body), fault))

    # --- parts of what may be said ---

    def fixed(self, path: tuple[WebNode, ...] = (), entropy: bytes = b"evil") -> FixedPart:
        """A channel over that path, by default over the whole row."""
        participants = tuple(node.actor.address for node in path or self.web.row)
        nonce = channel_nonce(CHAIN_ID, ADJUDICATOR, entropy)
        return FixedPart(participants, nonce, PAYMENT_APP, DURATION_S)

    def proposal(
        self, prefund: State, *, by: Actor | None = None, ledger_id: ChannelId | None = None
    ) -> messages.VirtualProposal:
        """The prefund with its payer's signature, or another's in its place."""
        fixed = prefund.fixed
        signer = (by or self.alice.actor).signer
        others = [b""] * (len(fixed.participants) - 1)
        return messages.VirtualProposal(
            fixed.participants,
            fixed.channel_nonce,
            fixed.app_definition,
            fixed.challenge_duration,
            prefund.encode(),
            (signer(prefund.state_hash()), *others),
            tuple(amount_to_bytes(fee) for fee in self.web.fees),
            self.web.ledgers[0] if ledger_id is None else ledger_id,
        )

    def final(self, paid: int, turn_num: int = 3) -> State:
        """The channel's final state that gives the payee so much."""
        channel = self.channel(self.alice)
        return State(channel.fixed, b"", final_outcome(channel, paid), turn_num, True)

    def postfund(self) -> State:
        """The channel's postfund."""
        channel = self.channel(self.alice)
        return State(channel.fixed, b"", final_outcome(channel, 0), 1, False)

    def signed(self, state: State, *signers: WebNode) -> messages.VirtualState:
        """The state with the true signatures of these."""
        by_address = {node.actor.address: node.actor.signer for node in signers}
        state_hash = state.state_hash()
        signatures = tuple(
            by_address[who](state_hash) if who in by_address else b""
            for who in state.fixed.participants
        )
        return messages.VirtualState(state.channel_id, state.encode(), signatures)

    def money(self, without: WebNode) -> list[dict[Address, int]]:
        """What each other party gets if it leaves now."""
        return [
            exit_value(
                node.actor.address,
                [
                    material_of(node.channel(channel_id), PAYMENT_APP)
                    for channel_id in node.state.channels
                ],
            )
            for node in self.web.row
            if node is not without
        ]

    # --- afterwards ---

    def goes_on(self) -> None:
        """The conversation ends, and a new channel opens, is paid in and closed."""
        web = self.web
        web.settle()
        before = web.balances()
        fresh = web.opened(50, b"good")
        web.pay(fresh, 7, 99)
        web.settle()
        assert web.payee.channel(fresh).vouchers.total == 7
        assert web.payer.channel(fresh).vouchers.receipted_total == 7
        web.payer.feed(commands.CloseChannel(fresh))
        web.settle()
        for node in web.row:
            assert web.defund_status(node, fresh) == ObjectiveStatus.COMPLETED
        gained = [now - then for now, then in zip(web.balances(), before, strict=True)]
        assert gained == [-7 - sum(web.fees), *web.fees, 7]
        web.sums_are_constant()
        web.nobody_signed_twice()
        for node in web.row:
            assert node.fold().digest() == node.state.digest()


Crime = Callable[[Scene], Said | Imposed]


@dataclass(frozen=True)
class Deviation:
    """One thing that no honest node says, where it is said, and by what name it is refused."""

    name: str
    stage: Callable[[], Scene]
    crime: Crime
    error: str


class Corpus:
    """A list of deviations; `refused` adds one."""

    def __init__(self) -> None:
        self.deviations: list[Deviation] = []

    def refused(self, stage: Callable[[], Scene], error: str) -> Callable[[Crime], Crime]:
        """The decorated function says what is refused at that stage by that name."""

        def add(crime: Crime) -> Crime:
            self.deviations.append(Deviation(crime.__name__, stage, crime, error))
            return crime

        return add

    def __iter__(self) -> Iterator[Deviation]:
        return iter(self.deviations)


REFUSALS = ("voucher-refused", "ledger-update-refused", "ledger-payment-refused")
"""Events that name the rule."""


def refusals(events: list[Event], victim: WebNode) -> list[str]:
    """By what names the victim refused what led to these events."""
    found: list[str] = []
    for event in events:
        if event.NAME == "message-dropped":
            found.append(event.reason.split(":")[0])  # type: ignore[attr-defined]
        elif event.NAME in REFUSALS:
            found.append(event.error_code)  # type: ignore[attr-defined]
        elif event.NAME == "final-state-refused":
            found.append("FINAL_STATE_REFUSED")
        elif event.NAME == "message-sent" and event.payload_type == "ObjectiveRejection":  # type: ignore[attr-defined]
            sent = next(e for waiting in victim.outbox.values() for e in reversed(waiting))
            body = messages.decode_body(sent.body)
            assert isinstance(body, messages.ObjectiveRejection)
            found.append(body.error_code)
    return found


def size_bytes(event: Event) -> int:
    """What the event weighs in the log."""
    return len(msgspec.msgpack.encode(event))


# --- stages ---


def idle() -> Scene:
    """Funded ledgers, and nothing else."""
    return Scene()


def proposed() -> Scene:
    """The payer proposed, the hub heard of it."""
    return _begun(lambda scene: scene.channel_id in scene.ivan.state.channels)


def prefunded() -> Scene:
    """The payer has the whole prefund; nothing is guaranteed."""
    return _begun(lambda scene: is_complete(scene.channel(scene.alice)))


def half_open() -> Scene:
    """The left ledger guarantees the channel, the right one does not."""
    return _begun(lambda scene: _is_guaranteed(scene, 0))


def half_open_over_two() -> Scene:
    """As `half_open`, over two hubs."""
    return _begun(lambda scene: _is_guaranteed(scene, 0), Scene(2))


def before_the_left_guarantee() -> Scene:
    """The hub has the whole prefund, and nobody has proposed a guarantee; the payee leads."""
    scene = _begun(
        lambda scene: _has_signed(scene.bob, scene.channel_id), Scene(right_leads=frozenset({1}))
    )
    prefund = scene.channel(scene.alice).turns[0]
    everybody = (node.actor.signer(prefund.state_hash) for node in scene.web.row)
    body = scene.proposal(scene.channel(scene.alice).state(prefund))
    scene.utter(Said(scene.alice, scene.ivan, replace(body, signatures=tuple(everybody))))
    return scene


def _has_signed(node: WebNode, channel_id: ChannelId) -> bool:
    channel = node.state.channels.get(channel_id)
    return channel is not None and channel.signed_by_me(0)


def opened() -> Scene:
    """The channel is open, and `PAID` of it paid."""
    scene = Scene()
    return _paid(scene)


def opened_led_from_the_right() -> Scene:
    """As `opened`, with ledgers that are led by who stands on their right."""
    return _paid(Scene(right_leads=frozenset({0, 1})))


def offered() -> Scene:
    """The payer signed the final state, which nobody has heard."""
    scene = opened()
    scene.alice.feed(commands.CloseChannel(scene.channel_id))
    return scene


def closed() -> Scene:
    """The channel was closed, its guarantees are gone."""
    scene = offered()
    scene.web.settle()
    return scene


def _is_guaranteed(scene: Scene, place: int) -> bool:
    pair, ledger_id = scene.web.row[place : place + 2], scene.web.ledgers[place]
    return all(is_agreed(node.state, ledger_id, scene.channel_id) for node in pair)


def _begun(condition: Callable[[Scene], bool], scene: Scene | None = None) -> Scene:
    scene = scene or Scene()
    scene.channel_id = scene.web.open(DEPOSIT)
    scene.web.until(lambda: condition(scene))
    return scene


def _paid(scene: Scene) -> Scene:
    scene.channel_id = scene.web.opened(DEPOSIT)
    scene.web.pay(scene.channel_id, PAID)
    scene.web.settle()
    return scene


def prefund_of(fixed: FixedPart, *amounts: int, asset: Address = ZERO_ADDRESS) -> State:
    """A prefund between the ends of that path; the payer's `DEPOSIT` unless told."""
    ends = (fixed.participants[0], fixed.participants[-1])
    allocations = tuple(
        Allocation(destination_of(who), amount)
        for who, amount in zip(ends, amounts or (DEPOSIT, 0), strict=True)
    )
    return State(fixed, b"", (SingleAssetExit(asset, allocations),), 0, False)
