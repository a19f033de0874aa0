"""Wallets that are contracts, of contracts/WalletFactory.sol, and their signatures.

A deployed wallet checks its signatures itself (EIP-1271). The signature of one that is not
deployed yet says how to deploy it (ERC-6492).

Needs the packages of tests and benchmarks.
"""

from dataclasses import dataclass, replace

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from dev.economy.chain import FACTORY, Chain, call_data
from dev.economy.wallets import ISSUER, Wallet

_DEPLOY = "e592997d"
_ADDRESS_OF = "f2bfafd1"
_MAGIC = "6492" * 16


@dataclass(frozen=True, slots=True)
class SmartWallet(Wallet):
    """A wallet that is a contract; `private_key` is that of one of its two owners.

    Args:
        owner: The number of that owner, 0 or 1.
        factory: The address of what deploys it; empty if its signatures do not say so.
        deployment: What the factory is called with, in hexadecimal after `0x`.
    """

    owner: int
    factory: str
    deployment: str

    def signed(self, own: str) -> str:
        """Return the wallet's signature, from that of the owner; both in hexadecimal."""
        inner = encode(["uint256", "bytes"], [self.owner, bytes.fromhex(own.removeprefix("0x"))])
        if not self.factory:
            return f"0x{inner.hex()}"
        call = bytes.fromhex(self.deployment.removeprefix("0x"))
        wrapped = encode(["address", "bytes", "bytes"], [self.factory, call, inner])
        return f"0x{wrapped.hex()}{_MAGIC}"

    def signer(self) -> dict[str, object]:
        """Return what the client's program needs to sign."""
        return {
            "key": self.private_key,
            "wallet": {
                "address": self.address,
                "owner": self.owner,
                "factory": self.factory,
                "deployment": self.deployment,
            },
        }


def new_smart_wallets(
    chain: Chain, first: Wallet, second: Wallet, *, factory: str = FACTORY, is_deployed: bool = True
) -> tuple[SmartWallet, SmartWallet]:
    """Return a new wallet without tokens, as each of its owners signs for it.

    Args:
        chain: The chain.
        first: An owner.
        second: The other owner.
        factory: What deploys it.
        is_deployed: Whether to deploy it now.
    """
    owners = (first.address, second.address)
    data = call_data(_ADDRESS_OF, *owners)
    found = chain.rpc.number("eth_call", {"to": factory, "data": data}, "latest")
    deployment = call_data(_DEPLOY, *owners)
    address = to_checksum_address(f"0x{found:040x}")
    wallet = SmartWallet(address, first.private_key, 0, factory, deployment)
    if is_deployed:
        request = {"from": ISSUER.address, "to": factory, "data": deployment}
        chain.wait_for(chain.rpc.call("eth_sendTransaction", request))
        wallet = replace(wallet, factory="")
    return wallet, replace(wallet, private_key=second.private_key, owner=1)
