"""The configuration of a local run is derived from wrangler.toml."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from dev.errors import UsageError
from dev.launch.config import development_config, load_production_config
from dev.launch.options import LaunchOptions, Runtime
from dev.layout import HERE

PLUGIN = Path("/clone/dev/dispatch-namespace")
PRODUCTION: dict[str, Any] = {
    "name": "dispatcher",
    "main": "src/entry.py",
    "compatibility_flags": ["python_workers"],
    "kv_namespaces": [{"binding": "USAGE_KV"}],
    "dispatch_namespaces": [{"binding": "DISPATCHER", "namespace": "production"}],
    "triggers": {"crons": ["* * * * *"]},
    "assets": {"directory": "public", "binding": "ASSETS"},
    "vars": {"X402_NETWORK": "eip155:8453", "PLATFORM_ANALYTICS_TOKEN": "from the file"},
    "something": {"that": ["comes", "later"]},
}


def options(**changes: Any) -> LaunchOptions:
    return LaunchOptions(port=0, state=Path("/state"), namespace=Path("/scripts"), **changes)


def test_the_dispatch_namespace_is_served_by_the_plugin() -> None:
    config = development_config(PRODUCTION, options(), PLUGIN)
    assert "dispatch_namespaces" not in config
    assert config["unsafe"]["bindings"] == [
        {
            "name": "DISPATCHER",
            "type": "dispatch_namespace",
            "namespace": "production",
            "dev": {
                "plugin": {"package": str(PLUGIN), "name": "dispatch-namespace"},
                "options": {
                    "scripts": ["/state/uploads", "/scripts"],
                    "log": "/state/logs/scripts.jsonl",
                    "python": {
                        "modules": "python_modules",
                        "compatibilityFlags": ["python_workers_development", "experimental"],
                    },
                },
            },
        }
    ]


def test_unsafe_bindings_of_production_are_kept() -> None:
    own = {"name": "OWN", "type": "something"}
    production = PRODUCTION | {"unsafe": {"bindings": [own], "metadata": {"a": 1}}}
    unsafe = development_config(production, options(), PLUGIN)["unsafe"]
    assert unsafe["bindings"][0] == own
    assert unsafe["metadata"] == {"a": 1}
    assert len(unsafe["bindings"]) == 2


def test_everything_else_is_copied_unchanged() -> None:
    config = development_config(PRODUCTION, options(), PLUGIN)
    replaced = {"dispatch_namespaces", "unsafe", "vars", "compatibility_flags"}
    assert {key: config[key] for key in config.keys() - replaced} == {
        key: PRODUCTION[key] for key in PRODUCTION.keys() - replaced
    }


def test_the_production_configuration_is_not_modified() -> None:
    before = copy.deepcopy(PRODUCTION)
    development_config(PRODUCTION, options(variables={"A": "1"}), PLUGIN)
    assert before == PRODUCTION


def test_the_local_bundle_needs_two_more_flags() -> None:
    config = development_config(PRODUCTION, options(), PLUGIN)
    assert config["compatibility_flags"] == [
        "python_workers",
        "python_workers_development",
        "experimental",
    ]


def test_cloudflares_bundle_needs_no_further_flags() -> None:
    config = development_config(PRODUCTION, options(runtime=Runtime.CLOUDFLARE), PLUGIN)
    assert config["compatibility_flags"] == ["python_workers"]


def test_variables_of_the_run_override_the_others() -> None:
    directory = '{ "tenants": [] }'
    given = options(tenant_directory=directory, variables={"CALLER_HASH_SECRET": "given"})
    variables = development_config(PRODUCTION, given, PLUGIN)["vars"]
    assert variables == {
        "X402_NETWORK": "eip155:8453",
        "PLATFORM_ANALYTICS_TOKEN": "dev-token",
        "CALLER_HASH_SECRET": "given",
        "DRAIN_UPLOADS": "true",
        "TENANT_DIRECTORY_JSON": '{"tenants":[]}',
    }


def test_without_a_tenant_directory_there_is_no_variable_for_it() -> None:
    assert "TENANT_DIRECTORY_JSON" not in development_config({}, options(), PLUGIN)["vars"]


def test_production_has_no_development_flags() -> None:
    text = HERE.wrangler_toml.read_text()
    assert "development" not in json.dumps(load_production_config(HERE.wrangler_toml))
    assert "experimental" not in text
    assert "unsafe" not in text


def test_a_broken_wrangler_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrangler.toml").write_text("name = ")
    with pytest.raises(UsageError, match=r"wrangler\.toml is not TOML"):
        load_production_config(tmp_path / "wrangler.toml")
