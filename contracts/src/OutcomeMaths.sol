// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Allocation, AllocationTypes, Guarantee} from './NitroTypes.sol';

/// Pure arithmetic on allocations: what a channel's holdings can pay, and what a guarantee gives
/// back. Earlier allocations have priority over later ones.
library OutcomeMaths {
    /// What each allocation named by `indices` is paid out of `held`; zero for the others, which
    /// keep their place in the queue all the same. No index means every allocation.
    /// No guarantee is ever paid: naming one reverts (ADR 0032).
    function payouts(
        uint256 held,
        Allocation[] memory allocations,
        uint256[] memory indices
    ) internal pure returns (uint256[] memory amounts, uint256 total) {
        amounts = new uint256[](allocations.length);
        uint256 named = 0;
        uint256 surplus = held;
        for (uint256 i = 0; i < allocations.length; i++) {
            uint256 affordable = allocations[i].amount < surplus ? allocations[i].amount : surplus;
            surplus -= affordable;
            if (indices.length != 0) {
                if (named == indices.length || indices[named] != i) continue;
                named++;
            }
            require(
                allocations[i].allocationType != AllocationTypes.GUARANTEE,
                'cannot transfer a guarantee'
            );
            amounts[i] = affordable;
            total += affordable;
        }
        require(named == indices.length, 'Index out of range');
    }

    /// The source's allocations without the guarantee at `indexOfTargetInSource`: its right
    /// party gains what the target's second allocation holds, its left party the rest, so the
    /// sum never changes (ADR 0032).
    function reclaimed(
        Allocation[] memory source,
        Allocation[] memory target,
        uint256 indexOfTargetInSource
    ) internal pure returns (Allocation[] memory remaining, uint256 rightShare) {
        require(indexOfTargetInSource < source.length, 'could not find target');
        Allocation memory guarantee = source[indexOfTargetInSource];
        rightShare = target.length > 1 ? target[1].amount : 0;
        require(rightShare <= guarantee.amount, 'totalReclaimed!=guarantee.amount');
        Guarantee memory parties = abi.decode(guarantee.metadata, (Guarantee));

        remaining = new Allocation[](source.length - 1);
        bool foundLeft = false;
        bool foundRight = false;
        uint256 next = 0;
        for (uint256 i = 0; i < source.length; i++) {
            if (i == indexOfTargetInSource) continue;
            Allocation memory share = _copy(source[i]);
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
        Allocation memory allocation,
        uint256 amount
    ) internal pure returns (Allocation memory changed) {
        changed = _copy(allocation);
        changed.amount = amount;
    }

    function _copy(Allocation memory from) private pure returns (Allocation memory) {
        return Allocation(from.destination, from.amount, from.allocationType, from.metadata);
    }
}
