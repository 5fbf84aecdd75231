// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// What the participants of a channel sign, in the field order that the hashes commit to.
/// The names and the order are those of the Nitro protocol: changing either changes selectors.

/// A share of a channel's money. `destination` is an address padded on the left, or a channel id.
struct Allocation {
    bytes32 destination;
    uint256 amount;
    uint8 allocationType;
    bytes metadata;
}

/// Qualifies `asset`; a plain token or the native coin is `Default`.
enum AssetType {
    Default,
    ERC721,
    ERC1155,
    Qualified
}

struct AssetMetadata {
    AssetType assetType;
    bytes metadata;
}

/// Who gets how much of one asset. The zero address stands for the native coin.
struct SingleAssetExit {
    address asset;
    AssetMetadata assetMetadata;
    Allocation[] allocations;
}

/// Metadata of a guarantee: the two ledger participants it goes back to, as destinations.
struct Guarantee {
    bytes32 left;
    bytes32 right;
}

struct Signature {
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// The part of a state that never changes; its hash is the channel id. Duration in seconds.
struct FixedPart {
    address[] participants;
    uint64 channelNonce;
    address appDefinition;
    uint48 challengeDuration;
}

/// The part of a state that changes with every turn.
struct VariablePart {
    SingleAssetExit[] outcome;
    bytes appData;
    uint48 turnNum;
    bool isFinal;
}

struct SignedVariablePart {
    VariablePart variablePart;
    Signature[] sigs;
}

/// A variable part with the set of participants who signed it: bit i stands for participant i.
struct RecoveredVariablePart {
    VariablePart variablePart;
    uint256 signedBy;
}

/// Values of `Allocation.allocationType`.
library AllocationTypes {
    uint8 internal constant SIMPLE = 0;
    uint8 internal constant GUARANTEE = 2;
}
