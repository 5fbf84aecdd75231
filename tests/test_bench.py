"""The benchmark measures what it says, on tiny counts; how fast anything is, no test asserts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from node.audit import audit
from node.engine import replay
from node.store.log import EventLog
from node.verify.pool import core_count
from protocols import events
from protocols.node_state import NodeState
from scripts import bench
from scripts.benchmarks import growth, history, limits, machine, report, sound_logs, store
from scripts.benchmarks.answering import AnsweringPlan
from scripts.benchmarks.applications import ApplicationPlan, measure_messages
from scripts.benchmarks.limits import Effort, Parts
from scripts.benchmarks.machine import Pressure, PressureMeter
from scripts.benchmarks.memory import RETENTION, MemoryPlan
from scripts.benchmarks.paths import PathPlan
from scripts.benchmarks.pauses import PausePlan
from scripts.benchmarks.payments import PaymentPlan
from scripts.benchmarks.restart import RestartPlan
from scripts.benchmarks.sinks import SinkPlan, measure_sinks
from scripts.benchmarks.views import ViewPlan, measure_views, query_p99_growth
from scripts.benchmarks.watching import WatchingPlan
from tests.support.warm_python import WarmPython, started_by

TINY = Effort(fast=20, signatures=3, flushes=3, round_trips=5, batches=3, events=500)
PARTS = Parts(
    sign_us=25.0,
    verify_us=35.0,
    digest_us=1.6,
    state_digest_us=5.0,
    encode_us=0.2,
    decode_us=0.3,
    append_us=0.5,
    flush_us=150.0,
    round_trip_us=66.0,
    synced_event_us=4.0,
    replayed_event_us=0.4,
)
FIGURES = {
    "payments_per_s": 6_000.0,
    "payment_p50_ms": 0.9,
    "appends_per_s": 120_000.0,
    "replay_per_s": 200_000.0,
}
RUN = report.Run(PARTS, 3.0, Pressure(1.0), FIGURES, {"payment_p99_ms": 9.0})


@pytest.mark.slow
def test_every_part_of_the_limits_is_measured_and_positive(tmp_path: Path) -> None:
    parts = limits.measure(tmp_path, TINY)
    assert all(value > 0 for value in vars_of(parts).values())
    assert all(value > 0 for value in parts.limits().values())
    assert list(tmp_path.iterdir()) == []


def vars_of(parts: Parts) -> dict[str, float]:
    return {name: getattr(parts, name) for name in Parts.__dataclass_fields__}


def test_the_limits_are_the_formulas_of_the_page() -> None:
    assert PARTS.vouchers_per_s == pytest.approx(1e6 / (35.0 + 1.6 + 0.3 + 0.5))
    assert PARTS.voucher_latency_ms == pytest.approx(
        (25 + 35 + 2 * 1.6 + 0.2 + 0.3 + 2 * 0.5 + 2 * 150 + 66) / 1e3
    )
    assert PARTS.receipted_latency_ms == pytest.approx(
        PARTS.voucher_latency_ms + (25 + 35 + 2 * 1.6 + 2 * 0.5 + 150 + 66) / 1e3
    )
    update_us = 2 * (25 + 35 + 5) + 3 * 0.5
    assert PARTS.ledger_updates_per_s == pytest.approx(2e6 / update_us)
    assert PARTS.one_ledger_per_s == pytest.approx(1e6 / (update_us + 3 * 150 + 66))
    assert PARTS.one_ledger_ms == pytest.approx((update_us + 3 * 150 + 66) / 1e3)
    assert PARTS.opening_ms == pytest.approx(5 * (2 * 35 + 25 + 5 + 150 + 33) / 1e3)
    assert PARTS.openings_per_s == pytest.approx(1e6 / (10 * 25 + 16 * 35 + 26 * 5))
    assert PARTS.replay_per_s == pytest.approx(2.5e6)
    assert PARTS.appends_per_s == pytest.approx(250_000)
    assert PARTS.verified_per_s == pytest.approx(core_count() * 1e6 / 35)


def test_the_mean_of_two_measurements_divides_and_their_drift_is_told() -> None:
    other = replace(PARTS, synced_event_us=6.0)
    assert limits.mean(PARTS, other).synced_event_us == 5.0
    assert limits.drift_percent(PARTS, PARTS) == 0.0
    assert limits.drift_percent(PARTS, other) == pytest.approx(100 / 3)


def test_the_measured_log_is_one_the_reducer_takes(tmp_path: Path) -> None:
    log = EventLog.open(tmp_path / "log")
    store.write(log, [*store.opening(), *islice(store.payments(), 33)])
    state = NodeState()
    assert max(replay(log, state)) == 35
    (channel,) = (state.channels[key] for key in state.channels)
    assert channel.vouchers.payment_count == channel.vouchers.receipted_count == 30
    assert channel.vouchers.total == channel.vouchers.receipted_total == 300
    names = [record.name for record in log.read(2)]
    assert names.count(events.ReceiptIssued.NAME) == 3
    log.close()


@pytest.mark.slow
def test_appends_and_replay_are_measured_and_leave_nothing(tmp_path: Path) -> None:
    assert store.appends_per_s(tmp_path / "appends", batch_count=3) > 0
    assert store.append_p50_ms(tmp_path / "append", count=3) > 0
    proofs = store.proofs(tmp_path / "proofs", 300)
    assert 0 < proofs.median_ms <= proofs.slowest_ms
    assert proofs.tree_us > 0
    assert store.replay_per_s(tmp_path / "replay", event_count=1_050) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_payment_is_measured_at_every_size_of_what_the_node_holds() -> None:
    found = growth.growth_us((1, 3), (5, 20), payment_count=40)
    assert list(found) == [
        "payment_us_at_1_channels",
        "payment_us_at_3_channels",
        "payment_us_after_5_events",
        "payment_us_after_20_events",
    ]
    assert all(us > 0 for us in found.values())
    assert growth.growth(
        {"a channels": 2.0, "b channels": 3.0, "c events": 1.0, "d events": 1.1}
    ) == {
        "growth_over_channels": 1.5,
        "growth_over_history": 1.1,
    }


def test_a_figure_is_held_against_its_limit_in_the_right_direction() -> None:
    lines = {line.aim.name: line for line in RUN.lines()}
    assert lines["payments_per_s"].ratio == pytest.approx(6_000 / PARTS.vouchers_per_s)
    assert lines["payments_per_s"].reached
    assert lines["payment_p50_ms"].reached
    assert not replace(lines["payment_p50_ms"], figure=3.0).reached
    assert lines["appends_per_s"].reached
    assert not lines["replay_per_s"].reached


def test_every_aim_has_its_limit_and_its_share() -> None:
    aims = {aim.name: (aim.limit, aim.ratio, aim.less_is_better) for aim in report.AIMS}
    assert aims == {
        "payments_per_s": ("L2", 0.20, False),
        "rpc_payments_per_s": (4_000.0, 1.0, False),
        "own_vouchers_per_s": ("L2", 0.50, False),
        "voucher_payer_us": (20.0, 1.0, True),
        "voucher_payee_us": (20.0, 1.0, True),
        "shared_vouchers_per_s": (100_000.0, 1.0, False),
        "rpc_batched_per_s": (30_000.0, 1.0, False),
        "over_channels_share": (1.0, 0.80, False),
        "payment_p50_ms": ("L3", 2.5, True),
        "receipted_p50_ms": ("L3r", 2.5, True),
        "ledger_updates_per_s": ("L4", 0.40, False),
        "one_ledger_per_s": ("L5", 0.45, False),
        "one_ledger_p50_ms": ("L5p", 2.2, True),
        "opening_p50_ms": ("L6", 4.0, True),
        "opening_delayed_p50_ms": (70.0, 1.0, True),
        "openings_per_s": ("L6c", 0.25, False),
        "openings_with_many_share": (1.0, 0.90, False),
        "hub_bytes_per_channel": (6_144.0, 1.0, True),
        "growth_over_channels": (1.0, 1.2, True),
        "growth_over_history": (1.0, 1.2, True),
        "restart_s": (2.5, 1.0, True),
        "restart_mb": (300.0, 1.0, True),
        "memory_over_history": (1.0, 1.1, True),
        "snapshot_pause_ms": (5.0, 1.0, True),
        "appends_per_s": ("L9", 0.45, False),
        "append_p50_ms": ("flush", 1.5, True),
        "proof_ms": (5.0, 1.0, True),
        "replay_per_s": ("L7", 0.18, False),
        "replay_of_states_per_s": ("L7", 0.04, False),
        "time_travel_ms": (250.0, 1.0, True),
        "watching_percent": (10.0, 1.0, True),
        "answer_p99_s": (2.0, 1.0, True),
        "audit_per_s": ("L8a", 0.80, False),
        "audit_million_s": (120.0, 1.0, True),
        "sink_changes_per_s": (50_000.0, 1.0, False),
        "sink_share": (1.0, 0.05, False),
        "view_rows_per_s": (100_000.0, 1.0, False),
        "reduced_share": (1.0, 0.35, False),
        "derived_cold_s": (0.5, 1.0, True),
        "derived_again_times": (10.0, 1.0, False),
        "query_p99_growth": (1.0, 1.2, True),
        "app_messages_per_s": (2_000.0, 1.0, False),
    }


def test_a_run_under_pressure_or_with_drifting_limits_says_so() -> None:
    assert RUN.remarks() == []
    assert replace(RUN, pressure=Pressure(None)).remarks() == []
    busy = replace(RUN, pressure=Pressure(12.4), drift_percent=40.0)
    assert [remark[:9] for remark in busy.remarks()] == ["somebody ", "a limit d"]


def test_of_several_runs_the_middle_one_is_reported() -> None:
    runs = [replace(RUN, figures={**FIGURES, "payments_per_s": n}) for n in (9e3, 5e3, 7e3)]
    assert report.middle(runs) is runs[2]
    document = report.document(runs)
    assert document["figures"]["payments_per_s"]["figure"] == 7_000
    assert len(document["ratios"]) == 3


def test_the_table_shows_figure_limit_ratio_and_aim() -> None:
    text = report.table([RUN])
    first = text.splitlines()[1]
    for part in ("6,000", "L2 26,738", "0.22", ">= 0.20", "reached"):
        assert part in first
    assert "missed" in text
    assert "payment p99 ms: 9.00" in text


def test_pressure_is_a_share_of_the_time_the_meter_ran(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert (machine.waited_us() is None) == (not machine.PRESSURE_FILE.exists())
    monkeypatch.setattr(machine, "PRESSURE_FILE", tmp_path / "cpu")
    meter, counted_us = PressureMeter(), 0

    def wait(microseconds: int) -> None:
        nonlocal counted_us
        counted_us += microseconds
        some, full = (f"{share} avg10=0.00 avg60=0.00 avg300=0.00" for share in ("some", "full"))
        machine.PRESSURE_FILE.write_text(f"{some} total={counted_us}\n{full} total=0\n")

    assert meter.read() == Pressure(None)
    at_least_s = at_most_s = 0.0
    for waited_us in (20_000, 30_000):
        wait(7_000_000)
        time.sleep(0.05)
        before_s = time.monotonic()
        with meter.running():
            began_s = time.monotonic()
            wait(waited_us)
            time.sleep(0.05)
            at_least_s += time.monotonic() - began_s
        at_most_s += time.monotonic() - before_s
    percent = meter.read().waited_percent
    assert percent is not None
    # 50 ms in both stretches together, rounded to a tenth; what was between them is not counted.
    assert 5 / at_most_s - 0.05 <= percent <= 5 / at_least_s + 0.05


def test_a_kernel_that_does_not_count_pressure_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "PRESSURE_FILE", tmp_path / "none")
    meter = PressureMeter()
    with meter.running():
        pass
    assert meter.read() == Pressure(None)


def test_pinning_and_collecting_are_undone() -> None:
    allowed = os.sched_getaffinity(0)
    with machine.pinned(0):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == allowed
    assert machine.median_us(lambda: sum(range(100)), 3) > 0
    assert machine.process_cpu_s(os.getpid()) > 0


@pytest.mark.slow
def test_the_script_prints_one_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = bench.Plan(
        append_batches=3, proof_records=300, replay_events=500, history_events=500, effort=TINY
    )
    monkeypatch.setattr(bench, "Plan", lambda **given: replace(tiny, **given))
    assert bench.main(["--only", "store", "--runs", "2", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert set(document["figures"]) == {
        "appends_per_s",
        "append_p50_ms",
        "proof_ms",
        "replay_per_s",
        "replay_of_states_per_s",
        "time_travel_ms",
    }
    assert len(document["ratios"]) == 2
    assert "the limits again" in captured.err
    assert bench.main(["--only", "store"]) == 0
    assert "durable appends by 100" in capsys.readouterr().out


@pytest.mark.slow
def test_the_views_are_measured_and_leave_nothing(tmp_path: Path) -> None:
    plan = ViewPlan(events=3_000, reduced=1_500, messages=20)
    figures, details = measure_views(tmp_path, plan)
    assert set(figures) == {
        *("view_rows_per_s", "reduced_share", "derived_cold_s", "derived_again_times")
    }
    assert all(value > 0 for value in (figures | details).values())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.usefixtures("sooner")
def test_payments_beside_a_query_are_measured(tmp_path: Path) -> None:
    growth_of_p99, details = query_p99_growth(tmp_path, ViewPlan(singles=5))
    assert growth_of_p99 > 0
    assert set(details) == {"payment_p99_alone_ms", "payment_p99_beside_query_ms"}


@pytest.mark.slow
def test_the_audit_of_an_honest_log_is_measured(tmp_path: Path) -> None:
    plan = bench.Plan(
        with_store=False,
        with_payments=False,
        with_paths=False,
        with_growth=False,
        with_sinks=False,
        with_views=False,
        with_applications=False,
        with_memory=False,
        with_restart=False,
        with_watching=False,
        effort=TINY,
        audit_events=300,
    )
    run = bench.run(plan, tmp_path)
    assert set(run.figures) == {"audit_per_s", "audit_million_s"}
    assert run.figures["audit_million_s"] == pytest.approx(1e6 / run.figures["audit_per_s"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_sink_is_measured_beside_a_bare_copy(tmp_path: Path) -> None:
    figures, details = measure_sinks(tmp_path, SinkPlan(change_count=2_000, live_message_count=3))
    assert figures["sink_changes_per_s"] > 0
    assert details["bare_copy_rows_per_s"] > 0
    share = figures["sink_changes_per_s"] / details["bare_copy_rows_per_s"]
    assert figures["sink_share"] == pytest.approx(share)
    assert details["sink_lag_p50_ms"] > 0


@pytest.mark.parametrize(
    "make", [sound_logs.payees_log, sound_logs.followers_log, sound_logs.states_log]
)
def test_the_made_logs_are_sound(make: Callable[[Path, int], None], tmp_path: Path) -> None:
    make(tmp_path, 150)
    found = audit(tmp_path)
    assert found.findings == []
    assert 150 <= found.records <= 152


def test_time_travel_is_measured_to_moments_on_either_side_of_snapshots(tmp_path: Path) -> None:
    assert history.time_travel_ms(tmp_path / "history", 1_000) > 0
    assert list(tmp_path.iterdir()) == []
    assert history.moments(1_000, 200)[-2:] == [998, 898]


@pytest.fixture
def sooner(python: WarmPython) -> Iterator[None]:
    """What daemons do is measured here, not how they start."""
    with started_by(python):
        yield


@pytest.mark.e2e
@pytest.mark.usefixtures("sooner")
def test_payments_between_two_daemons_are_measured(tmp_path: Path) -> None:
    plan = bench.Plan(
        with_store=False,
        with_paths=False,
        with_growth=False,
        with_sinks=False,
        with_views=False,
        with_applications=False,
        with_memory=False,
        with_audit=False,
        with_restart=False,
        with_watching=False,
        effort=TINY,
        payments=PaymentPlan(warm_up=5, pipelined=40, in_flight=8, single=5),
    )
    run = bench.run(plan, tmp_path)
    names = ["payments_per_s", "rpc_payments_per_s", "payment_p50_ms", "receipted_p50_ms"]
    assert [line.aim.name for line in run.lines()] == names
    assert all(line.figure > 0 for line in run.lines())
    assert run.details["payment_p99_ms"] >= run.figures["payment_p50_ms"]
    assert run.details["replay_of_the_payees_log_per_s"] > 0


@pytest.mark.e2e
@pytest.mark.usefixtures("sooner")
def test_batches_ledgers_and_hubs_are_measured_between_three_daemons(tmp_path: Path) -> None:
    tiny = PathPlan(
        batch_size=10,
        own_vouchers=40,
        shared_vouchers=80,
        channels=2,
        ledgers=2,
        ledger_updates=16,
        lone_updates=3,
        openings=2,
        live=6,
        burst=3,
    )
    plan = bench.Plan(
        with_store=False,
        with_payments=False,
        with_growth=False,
        with_sinks=False,
        with_views=False,
        with_applications=False,
        with_audit=False,
        with_restart=False,
        with_watching=False,
        effort=TINY,
        paths=tiny,
        delayed_openings=2,
        memory=MemoryPlan(warm_up_payments=40, warm_up_channels=2, channels=3),
    )
    run = bench.run(plan, tmp_path)
    names = {line.aim.name for line in run.lines()}
    assert names == {
        "own_vouchers_per_s", "voucher_payer_us", "voucher_payee_us", "shared_vouchers_per_s",
        "rpc_batched_per_s", "over_channels_share",
        "ledger_updates_per_s", "one_ledger_per_s", "one_ledger_p50_ms",
        "opening_p50_ms", "opening_delayed_p50_ms", "openings_per_s", "openings_with_many_share",
        "hub_bytes_per_channel",
    }  # fmt: skip
    # So few payments that a clock of processor time may not have moved at all.
    too_small = {"hub_bytes_per_channel", "voucher_payer_us", "voucher_payee_us"}
    assert all(run.figures[name] > 0 for name in names - too_small)
    assert run.details["own_voucher_payer_cpu_us"] >= 0
    assert not RETENTION.keys() & os.environ.keys()


@pytest.mark.e2e
@pytest.mark.usefixtures("sooner")
def test_restarts_and_pauses_are_measured_on_a_log_that_ended_by_a_crash(tmp_path: Path) -> None:
    plan = bench.Plan(
        with_store=False,
        with_payments=False,
        with_paths=False,
        with_growth=False,
        with_sinks=False,
        with_views=False,
        with_applications=False,
        with_memory=False,
        with_audit=False,
        effort=TINY,
        restart=RestartPlan(
            channels=50, touched=5, history_channels=5, short_vouchers=2, long_vouchers=4
        ),
        pauses=PausePlan(channels=60, batches=300),
        watching=WatchingPlan(channels=20, settle_s=0.0, watch_s=3.0),
        answering=AnsweringPlan(channels=2),
    )
    run = bench.run(plan, tmp_path)
    names = [
        "restart_s", "restart_mb", "memory_over_history", "snapshot_pause_ms", "watching_percent",
        "answer_p99_s",
    ]  # fmt: skip
    assert [line.aim.name for line in run.lines()] == names
    # Of three seconds an idle node may take less than what is counted in hundredths.
    assert all(line.figure > 0 for line in run.lines() if line.aim.name != "watching_percent")
    assert run.details["blocks_watched"] >= 1
    # Five of the first life: whose log it is, two contracts of applications, a head, a digest. The
    # second may have looked at the chain before it was asked.
    made_count = 5 + 50 * 15 + 5 * 2
    assert made_count <= run.details["restart_records"] <= made_count + 3
    assert run.details["snapshots_taken"] >= 1


@pytest.mark.e2e
@pytest.mark.usefixtures("sooner")
def test_an_applications_messages_are_measured_between_two_daemons(tmp_path: Path) -> None:
    figures, details = measure_messages(tmp_path, ApplicationPlan(5, 20, 8))
    assert figures.keys() == {"app_messages_per_s"}
    assert figures["app_messages_per_s"] > 0
    assert details.keys() == {"author_cpu_us_per_message", "judge_cpu_us_per_message"}
