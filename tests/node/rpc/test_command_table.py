"""The commands, and what each may be refused with."""

from node.rpc.command_table import COMMANDS
from protocols.errors import RequestIdConflict


def test_these_change_something_and_no_others() -> None:
    assert {command.name for command in COMMANDS} == {
        "app_open",
        "app_send",
        "channel_challenge",
        "channel_exit",
        "channel_open",
        "channel_resume",
        "channel_close",
        "ledger_open",
        "ledger_pay",
        "payment_send",
        "payment_batch",
        "voucher_create",
        "voucher_receive",
        "objective_approve",
        "objective_reject",
    }


def test_what_takes_a_request_id_may_conflict_with_what_had_it() -> None:
    takes = {one.name for one in COMMANDS if "request_id" in one.params.__struct_fields__}
    assert takes == {one.name for one in COMMANDS if RequestIdConflict in one.errors}
