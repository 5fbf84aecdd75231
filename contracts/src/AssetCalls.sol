// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// The part of ERC-20 the adjudicator uses.
interface IERC20 {
    function balanceOf(address owner) external view returns (uint256);

    function transfer(address to, uint256 amount) external returns (bool);

    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// Calls into code we do not trust. No call here copies more than one word of return data, and a
/// payout can neither starve the caller of gas nor make it revert (ADR 0033).
library AssetCalls {
    /// What a receiver of the native coin may use. A wallet behind a proxy that logs what it
    /// received needs about 7,000.
    uint256 internal constant NATIVE_PAYOUT_GAS = 50_000;

    /// What a token's `transfer` may use. An ordinary one needs under 60,000, one that computes
    /// interest a multiple of that.
    uint256 internal constant TOKEN_PAYOUT_GAS = 300_000;

    /// What the call instruction itself can cost: a cold account (2,600), a value (9,000) and an
    /// account that does not exist yet (25,000), rounded up.
    uint256 internal constant CALL_BASE_GAS = 40_000;

    /// True when the money went out. Reverts only if the gas left could not have carried the
    /// whole allowance, so that nobody makes a payout fail by sending too little gas.
    function pay(address asset, address to, uint256 amount) internal returns (bool paid) {
        if (asset == address(0)) {
            _requireGas(NATIVE_PAYOUT_GAS);
            assembly ('memory-safe') {
                paid := call(NATIVE_PAYOUT_GAS, to, amount, 0, 0, 0, 0)
            }
        } else {
            _requireGas(TOKEN_PAYOUT_GAS);
            bytes memory data = abi.encodeCall(IERC20.transfer, (to, amount));
            paid = asset.code.length != 0 && _callToken(asset, TOKEN_PAYOUT_GAS, data);
        }
    }

    /// Pulls exactly `amount` of a token from `from`, or reverts: a token that takes a fee, or
    /// whose hooks move other money meanwhile, is refused.
    function pull(address token, address from, uint256 amount) internal {
        uint256 heldBefore = _balanceOf(token);
        require(
            _callToken(
                token,
                gasleft(),
                abi.encodeCall(IERC20.transferFrom, (from, address(this), amount))
            ),
            'Could not transfer token'
        );
        require(
            _balanceOf(token) - heldBefore == amount,
            'Deposit did not arrive in full'
        );
    }

    /// What this contract has of a token; reverts where that cannot be asked.
    function _balanceOf(address token) private view returns (uint256 held) {
        bool answered;
        bytes4 question = IERC20.balanceOf.selector;
        assembly ('memory-safe') {
            mstore(0, question)
            mstore(4, address())
            answered := staticcall(gas(), token, 0, 0x24, 0, 0x20)
            // An account without code answers nothing.
            answered := and(answered, gt(returndatasize(), 0x1f))
            held := mload(0)
        }
        require(answered, 'Could not ask token');
    }

    /// One 64th of the gas stays with the caller whatever is asked for; the allowance must fit
    /// into the rest.
    function _requireGas(uint256 allowance) private view {
        require(
            gasleft() > allowance + allowance / 63 + CALL_BASE_GAS,
            'Not enough gas for payout'
        );
    }

    /// True when `token`, which has code, did not revert, and returned nothing or true.
    function _callToken(
        address token,
        uint256 allowance,
        bytes memory data
    ) private returns (bool success) {
        uint256 returnedSize;
        uint256 returnedWord;
        assembly ('memory-safe') {
            mstore(0, 0)
            success := call(allowance, token, 0, add(data, 0x20), mload(data), 0, 0x20)
            returnedSize := returndatasize()
            returnedWord := mload(0)
        }
        return success && (returnedSize == 0 || (returnedSize >= 32 && returnedWord == 1));
    }
}
