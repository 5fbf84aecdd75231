"""`tally demo`: everything at once, on a chain of its own, in under a minute."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.demo_progress import demo_progress
from node.cli.failures import EXIT_FAILED, EXIT_FINDINGS, CommandFailed, reports_failures
from node.cli.options import AsJson
from node.cli.output import console, print_json, print_table, say, short
from node.cli.signals import stop_on_sigterm

if TYPE_CHECKING:
    from node.cli.demo_report import Account, DemoResult

PAYMENT_COUNT_MAX = 1_000_000
"""A minute's worth on a fast machine, and far from exhausting the deposit."""
HOP_COUNT_MAX = 4
CHANNEL_COUNT_MAX = 100
"""What one ledger carries by default (M17)."""


@reports_failures
def demo(
    payments: Annotated[
        int, typer.Option(min=1, max=PAYMENT_COUNT_MAX, help="How many payments are pipelined.")
    ] = 1000,
    hops: Annotated[
        int, typer.Option(min=0, max=HOP_COUNT_MAX, help="Hubs between alice and bob.")
    ] = 1,
    channels: Annotated[
        int,
        typer.Option(min=0, max=CHANNEL_COUNT_MAX, help="Virtual channels over the hubs, or none."),
    ] = 1,
    token: Annotated[
        bool, typer.Option("--token", help="Pay with a test token instead of the chain's coin.")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the nodes' directories in this new directory.")
    ] = None,
    nodes_logs: Annotated[
        bool, typer.Option("--nodes-logs", help="Print the daemons' own logs to stderr at the end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start a chain and nodes, open channels on chain and over hubs, pay, close, audit the logs."""
    from node.cli.demo_report import DemoPlan
    from node.cli.demo_run import run_demo

    stop_on_sigterm()
    workspace = _workspace(keep)
    try:
        with demo_progress(as_json) as progress:
            result = run_demo(workspace, DemoPlan(payments, hops, channels, token), progress)
    except BaseException as error:
        if isinstance(error, Exception) or nodes_logs:
            _print_logs(workspace, line_count=None if nodes_logs else 15)
        raise
    else:
        if nodes_logs or result.problems:
            _print_logs(workspace, line_count=None if nodes_logs else 15)
    finally:
        if keep is None:
            shutil.rmtree(workspace, ignore_errors=True)
    if as_json:
        print_json(result.document())
    else:
        _print_result(result)
    if result.finding_count:
        raise typer.Exit(EXIT_FINDINGS)
    if result.problems:
        raise typer.Exit(EXIT_FAILED)


def _workspace(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="tally-demo-"))
    try:
        keep.mkdir(parents=True)
    except OSError as error:
        raise CommandFailed(
            f"{keep} cannot be made: {error.strerror}", "Name a new directory", "ALREADY_THERE"
        ) from error
    return keep.resolve()


def _print_logs(workspace: Path, line_count: int | None) -> None:
    from node.cli.local_node import STDERR_FILE

    for path in sorted(workspace.glob(f"*/{STDERR_FILE}")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        shown = lines if line_count is None else lines[-line_count:]
        sys.stderr.write(f"--- log of {path.parent.name} ---\n" + "\n".join([*shown, ""]))


def _print_result(result: DemoResult) -> None:
    document = result.document()
    latency = document["latency_ms"]
    screen = console()
    screen.print(
        f"\n{document['payments']:,} payments in {document['seconds']:.3f} s: "
        f"{document['payments_per_second']:,.0f} a second, each its own signed voucher and receipt."
        f"\nOne at a time, {document['latency_payments']} times more: p50 {latency['p50']:.2f} ms, "
        f"p99 {latency['p99']:.2f} ms."
    )
    virtual = document["virtual"]
    if virtual is not None:
        screen.print(
            f"Over hubs ({virtual['hops']}): channels ({virtual['channels']}) open in "
            f"{virtual['opening_seconds'] * 1000:,.0f} ms, closed in "
            f"{virtual['closing_seconds'] * 1000:,.0f} ms,\n"
            f"{virtual['payments']:,} payments in them at "
            f"{virtual['payments_per_second']:,.0f} a second, "
            f"{virtual['chain_transactions']} chain transactions."
        )
    say("")
    _print_tables(result)
    for problem in result.problems:
        screen.print(f"WRONG: {problem}", markup=False, style="red")
    if not result.problems:
        screen.print("Every figure is exactly right.", style="green")


def _print_tables(result: DemoResult) -> None:
    rows = [
        [t.kind, _who(result, t.sender), t.gas_used, short(t.tx_hash)] for t in result.transactions
    ]
    print_table("On chain", ("transaction", "from", "gas", "hash"), rows, "No transactions.")
    say("")
    balances = [_balances(name, account) for name, account in result.accounts.items()]
    unit = "units" if result.plan.is_token else "ETH"
    columns = (unit, "payments, fees", "gas", "after", "as expected")
    title = "Balances on chain, from 1,000 each"
    print_table(title, columns, balances, "", right=columns[1:4])
    say("")
    # The log's name last: it is a path, and as long as it likes.
    audits = [[audit.records, len(audit.findings), audit.log] for audit in result.audits]
    print_table("Offline audit", ("records", "findings", "log"), audits, "")
    say("")


def _balances(name: str, account: Account) -> list[object]:
    from node.cli.amounts import brief_amount, format_eth

    shown = account.token or account.wei
    gas = brief_amount(account.wei.gas)
    return [name, format_eth(shown.gain), gas, format_eth(shown.after), _verdict(account)]


def _verdict(account: Account) -> str:
    from node.cli.amounts import format_eth

    wrong = [b for b in (account.wei, account.token) if b is not None and b.after != b.expected]
    return f"NO: {format_eth(wrong[0].expected)}" if wrong else "exactly"


def _who(result: DemoResult, sender: str) -> str:
    names = {account.address.lower(): name for name, account in result.accounts.items()}
    return names.get(sender, sender)
