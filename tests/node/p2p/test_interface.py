from __future__ import annotations

import trio

from node.p2p.interface import Submit
from protocols.inputs import Input, Tick


class Channel:
    """The shape an engine's inbox has: a bounded memory channel behind both calls."""

    def __init__(self, room: int) -> None:
        self._send, self.receive = trio.open_memory_channel[Input](room)

    async def __call__(self, item: Input, /) -> None:
        await self._send.send(item)

    def nowait(self, item: Input, /) -> bool:
        try:
            self._send.send_nowait(item)
        except trio.WouldBlock:
            return False
        return True

    def prompt(self) -> None:
        """Who reads the channel is woken by the channel."""


async def test_a_bounded_channel_is_a_submit_whose_waiting_is_the_back_pressure() -> None:
    channel = Channel(1)
    submit: Submit = channel
    assert submit.nowait(Tick())
    assert not submit.nowait(Tick())
    with trio.move_on_after(0.01) as blocked:
        await submit(Tick())
    assert blocked.cancelled_caught
    await channel.receive.receive()
    await submit(Tick())
