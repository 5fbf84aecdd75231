// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FixedPart, RecoveredVariablePart} from './NitroTypes.sol';

/// The rule book of a channel: which states its participants' signatures make enforceable.
interface IForceMoveApp {
    /// True when `candidate`, helped by `proof`, is supported; else false and the reason.
    /// Signatures were recovered by the caller and belong to `fixedPart.participants`.
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external view returns (bool, string memory);
}
