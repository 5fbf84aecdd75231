"""App definitions: the contracts that application channels may run on, each with its rule.

Record 0 names the two contracts that every deployment has. Those of applications come later and
are facts of their own, so that a log that is older than a contract can learn of it.
"""

from __future__ import annotations

from msgspec.structs import replace

from protocols.app_channel import JUDGED as JUDGED
from protocols.app_channel import MESSAGE_LOG as MESSAGE_LOG
from protocols.app_events import AppDefinitionRecorded
from protocols.entities import NODE_KEY, Node, NodeState, Reducer
from protocols.event import Event
from protocols.types import Address


def rule_of(node: Node, app_definition: Address) -> str | None:
    """The contract's rule; None if no application may run on it."""
    for known, rule in node.app_definitions:
        if known == app_definition:
            return rule
    return None


def message_log_app(node: Node) -> Address | None:
    """The newest contract that takes any message log; None if there is none."""
    logs = [known for known, rule in node.app_definitions if rule == MESSAGE_LOG]
    return logs[-1] if logs else None


def _recorded(state: NodeState, event: AppDefinitionRecorded, time_ms: int) -> None:
    node = state.node
    others = tuple(known for known in node.app_definitions if known[0] != event.app_definition)
    definitions = (*others, (event.app_definition, event.rule))
    state.nodes[NODE_KEY] = replace(node, app_definitions=definitions)


DEFINITION_REDUCERS: dict[type[Event], Reducer] = {AppDefinitionRecorded: _recorded}
