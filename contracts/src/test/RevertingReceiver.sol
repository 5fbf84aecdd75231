// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Refuses money in the manner it is told to, until it is told to take it.
contract RevertingReceiver {
    enum Manner {
        Revert,
        BurnAllGas,
        ReturnMuch,
        Accept
    }

    Manner public manner;

    function behave(Manner wanted) external {
        manner = wanted;
    }

    receive() external payable {
        if (manner == Manner.Accept) return;
        if (manner == Manner.BurnAllGas) {
            assembly {
                invalid()
            }
        }
        if (manner == Manner.ReturnMuch) {
            assembly {
                revert(0, 100000)
            }
        }
        revert('no money, please');
    }
}
