"""What one seed means: who is there, what owners order, what goes wrong and when.

A plan is data, made from its seed and nothing else, so that a failing one can be told by a number
and made smaller by leaving things out.
"""

from __future__ import annotations

from random import Random

from msgspec import Struct
from msgspec.structs import replace

from node.faults import FAULT_POINTS
from protocols.app_channel import ALTERNATE, JUDGED, LEADER
from tests.simulation.simulator.disk import UNLOGGED_FAULTS, WRITE_FAULTS
from tests.simulation.simulator.network import CALM, Weather

LIES = ("hides logs", "invents logs", "stalls", "swallows transactions")
"""What an endpoint may do."""
STORY_MS = 40_000
"""Owners order and things go wrong for so long; then everything that is broken is mended."""
DIRECT, LEDGER, VIRTUAL = "direct", "ledger", "virtual"
SHAPES = (
    # How often, how many people, what is opened between which of them.
    (4, 2, ((DIRECT, 0, 1),)),
    (2, 2, ((DIRECT, 0, 1), (DIRECT, 1, 0))),
    (3, 2, ((LEDGER, 0, 1), (VIRTUAL, 0, 1))),
    (5, 3, ((LEDGER, 0, 1), (LEDGER, 2, 1), (VIRTUAL, 0, 2))),
    (2, 3, ((LEDGER, 1, 0), (LEDGER, 1, 2), (VIRTUAL, 0, 2), (VIRTUAL, 2, 0))),
    (1, 3, ((DIRECT, 0, 1), (LEDGER, 1, 2), (VIRTUAL, 2, 1))),
    (1, 4, ((LEDGER, 0, 1), (LEDGER, 1, 2), (LEDGER, 3, 2), (VIRTUAL, 0, 3))),
)
LEAVING_SHARE = 3
"""Every so many seeds, one is about leaving alone, on a chain that forks and has prices."""
APP_SHARE, APP_REST = 5, 2
"""Of so many seeds, the one with this rest is about applications."""
APP_RULES = (LEADER, LEADER, ALTERNATE, JUDGED, JUDGED)
VERDICT, DIGEST = "verdict", "digest"
"""In what a reducer may differ from the other end's: whether it takes a message in, or what it
holds after it."""
ENDPOINT_COUNT = 3
DEPOSIT = 10_000
VIRTUAL_AMOUNT = 1_000


class Step(Struct, frozen=True):
    """One thing that an owner wants."""

    at_ms: int
    kind: str
    """open, pay, batch, voucher, move, say, close, reject, exit or challenge; or steal: who is gone
    has an old state of the channel registered."""
    name: str
    """Of the channel."""
    who: int
    """Whose owner it is."""
    path: tuple[int, ...] = ()
    """open: everybody from the one who opens to the other end."""
    channel: str = ""
    """open: DIRECT, LEDGER or VIRTUAL."""
    app: str = ""
    """open: the rule of turns of an application, or JUDGED; empty for a channel of payments."""
    amounts: tuple[int, ...] = ()
    """open: what each end of an application puts in."""
    until: str = "durable"
    repeats: bool = False
    """The owner forgets that it was answered and orders it once more."""


class Fault(Struct, frozen=True):
    """One thing that goes wrong."""

    kind: str
    """kill, stop, point, write, unlogged, part, hang-up, endpoint, flip, spoil or cut; or vanish,
    fork, spike and lie where it is about leaving."""
    who: int
    at_ms: int = 0
    lasts_ms: int = 0
    other: int = 0
    name: str = ""
    """Of the fault point; what becomes of the write; whether a fork keeps what was in its blocks;
    what an endpoint does; "answer" if prices rise when something urgent is on its way."""
    count: int = 0
    """Which write, or which passing of the point; how many blocks; how many times the
    price; which endpoint."""


class Leaving(Struct, frozen=True):
    """What a plan about leaving alone has besides."""

    depth: int
    """Blocks that must lie upon a log."""
    duration_s: int
    """Of challenges."""
    silence_s: int
    """policy.challenge_after_silence_s of everybody."""
    patience_s: int
    """policy.exit_patience_s of everybody."""
    quorum: int
    """Endpoints that must agree, of three."""


class Differing(Struct, frozen=True):
    """Somebody's reducer that differs from the other end's."""

    who: int
    count: int
    """Messages of a channel from which on."""
    how: str
    """VERDICT or DIGEST."""


class Plan(Struct, frozen=True):
    """Everything a run does that is not drawn while it runs."""

    seed: int
    people_count: int
    steps: tuple[Step, ...]
    faults: tuple[Fault, ...]
    weather: Weather = CALM
    hostile: int = -1
    """Who lies; -1 for nobody."""
    has_token: bool = False
    """Whether the money is a token instead of the chain's own."""
    asks: bool = False
    """Whether owners are asked about proposals of peers."""
    leaving: Leaving | None = None
    has_apps: bool = False
    differing: Differing | None = None

    def without(self, left_out: frozenset[int]) -> Plan:
        """The plan with some of its steps and faults left out, by their number: steps first."""
        count = len(self.steps)
        steps = tuple(s for place, s in enumerate(self.steps) if place not in left_out)
        faults = tuple(f for place, f in enumerate(self.faults, count) if place not in left_out)
        return replace(self, steps=steps, faults=faults)


def plan_of(seed: int) -> Plan:
    """The plan that the seed means."""
    random = Random(seed)
    weights = [weight for weight, *_ in SHAPES]
    _, people_count, shape = random.choices(SHAPES, weights)[0]
    steps = [step for place, what in enumerate(shape) for step in _life(random, place, *what)]
    # Only an end of every path may lie: between two liars there is nothing to check.
    hostile = random.choice((0, people_count - 1)) if random.random() < 0.2 else -1
    plan = Plan(
        seed,
        people_count,
        tuple(sorted(steps, key=lambda step: step.at_ms)),
        tuple(_faults(random, people_count)),
        _weather(random),
        hostile,
        has_token=random.random() < 0.2,
        asks=random.random() < 0.15,
    )
    if seed % APP_SHARE == APP_REST:
        plan = _with_apps(plan, Random(f"{seed} applications"))
    about_leaving = seed % LEAVING_SHARE == LEAVING_SHARE - 1
    return _with_leaving(plan, Random(f"{seed} leaving")) if about_leaving else plan


def _with_apps(plan: Plan, random: Random) -> Plan:
    """The same story, with applications in the place of payment channels."""
    opened = [s for s in plan.steps if s.kind == "open" and s.channel in (DIRECT, VIRTUAL)]
    others = [s for s in opened[1:] if random.random() < 0.2]
    names = {step.name for step in opened if step not in others}
    kept = {"open", "close", "reject"}
    steps = [s for s in plan.steps if s.name not in names or s.kind in kept]
    if random.random() < 0.7:
        # A ledger that closes early ends what it carries before much is said.
        ledgers = {s.name for s in plan.steps if s.channel == LEDGER}
        steps = [s for s in steps if s.kind != "close" or s.name not in ledgers]
    for place, step in enumerate(steps):
        if step.name in names and step.kind == "open":
            stake = VIRTUAL_AMOUNT if step.channel == VIRTUAL else DEPOSIT
            later_ms = random.randint(4_000, 14_000) if step.channel == VIRTUAL else 0
            steps[place] = replace(
                step,
                at_ms=step.at_ms + later_ms,
                app=random.choice(APP_RULES),
                amounts=(stake, random.choice((0, stake // 2, stake))),
            )
            steps += _talk(random, steps[place])
    differing = None
    if random.random() < 0.35:
        who, count = random.randrange(plan.people_count), random.randint(1, 3)
        differing = Differing(who, count, random.choice((VERDICT, DIGEST)))
    said = [step for step in steps if step.kind == "say" and step.at_ms > 15_000]
    cuts = []
    if said and random.random() < 0.3:
        # In the middle of a sentence.
        step = random.choice(said)
        cuts.append(Fault("cut", step.who, step.at_ms + random.randint(0, 1_000)))
    return replace(
        plan,
        steps=tuple(sorted(steps, key=lambda step: step.at_ms)),
        faults=(*plan.faults, *cuts),
        has_apps=True,
        differing=differing,
    )


def _talk(random: Random, opened: Step) -> list[Step]:
    """What both ends say: some of it too much, or nothing that the reducer knows."""
    found = []
    total = sum(opened.amounts)
    ends, first_ms = (opened.path[0], opened.path[-1]), opened.at_ms + 2_500
    who = random.choice(ends)
    for _ in range(random.randint(4, 24)):
        if found and random.random() < 0.5:
            # Both speak at once.
            at_ms, who = found[-1].at_ms + random.randint(0, 40), sum(ends) - who
        else:
            at_ms, who = random.randint(first_ms, STORY_MS - 1_000), random.choice(ends)
        amount = random.randint(1, total // 8) if random.random() < 0.8 else total + 1
        if random.random() < 0.05:
            amount = 0
        until = random.choice(("durable", "decided"))
        repeats = random.random() < 0.3
        found.append(
            Step(at_ms, "say", opened.name, who, amounts=(amount,), until=until, repeats=repeats)
        )
    return found


def _with_leaving(plan: Plan, random: Random) -> Plan:
    """The same story, in which somebody vanishes, steals or leaves, on an unkind chain."""
    leaving = Leaving(
        depth=random.choice((1, 1, 2, 3)),
        duration_s=random.choice((30, 60, 7_200)),
        silence_s=random.choice((0, 0, 25)),
        patience_s=random.choice((5, 20)),
        quorum=random.choice((1, 2)),
    )
    gone = random.choices((0, 1, 2), (3, 6, 1 if plan.people_count > 2 else 0))[0]
    thieves = random.sample(range(plan.people_count), gone)
    faults = [Fault("vanish", who, random.randint(8_000, STORY_MS)) for who in thieves]
    steps = []
    for opened in [step for step in plan.steps if step.kind == "open"]:
        inside = range(min(opened.path), max(opened.path) + 1)
        for vanished in [fault for fault in faults if fault.who in inside]:
            if random.random() < 0.7:
                at_ms = vanished.at_ms + random.randint(0, 20_000)
                choice = random.randrange(100)
                steps.append(Step(at_ms, "steal", opened.name, vanished.who, amounts=(choice,)))
        if random.random() < 0.4:
            kind = random.choice(("exit", "exit", "challenge"))
            at_ms = random.randint(15_000, STORY_MS)
            steps.append(Step(at_ms, kind, opened.name, random.choice(inside)))
    for opened in [step for step in plan.steps if step.app == JUDGED]:
        said = [step for step in plan.steps if step.kind == "say" and step.name == opened.name]
        for step in random.sample(said, min(2, len(said))):
            # Who has moved asks for the chain's word before the other end's.
            kind, at_ms = random.choice(("exit", "challenge")), step.at_ms + random.randint(0, 600)
            steps.append(Step(at_ms, kind, step.name, step.who))
    return replace(
        plan,
        steps=tuple(sorted((*plan.steps, *steps), key=lambda step: step.at_ms)),
        faults=(
            *plan.faults,
            *faults,
            *_weather_of_chain(random, plan.people_count, leaving, steps),
        ),
        leaving=leaving,
    )


def _weather_of_chain(
    random: Random, people_count: int, leaving: Leaving, steps: list[Step]
) -> list[Fault]:
    faults = []
    for _ in range(random.choice((0, 1, 2))):
        count = random.choice((1, 1, 2, 3)) if random.random() < 0.9 else random.randint(4, 8)
        name = random.choice(("kept", "kept", "lost"))
        faults.append(Fault("fork", 0, random.randint(3_000, STORY_MS), name=name, count=count))
    if random.random() < 0.3:
        lasts_ms, times = random.choice((5_000, 20_000, 60_000)), random.choice((3, 15, 100))
        at_ms = random.randint(3_000, STORY_MS)
        name, thefts = "", [step.at_ms for step in steps if step.kind == "steal"]
        if thefts and random.random() < 0.7:
            name, at_ms = "answer", random.choice(thefts)
        faults.append(Fault("spike", 0, at_ms, lasts_ms, name=name, count=times))
    if random.random() < 0.5:
        who, endpoint = random.randrange(people_count), random.randrange(ENDPOINT_COUNT)
        at_ms, lasts_ms = random.randint(1_000, STORY_MS - 1_000), random.choice((10_000, 60_000))
        # Whoever listens to one endpoint alone believes it.
        lies = LIES if leaving.quorum > 1 else LIES[2:]
        faults.append(Fault("lie", who, at_ms, lasts_ms, name=random.choice(lies), count=endpoint))
    return faults


def _weather(random: Random) -> Weather:
    if random.random() < 0.4:
        return CALM
    return Weather(
        loss=random.choice((0.0, 0.1, 0.3)),
        duplication=random.choice((0.0, 0.1, 0.3)),
        delay_ms_max=random.choice((20, 200, 2_000)),
    )


def _life(random: Random, place: int, channel: str, left: int, right: int) -> list[Step]:
    """One channel from its opening to its end."""
    name = f"{channel} {place}"
    step = 1 if right > left else -1
    path = tuple(range(left, right + step, step))
    opened_ms = random.randint(0, 1_000) + (4_000 if channel == VIRTUAL else 0)
    steps = [Step(opened_ms, "open", name, left, path, channel)]
    for _ in range(random.randint(0, 6)):
        at_ms = random.randint(opened_ms + 3_000, STORY_MS - 3_000)
        steps.append(_payment(random, at_ms, name, channel, left, right))
    if random.random() < 0.4:
        at_ms = random.randint(opened_ms + 3_000, STORY_MS)
        steps.append(Step(at_ms, "close", name, random.choice((left, right))))
    if channel == VIRTUAL and random.random() < 0.1:
        steps.append(Step(opened_ms + random.randint(0, 5_000), "reject", name, path[1]))
    return steps


def _payment(random: Random, at_ms: int, name: str, channel: str, left: int, right: int) -> Step:
    repeats = random.random() < 0.3
    if channel == LEDGER:
        who, amount = random.choice((left, right)), random.randint(1, 500)
        until = random.choice(("durable", "agreed"))
        return Step(at_ms, "move", name, who, amounts=(amount,), until=until, repeats=repeats)
    kind = random.choices(("pay", "batch", "voucher"), (6, 2, 1))[0]
    count = random.randint(2, 5) if kind == "batch" else 1
    amounts = tuple(random.randint(1, 100) for _ in range(count))
    until = random.choice(("durable", "durable", "receipt")) if kind == "pay" else "durable"
    return Step(at_ms, kind, name, left, amounts=amounts, until=until, repeats=repeats)


def _faults(random: Random, people_count: int) -> list[Fault]:
    faults = [_fault(random, people_count) for _ in range(random.randint(0, 6))]
    if random.random() < 0.08:
        at_ms = random.randint(1_000, STORY_MS)
        faults.append(Fault("cut", random.randrange(people_count), at_ms))
    for _ in range(random.choice((0, 0, 1, 2))):
        who, name = random.randrange(people_count), random.choice(UNLOGGED_FAULTS)
        faults.append(Fault("unlogged", who, name=name, count=random.randint(1, 60)))
    if random.random() < 0.3:
        at_ms = random.randint(5_000, STORY_MS)
        faults.append(Fault("spoil", random.randrange(people_count), at_ms))
    return faults


def _fault(random: Random, people_count: int) -> Fault:
    kinds = ("kill", "stop", "point", "write", "part", "hang-up", "endpoint", "flip")
    kind = random.choices(kinds, (2, 1, 4, 5, 2, 1, 2, 1))[0]
    who, at_ms = random.randrange(people_count), random.randint(500, STORY_MS)
    if kind == "point":
        return Fault(kind, who, name=random.choice(FAULT_POINTS), count=random.randint(1, 60))
    if kind == "write":
        return Fault(kind, who, name=random.choice(WRITE_FAULTS), count=random.randint(2, 80))
    lasts_ms = random.choice((500, 5_000, 30_000)) if kind in ("part", "endpoint") else 0
    other = (who + random.randint(1, people_count - 1)) % people_count
    return Fault(kind, who, at_ms, lasts_ms, other)
