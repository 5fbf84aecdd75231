"""Policy: what this node takes part in when a peer proposes it. A frozen rule, so a crank stays
pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from protocols.draft import Decision, Proposal

Verdict = Literal["ask", "allow", "deny"]


def policy_from(default: Verdict) -> Callable[[Proposal], Decision]:
    """The rule that answers every proposal alike: allow, deny, or ask the owner."""
    reason = "the policy's default is deny" if default == "deny" else ""
    decision = Decision(default, reason)

    def decide(proposal: Proposal) -> Decision:
        return decision

    return decide
