// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Allocation, AllocationTypes, Guarantee, SingleAssetExit} from './NitroTypes.sol';

/// Pure arithmetic on allocations: what a channel's holdings can pay, and what a guarantee gives
/// back. Earlier allocations have priority over later ones.
library OutcomeMaths {
    /// What each allocation named by `indices` is paid out of `held`; zero for the others, which
    /// keep their place in the queue all the same. No index means every allocation. `left` tells
    /// whether anything is owed afterwards.
    /// No guarantee is ever paid: naming one reverts (ADR 0032).
    function payouts(
        uint256 held,
        Allocation[] calldata allocations,
        uint256[] memory indices
    ) internal pure returns (uint256[] memory amounts, uint256 total, bool left) {
        uint256 count = allocations.length;
        amounts = new uint256[](count);
        uint256 named = 0;
        uint256 surplus = held;
        uint256 rest = 0;
        // Nothing here overflows: what is paid is at most what is held, counters are lengths.
        unchecked {
            for (uint256 i = 0; i < count; ++i) {
                Allocation calldata allocation = allocations[i];
                uint256 amount = allocation.amount;
                bool isGuarantee = allocation.allocationType == AllocationTypes.GUARANTEE;
                uint256 affordable = amount < surplus ? amount : surplus;
                surplus -= affordable;
                if (indices.length != 0) {
                    if (named == indices.length || indices[named] != i) {
                        rest |= isGuarantee ? 1 : amount;
                        continue;
                    }
                    ++named;
                }
                require(!isGuarantee, 'cannot transfer a guarantee');
                amounts[i] = affordable;
                total += affordable;
                rest |= amount - affordable;
            }
        }
        require(named == indices.length, 'Index out of range');
        left = rest != 0;
    }

    /// Whether anything is owed: an amount, or a guarantee, whatever its amount.
    function owes(Allocation[] calldata allocations) internal pure returns (bool) {
        for (uint256 i = 0; i < allocations.length; i++) {
            if (allocations[i].amount != 0) return true;
            if (allocations[i].allocationType == AllocationTypes.GUARANTEE) return true;
        }
        return false;
    }

    /// The amounts of all allocations, asset by asset, in their order.
    function amountsOf(
        SingleAssetExit[] calldata outcome
    ) internal pure returns (uint256[] memory amounts) {
        uint256 count = 0;
        // Counters of what lies in calldata do not overflow.
        unchecked {
            for (uint256 i = 0; i < outcome.length; ++i) {
                count += outcome[i].allocations.length;
            }
            amounts = new uint256[](count);
            count = 0;
            for (uint256 i = 0; i < outcome.length; ++i) {
                Allocation[] calldata allocations = outcome[i].allocations;
                for (uint256 j = 0; j < allocations.length; ++j) {
                    amounts[count++] = allocations[j].amount;
                }
            }
        }
    }

    /// What the right party of a guarantee gains: the second allocation of the channel it backs.
    function rightShareOf(Allocation[] calldata target) internal pure returns (uint256) {
        return target.length > 1 ? target[1].amount : 0;
    }

    /// The source's allocations without the guarantee at `indexOfTargetInSource`: its right
    /// party gains `rightShare`, its left party the rest, so the sum never changes (ADR 0032).
    /// The shares that gain are changed in `source` itself.
    function reclaimed(
        Allocation[] memory source,
        uint256 indexOfTargetInSource,
        uint256 rightShare
    ) internal pure returns (Allocation[] memory remaining) {
        require(indexOfTargetInSource < source.length, 'could not find target');
        Allocation memory guarantee = source[indexOfTargetInSource];
        require(rightShare <= guarantee.amount, 'totalReclaimed!=guarantee.amount');
        Guarantee memory parties = abi.decode(guarantee.metadata, (Guarantee));

        remaining = new Allocation[](source.length - 1);
        bool foundLeft = false;
        bool foundRight = false;
        uint256 next = 0;
        for (uint256 i = 0; i < source.length; i++) {
            if (i == indexOfTargetInSource) continue;
            Allocation memory share = source[i];
            if (!foundLeft && share.destination == parties.left) {
                share.amount += guarantee.amount - rightShare;
                foundLeft = true;
            }
            if (!foundRight && share.destination == parties.right) {
                share.amount += rightShare;
                foundRight = true;
            }
            remaining[next++] = share;
        }
        require(foundLeft, 'could not find left');
        require(foundRight, 'could not find right');
    }

    function withAmount(
        Allocation calldata allocation,
        uint256 amount
    ) internal pure returns (Allocation memory changed) {
        changed = allocation;
        changed.amount = amount;
    }
}
