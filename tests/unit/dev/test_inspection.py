"""Mistakes in settings, directory and scripts are named when `make dev` starts."""

import json
from pathlib import Path

import pytest

from cli.deploy.settings import secret_names
from dev.launch.inspection import (
    directory_mistakes,
    failing_scripts,
    namespace_mistakes,
    setting_mistakes,
)
from dev.launch.settings import SECRETS, VARIABLES
from dev.layout import HERE

RECORD = {"slug": "news", "tenantId": "t1", "workerName": "news"}


def test_every_setting_of_the_reference_is_known() -> None:
    text = (HERE.root / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    for name in (*VARIABLES, *SECRETS):
        assert f"`{name}`" in text
        assert setting_mistakes({name: ""}) == {}
    assert secret_names({}) == SECRETS


def test_an_unknown_variable_is_named_with_the_likeliest_setting() -> None:
    found = setting_mistakes({"FACILITATOR_URLS": "https://a.example", "COLOUR": "red"})
    assert found["FACILITATOR_URLS"].endswith("did you mean FACILITATOR_URL?")
    assert "docs/reference/settings.md" in found["COLOUR"]


def test_a_secret_that_facilitators_name_is_known() -> None:
    facilitators = json.dumps([{"url": "https://a.example", "auth": {"bearer": "MY_KEY"}}])
    assert setting_mistakes({"FACILITATORS": facilitators, "MY_KEY": "secret"}) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FACILITATOR_URL", "x402.test"),
        ("FACILITATOR_URL", "https://a.example,htps://b.example"),
        ("FACILITATOR_URL", "https://a.example:port"),
        ("ANALYTICS_BASE_URL", "https:/market.example"),
        ("ANALYTICS_BASE_URL", "https://market .example"),
        ("X402_RPC_URL", "node.example/secret-key"),
        ("X402_RPC_URL", '{"base": "node.example"}'),
        ("X402_RPC_URL", '{"optimism"'),
        ("PLATFORM_CORS_ORIGINS", "dashboard.test"),
        ("FACILITATORS", '[{"url": "nowhere"}]'),
        ("FACILITATORS", '["https://a.example"]'),
    ],
)
def test_an_invalid_url_is_named_without_its_value(name: str, value: str) -> None:
    (message,) = setting_mistakes({name: value}).values()
    assert message.startswith(f"{name} in VARS is not an http(s) URL: write it as in")
    assert value not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FACILITATOR_URL", "https://a.example/x, http://127.0.0.1:4021"),
        ("ANALYTICS_BASE_URL", "https://market.example"),
        ("X402_RPC_URL", "https://node.example/key?x=1"),
        ("X402_RPC_URL", '{"base": "https://node.example", "solana": "http://127.0.0.1:1"}'),
        ("PLATFORM_CORS_ORIGINS", "https://a.example,http://localhost:3000"),
        ("ANALYTICS_BASE_URL", ""),
    ],
)
def test_a_valid_url_is_no_mistake(name: str, value: str) -> None:
    assert setting_mistakes({name: value}) == {}


def test_rejected_records_are_named_and_a_directory_without_a_usable_one() -> None:
    bad = {**RECORD, "slug": "Bad!"}
    one = directory_mistakes(json.dumps({"tenants": [RECORD, bad]}), "TENANTS=t.json")
    assert len(one) == 1
    assert "TENANTS=t.json: tenants[1] (slug 'Bad!')" in one[0]
    none = directory_mistakes(json.dumps({"tenants": [bad] * 20}), "TENANTS=t.json")
    assert "10 more records" in none[-2]
    assert "has no usable record, so no API can be called" in none[-1]
    assert directory_mistakes('{"tenants": []}', "") == directory_mistakes(None, "") == []


def test_an_empty_namespace_and_missing_scripts_are_named(tmp_path: Path) -> None:
    folders = [tmp_path / "uploads", tmp_path]
    text = json.dumps({"tenants": [RECORD, {**RECORD, "slug": "old"}]})
    (empty,) = namespace_mistakes(folders, text, "NAMESPACE=x")
    assert "NAMESPACE=x has no scripts" in empty
    (tmp_path / "other.js").write_text("export default {};")
    (missing,) = namespace_mistakes(folders, text, "NAMESPACE=x")
    assert "no script news, so calls of news, old get worker_not_found" in missing
    (tmp_path / "uploads" / "news").mkdir(parents=True)
    assert namespace_mistakes(folders, text, "NAMESPACE=x") == []


def test_scripts_that_do_not_load_are_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "good.js").write_text("export default { fetch: () => new Response('x') };")
    (tmp_path / "syntax.js").write_text("export default {\n fetch( {\n};")
    (tmp_path / "import.js").write_text("import './nowhere.js';\nexport default {fetch() {}};")
    found = [*failing_scripts(tmp_path, "NAMESPACE=x")]
    assert [one.partition(" of NAMESPACE=x")[0] for one in found] == [
        "the script import",
        "the script syntax",
    ]
    assert "nowhere.js" in found[0]
    assert "SyntaxError" in found[1]
