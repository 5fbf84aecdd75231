"""Fuel is exact, time is measured once a run."""

from __future__ import annotations

from pathlib import Path

from node.reducers.message_file import read_message_file
from node.reducers.profiles import profile, spread
from node.reducers.trials import run_trial
from tests.support import reducers


def test_every_message_is_timed_once_a_run_and_its_fuel_is_that_of_a_trial(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_text('[0, {"hex": "0a"}, 5]\n[1, {"hex": "0a"}, 5]\n')
    file, module = read_message_file(path), reducers.scores()
    found = profile(module, file, 3)
    assert [len(one.times_us) for one in found.messages] == [3, 3]
    assert all(time_us > 0 for one in found.messages for time_us in one.times_us)
    trial = run_trial(module, file)
    assert [one.verdict for one in found.messages] == [one.verdict for one in trial.results]
    assert found.budget == module.budget


def test_a_spread_is_least_median_and_most() -> None:
    assert spread([3.04, 1.0, 2.0, 9.96]) == {"min": 1.0, "median": 2.5, "max": 10.0}
    assert spread((7,)) == {"min": 7, "median": 7, "max": 7}
