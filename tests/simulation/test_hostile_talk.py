"""One end of an application says whatever it likes, at random, and signs whatever it likes.

The other is restarted, loses records, and has an owner who speaks and closes. After every step: it
signed no turn twice, nothing of a run after the end, its newest state can be shown to the chain,
and its log folds to what it holds.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.app_channel import (
    ALTERNATE,
    JUDGED,
    LEADER,
    MESSAGE_LOG,
    AppPoint,
    ListedRefusal,
    after,
    input_of,
    message_of,
    state_at,
)
from protocols.app_reducers import my_end
from protocols.channel import POSTFUND_TURN, is_supported
from protocols.error import ProtocolError
from protocols.objectives.app_supports import app_turn, opening_of
from protocols.objectives.closing import final_outcome
from protocols.state import State
from protocols.types import ChannelId
from tests.support.app_disputes import GAME
from tests.support.app_rig import (
    APP_CHANNEL,
    FAILS,
    STAKES,
    Till,
    opened_app,
    signed_hashes,
)
from tests.support.builders import GAME_APP
from tests.support.network import Said
from tests.support.soak import times

SEED_COUNT = times(20)
STEP_COUNT = 40
EVENT_COUNT_MAX = 24
"""That one message of up to three payloads may lead to."""


class Attack:
    """One seed's channel, with a victim at either end."""

    def __init__(self, rule: str, seed: int) -> None:
        self.random = random.Random(f"{rule} {seed}")
        self.channel_id: ChannelId = GAME if rule == JUDGED else APP_CHANNEL
        turn_rule = ALTERNATE if rule == JUDGED else self.random.choice((ALTERNATE, LEADER))
        changes = {"app_definition": GAME_APP} if rule == JUDGED else {}
        self.network = opened_app(turn_rule, **changes)
        ends = [self.network.alice, self.network.bob]
        self.random.shuffle(ends)
        self.victim, self.liar = ends
        self.signed: dict[tuple[bytes, int], set[bytes]] = {}
        self.told: Counter[str] = Counter()
        self.has_lost = False

    def point(self, run: list[bytes], stamp_ms: int) -> AppPoint:
        """Where the victim's messages would lead to, by an honest reducer."""
        app, mine = self.victim.app(self.channel_id), my_end(self.victim.channel(self.channel_id))
        till, point = Till(), app.tip
        till.amounts, till.count = point.amounts, point.count
        for payload in run:
            given = input_of(app, self.channel_id, mine, stamp_ms, payload)
            if till.apply(given).is_applied:
                point = after(point, message_of(app, mine, stamp_ms, payload), stamp_ms)
        return replace(point, amounts=till.amounts, digest=till.digest, signatures=(b"", b""))

    def signature(self, point: AppPoint) -> bytes:
        channel = self.victim.channel(self.channel_id)
        app = self.victim.app(self.channel_id)
        if not point.count or self.random.random() < 0.1:
            return self.liar.actor.signer(bytes(32))
        state = state_at(app, channel.fixed, opening_of(channel), point)
        return self.liar.actor.signer(state.state_hash())

    # --- what the liar says ---

    def offer(self) -> messages.Body:
        choose, app = self.random.choice, self.victim.app(self.channel_id)
        payloads = tuple(
            choose((b"\x05", b"\x07", bytes((FAILS,)), b"\xff" * 300, b"\xc1"))
            for _ in range(choose((1, 1, 1, 3, 0)))
        )
        count = max(0, app.tip.count + choose((0, 0, 0, 1, -1)))
        stamp_ms = self.victim.now_ms + choose((0, 0, 60_000, -60_000, 60_001, 2**50))
        digest = choose((app.tip.digest, app.tip.digest, b"", b"\x01" * 32))
        digests = self.digests(payloads)
        return messages.AppOffer(self.channel_id, count, stamp_ms, digest, payloads, digests)

    def digests(self, payloads: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """What the messages come to at the victim's, mostly; or something else somewhere."""
        app, theirs = (
            self.victim.app(self.channel_id),
            1 - my_end(self.victim.channel(self.channel_id)),
        )
        digests = list(self.victim.till.digests_after(app.tip.count, theirs, *payloads))
        if digests and self.random.random() < 0.1:
            digests[self.random.randrange(len(digests))] = b"\x03" * 32
        return tuple(digests[: -1 if self.random.random() < 0.05 else None])

    def answer(self) -> messages.Body:
        choose, app = self.random.choice, self.victim.app(self.channel_id)
        decided = choose((max(1, app.offered_count), 1, 2))
        run = [message.payload for message in app.queue[:decided]]
        point = self.point(run, app.offered_ms or self.victim.now_ms)
        body = messages.AppAnswer(
            self.channel_id,
            app.tip.count,
            decided,
            (),
            point.turn_num,
            point.digest,
            self.signature(point),
        )
        wrong = choose(("", "", "", "", "refusal", "digest", "error", "stamp"))
        if wrong == "refusal":
            return replace(body, refusals=(ListedRefusal(0, 9, ""),))
        if wrong == "digest":
            return replace(body, digest=b"\x02" * 32)
        if wrong:
            code = "TIMESTAMP_OFF" if wrong == "stamp" else "CHANNEL_CLOSING"
            return replace(body, error_code=code, decided_count=0)
        return body

    def confirmation(self) -> messages.Body:
        tip = self.victim.app(self.channel_id).tip
        return messages.AppConfirmation(
            self.channel_id, tip.turn_num, tip.digest, self.signature(tip)
        )

    def halt(self) -> messages.Body:
        code = self.random.choice(("", "DIGEST_DIFFERS"))
        return messages.AppHalt(self.channel_id, code, "because")

    def standing(self) -> messages.Body:
        channel, app = self.victim.channel(self.channel_id), self.victim.app(self.channel_id)
        point = self.random.choice((app.tip, app.supported))
        state = state_at(
            app, channel.fixed, opening_of(channel), replace(point, count=point.count or 1)
        )
        signatures = list(point.signatures)
        signatures[1 - my_end(channel)] = self.signature(point)
        both = tuple(signature or bytes(65) for signature in signatures)
        return messages.AppStanding(self.channel_id, state.encode(), both)

    def wish(self) -> messages.Body:
        return messages.FinalStateRequest(self.channel_id, bytes(32), b"")

    def final(self) -> messages.Body:
        channel, app = self.victim.channel(self.channel_id), self.victim.app(self.channel_id)
        amount = self.random.choice((app.supported.amounts[1], app.tip.amounts[1], 0))
        turn_num = app.tip.turn_num + self.random.choice((1, 129, 130, 2**47))
        known = [turn for turn in channel.turns if turn.is_final]
        if known and self.random.random() < 0.7:
            state = channel.state(known[-1])
        else:
            state = State(channel.fixed, b"", final_outcome(channel, amount), turn_num, True)
        signature = self.liar.actor.signer(state.state_hash())
        return messages.SignedState(self.channel_id, state.encode(), signature, b"")

    def refusal(self) -> messages.Body:
        finals = [turn.turn_num for turn in self.victim.channel(self.channel_id).turns]
        return messages.FinalStateRefusal(self.channel_id, finals[-1], bytes(32), b"")

    # --- what happens to the victim ---

    def say(self) -> None:
        try:
            self.victim.say(self.random.choice((1, 2, 3, FAILS)), channel_id=self.channel_id)
        except ProtocolError:
            return

    def end_batch(self) -> None:
        self.victim.judge()
        self.victim.feed(inputs.EndOfBatch())

    def restart(self) -> None:
        self.victim.state = self.victim.fold()

    def lose(self) -> None:
        if self.random.random() < 0.3:
            self.network.cut_tail(self.victim, self.random.randint(1, 4))
            self.network.reconnect()
            self.has_lost = True

    def close(self) -> None:
        channel = self.victim.channel(self.channel_id)
        if is_supported(channel, POSTFUND_TURN) and self.random.random() < 0.3:
            self.victim.feed(commands.CloseChannel(self.channel_id))

    def wait(self) -> None:
        self.victim.now_ms += self.random.choice((1, 30_000))
        self.victim.feed(inputs.Tick())

    def step(self) -> None:
        says = (
            *(self.offer, self.answer, self.confirmation, self.halt, self.standing),
            *(self.wish, self.final, self.refusal),
        )
        deeds = (self.say, self.end_batch, self.restart, self.lose, self.close, self.wait)
        if self.random.random() < 0.5:
            body = self.random.choices(says, (8, 8, 8, 0.2, 2, 0.5, 0.5, 0.5))[0]
            self.told[body.__name__] += 1
            before = len(self.victim.log)
            self.victim.feed(Said(self.liar.actor, body()))
            assert len(self.victim.log) - before <= EVENT_COUNT_MAX
            return
        deed = self.random.choices(deeds, (6, 10, 1, 0.5, 0.5, 1))[0]
        self.told[deed.__name__] += 1
        deed()

    def require_sound(self) -> None:
        victim, app = self.victim, self.victim.app(self.channel_id)
        for turn, hashes in signed_hashes(victim).items():
            self.signed.setdefault(turn, set()).update(hashes)
        assert all(len(hashes) == 1 for hashes in self.signed.values()), "M6"
        assert sum(app.supported.amounts) == sum(STAKES)
        assert victim.fold().digest() == victim.state.digest()
        assert app_turn(victim.state.node, victim.channel(self.channel_id)) in (
            -1 if not app.supported.count else app.supported.turn_num,
        )
        if self.has_lost:
            return
        signed = [
            e.NAME
            for e in (event for _, event in victim.log)
            if e.NAME in ("app-state-signed", "state-signed")
        ]
        finals = [e for e in victim.events_of("state-signed") if e.is_final]
        ends = {e.turn_num for e in finals if e.signer == victim.actor.address}
        refused = set(victim.channel(self.channel_id).refused_turns)
        if ends - refused:
            assert signed[-1] == "state-signed", "a running state after the end (M8)"


@pytest.mark.parametrize("rule", [MESSAGE_LOG, JUDGED])
def test_nothing_that_one_end_says_makes_the_other_break_a_rule(rule: str) -> None:
    told: Counter[str] = Counter()
    reached: Counter[str] = Counter()
    for seed in range(SEED_COUNT):
        attack = Attack(rule, seed)
        for number in range(STEP_COUNT):
            try:
                attack.step()
                attack.require_sound()
            except Exception as broken:
                broken.add_note(f"{rule}, seed {seed}, step {number}")
                raise
        told.update(attack.told)
        reached.update(event.NAME for _, event in attack.victim.log)
    assert len(told) == 14, told
    signed = {"app-state-signed", "app-state-confirmed", "app-confirmation-received"}
    assert {*signed, "app-channel-halted", "app-message-refused", "message-dropped"} <= set(reached)
