// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AssetHolder} from './AssetHolder.sol';
import {ForceMove} from './ForceMove.sol';
import {FixedPart, SignedVariablePart, SingleAssetExit} from './NitroTypes.sol';

/// Judge and treasurer of every channel of one deployment: ForceMove decides what a channel's
/// last word is, AssetHolder pays by it. No owner, no upgrade, no configuration.
contract NitroAdjudicator is ForceMove, AssetHolder {
    /// Finalises with a final state that everybody signed and pays it out, in one transaction.
    function concludeAndTransferAllAssets(
        FixedPart calldata fixedPart,
        SignedVariablePart calldata candidate
    ) external nonReentrant {
        (bytes32 channelId, uint256 word) = _conclude(fixedPart, candidate);
        SingleAssetExit[] calldata outcome = candidate.variablePart.outcome;
        Claim memory claim = Claim(channelId, bytes32(0), word, uint160(word), 0, outcome.length);
        _payOut(claim, outcome, new uint256[](0));
    }
}
