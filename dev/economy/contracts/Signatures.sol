// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

interface ContractWallet {
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4);
}

/// Signatures of accounts with a key, and of contracts (EIP-1271).
library Signatures {
    /// secp256k1's order, halved: a larger s is the malleable twin of a smaller one (EIP-2).
    uint256 private constant HIGHEST_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    function isValid(address signer, bytes32 digest, bytes memory signature) internal view returns (bool) {
        if (signer.code.length > 0) {
            return ContractWallet(signer).isValidSignature(digest, signature)
                == ContractWallet.isValidSignature.selector;
        }
        return signer != address(0) && recover(digest, signature) == signer;
    }

    /// Returns the account that signed, or zero if the signature is malformed.
    function recover(bytes32 digest, bytes memory signature) internal pure returns (address) {
        if (signature.length != 65) {
            return address(0);
        }
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
            v := byte(0, mload(add(signature, 96)))
        }
        return uint256(s) > HIGHEST_S ? address(0) : ecrecover(digest, v, r, s);
    }
}
