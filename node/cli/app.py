"""The command tree. Loads typer and signatures only: whatever a command needs, it loads itself."""

import typer

from node.cli.applications import app as applications
from node.cli.approve import approve, reject
from node.cli.audit import audit
from node.cli.backup import backup
from node.cli.books import books
from node.cli.call import call
from node.cli.channels import channels
from node.cli.close import close
from node.cli.config_show import show
from node.cli.demo import demo
from node.cli.devnet import devnet
from node.cli.diff import diff
from node.cli.dispute import app as dispute
from node.cli.events import events
from node.cli.exit import challenge, exit_channel, resume
from node.cli.explain import explain
from node.cli.hub import hub
from node.cli.init import init
from node.cli.ledger import app as ledger
from node.cli.objectives import objectives
from node.cli.open import open_channel
from node.cli.options import AmountCommand
from node.cli.pay import pay
from node.cli.prove import prove
from node.cli.quote import quote
from node.cli.recovery import recovery
from node.cli.reducer import app as reducer
from node.cli.restore import restore
from node.cli.run import run
from node.cli.simulate import simulate
from node.cli.sink import app as sink
from node.cli.sql import sql
from node.cli.status import status
from node.cli.timeline import timeline
from node.cli.verify_proof import verify_proof
from node.cli.version import version

SET_UP, RUNNING, MONEY, LOOKING, WRITING = (
    *("Set up", "Run", "Channels and payments", "Look"),
    "Write applications",
)

app = typer.Typer(
    name="tally",
    help="An event-sourced state-channel node: it pays off chain, and proves every step.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
config = typer.Typer(no_args_is_help=True, help="Look at the configuration.")

app.command(rich_help_panel=SET_UP)(devnet)
app.command(rich_help_panel=SET_UP)(init)
app.add_typer(config, name="config", rich_help_panel=SET_UP)
config.command()(show)
app.command(rich_help_panel=RUNNING)(run)
app.command(rich_help_panel=RUNNING)(demo)
app.command(rich_help_panel=RUNNING)(backup)
app.command(rich_help_panel=RUNNING)(restore)
app.add_typer(sink, name="sink", rich_help_panel=RUNNING)
app.command("open", cls=AmountCommand, rich_help_panel=MONEY)(open_channel)
app.command(cls=AmountCommand, rich_help_panel=MONEY)(pay)
app.command(rich_help_panel=MONEY)(close)
app.command("exit", rich_help_panel=MONEY)(exit_channel)
app.command(rich_help_panel=MONEY)(challenge)
app.command(rich_help_panel=MONEY)(resume)
app.add_typer(dispute, name="dispute", rich_help_panel=MONEY)
app.add_typer(ledger, name="ledger", rich_help_panel=MONEY)
app.add_typer(applications, name="app", rich_help_panel=MONEY)
app.command(rich_help_panel=MONEY)(approve)
app.command(rich_help_panel=MONEY)(reject)
app.command(cls=AmountCommand, rich_help_panel=MONEY)(quote)
app.command(rich_help_panel=LOOKING)(status)
app.command(rich_help_panel=LOOKING)(hub)
app.command(rich_help_panel=LOOKING)(recovery)
app.command(rich_help_panel=LOOKING)(channels)
app.command(rich_help_panel=LOOKING)(objectives)
app.command(rich_help_panel=LOOKING)(events)
app.command(rich_help_panel=LOOKING)(diff)
app.command(rich_help_panel=LOOKING)(explain)
app.command(rich_help_panel=LOOKING)(simulate)
app.command(rich_help_panel=LOOKING)(timeline)
app.command(rich_help_panel=LOOKING)(call)
app.command(rich_help_panel=LOOKING)(audit)
app.command(rich_help_panel=LOOKING)(books)
app.command(rich_help_panel=LOOKING)(sql)
app.command(rich_help_panel=LOOKING)(prove)
app.command("verify-proof", rich_help_panel=LOOKING)(verify_proof)
app.command(rich_help_panel=LOOKING)(version)
app.add_typer(reducer, name="reducer", rich_help_panel=WRITING)
