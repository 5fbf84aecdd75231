"""An installed package builds reducers as a clone does: nothing is left out of the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.reducers import APPLICATIONS, SHIPPED, fetch_zig
from tests.support.applications import NAMES

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as pip would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_headers_template_and_applications_are_in_it(installed: Path) -> None:
    names = {path.relative_to(ROOT) for path in SHIPPED.glob("*.h")}
    names |= {path.relative_to(ROOT) for name in NAMES for path in (APPLICATIONS / name).rglob("*")}
    template = ROOT / "node" / "reducers" / "template"
    names |= {path.relative_to(ROOT) for path in template.rglob("*")}
    assert [str(name) for name in sorted(names) if not (installed / name).exists()] == []


def test_a_new_reducer_is_built_and_tested_by_the_installed_package(
    installed: Path, tmp_path: Path
) -> None:
    (zig,) = fetch_zig()
    environment = {"PYTHONPATH": str(installed), "TALLY_ZIG": zig, "HOME": str(tmp_path)}
    for words in ("new nim", "build nim", "test nim", "check nim --count 2"):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "node", "reducer", *words.split()],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    built = (tmp_path / "nim" / "reducer.wasm").read_bytes()
    ours = subprocess.run(
        [sys.executable, "-P", "-m", "node", "reducer", "build", str(tmp_path / "nim")],
        env={**environment, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    assert ours.returncode == 0
    assert (tmp_path / "nim" / "reducer.wasm").read_bytes() == built
