"""The wallets of the local chains.

Their keys are public: Ethereum development tools derive them from the phrase
"test test test test test test test test test test test junk". Those of Solana are the SHA-256 of
"clawr local Solana wallet: " and a name. Never use them on a public network: anybody can spend
their funds.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wallet:
    """An account of a local chain.

    Args:
        address: In the checksum form of EIP-55, or in base58 on Solana.
        private_key: 32 bytes in hexadecimal, after `0x` except on Solana.
    """

    address: str
    private_key: str

    def signed(self, own: str) -> str:
        """Return the account's signature, from that of the key; both in hexadecimal."""
        return own

    def signer(self) -> dict[str, object]:
        """Return what the client's program needs to sign."""
        return {"key": self.private_key}


FACILITATOR = Wallet(
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
)
"""Pays the gas of every settlement."""

BUYER = Wallet(
    "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
)
SECOND_BUYER = Wallet(
    "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
)
PAUPER = Wallet(
    "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
)
"""Has no tokens."""

ISSUER = Wallet(
    "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
    "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
)
"""Mints tokens and blacklists accounts; its address is in contracts/Token.sol."""

PAYEE = "0xBcd4042DE499D14e55001CcbB24a551F3b954096"
"""The payee of tenants without their own."""

ACCOUNTS = 11
"""The number of accounts of the phrase on the chain; the payee is the last."""

SOLANA_FACILITATOR = Wallet(
    "EndLmEsKXNdSsaJjxxYnwtdAjmE6sEoHcTX9rKEErGfe",
    "5c01e41ec2480203c90cb24ccd7cceaff929fc00fda7aa47260381436e595a65",
)
"""Pays the fee of every settlement on Solana."""

SOLANA_BUYER = Wallet(
    "2M66XFg8Qk9Vu1KBHpVHmYmvHnbukMFXg8beJzTtXRcz",
    "5fb693bf0056f64fb27662d94872625c5067aa6818798334f44195cc13c54d6a",
)
SOLANA_PAUPER = Wallet(
    "7ZWFatDAY7DBKXC37KJhiE8nZJUKERCc9PPdbNstEDJi",
    "9e361a68166b847b54764eb23cacb6ec9ba432bed2750feec76768b31a77f88a",
)
"""Has no tokens."""

SOLANA_PAYEE = "7ZG9juKTJqLpxw5bjRigj7GVrrFzh3DjbChTv8muBP71"
"""The payee of the demo API that accepts payments on Solana."""
