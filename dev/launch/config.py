"""Derives the configuration of a local run from wrangler.toml.

Only what has no local counterpart is replaced; everything else, known here or not, is copied.
"""

import copy
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dev.errors import UsageError
from dev.launch.options import LaunchOptions, Runtime

DEVELOPMENT_TOKEN = "dev-token"  # noqa: S105 (printed at every start, on purpose)
DEVELOPMENT_VARIABLES = {
    "PLATFORM_ANALYTICS_TOKEN": DEVELOPMENT_TOKEN,
    "CALLER_HASH_SECRET": "development-only-caller-hash-secret",
}
"""Secrets that production sets with `wrangler secret put`."""

PROXY_VARIABLES = {"DRAIN_UPLOADS": "true"}
"""Required by wrangler's development proxy (see `RuntimeRequest.drain`)."""

LOCAL_BUNDLE_FLAGS = ("python_workers_development", "experimental")
"""With these flags workerd loads `pyodide_dev.capnp.bin` instead of Cloudflare's bundle."""

PLUGIN_NAME = "dispatch-namespace"
PYTHON_MODULES = "python_modules"

UPLOADS_NAME = "uploads"
"""The folder in STATE with the scripts uploaded into the local dispatch namespace."""


def load_production_config(path: Path) -> dict[str, Any]:
    """Return the parsed wrangler.toml.

    Args:
        path: The file.

    Raises:
        UsageError: The file is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path} is missing: run this in a complete clone.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path.name} is not TOML ({error}): correct the file.") from error


def development_config(
    production: Mapping[str, Any], options: LaunchOptions, plugin: Path
) -> dict[str, Any]:
    """Return the configuration of one run.

    Args:
        production: The parsed wrangler.toml; not modified.
        options: The run's options.
        plugin: The folder of the package `miniflare-dispatch-namespace`; miniflare
            resolves a package by its absolute path too.

    Returns:
        The content of wrangler.json.
    """
    config = copy.deepcopy(dict(production))
    config["vars"] = run_variables(production, options)
    bundle_flags = LOCAL_BUNDLE_FLAGS if options.runtime is Runtime.LOCAL else ()
    flags = config.get("compatibility_flags", [])
    config["compatibility_flags"] = list(dict.fromkeys((*flags, *bundle_flags)))
    namespaces = config.pop("dispatch_namespaces", [])
    if namespaces:
        unsafe = config.setdefault("unsafe", {})
        unsafe["bindings"] = [
            *unsafe.get("bindings", []),
            *(
                _local_namespace(namespace, options, bundle_flags, plugin)
                for namespace in namespaces
            ),
        ]
    return config


def run_variables(production: Mapping[str, Any], options: LaunchOptions) -> dict[str, Any]:
    """Return the Worker's variables; later sources override earlier ones.

    Args:
        production: The parsed wrangler.toml.
        options: The run's options.
    """
    variables: dict[str, Any] = {
        **production.get("vars", {}),
        **DEVELOPMENT_VARIABLES,
        **PROXY_VARIABLES,
    }
    if options.tenant_directory is not None:
        # Compact, because wrangler copies it several times.
        directory = json.loads(options.tenant_directory)
        variables["TENANT_DIRECTORY_JSON"] = json.dumps(
            directory, ensure_ascii=False, separators=(",", ":")
        )
    return variables | dict(options.variables)


def script_folders(options: LaunchOptions) -> tuple[Path, ...]:
    """Return the script folders of the local dispatch namespace; earlier ones take precedence.

    Args:
        options: The run's options.
    """
    return (options.state / UPLOADS_NAME, options.namespace)


def script_log(state: Path) -> Path:
    """Return the file in a STATE folder with what scripts did; its older part is beside it.

    Args:
        state: The STATE folder.
    """
    return state / "logs" / "scripts.jsonl"


def _local_namespace(
    namespace: Mapping[str, Any],
    options: LaunchOptions,
    bundle_flags: Sequence[str],
    plugin: Path,
) -> dict[str, Any]:
    return {
        "name": namespace["binding"],
        "type": "dispatch_namespace",
        "namespace": namespace["namespace"],
        "dev": {
            "plugin": {"package": str(plugin), "name": PLUGIN_NAME},
            "options": {
                "scripts": [str(folder) for folder in script_folders(options)],
                "log": str(script_log(options.state)),
                # The Worker's own packages, linked beside its configuration.
                "python": {"modules": PYTHON_MODULES, "compatibilityFlags": list(bundle_flags)},
            },
        },
    }
