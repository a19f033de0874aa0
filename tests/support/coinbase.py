"""Coinbase's side of its scheme: API keys, and a facilitator that checks every token.

Signatures and ages are checked by joserfc, with the facilitator's own clock.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderParameter

KEY_ID = "organizations/0c8a/apiKeys/5f2e"
AGE_SECONDS_MAX = 120
KINDS = ("P-256, PKCS #8", "P-256, SEC 1", "Ed25519")
"""The kinds of secrets that Coinbase has issued."""

# Coinbase uses this name, which RFC 9864 replaces by "Ed25519".
JWSRegistry.algorithms["EdDSA"].security_warning = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key: its secret, and what checks its signatures."""

    secret: str
    public: ECKey | OKPKey
    algorithm: str


def new_key(kind: str = KINDS[0]) -> ApiKey:
    """Make an API key of one of `KINDS`."""
    if kind == "Ed25519":
        seed = ed25519.Ed25519PrivateKey.generate()
        raw = seed.private_bytes_raw() + seed.public_key().public_bytes_raw()
        return ApiKey(b64encode(raw).decode(), OKPKey.import_key(_public(seed)), "EdDSA")
    private = ec.generate_private_key(ec.SECP256R1())
    form = PrivateFormat.TraditionalOpenSSL if kind == "P-256, SEC 1" else PrivateFormat.PKCS8
    pem = private.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    return ApiKey(pem, ECKey.import_key(_public(private)), "ES256")


def _public(private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def checked_token(
    authorization: str, key: ApiKey, method: str, address: str, at_seconds: float
) -> jwt.Token:
    """Check the header `Authorization` of a request to `address`, a host and path.

    Returns the token. Raises `JoseError` or `ValueError` if it is not what Coinbase accepts.
    """
    form, _, text = authorization.partition(" ")
    if form != "Bearer":
        raise ValueError("no bearer token")
    nonce = {"nonce": HeaderParameter("a random text", "str")}
    registry = JWSRegistry(nonce, algorithms=[key.algorithm])
    token = jwt.decode(text, key.public, registry=registry)
    needed = {name: {"essential": True} for name in ("iat", "nbf", "exp", "uris")}
    rules: Any = needed | {
        "iss": {"essential": True, "value": "cdp"},
        "sub": {"essential": True, "value": KEY_ID},
    }
    jwt.JWTClaimsRegistry(now=int(at_seconds), **rules).validate(token.claims)
    claims = token.claims
    if claims["uris"] != [f"{method} {address}"]:
        raise ValueError(f"{claims['uris']} is not {method} {address}")
    if claims["exp"] - claims["nbf"] > AGE_SECONDS_MAX:
        raise ValueError("it is valid for too long")
    if token.header["kid"] != KEY_ID or token.header["typ"] != "JWT":
        raise ValueError("it has another key or type")
    return token


@dataclass(slots=True)
class CoinbaseFacilitator:
    """A facilitator that responds with 401 to each request whose token it does not accept.

    `ahead_seconds` is how far its clock is ahead of ours. `results` has for each request its
    method, its path, and why it was rejected; empty if it was not.
    """

    key: ApiKey
    respond: Callable[[str, bytes], tuple[int, bytes]]
    url: str = ""
    ahead_seconds: float = 0.0
    results: list[tuple[str, str, str]] = field(default_factory=list)
    nonces: list[str] = field(default_factory=list)

    def rejection(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """Return why a request is rejected; empty if it is not."""
        try:
            token = checked_token(
                headers.get("authorization", ""),
                self.key,
                method,
                headers["host"] + path,
                time.time() + self.ahead_seconds,
            )
        except (JoseError, ValueError) as error:
            return str(error)
        self.nonces.append(str(token.header["nonce"]))
        return ""


@contextmanager
def running_coinbase(
    key: ApiKey, respond: Callable[[str, bytes], tuple[int, bytes]]
) -> Iterator[CoinbaseFacilitator]:
    """Run a facilitator during a `with` block; `respond` gets path and body."""
    facilitator = CoinbaseFacilitator(key, respond)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            why = facilitator.rejection(self.command, self.path, headers)
            facilitator.results.append((self.command, self.path, why))
            status, content = (401, b"{}") if why else facilitator.respond(self.path, body)
            self.send_response_only(status)
            date = formatdate(time.time() + facilitator.ahead_seconds, usegmt=True)
            for name, value in (("date", date), ("content-length", str(len(content)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        facilitator.url = f"http://127.0.0.1:{server.server_address[1]}/platform/v2/x402"
        try:
            yield facilitator
        finally:
            server.shutdown()


def passing_on(upstream: str) -> Callable[[str, bytes], tuple[int, bytes]]:
    """Respond with what the facilitator at `upstream` responds."""

    def respond(path: str, body: bytes) -> tuple[int, bytes]:
        url = f"{upstream}/{path.rpartition('/')[2]}"
        content_type = {"content-type": "application/json"}
        response = (
            httpx.post(url, content=body, headers=content_type, timeout=60)
            if body
            else httpx.get(url, timeout=60)
        )
        return response.status_code, response.content

    return respond


def supporting(*networks: str) -> Callable[[str, bytes], tuple[int, bytes]]:
    """Respond to every request with the kinds of payment on some networks."""
    kinds: Sequence[Mapping[str, object]] = [
        {"x402Version": 2, "scheme": "exact", "network": network} for network in networks
    ]
    return lambda _path, _body: (200, json.dumps({"kinds": kinds}).encode())
