"""What tests of the transaction manager share."""

from __future__ import annotations

import pytest

from node.chain import tx_manager as manager_module


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager looks after its transactions fifty times a second."""
    monkeypatch.setattr(manager_module, "WATCH_INTERVAL_S", 0.02)
