"""What every `Signer` promises: the host's library, and WebCrypto inside workerd.

This file also runs inside workerd, where `tests/runtime/inside` links to it. There it cannot
import from the tests.
"""

from __future__ import annotations

import binascii

import pytest

from core.errors import KeyUnusable
from core.ports import Signer, SigningAlgorithm

P256 = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYVxL1UROSyPgu0obYwfKLcRBrw1MtfJzABwlMkgS"
    "SA2hRANCAARnfimJqIIxSR592b5PWEA3YWOFEKdbFTnJ6QTuUIAZ0MK7+cvKUOEL2dU5LHKK5zLed1jUQFRMuY1s"
    "gc5y9MfT"
)
P384 = (
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDCZ2ihktFLoyxEiRwazPmxHv/MUIBGw6LW5fi2InzMp"
    "QkIntOTglycQxB/HhvkU9YqhZANiAAQFEWmy4DI8qSYScJwgfEozJxY/ix2d2o8dit5qn78CxOLe6fYZjSy1USiV"
    "jSd9ctCADORQCqmIrQpeuFyVfiUIfFpJ7gNrOgiV8wy/rYxNEzH8OsmSayRoptlxIoraotw="
)
ED25519 = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
"""The private key of RFC 8037, appendix A."""

SIGNATURE = (
    "hgyY0il/MGCjP0JzlnLWG1PPOt7+09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr/MuM0KAg=="
)
"""Its signature of the text in appendix A.4."""


async def test_ed25519_signs_as_its_standard_says(signer: Signer) -> None:
    text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    assert await signer.sign("EdDSA", ED25519, text) == SIGNATURE
    # Now the key is known.
    assert await signer.sign("EdDSA", ED25519, text) == SIGNATURE
    assert await signer.sign("EdDSA", ED25519, "another") != SIGNATURE


async def test_ecdsa_returns_its_two_numbers_and_not_their_der(signer: Signer) -> None:
    signatures = [await signer.sign("ES256", P256, "text \u00e4") for _ in range(4)]
    assert {len(binascii.a2b_base64(one, strict_mode=True)) for one in signatures} == {64}
    assert len(set(signatures)) == 4


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        *(("EdDSA", P256), ("ES256", ED25519), ("ES256", P384)),
        *(("EdDSA", ""), ("ES256", P256[:80]), ("EdDSA", "AAAA"), ("ES256", "A" * 120)),
    ],
)
async def test_an_unusable_key_is_rejected_and_not_shown(
    signer: Signer, algorithm: SigningAlgorithm, key: str
) -> None:
    with pytest.raises(KeyUnusable) as raised:
        await signer.sign(algorithm, key, "text")
    assert not key or key not in str(raised.value)
