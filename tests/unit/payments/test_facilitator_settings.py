"""Each facilitator gets its own credentials, and no other address gets them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping

import pytest

from api.payment_health import PaymentHealth
from core.errors import ConfigurationError
from core.ports import Fetched, Json
from payments.facilitator import Facilitators
from payments.facilitator_settings import facilitator_urls, secrets_named
from tests.support.fake_network import FakeFetcher
from tests.support.fakes import FakeClock, FakeEnvironment
from tests.unit.payments.test_facilitator import PROOF

SECRETS = {"KEY_ONE": "first secret", "KEY_TWO": "second", "FACILITATOR_API_KEY": "short form"}


def sent_headers(
    settings: Mapping[str, str], redirects: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """Verify with facilitators that all fail; return the headers that each URL got."""

    async def respond(url: str, _: Json) -> Fetched:
        target = (redirects or {}).get(url)
        return Fetched(308, "", target) if target else Fetched(503, "")

    fetcher = FakeFetcher(respond)
    environment = FakeEnvironment(settings={**SECRETS, **settings}, fetcher=fetcher)
    result = Facilitators(environment, FakeClock()).verify(PROOF)
    with pytest.raises(Exception, match="503"):
        asyncio.run(result)
    return {
        url: {name: value for name, value in headers.items() if name != "content-type"}
        for url, headers, _ in fetcher.sent
    }


def listed(*entries: object) -> dict[str, str]:
    return {"FACILITATORS": json.dumps(entries)}


def test_each_facilitator_of_the_list_gets_its_own_credentials() -> None:
    settings = listed(
        {"url": "https://one.example/", "auth": {"bearer": "KEY_ONE"}},
        {"url": "https://two.example/x", "auth": {"headers": {"X-Api-Key": "KEY_TWO"}}},
        {"url": "https://three.example"},
        {"url": "https://four.example", "auth": None},
    )
    assert sent_headers(settings) == {
        "https://one.example/verify": {"authorization": "Bearer first secret"},
        "https://two.example/x/verify": {"x-api-key": "second"},
        "https://three.example/verify": {},
        "https://four.example/verify": {},
    }


def test_headers_by_call_are_sent_with_their_call_only() -> None:
    headers = {"settle": {"X-Api-Key": "KEY_TWO", "X-Id": "KEY_ONE"}, "supported": {}}
    settings = {**SECRETS, **listed({"url": "https://one.example", "auth": {"headers": headers}})}

    async def respond(_url: str, _body: Json) -> Fetched:
        return Fetched(503, "")

    fetcher = FakeFetcher(respond)
    facilitators = Facilitators(FakeEnvironment(settings=settings, fetcher=fetcher), FakeClock())

    async def call_all() -> None:
        await facilitators.settle(PROOF, "https://one.example")
        for call in (
            facilitators.verify(PROOF),
            facilitators.supported("https://one.example"),
        ):
            with pytest.raises(Exception, match="503"):
                await call

    asyncio.run(call_all())
    json_type = {"content-type": "application/json"}
    assert {url.rpartition("/")[2]: headers for url, headers, _ in fetcher.sent} == {
        "settle": {**json_type, "x-api-key": "second", "x-id": "first secret"},
        "verify": json_type,
        "supported": {},
    }


def test_the_secrets_of_every_form_are_known_once_each() -> None:
    text = json.dumps(
        [
            {"url": "https://a.example", "auth": {"bearer": "A"}},
            {"url": "https://b.example", "auth": {"headers": {"x": "B", "y": "A"}}},
            {"url": "https://c.example", "auth": {"headers": {"verify": {"x": "C"}}}},
            {"url": "https://d.example", "auth": {"coinbase": {"keyId": "D", "keySecret": "E"}}},
            {"url": "https://e.example"},
        ]
    )
    assert secrets_named(text) == ["A", "B", "C", "D", "E"]


def test_the_list_replaces_the_short_form() -> None:
    settings = {"FACILITATOR_URL": "https://old.example", **listed({"url": "https://new.example"})}
    assert sent_headers(settings) == {"https://new.example/verify": {}}


def test_the_key_of_the_short_form_is_for_the_origin_of_the_first_url() -> None:
    urls = "https://one.example/a, https://two.example, https://one.example:443/b,"
    found = sent_headers(
        {"FACILITATOR_URL": urls + " http://one.example, https://one.example:8443"}
    )
    key = {"authorization": "Bearer short form"}
    assert found == {
        "https://one.example/a/verify": key,
        "https://two.example/verify": {},
        "https://one.example:443/b/verify": key,
        "http://one.example/verify": {},
        "https://one.example:8443/verify": {},
    }


def test_a_redirect_gets_the_credentials_only_at_the_same_origin() -> None:
    settings = listed({"url": "https://one.example", "auth": {"bearer": "KEY_ONE"}})
    redirects = {
        "https://one.example/verify": "https://one.example/v2/verify",
        "https://one.example/v2/verify": "https://evil.example/verify",
    }
    assert sent_headers(settings, redirects) == {
        "https://one.example/verify": {"authorization": "Bearer first secret"},
        "https://one.example/v2/verify": {"authorization": "Bearer first secret"},
        "https://evil.example/verify": {},
    }


@pytest.mark.parametrize("setting", ["MISSING", "EMPTY", "BROKEN"])
def test_a_missing_or_unusable_secret_is_named(setting: str) -> None:
    settings = {"BROKEN": "two\nlines", "EMPTY": " "}
    settings |= listed({"url": "https://one.example", "auth": {"bearer": setting}})
    environment = FakeEnvironment(settings=settings)
    result = Facilitators(environment, FakeClock()).verify(PROOF)
    with pytest.raises(ConfigurationError, match=setting):
        asyncio.run(result)


@pytest.mark.parametrize(
    "url",
    [
        *("", "facilitator.example", "ftp://f.example", "https://", "https:///x", "//f.example"),
        *("https://user:password@f.example", "https://f.example?key=1", "https://f.example#x"),
        *("https://f.example:99999", "https://f .example", "https://f.example\\x", "https://[::1"),
        *(None, 7, True, [], {}),
    ],
)
def test_an_unusable_url_is_rejected_in_both_forms(url: object) -> None:
    with pytest.raises(ConfigurationError, match="FACILITATORS"):
        facilitator_urls(FakeEnvironment(settings=listed({"url": url})))
    if isinstance(url, str) and url:
        with pytest.raises(ConfigurationError, match="FACILITATOR_URL"):
            facilitator_urls(FakeEnvironment(settings={"FACILITATOR_URL": url}))


@pytest.mark.parametrize(
    ("auth", "field"),
    [
        *(("KEY_ONE", "auth"), (7, "auth"), (True, "auth"), ([], "auth"), ({}, "auth")),
        ({"basic": "KEY_ONE"}, "auth"),
        ({"bearer": "KEY_ONE", "headers": {"x": "KEY_TWO"}}, "auth"),
        *(({"bearer": value}, "auth.bearer") for value in (None, "a key", {"x": "KEY_ONE"})),
        *(({"headers": {}}, "auth.headers"), ({"headers": []}, "auth.headers")),
        ({"headers": "KEY_ONE"}, "auth.headers"),
        ({"headers": {"x y": "KEY_ONE"}}, "auth.headers"),
        *(({"headers": {"x": value}}, "auth.headers.x") for value in (7, None, "a key")),
        ({"headers": {"content-type": "KEY_ONE"}}, "auth.headers.content-type"),
        ({"headers": {"X": "KEY_ONE", "x": "KEY_TWO"}}, "auth.headers.x"),
        ({"headers": {"verify": {"x": "KEY_ONE"}, "y": "KEY_TWO"}}, "auth.headers.y"),
        ({"headers": {"y": "KEY_TWO", "settle": {"x": "KEY_ONE"}}}, "auth.headers.y"),
        ({"headers": {"verify": {"x": "KEY_ONE"}, "settle": "KEY_TWO"}}, "auth.headers.settle"),
        ({"headers": {"list": {"x": "KEY_ONE"}}}, "auth.headers"),
        ({"headers": {"verify": {"x": "a key"}}}, "auth.headers.verify.x"),
        ({"headers": {"verify": {"x": {"y": "KEY_ONE"}}}}, "auth.headers.verify.x"),
        *(
            ({"coinbase": value}, "auth.coinbase")
            for value in ("KEY_ONE", {}, {"keyId": "KEY_ONE"})
        ),
        ({"coinbase": {"keyId": "A", "keySecret": "B", "wallet": "C"}}, "auth.coinbase"),
        ({"coinbase": {"keyId": "a key", "keySecret": "B"}}, "auth.coinbase.keyId"),
        ({"coinbase": {"keyId": "A", "keySecret": "a key"}}, "auth.coinbase.keySecret"),
    ],
)
def test_unknown_credentials_are_rejected_with_entry_and_field(auth: object, field: str) -> None:
    good = {"url": "https://a.example", "auth": {"bearer": "KEY_ONE"}}
    entries = listed(good, {"url": "https://b.example", "auth": auth})
    with pytest.raises(ConfigurationError, match=rf"Entry 1: .*{re.escape(field)} ") as raised:
        facilitator_urls(FakeEnvironment(settings=entries))
    # Somebody may have written the secret where its name belongs.
    assert "a key" not in raised.value.message


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "{}", "[]", "[1]", "null", '[{"url": "https://a.example", "key": "1"}]'),
        json.dumps([{"url": "https://a.example"}, {"url": "https://a.example/"}]),
        json.dumps([{"url": f"https://{number}.example"} for number in range(11)]),
    ],
)
def test_an_unusable_list_is_rejected(text: str) -> None:
    with pytest.raises(ConfigurationError, match="FACILITATOR"):
        facilitator_urls(FakeEnvironment(settings={"FACILITATORS": text}))


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("secret", ["expired", ""])
def test_health_names_a_secret_that_is_missing_or_rejected(status: int, secret: str) -> None:
    url = "https://one.example"

    async def respond(_: str, __: Json) -> Fetched:
        return Fetched(status, "")

    environment = FakeEnvironment(
        settings={**listed({"url": url, "auth": {"bearer": "KEY_ONE"}}), "KEY_ONE": secret},
        fetcher=FakeFetcher(respond),
    )
    report = PaymentHealth(environment, FakeClock(), Facilitators(environment, FakeClock()))
    problems: list[Mapping[str, str]] = []
    asyncio.run(report._facilitator_report(set(), problems))
    assert [one["code"] for one in problems] == ["facilitator_unavailable"]
    assert "KEY_ONE" in problems[0]["message"]
    assert "expired" not in problems[0]["message"]
