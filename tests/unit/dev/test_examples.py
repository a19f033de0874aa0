"""The commands that `make dev` suggests."""

import json

import pytest

from dev.launch.examples import examples

URL = "http://localhost:8787"
SCRIPT = {"tenantId": "t1", "workerName": "script"}
PRICED = {
    **SCRIPT,
    "slug": "priced",
    "priceUsd": 0.01,
    "x402Enabled": True,
    "hosts": ["priced.example"],
}
FREE = {**SCRIPT, "slug": "free", "hosts": []}


def commands(directory: object, token: str | None = "dev-token") -> list[str]:
    return [example.command for example in examples(URL, json.dumps(directory), token)]


def test_examples_are_by_path_by_host_and_for_analytics() -> None:
    assert commands({"tenants": [PRICED, FREE]}) == [
        f"curl {URL}/t/free/",
        f"curl -H 'Host: priced.example' {URL}/",
        f"curl -H 'Authorization: Bearer dev-token' '{URL}/__platform/analytics?window=today'",
    ]


def test_the_other_form_of_a_directory_is_read_too() -> None:
    directory = {"bySlug": {"echo": SCRIPT}, "byHost": {"echo.example": {**SCRIPT, "slug": "echo"}}}
    assert commands(directory)[:2] == [
        f"curl {URL}/t/echo/",
        f"curl -H 'Host: echo.example' {URL}/",
    ]


def test_without_tenants_the_health_check_is_suggested() -> None:
    assert commands({"tenants": []})[0] == f"curl {URL}/health"
    assert examples(URL, None, None)[0].command == f"curl {URL}/health"


def test_without_a_token_analytics_is_not_suggested() -> None:
    assert commands({"tenants": [FREE]}, token=None) == [f"curl {URL}/t/free/"]


@pytest.mark.parametrize(
    "rejected",
    [
        None,
        7,
        {"slug": "no-script"},
        {**FREE, "slug": "it's; rm"},
        {**FREE, "slug": "paid", "paymentMode": "required"},
        {**FREE, "slug": "listed", "hosts": "no list"},
        {**FREE, "slug": "hosted", "hosts": ["a host.example"]},
        {**FREE, "slug": "priced", "accepts": []},
    ],
)
def test_an_api_whose_record_the_dispatcher_rejects_is_not_suggested(rejected: object) -> None:
    assert commands({"tenants": [rejected]}, token=None) == [f"curl {URL}/health"]
    assert commands({"tenants": [rejected, FREE]}, token=None) == [f"curl {URL}/t/free/"]


def test_a_directory_that_the_dispatcher_cannot_read_suggests_no_api() -> None:
    assert commands({"tenants": {}}, token=None) == [f"curl {URL}/health"]
