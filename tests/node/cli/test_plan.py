"""A plan as people read it."""

from typing import Any

import pytest

from node.cli.plan import say_plan

DATE = "2026-01-02 03:04:05 UTC"


def step(name: str, after_s: int, blocks: int | None) -> dict[str, Any]:
    channel_id = "0x" + "ab" * 32
    return {
        "step": name,
        "channel_id": channel_id,
        "gas": 72_000,
        "after_s": after_s,
        "not_before": DATE,
        "blocks": blocks,
    }


def test_each_step_says_when_it_may_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [step("challenge", 0, 0), step("reclaim", 60, 5), step("transfer", 60, None)]
    worth = [
        {"amount": "7000000000", "asset": "0x" + "00" * 20},
        {"amount": "5", "asset": "0x" + "ab" * 20},
    ]
    say_plan({"steps": steps, "gas": 216_000, "worth": worth})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "1. challenge 0xabababab: now, about 72,000 gas",
        f"2. reclaim 0xabababab: {DATE} (5 blocks), about 72,000 gas",
        f"3. transfer 0xabababab: {DATE}, about 72,000 gas",
        "About 216,000 gas in all. Nothing was done.",
        "At worst you get 7 gwei, less gas.",
        f"At worst you get 5 units of 0x{'ab' * 20}, less gas.",
    ]


def test_what_cannot_be_reckoned_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    say_plan({"steps": [], "gas": 0, "worth": None})
    assert capsys.readouterr().out == "About 0 gas in all. Nothing was done.\n"
