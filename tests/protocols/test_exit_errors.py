"""Refusals to leave name the channel and what to type next."""

from protocols.errors import all_errors
from protocols.exit_errors import (
    ChallengeImpossible,
    ChannelIsFinal,
    NothingToLeave,
    NotResumable,
)

CHANNEL = b"\xc1" * 32


def test_they_name_the_channel_and_the_next_command() -> None:
    for refusal in (
        NothingToLeave(CHANNEL, "nothing was deposited"),
        ChannelIsFinal(CHANNEL),
        NotResumable(CHANNEL, "it is closing"),
        ChallengeImpossible(CHANNEL, "no challenge of it runs"),
    ):
        assert "0x" + CHANNEL.hex() in str(refusal)
        assert "tally " in refusal.next_step
        assert all_errors()[refusal.name()] is type(refusal)
