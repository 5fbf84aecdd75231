// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Allocation, AllocationTypes, SingleAssetExit} from './NitroTypes.sol';

/// Outcomes of one asset and two simple allocations, of which only the amounts may differ. What
/// the apps of channels between two ends hold every running state's outcome against.
library TwoShares {
    /// Everything of `later` but its two amounts must stand as it stood in `before`.
    function requireSameButAmounts(
        SingleAssetExit[] calldata before,
        SingleAssetExit[] calldata later
    ) internal pure {
        require(before.length == 1 && later.length == 1, 'only one asset allowed');
        SingleAssetExit calldata opened = before[0];
        SingleAssetExit calldata moved = later[0];
        require(
            opened.allocations.length == 2 && moved.allocations.length == 2,
            'only two allocations allowed'
        );
        require(
            opened.asset == moved.asset &&
                opened.assetMetadata.assetType == moved.assetMetadata.assetType &&
                _equal(opened.assetMetadata.metadata, moved.assetMetadata.metadata),
            'asset changed'
        );
        _requireSameShare(opened.allocations[0], moved.allocations[0]);
        _requireSameShare(opened.allocations[1], moved.allocations[1]);
    }

    /// The two amounts of an outcome that passed `requireSameButAmounts`.
    function amounts(
        SingleAssetExit[] calldata outcome
    ) internal pure returns (uint256 first, uint256 last) {
        Allocation[] calldata shares = outcome[0].allocations;
        return (shares[0].amount, shares[1].amount);
    }

    function _requireSameShare(Allocation calldata before, Allocation calldata later) private pure {
        require(
            before.allocationType == AllocationTypes.SIMPLE &&
                later.allocationType == AllocationTypes.SIMPLE,
            'only simple allocations allowed'
        );
        require(before.destination == later.destination, 'destination changed');
        require(_equal(before.metadata, later.metadata), 'metadata changed');
    }

    function _equal(bytes calldata one, bytes calldata other) private pure returns (bool) {
        return keccak256(one) == keccak256(other);
    }
}
