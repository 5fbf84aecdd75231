"""What can go wrong with a log on disk. Each error says what is lost and what to do.

StoreError
  LogMissing         nothing to read there
  LogInUse           another process holds it
  LogNotOpened       the machine refused
  NewerLogFormat     written by a later version of this program
  LogDamaged         bytes are not what was written
  LogWriteFailed     a write failed: nothing more is acknowledged
  BackupUnusable     a copy that is not what it says, or not in its place
    BackupReducerUnusable  a reducer that it should hold is missing or altered
  RestoreRefused     what is in place must not be replaced by it
  SnapshotGone       a stored value of a state in memory is not there any more
  EquivocationAlarm  a second state for one turn: a bug above, never a peer's doing
"""

from dataclasses import dataclass

MANIFEST_NAME = "BACKUP.json"
"""In a copied data directory, beside RocksDB's own files, which it leaves alone."""


@dataclass(eq=False)
class StoreError(Exception):
    """Root of everything the store raises on purpose."""


@dataclass(eq=False)
class LogMissing(StoreError):
    """There is no log at `path`."""

    path: str

    def __str__(self) -> str:
        return f"no log at {self.path}: give the data directory of a node"


@dataclass(eq=False)
class LogInUse(StoreError):
    """Another process (or this one) has the log open for writing."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is open in another process: stop that node first"


@dataclass(eq=False)
class LogNotOpened(StoreError):
    """The machine refused: rights, space, file handles. The log itself is not in doubt."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} could not be opened: {self.reason}. Mend that and start again"


@dataclass(eq=False)
class NewerLogFormat(StoreError):
    """A record or the whole log needs a later version of this program. It is never guessed."""

    what: str
    """The event's name, or `log`."""
    found: int
    known: int
    """The newest version this program reads; 0 for an event it does not know."""

    def __str__(self) -> str:
        return (
            f"{self.what} has version {self.found}, this program reads up to {self.known}: "
            "use the version of the program that wrote the log, or a later one"
        )


@dataclass(eq=False)
class LogDamaged(StoreError):
    """Bytes on disk are not what was written. The node stops; it never repairs by itself."""

    reason: str
    first_seq: int | None = None
    """The first record that may be lost; None if even that cannot be told."""
    last_seq: int | None = None
    """The last one; equal to `first_seq` when the record itself is known, None: up to the end."""
    file: str | None = None
    """Name of the damaged file, if known."""

    NEXT_STEP = (
        "copy the directory before anything else, run `tally audit` on the copy, "
        "then restore the newest backup (tally restore), or have the peers close the channels; "
        "never run an older copy of this log that was not made by tally backup"
    )

    def where(self) -> str:
        """The damaged place in words: record, records, file."""
        if self.first_seq is None:
            records = "an unknown range of records"
        elif self.first_seq == self.last_seq:
            records = f"record {self.first_seq}"
        elif self.last_seq is None:
            records = f"records from {self.first_seq} on"
        else:
            records = f"records {self.first_seq} to {self.last_seq}"
        return records if self.file is None else f"{self.file}, {records}"

    def __str__(self) -> str:
        return f"log damaged at {self.where()}: {self.reason}. What to do: {self.NEXT_STEP}"


@dataclass(eq=False)
class LogWriteFailed(StoreError):
    """A synced write failed (disk full, I/O error). The log refuses all further writes."""

    reason: str

    def __str__(self) -> str:
        return (
            f"the log could not be written: {self.reason}. Nothing since the last acknowledged "
            "batch is certain; make room or mend the disk, then start the node again"
        )


@dataclass(eq=False)
class BackupUnusable(StoreError):
    """A backup that is incomplete, altered, or of something else."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be used as a backup: {self.reason}"


@dataclass(eq=False)
class BackupReducerUnusable(BackupUnusable):
    """A reducer that the manifest names is missing in the backup, or altered."""

    def __str__(self) -> str:
        return (
            f"{self.path} is a reducer of the backup that cannot be used: {self.reason}. Put its "
            "code there, from another backup or the peer, under that name; or do without: remove "
            f"it from reducers in {MANIFEST_NAME}, and its channels wait until it is installed"
        )


@dataclass(eq=False)
class RestoreRefused(StoreError):
    """The log in place is another node's, or knows as much as the backup, or more."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"the log at {self.path} is not replaced: {self.reason}"


@dataclass(eq=False)
class SnapshotGone(StoreError):
    """A state in memory rests on values in the store, and one of them cannot be had."""

    record_count: int
    reason: str

    def __str__(self) -> str:
        return (
            f"the snapshot of {self.record_count} records cannot be read: {self.reason}. "
            "The log is not in doubt: start the node again"
        )


@dataclass(eq=False)
class EquivocationAlarm(StoreError):
    """M6: another state of this turn is stored as signed. Only a bug can ask for this."""

    channel_id: bytes
    turn_num: int
    signed_hash: bytes
    refused_hash: bytes

    def __str__(self) -> str:
        return (
            f"channel 0x{self.channel_id.hex()} turn {self.turn_num}: 0x{self.signed_hash.hex()} "
            f"is signed, 0x{self.refused_hash.hex()} is refused. This is a bug: stop the node"
        )
