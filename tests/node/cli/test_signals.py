"""SIGTERM leaves as Ctrl-C does."""

import signal
from collections.abc import Iterator

import pytest

from node.cli.signals import stop_on_sigterm


@pytest.fixture
def handlers() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_interrupts_the_main_thread(handlers: None) -> None:
    stop_on_sigterm()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
