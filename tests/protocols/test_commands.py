"""Commands: what makes two of them the same."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands
from protocols.commands import Command, command_hash
from tests.support.builders import CHANNEL, open_command

PAY = commands.SendPayment(CHANNEL, 5, bytes(32), "tea", "r1")
COMMANDS: list[Command] = [
    open_command(request_id="r1"),
    commands.CloseChannel(CHANNEL, "r1"),
    PAY,
    commands.ApproveObjective(CHANNEL, "r1"),
    commands.RejectObjective(CHANNEL, "no", "r1"),
    commands.OpenLedger(bytes(20), bytes(20), 5, 6, 3_600, b"abcd", "r1"),
    commands.OpenVirtual((bytes(20),), bytes(20), 5, (), 3_600, b"abcd", "r1"),
    commands.PayLedger(CHANNEL, 5, "r1"),
    commands.SendBatch(CHANNEL, (5, 6), ("tea", ""), bytes(28), None, "r1"),
    commands.CreateVoucher(CHANNEL, 5, bytes(32), "tea", "r1"),
    commands.TakeVoucher(CHANNEL, 5, bytes(65), "r1"),
    commands.ChallengeChannel(CHANNEL, "r1"),
    commands.ExitChannel(CHANNEL, "r1"),
    commands.ResumeChannel(CHANNEL, "r1"),
    commands.ExportDisputeKit(CHANNEL, True),
    commands.OpenApp(
        bytes(20), bytes(20), 5, 6, 3_600, bytes(32), "leader", bytes(20), b"abcd", "r1"
    ),
    commands.SendAppMessage(CHANNEL, b"\x01", bytes(32), "r1"),
    commands.OpenVirtualApp(
        *((bytes(20),), bytes(20), 5, (), 3_600),
        *(bytes(32), "leader", bytes(20), b"abcd", "r1"),
    ),
]
SAMPLES = {type(command): command for command in COMMANDS}
OPEN, REJECT = SAMPLES[commands.OpenChannel], SAMPLES[commands.RejectObjective]
LEDGER, MOVE = SAMPLES[commands.OpenLedger], SAMPLES[commands.PayLedger]
VIRTUAL, BATCH = SAMPLES[commands.OpenVirtual], SAMPLES[commands.SendBatch]
VOUCHER, TAKE = SAMPLES[commands.CreateVoucher], SAMPLES[commands.TakeVoucher]


def test_there_is_a_sample_of_every_command() -> None:
    assert {type(command) for command in COMMANDS} == set(Command.__args__)


@pytest.mark.parametrize(
    ("command", "changes"),
    [
        (OPEN, {"request_id": "r2"}),
        (OPEN, {"nonce_entropy": b"zzzz"}),
        (PAY, {"payment_id": b"\x01" * 32}),
        (PAY, {"request_id": ""}),
        (BATCH, {"id_prefix": b"\x01" * 28}),
        (VOUCHER, {"payment_id": b"\x01" * 32}),
        (MOVE, {"id_is_drawn": True}),
    ],
)
def test_what_the_shell_draws_does_not_make_another_command(
    command: Command, changes: dict[str, Any]
) -> None:
    assert command_hash(replace(command, **changes)) == command_hash(command)


@pytest.mark.parametrize(
    ("command", "changes"),
    [
        (OPEN, {"amount": 1}),
        (OPEN, {"counterparty": bytes(20)}),
        (OPEN, {"asset": b"\x01" * 20}),
        (OPEN, {"counterparty_amount": 1}),
        (OPEN, {"challenge_duration": 1}),
        (PAY, {"amount": 6}),
        (PAY, {"memo": "coffee"}),
        (PAY, {"channel_id": bytes(32)}),
        (REJECT, {"reason": "later"}),
        (LEDGER, {"counterparty_amount": 7}),
        (VIRTUAL, {"path": (bytes(20), bytes(20))}),
        (VIRTUAL, {"fees": (1,)}),
        (MOVE, {"amount": 6}),
        (BATCH, {"amounts": (5, 7)}),
        (BATCH, {"memos": ("tea", "milk")}),
        (BATCH, {"is_shared": False}),
        (VOUCHER, {"amount": 6}),
        (TAKE, {"total": 6}),
    ],
)
def test_whatever_the_caller_chose_makes_another_command(
    command: Command, changes: dict[str, Any]
) -> None:
    assert command_hash(replace(command, **changes)) != command_hash(command)


def test_commands_of_different_kinds_differ() -> None:
    assert len({command_hash(command) for command in COMMANDS}) == len(COMMANDS)


def test_a_memo_cannot_imitate_other_fields() -> None:
    one = replace(PAY, amount=5, memo="a|6")
    other = replace(PAY, amount=5, memo="a', '6")
    assert command_hash(one) != command_hash(other)


def test_the_hash_is_the_same_in_every_process() -> None:
    script = (
        "from protocols.commands import *\n"
        "print(command_hash(SendPayment(bytes(32), 5, bytes(32), 'tea')).hex())"
    )
    run = [sys.executable, "-c", script]
    printed = {subprocess.run(run, capture_output=True, check=True).stdout for _ in range(2)}
    here = command_hash(commands.SendPayment(bytes(32), 5, bytes(32), "tea")).hex()
    assert printed == {here.encode() + b"\n"}


def test_the_payments_of_a_batch_are_named_by_its_prefix_and_their_place() -> None:
    command = commands.SendBatch(CHANNEL, (5,) * 300, ("",) * 300, b"\x01" * 28)
    ids = command.payment_ids()
    assert len(set(ids)) == 300
    assert (ids[0], ids[299]) == (b"\x01" * 28 + bytes(4), b"\x01" * 28 + b"\0\0\x01\x2b")
