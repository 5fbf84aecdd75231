"""Policy: what this node takes part in when a peer proposes it. Frozen rules, so a crank stays
pure.

The first rule whose every condition holds decides, and the default where none does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from protocols.draft import Decision, Proposal
from protocols.types import Address

Verdict = Literal["ask", "allow", "deny"]


@dataclass(frozen=True)
class Rule:
    """One verdict and the proposals it is for; None is any."""

    verdict: Verdict
    peer: Address | None = None
    objective: str | None = None
    """DirectFund or VirtualFund."""
    role: str | None = None
    """payee of a payment channel, follower in a ledger, hub of a virtual channel, or player in an
    application channel."""
    asset: Address | None = None
    amount_max: int | None = None
    """All the money of the channel, smallest unit of `asset`."""
    challenge_duration_s_min: int | None = None
    challenge_duration_s_max: int | None = None
    reducer: bytes | None = None
    """sha256 of an application's code."""

    def matches(self, proposal: Proposal) -> bool:
        """True if every condition holds."""
        wanted = (self.peer, self.objective, self.role, self.asset)
        given = (proposal.peer, proposal.objective_type, proposal.role, proposal.asset)
        if any(w is not None and w != g for w, g in zip(wanted, given, strict=True)):
            return False
        if self.reducer is not None and self.reducer != proposal.reducer_id:
            return False
        if self.amount_max is not None and proposal.amount > self.amount_max:
            return False
        duration = proposal.challenge_duration
        if self.challenge_duration_s_min is not None and duration < self.challenge_duration_s_min:
            return False
        return self.challenge_duration_s_max is None or duration <= self.challenge_duration_s_max


def policy_from(default: Verdict, rules: tuple[Rule, ...] = ()) -> Callable[[Proposal], Decision]:
    """The answer to every proposal: allow, deny, or ask the owner; a denial says which rule."""
    otherwise = Decision(default, "the policy's default is deny" if default == "deny" else "")
    decisions = tuple(
        (rule, Decision(rule.verdict, f"denied by rule {n}" if rule.verdict == "deny" else ""))
        for n, rule in enumerate(rules, start=1)
    )

    def decide(proposal: Proposal) -> Decision:
        for rule, decision in decisions:
            if rule.matches(proposal):
                return decision
        return otherwise

    return decide
