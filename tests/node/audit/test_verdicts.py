"""The report is in the order of the records, whoever looked at the signatures and when."""

import pytest

from node.audit.report import AuditReport, Finding
from node.audit.verdicts import Verdicts
from node.verify.claims import Signed, SignedTotals
from protocols.types import amount_to_bytes
from protocols.voucher import sign_voucher
from tests.support.actors import ALICE, BOB

CHANNEL_ID = b"\xc1" * 32


def signed(number: int, is_good: bool) -> Signed:
    hash32 = number.to_bytes(32, "big")
    signer = ALICE if is_good else BOB
    return Signed("it", hash32, signer.signer(hash32), ALICE.address)


def vouchers(first: int, bad: set[int]) -> SignedTotals:
    totals = [amount_to_bytes(first + place) for place in range(5)]
    signatures = [
        sign_voucher(CHANNEL_ID, first + place, (BOB if place in bad else ALICE).signer)
        for place in range(5)
    ]
    return SignedTotals("the voucher", CHANNEL_ID, totals, signatures, ALICE.address)


def said(worker_count: int) -> tuple[AuditReport, list[tuple[int | None, str]]]:
    report = AuditReport("log")
    with Verdicts(report, worker_count) as verdicts:
        for seq in range(1, 200, 10):
            verdicts.say(seq, "states", signed(seq, seq % 3 != 0))
            verdicts.say(seq, "states", "known at once")
            verdicts.say(seq, "vouchers", vouchers(seq + 1, {0, 3} if seq % 20 == 1 else set()))
            verdicts.say(seq + 2, "fold", "inside the run")
            verdicts.add(seq + 5, Finding(seq + 5, "sequence", "a gap"))
            verdicts.pause()
        verdicts.settle()
    return report, [(finding.seq, finding.check) for finding in report.findings]


def test_what_is_said_keeps_its_place() -> None:
    _, order = said(0)
    assert order[:7] == [
        (1, "states"),
        (1, "vouchers"),
        (3, "fold"),
        (4, "vouchers"),
        (6, "sequence"),
        (11, "states"),
        (13, "fold"),
    ]
    assert (21, "states") in order
    assert [seq for seq, _ in order] == sorted(seq for seq, _ in order if seq is not None)


@pytest.mark.parametrize("worker_count", [1, 2])
def test_it_does_not_matter_who_looks(worker_count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = said(0)[0].findings
    monkeypatch.setattr("node.audit.verdicts.BATCH_SIGNATURE_COUNT", 7)
    monkeypatch.setattr("node.audit.verdicts.POOL_SIGNATURE_COUNT_MIN", 20)
    assert said(worker_count)[0].findings == expected
