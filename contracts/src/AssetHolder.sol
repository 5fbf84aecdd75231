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

    /// Adds `amount` to a channel's holdings if they stand at `expectedHeld` now.
    function deposit(
        address asset,
        bytes32 channelId,
        uint256 expectedHeld,
        uint256 amount
    ) external payable nonReentrant {
        require(!_isExternal(channelId), 'Deposit to external destination');
        mapping(bytes32 => uint256) storage heldOf = holdings[asset];
        uint256 held = heldOf[channelId];
        require(held == expectedHeld, 'held != expectedHeld');
        require(
            msg.value == (asset == address(0) ? amount : 0),
            'Incorrect msg.value for deposit'
        );
        if (asset != address(0)) AssetCalls.pull(asset, msg.sender, amount);

        held += amount;
        heldOf[channelId] = held;
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
        Claim memory claim = _claim(fromChannelId, stateHash, keccak256(outcomeBytes));
        SingleAssetExit[] calldata outcome = _decoded(outcomeBytes);
        require(assetIndex < outcome.length, 'Index out of range');
        (claim.firstAsset, claim.endAsset) = (assetIndex, assetIndex + 1);
        _payOut(claim, outcome, indices);
    }

    /// Pays every allocation of every asset of a finalised channel.
    function transferAllAssets(
        bytes32 channelId,
        SingleAssetExit[] calldata outcome,
        bytes32 stateHash
    ) external nonReentrant {
        Claim memory claim = _claim(channelId, stateHash, NitroHashes.signedOutcomeHash(outcome));
        claim.endAsset = outcome.length;
        _payOut(claim, outcome, new uint256[](0));
    }

    /// Gives a guarantee of a finalised ledger (the source) back to the ledger's two parties,
    /// split as the channel it guarantees (the target) stood when that one finalised.
    function reclaim(ReclaimArgs calldata reclaimArgs) external nonReentrant {
        Claim memory claim = _claim(
            reclaimArgs.sourceChannelId,
            reclaimArgs.sourceStateHash,
            keccak256(reclaimArgs.sourceOutcomeBytes)
        );
        SingleAssetExit[] memory source = _decoded(reclaimArgs.sourceOutcomeBytes);
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
        SingleAssetExit calldata target = _requireTarget(targetId, reclaimArgs);
        require(target.asset == ledger.asset, 'targetAsset != guaranteeAsset');

        uint256 rightShare = OutcomeMaths.rightShareOf(target.allocations);
        ledger.allocations = OutcomeMaths.reclaimed(
            ledger.allocations,
            reclaimArgs.indexOfTargetInSource,
            rightShare
        );
        bytes32 remaining = NitroHashes.outcomeHash(source);
        _setReclaimed(claim.channelId, claim.word, _fingerprint(claim.stateHash, remaining));
        emit Reclaimed(claim.channelId, reclaimArgs.sourceAssetIndex);
        emit OutcomeReclaimed(claim.channelId, reclaimArgs.sourceAssetIndex, targetId, rightShare);
    }

    /// What `transfer` would do to the outcome and pay, if no payout failed.
    function compute_transfer_effects_and_interactions(
        uint256 initialHoldings,
        Allocation[] calldata allocations,
        uint256[] calldata indices
    )
        external
        pure
        returns (
            Allocation[] memory newAllocations,
            bool allocatesOnlyZeros,
            Allocation[] memory exitAllocations,
            uint256 totalPayouts
        )
    {
        uint256[] memory amounts;
        (amounts, totalPayouts, ) = OutcomeMaths.payouts(initialHoldings, allocations, indices);
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
        Allocation[] calldata targetAllocations,
        uint256 indexOfTargetInSource
    ) external pure returns (Allocation[] memory) {
        return
            OutcomeMaths.reclaimed(
                sourceAllocations,
                indexOfTargetInSource,
                OutcomeMaths.rightShareOf(targetAllocations)
            );
    }

    /// Whose outcome is paid, under which word it stands, and which of its assets.
    struct Claim {
        bytes32 channelId;
        bytes32 stateHash;
        uint256 word;
        uint160 fingerprint;
        uint256 firstAsset;
        uint256 endAsset;
    }

    /// What is to be paid of one asset, and out of how much.
    struct Bill {
        uint256 held;
        uint256 total;
        uint256[] amounts;
    }

    /// A claim on the outcome with this hash, which must be the one that stands now.
    function _claim(
        bytes32 channelId,
        bytes32 stateHash,
        bytes32 outcomeHash
    ) private view returns (Claim memory claim) {
        uint256 word = _requireFinalized(channelId);
        uint160 fingerprint = _fingerprint(stateHash, outcomeHash);
        require(_standing(channelId, word) == fingerprint, 'incorrect fingerprint');
        return Claim(channelId, stateHash, word, fingerprint, 0, 0);
    }

    /// Books every payout first, then makes the calls, then books back what failed: whoever is
    /// called sees the money as gone, and the lock keeps it from writing.
    function _payOut(
        Claim memory claim,
        SingleAssetExit[] calldata outcome,
        uint256[] memory indices
    ) internal {
        Bill[] memory bills = new Bill[](outcome.length);
        bool owed = false;
        bool left = false;
        for (uint256 i = 0; i < outcome.length; i++) {
            if (i < claim.firstAsset || i >= claim.endAsset) {
                left = left || OutcomeMaths.owes(outcome[i].allocations);
                continue;
            }
            bool more = _book(claim.channelId, outcome[i], indices, bills[i]);
            left = left || more;
            owed = owed || bills[i].total != 0;
        }
        if (owed) _setRest(claim, outcome, bills, left);

        bool paid = false;
        bool failed = false;
        for (uint256 i = claim.firstAsset; i < claim.endAsset; i++) {
            uint256 due = bills[i].total;
            if (due != 0) _pay(claim.channelId, outcome[i], bills[i]);
            paid = paid || bills[i].total != 0;
            failed = failed || bills[i].total != due;
        }
        if (failed && paid) _setRest(claim, outcome, bills, true);
        if (failed && !paid) _setUnpaid(claim.channelId, claim.word, claim.fingerprint);
        for (uint256 i = claim.firstAsset; i < claim.endAsset; i++) {
            _report(claim.channelId, i, bills[i]);
        }
    }

    /// Takes what one asset can pay out of its holdings, and makes out the bill; true when more
    /// than that is owed.
    function _book(
        bytes32 channelId,
        SingleAssetExit calldata exit,
        uint256[] memory indices,
        Bill memory bill
    ) private returns (bool left) {
        mapping(bytes32 => uint256) storage heldOf = holdings[exit.asset];
        uint256 held = heldOf[channelId];
        bill.held = held;
        (bill.amounts, bill.total, left) = OutcomeMaths.payouts(held, exit.allocations, indices);
        if (bill.total != 0) heldOf[channelId] = held - bill.total;
    }

    /// Pays a bill. What fails goes back to the holdings and leaves the bill.
    function _pay(bytes32 channelId, SingleAssetExit calldata exit, Bill memory bill) private {
        uint256 totalFailed = 0;
        for (uint256 i = 0; i < bill.amounts.length; i++) {
            uint256 amount = bill.amounts[i];
            if (amount == 0) continue;
            bytes32 destination = exit.allocations[i].destination;
            if (!_isExternal(destination)) {
                holdings[exit.asset][destination] += amount;
            } else if (!AssetCalls.pay(exit.asset, address(uint160(uint256(destination))), amount)) {
                bill.amounts[i] = 0;
                totalFailed += amount;
            }
        }
        if (totalFailed == 0) return;
        bill.total -= totalFailed;
        holdings[exit.asset][channelId] += totalFailed;
    }

    /// Tells what was paid of one asset. The bill is spent.
    function _report(bytes32 channelId, uint256 assetIndex, Bill memory bill) private {
        emit AllocationUpdated(channelId, assetIndex, bill.held, bill.held - bill.total);
        if (bill.total == 0) return;
        uint256[] memory amounts = bill.amounts;
        uint256[] memory indices = new uint256[](amounts.length);
        uint256 count = 0;
        // Moves what was paid to the front of both lists and cuts them there.
        for (uint256 i = 0; i < indices.length; i++) {
            if (amounts[i] == 0) continue;
            indices[count] = i;
            amounts[count++] = amounts[i];
        }
        assembly ('memory-safe') {
            mstore(indices, count)
            mstore(amounts, count)
        }
        emit OutcomePaid(channelId, assetIndex, indices, amounts);
    }

    /// Replaces the outcome of a finalised channel by what its bills leave of it.
    function _setRest(
        Claim memory claim,
        SingleAssetExit[] calldata outcome,
        Bill[] memory bills,
        bool left
    ) private {
        uint160 fingerprint = 0;
        if (left) {
            SingleAssetExit[] memory rest = outcome;
            for (uint256 i = claim.firstAsset; i < claim.endAsset; i++) {
                uint256[] memory amounts = bills[i].amounts;
                for (uint256 j = 0; j < amounts.length; j++) {
                    rest[i].allocations[j].amount -= amounts[j];
                }
            }
            fingerprint = _fingerprint(claim.stateHash, NitroHashes.outcomeHash(rest));
        }
        _setPaid(claim.channelId, claim.word, fingerprint);
    }

    /// The target's share of one asset as it stood when the target finalised.
    function _requireTarget(
        bytes32 targetId,
        ReclaimArgs calldata reclaimArgs
    ) private view returns (SingleAssetExit calldata) {
        uint160 finalised = uint160(_requireFinalized(targetId));
        bytes32 outcomeHash = keccak256(reclaimArgs.targetOutcomeBytes);
        require(
            finalised == _fingerprint(reclaimArgs.targetStateHash, outcomeHash),
            'incorrect fingerprint'
        );
        SingleAssetExit[] calldata outcome = _decoded(reclaimArgs.targetOutcomeBytes);
        require(reclaimArgs.targetAssetIndex < outcome.length, 'Index out of range');
        return outcome[reclaimArgs.targetAssetIndex];
    }

    /// The outcome in bytes whose fingerprint stands: every fingerprint is that of `abi.encode`,
    /// so the bytes are the offset 32, the length and the assets.
    function _decoded(
        bytes calldata outcomeBytes
    ) private pure returns (SingleAssetExit[] calldata outcome) {
        assembly ('memory-safe') {
            outcome.length := calldataload(add(outcomeBytes.offset, 0x20))
            outcome.offset := add(outcomeBytes.offset, 0x40)
        }
    }

    /// An external destination is an address padded on the left; anything else is a channel.
    function _isExternal(bytes32 destination) private pure returns (bool) {
        return uint256(destination) >> 160 == 0;
    }
}
