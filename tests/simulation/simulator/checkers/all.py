"""Every checker, in the order in which they are asked."""

from __future__ import annotations

from tests.simulation.simulator.checkers.agreement import Agreement
from tests.simulation.simulator.checkers.applications import Forgotten, Payouts, Talk, Traces
from tests.simulation.simulator.checkers.base import Checker
from tests.simulation.simulator.checkers.delivery import Delivery
from tests.simulation.simulator.checkers.durability import Durability
from tests.simulation.simulator.checkers.endings import Endings
from tests.simulation.simulator.checkers.fold import Fold
from tests.simulation.simulator.checkers.guarantees import Guarantees
from tests.simulation.simulator.checkers.hubs import Hubs
from tests.simulation.simulator.checkers.leaving import Bids, Defence, Facts, Worth
from tests.simulation.simulator.checkers.money import Conservation, Deposits
from tests.simulation.simulator.checkers.requests import Requests
from tests.simulation.simulator.checkers.signing import Signing
from tests.simulation.simulator.checkers.starting import Starting
from tests.simulation.simulator.checkers.vouchers import Vouchers

CHECKERS: tuple[type[Checker], ...] = (
    Durability,
    Fold,
    Starting,
    Signing,
    Agreement,
    Guarantees,
    Hubs,
    Vouchers,
    Talk,
    Payouts,
    Traces,
    Forgotten,
    Conservation,
    Deposits,
    Requests,
    Facts,
    Defence,
    Bids,
    Worth,
    Endings,
    Delivery,
)
NO_BUGS = "no bugs"
"""Not asked: raised when a node stops for a reason that no fault explains."""
