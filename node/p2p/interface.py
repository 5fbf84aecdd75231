"""What the peer room asks of whoever joins it to the engine; it imports nothing of the engine."""

from typing import Protocol

from protocols.inputs import Input


class Submit(Protocol):
    """Hands inputs to the engine, in order, over a bounded queue.

    A reader offers each input with `nowait` and falls back to the call, whose waiting is the
    back-pressure that ends in the peer's TCP window.
    """

    async def __call__(self, item: Input, /) -> None:
        """Wait for room, then queue `item`."""

    def nowait(self, item: Input, /) -> bool:
        """Queue `item` if there is room now; False if there is none."""

    def prompt(self) -> None:
        """All that one read brought is queued: if it is little, it may be carried out right now.

        Never raises, never waits.
        """
