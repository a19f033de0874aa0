"""The ports that calls to facilitators need, on this machine: HTTP, signatures, clock, settings."""

import asyncio
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from core.errors import FetchFailed, KeyUnusable
from core.ports import Fetched, Fetcher, Signer, SigningAlgorithm


class HostClock:
    """This machine's clock."""

    def now_ms(self) -> int:
        """Return the milliseconds since 1970-01-01T00:00Z."""
        return time.time_ns() // 1_000_000

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after `duration_ms` milliseconds."""
        await asyncio.sleep(duration_ms / 1000)


class HostFetcher:
    """httpx."""

    async def fetch(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str],
        body: str | None,
        timeout_ms: int,
        body_bytes_max: int,
    ) -> Fetched:
        """Send a request and read the response; see `ports.Fetcher`."""
        read = bytearray()
        try:
            async with (
                asyncio.timeout(timeout_ms / 1000),
                httpx.AsyncClient(timeout=None) as client,  # noqa: S113 (the line above bounds it)
                client.stream(method, url, headers=headers, content=body) as response,
            ):
                async for part in response.aiter_bytes():
                    read += part
                    if len(read) > body_bytes_max:
                        raise FetchFailed(f"the response is longer than {body_bytes_max} bytes")
        except TimeoutError as error:
            raise FetchFailed("timed out") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchFailed(str(error) or type(error).__name__) from error
        status, text = response.status_code, read.decode(errors="replace")
        if status == httpx.codes.UNAUTHORIZED:
            return Fetched(status, text, at_ms=_time_of(response))
        location = response.headers.get("location", "") if response.is_redirect else ""
        return Fetched(status, text, location)


class HostSigner:
    """The package cryptography."""

    async def sign(self, algorithm: SigningAlgorithm, key: str, text: str) -> str:
        """Sign a text; see `ports.Signer`."""
        try:
            private = load_der_private_key(binascii.a2b_base64(key), None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyUnusable("it cannot be read") from error
        match algorithm, private:
            case "EdDSA", ed25519.Ed25519PrivateKey():
                signature = private.sign(text.encode())
            case "ES256", ec.EllipticCurvePrivateKey(curve=ec.SECP256R1()):
                # A JWT has both numbers as 32 bytes each, and not their DER.
                numbers = utils.decode_dss_signature(
                    private.sign(text.encode(), ec.ECDSA(SHA256()))
                )
                signature = b"".join(number.to_bytes(32, "big") for number in numbers)
            case _:
                raise KeyUnusable(f"it is not a key for {algorithm}")
        return binascii.b2a_base64(signature, newline=False).decode("ascii")


@dataclass(frozen=True, slots=True)
class HostEnvironment:
    """Settings, with this machine's HTTP and signatures.

    Args:
        settings: Variables and secrets by name.
        fetcher: HTTP.
        signer: Signatures.
    """

    settings: Mapping[str, str]
    fetcher: Fetcher = field(default_factory=HostFetcher)
    signer: Signer = field(default_factory=HostSigner)

    def setting(self, name: str) -> str | None:
        """Return the variable or secret `name`, None if it is missing or empty."""
        return self.settings.get(name) or None


def _time_of(response: httpx.Response) -> int | None:
    try:
        return int(parsedate_to_datetime(response.headers.get("date", "")).timestamp() * 1000)
    except ValueError:
        return None
