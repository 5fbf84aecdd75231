"""What the peer room asks of whoever joins it to the engine; it imports nothing of the engine."""

from typing import Protocol

from protocols.inputs import Input


class Submit(Protocol):
    """Hands inputs to the engine, in order, over a bounded queue.

    A reader offers each input with `nowait` and falls back to the call, whose waiting is the
    back-pressure that ends in the peer's TCP window. Behind them it calls `prompt`.
    """

    async def __call__(self, item: Input, /) -> None:
        """Wait for room, then queue `item`."""

    def nowait(self, item: Input, /) -> bool:
        """Queue `item` if there is room now; False if there is none. It may lie until `prompt`."""

    def prompt(self) -> None:
        """All that one read brought is queued: it is carried out, right now if it is little.

        Never raises, never waits.
        """
