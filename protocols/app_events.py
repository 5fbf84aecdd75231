"""Events of application channels."""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Address


class AppDefinitionRecorded(Event, frozen=True, array_like=True, gc=False):
    """A contract that judges the running states of application channels is known from here on."""

    NAME = "app-definition-recorded"
    app_definition: Address
    rule: str
    """Who must sign a running state: `message-log`, both ends; `judged`, the contract says."""
