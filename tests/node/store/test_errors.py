"""Every error of the store says where, what and what to do."""

import pytest

from node.store.errors import (
    EquivocationAlarm,
    LogDamaged,
    LogInUse,
    LogMissing,
    LogNotOpened,
    LogWriteFailed,
    NewerLogFormat,
    StoreError,
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LogMissing("/data"), "no log at /data: give"),
        (LogInUse("/data"), "/data is open in another process: stop"),
        (LogNotOpened("/data", "no rights"), "/data could not be opened: no rights. Mend"),
        (NewerLogFormat("log", 2, 1), "log has version 2, this program reads up to 1: use"),
        (LogWriteFailed("disk full"), "could not be written: disk full. Nothing since"),
        (EquivocationAlarm(b"\x01", 5, b"\x02", b"\x03"), "0x01 turn 5: 0x02 is signed, 0x03 is"),
        (LogDamaged("why", 4, 4), "damaged at record 4: why. What to do: copy"),
        (LogDamaged("why", 4, 9, "000009.sst"), "damaged at 000009.sst, records 4 to 9: why"),
        (LogDamaged("why", 4, None, "4.log"), "damaged at 4.log, records from 4 on: why"),
        (LogDamaged("why", file="CURRENT"), "damaged at CURRENT, an unknown range of records"),
    ],
)
def test_the_text_says_what_and_what_to_do(error: StoreError, words: str) -> None:
    assert words in str(error)
