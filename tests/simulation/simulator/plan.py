"""What one seed means: who is there, what owners order, what goes wrong and when.

A plan is data, made from its seed and nothing else, so that a failing one can be told by a number
and made smaller by leaving things out.
"""

from __future__ import annotations

from random import Random

from msgspec import Struct
from msgspec.structs import replace

from node.faults import FAULT_POINTS
from tests.simulation.simulator.disk import UNLOGGED_FAULTS, WRITE_FAULTS
from tests.simulation.simulator.network import CALM, Weather

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
DEPOSIT = 10_000
VIRTUAL_AMOUNT = 1_000


class Step(Struct, frozen=True):
    """One thing that an owner wants."""

    at_ms: int
    kind: str
    """open, pay, batch, voucher, move, close or reject."""
    name: str
    """Of the channel."""
    who: int
    """Whose owner it is."""
    path: tuple[int, ...] = ()
    """open: everybody from the one who opens to the other end."""
    channel: str = ""
    """open: DIRECT, LEDGER or VIRTUAL."""
    amounts: tuple[int, ...] = ()
    until: str = "durable"
    repeats: bool = False
    """The owner forgets that it was answered and orders it once more."""


class Fault(Struct, frozen=True):
    """One thing that goes wrong."""

    kind: str
    """kill, stop, point, write, unlogged, part, hang-up, endpoint, flip, spoil or cut."""
    who: int
    at_ms: int = 0
    lasts_ms: int = 0
    other: int = 0
    name: str = ""
    """Of the fault point, or what becomes of the write."""
    count: int = 0
    """Which write, or which passing of the point."""


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
    return Plan(
        seed,
        people_count,
        tuple(sorted(steps, key=lambda step: step.at_ms)),
        tuple(_faults(random, people_count)),
        _weather(random),
        hostile,
        has_token=random.random() < 0.2,
        asks=random.random() < 0.15,
    )


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
