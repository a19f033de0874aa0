"""The commands that `make dev` suggests."""

import json
import shlex

import pytest

from dev.launch.examples import examples

URL = "http://localhost:8787"
PRICED = {"slug": "priced", "priceUsd": 0.01, "hosts": ["priced.example"]}
FREE = {"slug": "free", "hosts": []}


def commands(directory: object, token: str | None = "dev-token") -> list[str]:
    return [example.command for example in examples(URL, json.dumps(directory), token)]


def test_examples_are_by_path_by_host_and_for_analytics() -> None:
    assert commands({"tenants": [PRICED, FREE]}) == [
        f"curl {URL}/t/free/",
        f"curl -H 'Host: priced.example' {URL}/",
        f"curl -H 'Authorization: Bearer dev-token' '{URL}/__platform/analytics?window=today'",
    ]


def test_the_other_form_of_a_directory_is_read_too() -> None:
    directory = {"bySlug": {"echo": {"workerName": "echo"}}, "byHost": {"echo.example": {}}}
    assert commands(directory)[:2] == [
        f"curl {URL}/t/echo/",
        f"curl -H 'Host: echo.example' {URL}/",
    ]


def test_without_tenants_the_health_check_is_suggested() -> None:
    assert commands({"tenants": []})[0] == f"curl {URL}/health"
    assert examples(URL, None, None)[0].command == f"curl {URL}/health"


def test_without_a_token_analytics_is_not_suggested() -> None:
    assert commands({"tenants": [FREE]}, token=None) == [f"curl {URL}/t/free/"]


def test_names_are_quoted_for_the_shell() -> None:
    (command, _) = commands({"tenants": [{"slug": "it's; rm"}]})
    assert shlex.split(command) == ["curl", f"{URL}/t/it's; rm/"]


@pytest.mark.parametrize("broken", [None, 7, {"hosts": "no list"}, {"hosts": [7]}])
def test_invalid_records_are_skipped(broken: object) -> None:
    assert commands({"tenants": [broken, FREE]})[0] == f"curl {URL}/t/free/"
