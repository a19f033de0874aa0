// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ContractWallet, Signatures} from "./Signatures.sol";

/// A smart wallet for the local chain. Either of two owners signs, so one message has several
/// valid signatures: each is the owner's number and that owner's own signature.
contract Wallet is ContractWallet {
    address[2] public owners;

    constructor(address[2] memory initial) {
        owners = initial;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (uint256 owner, bytes memory own) = abi.decode(signature, (uint256, bytes));
        address signer = Signatures.recover(digest, own);
        return signer != address(0) && signer == owners[owner] ? this.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// Deploys wallets at addresses that are known before (CREATE2).
contract WalletFactory {
    function deploy(address[2] calldata owners) external returns (address) {
        return address(new Wallet{salt: 0}(owners));
    }

    function addressOf(address[2] calldata owners) external view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(Wallet).creationCode, abi.encode(owners)));
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), bytes32(0), code)))));
    }
}
