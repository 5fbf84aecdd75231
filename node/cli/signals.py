"""SIGTERM as Ctrl-C: one way out, through every `finally`."""

import signal
from types import FrameType


def stop_on_sigterm() -> None:
    """Let SIGTERM raise KeyboardInterrupt in the main thread, as SIGINT does."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
