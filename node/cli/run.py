"""`tally run`: the daemon, in the foreground."""

from typing import TYPE_CHECKING

from node.cli.failures import reports_failures
from node.cli.options import HERE, NodeDir, Overrides
from node.cli.password import forget_password, password_for
from node.cli.settings import parse_overrides

if TYPE_CHECKING:
    from node.config import Config
    from node.store.snapshot_keys import ReadAhead


@reports_failures
def run(overrides: Overrides = None, directory: NodeDir = HERE) -> None:
    """Run the node until Ctrl-C or SIGTERM."""
    from node import keys
    from node.config import load
    from protocols.types import checksum_address

    config = load(directory, overrides=parse_overrides(overrides))
    address = checksum_address(keys.keystore_address(config.node.keystore))
    password = password_for(address, confirm=False)
    secret, read_ahead = _prepared(config, password)
    forget_password()

    import trio

    from node.daemon import run_daemon

    trio.run(run_daemon, config, secret, read_ahead)


def _prepared(config: "Config", password: str) -> "tuple[bytes, ReadAhead | None]":
    """The key, and what was read of a large snapshot; the daemon is loaded then."""
    from concurrent.futures import ThreadPoolExecutor

    from node import keys
    from node.store.read_ahead import read_ahead

    with ThreadPoolExecutor(2) as helper:
        unlocking = helper.submit(keys.unlock, config.node.keystore, password)
        reading = helper.submit(read_ahead, config.node.data_dir)
        # A child process derives the key meanwhile, and others read; to load the daemon takes as
        # long.
        import node.daemon  # noqa: F401
        from node.store.snapshot_keys import decode_read_ahead

        secret = unlocking.result()
        return secret, decode_read_ahead(reading.result())
