"""A process that appends to a log and says what is acknowledged, until it is killed or fails.

    python -m tests.support.log_writer DIRECTORY [FILE_SIZE_BYTES_MAX]

Prints the length of the log after every commit. With a limit for the size of any file, the disk
is as good as full there: it prints the error, tries once more, and ends.
"""

import resource
import sys
from pathlib import Path

from node.store.errors import LogWriteFailed
from node.store.log import EventLog
from tests.support.logs import fill


def say(words: object) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> None:
    log = EventLog.open(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        limit = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        while True:
            fill(log, log.next_seq + 7, by=7)
            say(log.next_seq)
    except LogWriteFailed as error:
        say(f"failed: {error}")
    try:
        fill(log, log.next_seq + 7)
    except LogWriteFailed as error:
        say(f"refused: {error}")


if __name__ == "__main__":
    main()
