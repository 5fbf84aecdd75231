"""Dispute kits of applications: by which rule their contracts take a state.

A kit's reader has no record of the contracts, so each channel of the kit names its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocols.app_channel import JUDGED, MESSAGE_LOG
from protocols.app_definitions import rule_of
from protocols.app_events import AppDefinitionRecorded
from protocols.dispute_kit import KitChannel
from protocols.entities import NodeState
from protocols.exit_errors import KitDamaged
from protocols.node_state import apply
from protocols.types import parse_address


def learn_apps(state: NodeState, channels: Iterable[KitChannel]) -> None:
    """Record the contracts that the kit's channels name. Raises KitDamaged for a rule that is none,
    or that differs from what is known of the contract."""
    node = state.node
    others = {node.adjudicator, node.consensus_app, node.virtual_payment_app}
    for entry in channels:
        if not entry.app_rule:
            continue
        app = parse_address(entry.app_definition)
        if entry.app_rule not in (MESSAGE_LOG, JUDGED):
            raise KitDamaged("app_rule", "no contract has it")
        if app in others or rule_of(state.node, app) not in (None, entry.app_rule):
            raise KitDamaged("app_rule", "the contract has another")
        apply(state, AppDefinitionRecorded(app, entry.app_rule), 0)
