"""The doctor calls each facilitator with its own credentials, and names which fails and why."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cli.doctor.check import Check, State
from cli.doctor.facilitators import check_facilitators
from dev.layout import HERE
from tests.cli.loopback import Asked, Reply, answering
from tests.support.coinbase import (
    KEY_ID,
    KINDS,
    CoinbaseFacilitator,
    new_key,
    running_coinbase,
    supporting,
)

BASE = "eip155:8453"
AUTH = {"coinbase": {"keyId": "CDP_ID", "keySecret": "CDP_SECRET"}}


def checked(settings: Mapping[str, str]) -> list[Check]:
    return [*check_facilitators(settings, HERE.wrangler_toml)]


def listed(*entries: Mapping[str, object], **settings: str) -> dict[str, str]:
    return {"FACILITATORS": json.dumps(entries), **settings}


@pytest.fixture(params=KINDS)
def coinbase(request: pytest.FixtureRequest) -> Iterator[CoinbaseFacilitator]:
    with running_coinbase(new_key(request.param), supporting(BASE, "eip155:84532")) as facilitator:
        yield facilitator


def settings_of(coinbase: CoinbaseFacilitator, **changes: str) -> dict[str, str]:
    settings = {"CDP_ID": KEY_ID, "CDP_SECRET": coinbase.key.secret, "X402_NETWORK": "base"}
    return listed({"url": coinbase.url, "auth": AUTH}, **settings, **changes)


def test_a_facilitator_that_accepts_its_key_passes(coinbase: CoinbaseFacilitator) -> None:
    for coinbase.ahead_seconds in (0, 900, -900):
        (check,) = checked(settings_of(coinbase))
        assert check.state is State.OK, check
        assert (check.name, BASE in check.message) == (coinbase.url, True)


def test_a_rejected_secret_is_named(coinbase: CoinbaseFacilitator) -> None:
    settings = settings_of(coinbase)
    coinbase.key = new_key()
    (check,) = checked(settings)
    assert (check.state, "CDP_SECRET" in check.message) == (State.FAILED, True)
    assert "rejects" in check.message


def test_a_missing_secret_is_named_and_nothing_is_called(coinbase: CoinbaseFacilitator) -> None:
    settings = {**settings_of(coinbase), "CDP_SECRET": ""}
    (check,) = checked(settings)
    assert (check.state, "CDP_SECRET" in check.message) == (State.WARNING, True)
    assert coinbase.results == []


def test_an_unusable_secret_is_named_and_not_shown(coinbase: CoinbaseFacilitator) -> None:
    (check,) = checked({**settings_of(coinbase), "CDP_SECRET": "mistyped"})
    assert (check.state, "CDP_SECRET" in check.message) == (State.FAILED, True)
    assert "mistyped" not in check.message
    assert coinbase.results == []


def test_a_network_or_scheme_that_is_not_supported_is_named() -> None:
    kinds = [
        {"x402Version": 2, "scheme": "upto", "network": BASE},
        {"x402Version": 2, "scheme": "exact", "network": "eip155:84532"},
    ]
    with answering(lambda _: Reply({"kinds": kinds})) as server:
        (check,) = checked({"FACILITATOR_URL": server.url, "X402_NETWORK": BASE})
        assert check.state is State.FAILED
        assert "exact" in check.message
        assert BASE in check.message


def test_each_facilitator_is_tried_with_its_own_headers() -> None:
    def answer(asked: Asked) -> Reply:
        is_right = asked.headers.get("x-key") == "right"
        return Reply({"kinds": []} if is_right else b"", status=200 if is_right else 401)

    with answering(answer) as right, answering(answer) as wrong:
        checks = checked(
            listed(
                {"url": right.url, "auth": {"headers": {"supported": {"X-Key": "ONE"}}}},
                {"url": wrong.url, "auth": {"headers": {"verify": {"X-Key": "ONE"}}}},
                {"url": unreachable(), "auth": {"bearer": "ONE"}},
                ONE="right",
            )
        )
    assert [check.state for check in checks] == [State.OK, State.FAILED, State.FAILED]
    assert [len(server.asked) for server in (right, wrong)] == [1, 1]


def unreachable() -> str:
    with answering(lambda _: Reply()) as server:
        return server.url


@pytest.mark.parametrize(("status", "body"), [(200, b"no JSON"), (500, b""), (200, b"1" * 70_000)])
def test_a_response_that_is_no_list_of_kinds_fails(status: int, body: bytes) -> None:
    with answering(lambda _: Reply(body, status=status)) as server:
        (check,) = checked({"FACILITATOR_URL": server.url})
    assert check.state is State.FAILED


def test_an_unusable_list_fails_and_none_is_not_checked(tmp_path: Path) -> None:
    assert [check.state for check in checked({"FACILITATORS": "{"})] == [State.FAILED]
    assert [check.state for check in checked({})] == [State.UNCHECKED]
    configured = tmp_path / "wrangler.toml"
    configured.write_text('[vars]\nFACILITATOR_URL = "ftp://x.example"\n')
    (check,) = check_facilitators({}, configured)
    assert check.state is State.FAILED


def test_the_servers_of_these_tests_check_tokens(coinbase: CoinbaseFacilitator) -> None:
    (check,) = checked(listed({"url": coinbase.url}))
    assert check.state is State.FAILED
    assert [why for _, _, why in coinbase.results] == ["no bearer token"]
