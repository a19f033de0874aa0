"""Each request to Coinbase's facilitator has a token of its own that Coinbase accepts."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc.errors import JoseError

from core.errors import ConfigurationError
from core.ports import Fetched, Json
from dev.layout import HERE
from dev.setup.node import find_node
from payments.facilitator import Facilitators, Outcome
from tests.support.coinbase import KEY_ID, KINDS, ApiKey, checked_token, new_key
from tests.support.fake_chain import NETWORK, PAYER
from tests.support.fake_network import FakeFetcher
from tests.support.fakes import FakeClock, FakeEnvironment
from tests.unit.payments.test_facilitator import PROOF, TRANSACTION

URL = "https://api.cdp.coinbase.com/platform/v2/x402"
ADDRESS = URL.removeprefix("https://")
SUPPORTED = Fetched(200, json.dumps({"kinds": []}))
SETTLED = {"success": True, "transaction": TRANSACTION, "network": NETWORK}
RESPONSES = {
    "verify": Fetched(200, json.dumps({"isValid": True, "payer": PAYER})),
    "settle": Fetched(200, json.dumps(SETTLED)),
    "supported": SUPPORTED,
}


@dataclass
class Scene:
    """A facilitator at `url` that accepts only tokens of `key`, and whose clock may differ."""

    key: ApiKey
    url: str = URL
    secret: str | None = None
    ahead_ms: int = 0
    shows_time: bool = True
    redirects: Mapping[str, str] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    rejected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        auth = {"coinbase": {"keyId": "CDP_ID", "keySecret": "CDP_SECRET"}}
        settings = {
            "FACILITATORS": json.dumps([{"url": self.url, "auth": auth}]),
            "CDP_ID": f" {KEY_ID}\n",
            "CDP_SECRET": self.key.secret if self.secret is None else self.secret,
        }
        self.fetcher = FakeFetcher(self.respond)
        environment = FakeEnvironment(settings=settings, fetcher=self.fetcher)
        self.facilitators = Facilitators(environment, self.clock)

    async def respond(self, url: str, _: Json) -> Fetched:
        now_ms = self.clock.at_ms + self.ahead_ms
        try:
            self.check(-1, now_ms)
        except (JoseError, ValueError) as error:
            self.rejected.append(str(error))
            return Fetched(401, "", at_ms=now_ms if self.shows_time else None)
        target = self.redirects.get(url)
        return Fetched(308, "", target) if target else RESPONSES[url.rpartition("/")[2]]

    def check(self, index: int, at_ms: int) -> Any:
        """Return the token of a request; raises if it is not acceptable at a time."""
        url, headers, body = self.fetcher.sent[index]
        method = "GET" if body is None else "POST"
        address = url.partition("://")[2]
        return checked_token(headers["authorization"], self.key, method, address, at_ms / 1000)

    def supported(self) -> None:
        asyncio.run(self.facilitators.supported(self.url))


@pytest.fixture(scope="module", params=KINDS)
def key(request: pytest.FixtureRequest) -> ApiKey:
    return new_key(request.param)


def test_every_call_has_a_token_for_its_method_host_and_path(key: ApiKey) -> None:
    scene = Scene(key)
    facilitators = scene.facilitators

    async def call_all() -> None:
        assert (await facilitators.verify(PROOF)).is_valid
        assert (await facilitators.settle(PROOF, URL)).outcome is Outcome.SETTLED
        assert await facilitators.supported(URL) == []

    asyncio.run(call_all())
    tokens = [scene.check(index, scene.clock.at_ms) for index in range(3)]
    assert [token.claims["uris"] for token in tokens] == [
        [f"POST {ADDRESS}/verify"],
        [f"POST {ADDRESS}/settle"],
        [f"GET {ADDRESS}/supported"],
    ]
    assert len({token.header["nonce"] for token in tokens}) == 3


@pytest.mark.parametrize("seconds", [-89, -1, 0, 30])
def test_our_clock_may_be_half_a_minute_ahead_or_longer_behind(key: ApiKey, seconds: int) -> None:
    scene = Scene(key, ahead_ms=-1000 * seconds)
    scene.supported()
    assert len(scene.fetcher.sent) == 1


@pytest.mark.parametrize("minutes", [-59, -1, 2, 59])
def test_a_token_rejected_by_another_clock_is_made_again_by_that_clock(
    key: ApiKey, minutes: int
) -> None:
    scene = Scene(key, ahead_ms=minutes * 60_000)
    scene.supported()
    assert (len(scene.fetcher.sent), len(scene.rejected)) == (2, 1)
    # The difference is remembered.
    assert asyncio.run(scene.facilitators.settle(PROOF, URL)).outcome is Outcome.SETTLED
    assert (len(scene.fetcher.sent), len(scene.rejected)) == (3, 1)


@pytest.mark.parametrize(
    ("ahead_ms", "shows_time", "tries"),
    [(0, True, 1), (4_000, True, 1), (6_000, True, 2), (6_000, False, 1), (3_700_000, True, 1)],
)
def test_a_rejected_key_is_tried_at_most_twice(ahead_ms: int, shows_time: bool, tries: int) -> None:
    scene = Scene(new_key(), secret=new_key().secret, ahead_ms=ahead_ms, shows_time=shows_time)
    for _ in range(2):
        with pytest.raises(Exception, match=r"401: it rejects its secret \(CDP_ID, CDP_SECRET\)"):
            scene.supported()
    # Once the clocks are known, a rejection has another cause.
    assert len(scene.fetcher.sent) == tries + 1


def test_a_facilitator_whose_clock_jumps_is_asked_twice_at_most() -> None:
    scene = Scene(new_key(), secret=new_key().secret)
    respond = scene.respond

    async def jump(url: str, body: Json) -> Fetched:
        scene.ahead_ms += 60_000
        return await respond(url, body)

    scene.fetcher.respond = jump
    with pytest.raises(Exception, match="401"):
        scene.supported()
    assert len(scene.fetcher.sent) == 2


def test_the_second_try_has_only_the_time_that_is_left() -> None:
    scene = Scene(new_key(), ahead_ms=600_000)
    respond = scene.respond

    async def respond_late(url: str, body: Json) -> Fetched:
        scene.clock.at_ms += 60_000
        return await respond(url, body)

    scene.fetcher.respond = respond_late
    with pytest.raises(Exception, match="401"):
        scene.supported()
    assert len(scene.fetcher.sent) == 1


def test_a_redirect_gets_a_token_only_at_the_same_origin() -> None:
    redirects = {
        f"{URL}/supported": f"{URL}/v3/supported",
        f"{URL}/v3/supported": "https://evil.example/platform/v2/x402/supported",
    }
    scene = Scene(new_key(), redirects=redirects)
    with pytest.raises(KeyError, match="authorization"):
        scene.supported()
    assert [urlsplit(url).path for url, _, _ in scene.fetcher.sent[:2]] == [
        "/platform/v2/x402/supported",
        "/platform/v2/x402/v3/supported",
    ]
    assert scene.fetcher.sent[2][1] == {}
    assert scene.rejected == []


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://F.example:443", "f.example/supported"),
        ("https://f.example:8443/x", "f.example:8443/x/supported"),
        ("http://127.0.0.1:80", "127.0.0.1/supported"),
        ("http://[::1]:8080", "[::1]:8080/supported"),
    ],
)
def test_a_token_names_the_host_as_the_request_does(url: str, address: str) -> None:
    scene = Scene(new_key(), url=url)

    async def accept(_url: str, _body: Json) -> Fetched:
        return SUPPORTED

    scene.fetcher.respond = accept
    scene.supported()
    headers = scene.fetcher.sent[0][1]
    checked_token(headers["authorization"], scene.key, "GET", address, scene.clock.at_ms / 1000)


def test_a_secret_may_have_other_line_breaks(key: ApiKey) -> None:
    for written in ("\\n", "\r\n", " "):
        secret = f"\n{key.secret.strip()}\n".replace("\n", written)
        scene = Scene(key, secret=secret if "BEGIN" in secret else f" {key.secret}\n")
        scene.supported()


def unusable_secrets() -> Mapping[str, str]:
    """Secrets that no kind of key has."""
    pem, sec1, ed25519 = (new_key(kind).secret for kind in KINDS)
    return {
        "empty": " ",
        "a word": "secretword",
        "no base64": "secret-word-with-dashes" * 4,
        "a seed alone": "c2VjcmV0d29yZHNlY3JldHdvcmRzZWNyZXR3b3Jkc2U=",
        "too short": ed25519[4:],
        "cut": pem[:60] + pem[-26:],
        "an encrypted key": pem.replace("PRIVATE", "ENCRYPTED PRIVATE"),
        "a public key": pem.replace("PRIVATE", "PUBLIC"),
        "another kind of key in its place": sec1.replace(sec1[40:80], "A" * 40),
        "not the curve": pem.replace("CqGSM49", "CqGSM48"),
        "too long": pem.replace("PRIVATE KEY-----\n", "PRIVATE KEY-----\n" + "AAAA" * 200, 1),
        "SEC 1 beyond its length": sec1.replace(
            "PRIVATE KEY-----\n", "PRIVATE KEY-----\n" + "AAAA" * 200, 1
        ),
    }


@pytest.mark.parametrize(("name", "secret"), unusable_secrets().items(), ids=unusable_secrets())
def test_an_unusable_secret_is_named_and_never_shown(name: str, secret: str) -> None:
    scene = Scene(new_key(), secret=secret)
    with pytest.raises(ConfigurationError, match="CDP_SECRET") as raised:
        scene.supported()
    assert name == "empty" or secret not in raised.value.message
    assert scene.fetcher.sent == []


def test_a_missing_key_id_is_named() -> None:
    scene = Scene(new_key())
    environment = scene.facilitators.environment
    assert isinstance(environment, FakeEnvironment)
    environment.settings["CDP_ID"] = ""
    with pytest.raises(ConfigurationError, match="CDP_ID"):
        scene.supported()


def official_token(key: ApiKey) -> str:
    """Return a token that Coinbase's own package makes for `POST` to `/verify`."""
    host, _, path = ADDRESS.partition("/")
    request = {
        "apiKeyId": KEY_ID,
        "apiKeySecret": key.secret,
        "requestMethod": "POST",
        "requestHost": host,
        "requestPath": f"/{path}/verify",
    }
    made = subprocess.run(
        [find_node(HERE), HERE.economy / "test" / "token.js"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout


@pytest.mark.parametrize("kind", ["P-256, PKCS #8", "Ed25519"])
def test_tokens_have_the_fields_of_those_that_coinbases_package_makes(kind: str) -> None:
    scene = Scene(new_key(kind), clock=FakeClock(at_ms=_now_ms()))
    asyncio.run(scene.facilitators.verify(PROOF))
    ours = scene.check(0, _now_ms())
    address = f"{ADDRESS}/verify"
    official = f"Bearer {official_token(scene.key)}"
    theirs = checked_token(official, scene.key, "POST", address, _now_ms() / 1000)
    assert {**ours.header, "nonce": 0} == {**theirs.header, "nonce": 0}
    assert len(ours.header["nonce"]) == len(theirs.header["nonce"]) == 32
    times = dict.fromkeys(("iat", "nbf", "exp"), 0)
    assert {**ours.claims, **times} == {**theirs.claims, **times}
    assert _lifetimes(ours.claims) == _lifetimes(theirs.claims)


def _lifetimes(claims: Mapping[str, Any]) -> tuple[int, int]:
    return claims["exp"] - claims["nbf"], claims["iat"] - claims["nbf"]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
