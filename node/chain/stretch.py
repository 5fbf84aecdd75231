"""How many blocks endpoints are asked about in one question.

Endpoints tell the logs of so many blocks at once, each of another number, and refuse more. Who
refuses a question does not say why, and a witness that refuses looks like one that is away: so the
next question is half as long, down to one block, which costs little for as long as nobody answers.
"""

STRETCH_BLOCK_COUNT_MAX = 500
"""Blocks of one `eth_getLogs`; halved when an endpoint finds that too much."""
SERVED_COUNT_BEFORE_MORE = 16
"""Answers after which a length is tried again that was too much before."""


class Stretch:
    """The length of the next question: half after a refusal, the double after an answer."""

    def __init__(self) -> None:
        self.count = STRETCH_BLOCK_COUNT_MAX
        """Blocks."""
        self._most = STRETCH_BLOCK_COUNT_MAX
        self._served_count = 0

    def refused(self) -> bool:
        """No answer to a question of this length. Whether the next one is shorter."""
        asked = self.count
        # Who refuses a single block refuses everything, and may answer long questions afterwards.
        self._most = asked // 2 or STRETCH_BLOCK_COUNT_MAX
        self.count = max(1, asked // 2)
        self._served_count = 0
        return self.count < asked

    def served(self) -> None:
        """An answer to a question of this length at most."""
        self._served_count += 1
        if self._served_count % SERVED_COUNT_BEFORE_MORE == 0:
            self._most = min(STRETCH_BLOCK_COUNT_MAX, 2 * self._most)
        self.count = min(2 * self.count, self._most)
