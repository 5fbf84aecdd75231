// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// One lock for the whole contract, in transient storage: about 200 gas, nothing left behind.
abstract contract NonReentrant {
    bool private transient _entered;

    /// While one guarded function runs, every guarded function of the contract reverts.
    modifier nonReentrant() {
        require(!_entered, 'Reentrant call');
        _entered = true;
        _;
        _entered = false;
    }
}
