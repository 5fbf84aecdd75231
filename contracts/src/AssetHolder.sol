// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AssetCalls} from './AssetCalls.sol';
import {NitroHashes} from './NitroHashes.sol';
import {Allocation, AllocationTypes, SingleAssetExit} from './NitroTypes.sol';
import {NonReentrant} from './NonReentrant.sol';
import {OutcomeMaths} from './OutcomeMaths.sol';
import {StatusWords} from './StatusWords.sol';

/// Holds the money: takes deposits for channels, pays out of finalised ones, and dissolves the
/// guarantees of finalised ledgers. Knows nothing of signatures.
abstract contract AssetHolder is StatusWords, NonReentrant {
    struct ReclaimArgs {
        bytes32 sourceChannelId;
        bytes32 sourceStateHash;
        bytes sourceOutcomeBytes;
        uint256 sourceAssetIndex;
        uint256 indexOfTargetInSource;
        bytes32 targetStateHash;
        bytes targetOutcomeBytes;
        uint256 targetAssetIndex;
    }

    event Deposited(bytes32 indexed destination, address asset, uint256 destinationHoldings);
    event AllocationUpdated(
        bytes32 indexed channelId,
        uint256 assetIndex,
        uint256 initialHoldings,
        uint256 finalHoldings
    );
    event Reclaimed(bytes32 indexed channelId, uint256 assetIndex);

    /// Which allocations of the asset were paid, and how much each: the outcome fell by exactly
    /// this. Absent when nothing was paid (ADR 0034).
    event OutcomePaid(
        bytes32 indexed channelId,
        uint256 assetIndex,
        uint256[] indices,
        uint256[] amounts
    );

    /// The guarantee for `target` left the channel's outcome; its right party gained `rightShare`
    /// and its left party the rest (ADR 0034).
    event OutcomeReclaimed(
        bytes32 indexed channelId,
        uint256 assetIndex,
        bytes32 indexed target,
        uint256 rightShare
    );

    /// Units of the asset held for a channel, in the asset's smallest unit.
    mapping(address => mapping(bytes32 => uint256)) public holdings;

    /// The fingerprint a finalised channel had before its first payout changed it; zero until
    /// then. Reclaim judges a target by it, whoever paid what out of the target since (ADR 0032).
    mapping(bytes32 => uint160) public firstFingerprintOf;

    /// Adds `amount` to a channel's holdings if they stand at `expectedHeld` now.
    function deposit(
        address asset,
        bytes32 channelId,
        uint256 expectedHeld,
        uint256 amount
    ) external payable nonReentrant {
        require(!_isExternal(channelId), 'Deposit to external destination');
        uint256 held = holdings[asset][channelId];
        require(held == expectedHeld, 'held != expectedHeld');
        require(
            msg.value == (asset == address(0) ? amount : 0),
            'Incorrect msg.value for deposit'
        );
        if (asset != address(0)) AssetCalls.pull(asset, msg.sender, amount);

        held += amount;
        holdings[asset][channelId] = held;
        emit Deposited(channelId, asset, held);
    }

    /// Pays the allocations named by `indices` of one asset of a finalised channel; none named
    /// means all. A payout that fails stays in outcome and holdings and may be tried again.
    function transfer(
        uint256 assetIndex,
        bytes32 fromChannelId,
        bytes calldata outcomeBytes,
        bytes32 stateHash,
        uint256[] calldata indices
    ) external nonReentrant {
        for (uint256 i = 1; i < indices.length; i++) {
            require(indices[i - 1] < indices[i], 'Indices must be sorted');
        }
        bytes32 status = _requireFinalized(fromChannelId);
        uint160 fingerprint = _fingerprint(stateHash, keccak256(outcomeBytes));
        require(uint160(uint256(status)) == fingerprint, 'incorrect fingerprint');
        SingleAssetExit[] memory outcome = abi.decode(outcomeBytes, (SingleAssetExit[]));
        require(assetIndex < outcome.length, 'Index out of range');
        Claim memory claim = Claim(fromChannelId, stateHash, fingerprint, assetIndex, assetIndex + 1);
        _payOut(claim, outcome, indices);
    }

    /// Pays every allocation of every asset of a finalised channel.
    function transferAllAssets(
        bytes32 channelId,
        SingleAssetExit[] calldata outcome,
        bytes32 stateHash
    ) external nonReentrant {
        bytes32 status = _requireFinalized(channelId);
        uint160 fingerprint = _fingerprint(stateHash, NitroHashes.signedOutcomeHash(outcome));
        require(uint160(uint256(status)) == fingerprint, 'incorrect fingerprint');
        _payOutAll(channelId, stateHash, fingerprint, outcome);
    }

    /// Gives a guarantee of a finalised ledger (the source) back to the ledger's two parties,
    /// split as the channel it guarantees (the target) stood when that one finalised.
    function reclaim(ReclaimArgs calldata reclaimArgs) external nonReentrant {
        bytes32 sourceId = reclaimArgs.sourceChannelId;
        SingleAssetExit[] memory source = _requireSource(reclaimArgs);
        require(reclaimArgs.sourceAssetIndex < source.length, 'Index out of range');
        SingleAssetExit memory ledger = source[reclaimArgs.sourceAssetIndex];
        require(
            reclaimArgs.indexOfTargetInSource < ledger.allocations.length,
            'could not find target'
        );
        Allocation memory guarantee = ledger.allocations[reclaimArgs.indexOfTargetInSource];
        require(
            guarantee.allocationType == AllocationTypes.GUARANTEE,
            'not a guarantee allocation'
        );
        bytes32 targetId = guarantee.destination;
        SingleAssetExit memory target = _requireTarget(targetId, reclaimArgs);
        require(target.asset == ledger.asset, 'targetAsset != guaranteeAsset');

        uint256 rightShare;
        (ledger.allocations, rightShare) = OutcomeMaths.reclaimed(
            ledger.allocations,
            target.allocations,
            reclaimArgs.indexOfTargetInSource
        );
        _setOutcome(sourceId, reclaimArgs.sourceStateHash, source);
        emit Reclaimed(sourceId, reclaimArgs.sourceAssetIndex);
        emit OutcomeReclaimed(sourceId, reclaimArgs.sourceAssetIndex, targetId, rightShare);
    }

    /// What `transfer` would do to the outcome and pay, if no payout failed.
    function compute_transfer_effects_and_interactions(
        uint256 initialHoldings,
        Allocation[] memory allocations,
        uint256[] memory indices
    )
        public
        pure
        returns (
            Allocation[] memory newAllocations,
            bool allocatesOnlyZeros,
            Allocation[] memory exitAllocations,
            uint256 totalPayouts
        )
    {
        uint256[] memory amounts;
        (amounts, totalPayouts) = OutcomeMaths.payouts(initialHoldings, allocations, indices);
        bool all = indices.length == 0;
        uint256 exitCount = 0;
        allocatesOnlyZeros = true;
        newAllocations = new Allocation[](allocations.length);
        exitAllocations = new Allocation[](all ? allocations.length : indices.length);
        for (uint256 i = 0; i < allocations.length; i++) {
            uint256 rest = allocations[i].amount - amounts[i];
            newAllocations[i] = OutcomeMaths.withAmount(allocations[i], rest);
            if (rest != 0) allocatesOnlyZeros = false;
            if (all || (exitCount < indices.length && indices[exitCount] == i)) {
                exitAllocations[exitCount++] = OutcomeMaths.withAmount(allocations[i], amounts[i]);
            }
        }
    }

    /// What `reclaim` would make of the source's allocations.
    function compute_reclaim_effects(
        Allocation[] memory sourceAllocations,
        Allocation[] memory targetAllocations,
        uint256 indexOfTargetInSource
    ) public pure returns (Allocation[] memory remaining) {
        (remaining, ) = OutcomeMaths.reclaimed(
            sourceAllocations,
            targetAllocations,
            indexOfTargetInSource
        );
    }

    /// Whose outcome is paid, under which fingerprint it stands, and which of its assets.
    struct Claim {
        bytes32 channelId;
        bytes32 stateHash;
        uint160 fingerprint;
        uint256 firstAsset;
        uint256 endAsset;
    }

    function _payOutAll(
        bytes32 channelId,
        bytes32 stateHash,
        uint160 fingerprint,
        SingleAssetExit[] memory outcome
    ) internal {
        Claim memory claim = Claim(channelId, stateHash, fingerprint, 0, outcome.length);
        _payOut(claim, outcome, new uint256[](0));
    }

    /// Books every payout first, then makes the calls, then books back what failed: whoever is
    /// called sees the money as gone, and the lock keeps it from writing.
    function _payOut(
        Claim memory claim,
        SingleAssetExit[] memory outcome,
        uint256[] memory indices
    ) private {
        uint256 assetCount = claim.endAsset - claim.firstAsset;
        uint256[] memory initialHoldings = new uint256[](assetCount);
        uint256[][] memory amounts = new uint256[][](assetCount);
        bool owes = false;
        for (uint256 i = 0; i < assetCount; i++) {
            SingleAssetExit memory exit = outcome[claim.firstAsset + i];
            (initialHoldings[i], amounts[i]) = _book(claim.channelId, exit, indices);
            owes = owes || amounts[i].length != 0;
        }
        if (owes) _setOutcome(claim.channelId, claim.stateHash, outcome);

        bool paid = false;
        bool failed = false;
        for (uint256 i = 0; i < assetCount; i++) {
            uint256 assetIndex = claim.firstAsset + i;
            SingleAssetExit memory exit = outcome[assetIndex];
            uint256 totalFailed = _call(exit, amounts[i]);
            if (totalFailed != 0) {
                holdings[exit.asset][claim.channelId] += totalFailed;
                failed = true;
            }
            paid = _report(claim.channelId, assetIndex, initialHoldings[i], amounts[i]) || paid;
        }
        if (failed) _setOutcome(claim.channelId, claim.stateHash, outcome);
        if (paid && firstFingerprintOf[claim.channelId] == 0) {
            firstFingerprintOf[claim.channelId] = claim.fingerprint;
        }
    }

    /// Takes what one asset can pay out of holdings and outcome. `amounts` is empty when that is
    /// nothing at all.
    function _book(
        bytes32 channelId,
        SingleAssetExit memory exit,
        uint256[] memory indices
    ) private returns (uint256 held, uint256[] memory amounts) {
        uint256 total;
        held = holdings[exit.asset][channelId];
        (amounts, total) = OutcomeMaths.payouts(held, exit.allocations, indices);
        if (total == 0) return (held, new uint256[](0));
        holdings[exit.asset][channelId] = held - total;
        for (uint256 i = 0; i < amounts.length; i++) {
            exit.allocations[i].amount -= amounts[i];
        }
    }

    /// Pays `amounts`. What fails goes back to its allocation and to zero in `amounts`.
    function _call(
        SingleAssetExit memory exit,
        uint256[] memory amounts
    ) private returns (uint256 totalFailed) {
        for (uint256 i = 0; i < amounts.length; i++) {
            uint256 amount = amounts[i];
            if (amount == 0) continue;
            bytes32 destination = exit.allocations[i].destination;
            if (!_isExternal(destination)) {
                holdings[exit.asset][destination] += amount;
            } else if (!AssetCalls.pay(exit.asset, address(uint160(uint256(destination))), amount)) {
                exit.allocations[i].amount += amount;
                amounts[i] = 0;
                totalFailed += amount;
            }
        }
    }

    /// Tells what was paid of one asset; true when that is anything.
    function _report(
        bytes32 channelId,
        uint256 assetIndex,
        uint256 initialHoldings,
        uint256[] memory amounts
    ) private returns (bool) {
        uint256 count = 0;
        uint256 total = 0;
        for (uint256 i = 0; i < amounts.length; i++) {
            if (amounts[i] == 0) continue;
            total += amounts[i];
            count++;
        }
        emit AllocationUpdated(channelId, assetIndex, initialHoldings, initialHoldings - total);
        if (count == 0) return false;
        uint256[] memory paidIndices = new uint256[](count);
        uint256[] memory paidAmounts = new uint256[](count);
        uint256 next = 0;
        for (uint256 i = 0; i < amounts.length; i++) {
            if (amounts[i] == 0) continue;
            paidIndices[next] = i;
            paidAmounts[next++] = amounts[i];
        }
        emit OutcomePaid(channelId, assetIndex, paidIndices, paidAmounts);
        return true;
    }

    /// Replaces the outcome of a finalised channel; record and time of finalisation stay.
    function _setOutcome(
        bytes32 channelId,
        bytes32 stateHash,
        SingleAssetExit[] memory outcome
    ) private {
        (uint48 turnNumRecord, uint48 finalizesAt, ) = _unpack(statusOf[channelId]);
        statusOf[channelId] = _pack(
            turnNumRecord,
            finalizesAt,
            _fingerprint(stateHash, NitroHashes.outcomeHash(outcome))
        );
    }

    /// The source's outcome, which must be the one that stands now.
    function _requireSource(
        ReclaimArgs calldata reclaimArgs
    ) private view returns (SingleAssetExit[] memory) {
        bytes32 status = _requireFinalized(reclaimArgs.sourceChannelId);
        require(
            uint160(uint256(status)) ==
                _fingerprint(
                    reclaimArgs.sourceStateHash,
                    keccak256(reclaimArgs.sourceOutcomeBytes)
                ),
            'incorrect fingerprint'
        );
        return abi.decode(reclaimArgs.sourceOutcomeBytes, (SingleAssetExit[]));
    }

    /// The target's share of one asset as it stood when the target finalised.
    function _requireTarget(
        bytes32 targetId,
        ReclaimArgs calldata reclaimArgs
    ) private view returns (SingleAssetExit memory) {
        bytes32 status = _requireFinalized(targetId);
        uint160 fingerprint = firstFingerprintOf[targetId];
        if (fingerprint == 0) fingerprint = uint160(uint256(status));
        require(
            fingerprint ==
                _fingerprint(
                    reclaimArgs.targetStateHash,
                    keccak256(reclaimArgs.targetOutcomeBytes)
                ),
            'incorrect fingerprint'
        );
        SingleAssetExit[] memory outcome = abi.decode(
            reclaimArgs.targetOutcomeBytes,
            (SingleAssetExit[])
        );
        require(reclaimArgs.targetAssetIndex < outcome.length, 'Index out of range');
        return outcome[reclaimArgs.targetAssetIndex];
    }

    /// An external destination is an address padded on the left; anything else is a channel.
    function _isExternal(bytes32 destination) private pure returns (bool) {
        return uint256(destination) >> 160 == 0;
    }
}
