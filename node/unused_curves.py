"""Keeps the pairing curves out of the process: eth-keyfile loads them for keys we never have.

eth-keyfile, and with it eth-account and web3, imports py_ecc for the BLS keys of validators. That
computes tables for a second whenever a process starts, a node twice (once for its key, once for its
chain room), and raises the whole process's recursion limit. A node has secp256k1 keys only
(docs/adrs/0043-unused-curves.md).
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import NoReturn

_SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""What eth-keyfile checks a secret against (SEC 2, section 2.4.1)."""
_BLS12_381_ORDER = 0x73EDA753_299D7D48_3339D808_09A1D805_53BDA402_FFFE5BFE_FFFFFFFF_00000001
"""The same for the keys we never have (draft-irtf-cfrg-pairing-friendly-curves)."""


class _Absent:
    """Stands where the BLS signature scheme would be."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"BLS keys are not supported here: {name} needs py_ecc")


_STAND_INS: dict[str, dict[str, object]] = {
    "py_ecc": {},
    "py_ecc.bls": {"G2ProofOfPossession": _Absent()},
    "py_ecc.bls12_381": {"curve_order": _BLS12_381_ORDER},
    "py_ecc.secp256k1": {"N": _SECP256K1_ORDER},
}


def leave_out() -> None:
    """Put stand-ins where py_ecc would be loaded; does nothing if somebody loaded it already.

    To be called before eth-keyfile, eth-account or web3 is imported.
    """
    if "py_ecc" in sys.modules:
        return
    for name, names in _STAND_INS.items():
        module = ModuleType(name, "Stands in for a library that is not used.")
        vars(module).update(names)
        sys.modules[name] = module
