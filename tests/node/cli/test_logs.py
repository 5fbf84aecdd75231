"""The daemon's log lines: on stderr, as JSON where no person reads."""

import json
import subprocess
import sys

CODE = """
from node.cli.logs import log_to_stderr
import structlog
log = structlog.get_logger()
log_to_stderr()
log.debug("not shown")
log.info("hello", peer="0xab")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broke")
"""


def test_log_lines_are_json_on_stderr_and_stdout_stays_free() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "hello"),
        ("error", "broke"),
    ]
    assert lines[0]["peer"] == "0xab"
    assert lines[0]["timestamp"].endswith("Z")
    assert "ZeroDivisionError" in lines[1]["exception"]
