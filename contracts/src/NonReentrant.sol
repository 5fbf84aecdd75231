// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// One lock for the whole contract, in transient storage: about 200 gas, nothing left behind.
abstract contract NonReentrant {
    /// A whole word: part of one would be read again before each write.
    uint256 private transient _entered;

    /// While one guarded function runs, every guarded function of the contract reverts.
    modifier nonReentrant() {
        require(_entered == 0, 'Reentrant call');
        _entered = 1;
        _;
        _entered = 0;
    }
}
