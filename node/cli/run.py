"""`tally run`: the daemon, in the foreground."""

from node.cli.failures import reports_failures
from node.cli.options import HERE, NodeDir, Overrides
from node.cli.password import forget_password, password_for
from node.cli.settings import parse_overrides


@reports_failures
def run(overrides: Overrides = None, directory: NodeDir = HERE) -> None:
    """Run the node until Ctrl-C or SIGTERM."""
    from concurrent.futures import ThreadPoolExecutor

    from node import keys
    from node.config import load
    from protocols.types import checksum_address

    config = load(directory, overrides=parse_overrides(overrides))
    address = checksum_address(keys.keystore_address(config.node.keystore))
    password = password_for(address, confirm=False)
    with ThreadPoolExecutor(1) as helper:
        unlocking = helper.submit(keys.unlock, config.node.keystore, password)
        # A child process derives the key meanwhile; to load the daemon takes as long.
        import trio

        from node.daemon import run_daemon

        secret = unlocking.result()
    forget_password()
    trio.run(run_daemon, config, secret)
