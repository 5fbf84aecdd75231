"""Log lines go to standard error, as JSON when nobody watches."""

import json
import subprocess
import sys

PROGRAM = """
import structlog
from node.logs import configure_logs
configure_logs()
structlog.get_logger().info("hello", count=3)
structlog.get_logger().debug("too quiet to show")
print("a document")
"""


def test_lines_are_json_on_standard_error_and_leave_standard_output_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == "a document\n"
    (line,) = done.stderr.splitlines()
    entry = json.loads(line)
    assert entry["event"] == "hello"
    assert entry["count"] == 3
    assert entry["level"] == "info"
    assert entry["timestamp"].endswith("Z")


def test_a_command_that_says_so_hears_of_errors_alone() -> None:
    program = PROGRAM.replace("configure_logs()", "configure_logs(40)")
    program = program.replace("debug", "error")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["level"] == "error"
