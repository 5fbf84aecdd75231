// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TestToken} from '../TestToken.sol';

/// Can be told how `transfer` answers. A transfer that does not answer true moves nothing.
contract MoodyToken is TestToken {
    enum Mood {
        Honest,
        Revert,
        ReturnFalse,
        ReturnTwo,
        ReturnOneByte,
        ReturnMuch
    }

    Mood public mood;
    address public victim;

    /// `transfer` to `to` shows the mood; everybody else is paid honestly.
    function show(Mood wanted, address to) external {
        mood = wanted;
        victim = to;
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        if (to != victim || mood == Mood.Honest) {
            _move(msg.sender, to, amount);
            return true;
        }
        if (mood == Mood.ReturnFalse) return false;
        uint256 size = 32;
        uint256 word = 2;
        if (mood == Mood.Revert) revert('this address is blocked');
        if (mood == Mood.ReturnOneByte) (size, word) = (1, 1 << 248);
        if (mood == Mood.ReturnMuch) (size, word) = (300000, 0);
        assembly {
            mstore(0, word)
            return(0, size)
        }
    }
}
