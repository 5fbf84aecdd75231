"""Steps: the records of a story in order, each with what it follows from and what belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from node.explain.channel_sentences import message_words, turn_name
from node.explain.origins import Trail, origin_of
from node.explain.runs import Run, figures_of, run_kind
from node.explain.sentences import tell
from node.explain.story import Cast, Fact, Link, Step, Telling, shown_address
from node.explain.words import harmless, span
from protocols import events, payment_events
from protocols.types import amount_from_bytes

_GOALS = {
    "DirectFund": "asks to open",
    "VirtualFund": "asks to open",
    "DirectDefund": "asks to close",
    "VirtualDefund": "asks to close",
    "Exit": "asks to leave",
    "Challenge": "asks to challenge",
}


class _Inputs:
    """What the records of one input say together: which turns a message carries, who began it."""

    def __init__(self, facts: Sequence[Fact], cast: Cast) -> None:
        self.signed: dict[int, list[str]] = {}
        """By first record: the states we signed."""
        self.arrived: dict[int, list[str]] = {}
        """By first record: the states that others' signatures came for."""
        self.goals: dict[bytes, str] = {}
        self.calls: dict[bytes, str] = {}
        """By intent: what a transaction is for."""
        self.began_elsewhere: set[int] = set()
        """First records of what neither our owner nor a message began."""
        for fact in facts:
            event, root = fact.event, root_of(fact)
            if isinstance(event, events.StateSigned):
                name = turn_name(event.turn_num, is_final=event.is_final)
                self.signed.setdefault(root, []).append(name)
            elif isinstance(event, events.StateReceived):
                name = turn_name(event.turn_num, is_final=event.is_final)
                self.arrived.setdefault(root, []).append(name)
            elif isinstance(event, events.TransactionRequested):
                self.calls[event.intent_id] = harmless(event.kind)
            elif isinstance(event, events.ObjectiveCreated):
                self.goals[event.objective_id] = event.objective_type
            elif isinstance(event, events.ObjectiveParamsRecorded) and (
                event.initiator == cast.me and event.request_hash is None
            ):
                self.began_elsewhere.add(root)


def root_of(fact: Fact) -> int:
    """The first record of the input."""
    return fact.seq if fact.cause_seq is None else fact.cause_seq


class Story:
    """The story of one channel, objective or payment while its records come in, in their order.

    Its memory is bounded by what it tells, not by the payments between.
    """

    def __init__(
        self, cast: Cast, earlier: Iterable[Fact] = (), *, tells_each: bool = False
    ) -> None:
        """`earlier` are records before the first that later ones may follow from; `tells_each`
        tells every payment by itself."""
        self._cast = cast
        self._tells_each = tells_each
        self._trail = Trail()
        self._parts: list[tuple[Fact, int | None] | Run] = []
        self._earlier = list(earlier)
        for fact in self._earlier:
            self._trail.remember(fact)

    def has_room(self, fact: Fact, limit: int) -> bool:
        """Whether the record fits into a story of about `limit` steps: a run may always go on."""
        return len(self._parts) < limit or self._run_for(fact) is not None

    def _run_for(self, fact: Fact) -> Run | None:
        """The run that the record goes on, if the story ends with such a one."""
        run, kind = self._parts[-1] if self._parts else None, self._run_kind(fact)
        return run if isinstance(run, Run) and run.kind == kind else None

    def _run_kind(self, fact: Fact) -> str | None:
        return None if self._tells_each else run_kind(fact.event, self._cast)

    def add(self, fact: Fact) -> None:
        """The next record."""
        kind, cause_seq = self._run_kind(fact), self._trail.cause(fact)
        self._trail.remember(fact)
        if kind is None:
            self._parts.append((fact, cause_seq))
            return
        run = self._run_for(fact)
        if run is None:
            run = Run(kind, self._cast, fact)
            self._parts.append(run)
        run.add(fact, cause_seq)

    def facts(self) -> list[Fact]:
        """The records that are told one by one."""
        return [fact for fact, _ in self._single()]

    def _single(self) -> Iterator[tuple[Fact, int | None]]:
        for part in self._parts:
            if isinstance(part, Run):
                yield from part.few
            else:
                yield part

    def steps(self, links: Mapping[int, Sequence[Link]] | None = None) -> list[Step]:
        """All that came in. `links` are further records that belong to a step, by its number."""
        known, inputs = links or {}, _Inputs([*self._earlier, *self.facts()], self._cast)
        found: list[Step] = []
        for part in self._parts:
            if isinstance(part, Run) and part.is_one:
                found.append(part.step())
                continue
            is_run = isinstance(part, Run)
            for fact, cause_seq in part.few if isinstance(part, Run) else (part,):
                step = _step(fact, self._cast, inputs, cause_seq, known.get(fact.seq, ()))
                figures = figures_of(fact, self._cast) if is_run else None
                found.append(step if figures is None else replace(step, run=figures))
        return found


def _step(
    fact: Fact, cast: Cast, inputs: _Inputs, earlier_seq: int | None, links: Sequence[Link]
) -> Step:
    event = fact.event
    telling = _with_turns(tell(event, cast), fact, inputs)
    because = earlier_seq if fact.cause_seq is None else fact.cause_seq
    is_ours = fact.seq not in inputs.began_elsewhere
    return Step(
        fact.seq,
        fact.seq,
        1,
        fact.time_ms,
        fact.time_ms,
        event.NAME,
        telling.who,
        telling.to,
        shown_address(telling.peer),
        telling.what,
        telling.label,
        telling.is_detail,
        _amount(fact),
        because,
        origin_of(event, is_ours=is_ours) if because is None else None,
        list(links),
    )


def _with_turns(telling: Telling, fact: Fact, inputs: _Inputs) -> Telling:
    """Messages say which states they carry; a wish says what it wants."""
    event, root = fact.event, root_of(fact)
    if isinstance(event, events.MessageSent | events.MessageReceived):
        is_sent = isinstance(event, events.MessageSent)
        turns = (inputs.signed if is_sent else inputs.arrived).get(root, [])
        if not turns or event.payload_type == "ObjectiveRejection":
            return telling
        named = " and ".join(dict.fromkeys(turns))
        words = message_words(event.payload_type)
        what = telling.what.replace(words, f"{words}: {named}")
        return replace(telling, what=what, label=f"{telling.label}: {named}")
    if isinstance(event, events.TransactionSubmitted):
        return replace(telling, label=f"{inputs.calls.get(event.intent_id, '')} {telling.label}")
    if isinstance(event, events.ObjectiveParamsRecorded) and telling.who == "owner":
        if root in inputs.began_elsewhere:
            return Telling("We began this ourselves: no command and no message asked for it.")
        goal = inputs.goals.get(event.objective_id, "")
        return replace(telling, label=_GOALS.get(goal, "asks"))
    return telling


def _amount(fact: Fact) -> str | None:
    event = fact.event
    if isinstance(
        event,
        events.VoucherIssued
        | events.VoucherReceived
        | payment_events.PaymentListed
        | payment_events.VoucherCreated
        | payment_events.VoucherTaken,
    ):
        return str(amount_from_bytes(event.amount))
    if isinstance(event, payment_events.BatchIssued | payment_events.BatchReceived):
        return str(amount_from_bytes(event.total) - amount_from_bytes(event.base))
    return None


def acknowledged_link(sent: Fact, acked: Fact) -> Link:
    """That a message arrived."""
    return Link(acked.seq, f"on the peer's disk {span(max(0, acked.time_ms - sent.time_ms))} later")


def answered_link(proposed: Fact, answered: Fact) -> Link:
    """What became of a ledger's update."""
    after = span(max(0, answered.time_ms - proposed.time_ms))
    verb = "refused" if "refus" in answered.event.NAME else "countersigned"
    return Link(answered.seq, f"{verb} {after} later")
