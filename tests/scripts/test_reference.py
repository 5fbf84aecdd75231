"""The reference pages are current, whole, and their examples work as they stand."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from node.rpc.errors import all_faults
from node.rpc.methods import METHODS
from protocols.errors import all_errors
from scripts import reference
from tests.support.rpc_node import example_values, ready_for, serve

HEADING = re.compile(r"^### (.+)$", re.MULTILINE)
EXAMPLE = re.compile(r"```sh\n(curl .*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?:errors\.md)?#([^)]+)\)")
JSON_BLOCK = re.compile(r"```json\n(.*?)```", re.DOTALL)

RPC_PAGE = reference.RPC_PAGE.read_text()
EXAMPLES = EXAMPLE.findall(RPC_PAGE)

CURL = f"""#!{sys.executable}
import http.client, sys
arguments = sys.argv[1:]
assert arguments[0] == "-s", arguments
host, path = arguments[1].removeprefix("http://").split("/")
options = list(zip(arguments[2::2], arguments[3::2]))
headers = dict(value.split(": ", 1) for option, value in options if option == "-H")
(body,) = [value for option, value in options if option == "-d"]
connection = http.client.HTTPConnection(host)
connection.request("POST", "/" + path, body.encode(), headers)
print(connection.getresponse().read().decode())
connection.close()
"""
"""For machines without curl: what the page asks of it."""


def test_the_error_page_is_what_the_code_says() -> None:
    assert reference.ERRORS_PAGE.read_text() == reference.errors_page()


def test_the_rpc_page_is_what_the_code_says() -> None:
    assert reference.rpc_page(RPC_PAGE) == RPC_PAGE


def test_every_error_has_a_heading() -> None:
    named = set(HEADING.findall(reference.errors_page()))
    assert named == set(all_errors()) | set(all_faults())


def test_every_method_has_a_heading_and_an_example() -> None:
    assert set(METHODS) <= set(HEADING.findall(RPC_PAGE))
    assert [json.loads(_body(example))["method"] for example in EXAMPLES] == sorted(METHODS)


def test_every_link_of_the_rpc_page_leads_to_a_heading() -> None:
    headings = HEADING.findall(RPC_PAGE) + HEADING.findall(reference.errors_page())
    assert set(LINK.findall(RPC_PAGE)) <= {heading.lower() for heading in headings}


def test_every_block_of_json_is_json() -> None:
    blocks = JSON_BLOCK.findall(RPC_PAGE)
    assert len(blocks) >= 3
    for block in blocks:
        assert json.loads(block)["jsonrpc"] == "2.0"


def _body(example: str) -> str:
    return re.findall(r"-d '(.*)'", example)[0]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: json.loads(_body(text))["method"])
async def test_every_example_works_as_it_stands(
    nursery: trio.Nursery, tmp_path: Path, example: str
) -> None:
    node = ready_for(example)
    endpoint = await serve(nursery, node)
    # Made-up ids become the node's own; nobody is there to send a receipt.
    command = example.replace('"receipt"', '"durable"')
    for made_up, real in example_values(node).items():
        command = command.replace(made_up, real)
    stand_in = tmp_path / "curl"
    stand_in.write_text(CURL)
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    environment = {
        "RPC": f"{endpoint.host}:{endpoint.port}",
        "TOKEN": endpoint.token,
        "PATH": f"{os.environ['PATH']}{os.pathsep}{tmp_path}",
    }
    with trio.fail_after(30):
        done = await trio.run_process(
            ["bash", "-c", command], env=environment, capture_stdout=True, capture_stderr=True
        )
    assert "result" in json.loads(done.stdout), done.stdout


def test_the_stand_in_for_curl_is_sound(tmp_path: Path) -> None:
    compile(CURL.partition("\n")[2], str(tmp_path), "exec")


def test_a_page_that_is_not_current_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "ERRORS_PAGE", tmp_path / "errors.md")
    monkeypatch.setattr(reference, "RPC_PAGE", tmp_path / "rpc.md")
    (tmp_path / "rpc.md").write_text("# Ours\n\n" + reference.MARK + "old")
    assert reference.main(["--check"]) == 1
    assert "errors.md is not current" in capsys.readouterr().out
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    assert (tmp_path / "rpc.md").read_text().startswith("# Ours\n")


@pytest.mark.slow
def test_the_script_runs_by_itself() -> None:
    program = reference.ROOT / "scripts" / "reference.py"
    done = subprocess.run([sys.executable, program, "--check"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
