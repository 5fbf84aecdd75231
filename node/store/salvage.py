"""A damaged log that RocksDB opens in no mode: a shadow of it, of what its files hold in whole.

One bad byte in a long write can keep RocksDB from opening anything, tables and all. What lies
before that byte is sound, and a directory that ends there opens.
"""

from pathlib import Path

from node.store import tail, wal

_LINKED = ("CURRENT", "MANIFEST-*", "OPTIONS-*", "*.sst")


def fill_shadow(path: Path, shadow: Path) -> None:
    """Put into the empty directory `shadow` what opens of the log at `path`, which stays as it is.

    Tables and MANIFEST are links; write-ahead files are copied up to the first byte that belongs to
    no complete write, and those behind it are left out.
    """
    for pattern in _LINKED:
        for file in path.glob(pattern):
            (shadow / file.name).symlink_to(file.resolve())
    for file in tail.wal_files(path):
        data = file.read_bytes()
        end = wal.walk(data, verify=True).end
        (shadow / file.name).write_bytes(data[:end])
        if end < len(data):
            return
