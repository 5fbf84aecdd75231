"""The chain room's pauses cut to hundredths of a second, where a test is of what follows them."""

from __future__ import annotations

import pytest

from node.chain import follower, link, news, tx_manager

PAUSE_S = 0.02


def shorten_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test ends: endpoints are tried again, asked again and looked at again at once."""
    monkeypatch.setattr(link, "BACKOFF_S_MIN", PAUSE_S)
    monkeypatch.setattr(link, "BACKOFF_S_MAX", PAUSE_S)
    monkeypatch.setattr(follower, "QUORUM_PAUSE_S", PAUSE_S)
    monkeypatch.setattr(follower, "POLL_WITHOUT_SUBSCRIPTION_S", PAUSE_S)
    monkeypatch.setattr(news, "HINT_INTERVAL_S", 5 * PAUSE_S)
    monkeypatch.setattr(tx_manager, "WATCH_INTERVAL_S", 5 * PAUSE_S)
