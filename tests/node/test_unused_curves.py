"""What is left out must really not be loaded, and what is put there must be right."""

from __future__ import annotations

import json
import subprocess

import pytest

from node.processes import our_environment, our_python
from node.unused_curves import _BLS12_381_ORDER, _SECP256K1_ORDER


def python(code: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, for this one may have loaded the curves already."""
    return subprocess.run(
        [*our_python("node")[:2], "-c", code],
        env=our_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_the_chain_room_loads_web3_without_the_pairing_curves() -> None:
    code = (
        "import json, sys, node.chain.provider, node.chain.transactions;"
        "names = [name for name in sys.modules if name.startswith('py_ecc')];"
        "print(json.dumps([sorted(names), sys.getrecursionlimit()]))"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    stand_ins = ["py_ecc", "py_ecc.bls", "py_ecc.bls12_381", "py_ecc.secp256k1"]
    assert json.loads(done.stdout) == [stand_ins, 1_000]


def test_the_orders_are_the_curves_own() -> None:
    code = (
        "from py_ecc.bls12_381 import curve_order; from py_ecc.secp256k1 import N;"
        "print(N, curve_order)"
    )
    assert python(code).stdout.split() == [str(_SECP256K1_ORDER), str(_BLS12_381_ORDER)]


@pytest.mark.slow
def test_who_loaded_the_curves_keeps_them() -> None:
    done = python(
        "import py_ecc.bls as b, node.unused_curves as u; u.leave_out(); print(b.G2Basic)"
    )
    assert "ciphersuites.G2Basic" in done.stdout, done.stderr


def test_a_bls_key_is_refused_by_name() -> None:
    code = (
        "import node.unused_curves as u; u.leave_out();"
        "from eth_keyfile import create_keyfile_json as make;"
        "make(bytes(31) + bytes([1]), b'p', version=4, kdf='pbkdf2', iterations=1)"
    )
    done = python(code)
    assert "AttributeError: BLS keys are not supported here" in done.stderr


def test_a_secret_outside_the_curve_makes_no_keystore() -> None:
    code = (
        "import node.unused_curves as u; u.leave_out();"
        "from eth_keyfile import create_keyfile_json as make;"
        f"make(({_SECP256K1_ORDER}).to_bytes(32, 'big'), b'p', kdf='pbkdf2', iterations=1)"
    )
    assert "ValueError" in python(code).stderr
