"""Reads a Worker's configuration file.

Settings that publishing does not support are rejected by name: without them, the script would fail
later with a less clear error.
"""

import datetime as dt
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cli.publish.validation import Findings

CONFIG_FILES: Final = ("wrangler.toml", "wrangler.jsonc", "wrangler.json", "config.json")
"""As in `make dev`; the first file that exists is used."""

UNSUPPORTED: Final = (
    "ai",
    "analytics_engine_datasets",
    "assets",
    "browser",
    "build",
    "containers",
    "d1_databases",
    "dispatch_namespaces",
    "durable_objects",
    "hyperdrive",
    "images",
    "migrations",
    "mtls_certificates",
    "pipelines",
    "queues",
    "r2_buckets",
    "ratelimits",
    "secrets_store_secrets",
    "send_email",
    "services",
    "site",
    "tail_consumers",
    "triggers",
    "unsafe",
    "vectorize",
    "wasm_modules",
    "workflows",
)
"""Settings that published scripts do not support."""

_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The settings used for the upload.

    Args:
        main: The main module, relative to the folder; may be empty.
        compatibility_date: May be empty.
        compatibility_flags: The flags.
        variables: `vars`.
        namespaces: Ids of KV namespaces by binding.
    """

    main: str = ""
    compatibility_date: str = ""
    compatibility_flags: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    namespaces: Mapping[str, str] = field(default_factory=dict)


def read_config(file: Path, findings: Findings) -> WorkerConfig:
    """Read a configuration.

    Args:
        file: One of `CONFIG_FILES`.
        findings: Mistakes are added to it.
    """
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        raw = tomllib.loads(text) if file.suffix == ".toml" else json.loads(_plain_json(text))
    except json.JSONDecodeError as error:
        findings.add(f"invalid JSON: {error.msg}", file.name, error.lineno)
        return WorkerConfig()
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        findings.add(f"invalid TOML: {error}", file.name, int(line[1]) if line else None)
        return WorkerConfig()
    if not isinstance(raw, dict):
        findings.add("must be an object", file.name, 1)
        return WorkerConfig()
    for name in UNSUPPORTED:
        if raw.get(name):
            findings.add(
                f"{name!r} is not supported for published APIs; vars and kv_namespaces are",
                file.name,
                _line(text, name),
            )
    return _supported(raw, text, file.name, findings)


def _supported(raw: Mapping[str, Any], text: str, place: str, findings: Findings) -> WorkerConfig:
    def refuse(name: str, demand: str) -> None:
        findings.add(f"{name!r} must be {demand}", place, _line(text, name))

    main = raw.get("main", "")
    if not isinstance(main, str):
        refuse("main", "the path of a module")
    date = raw.get("compatibility_date", "")
    if not isinstance(date, str) or (date and not _is_day(date)):
        refuse("compatibility_date", "a day such as 2026-01-31")
    flags = raw.get("compatibility_flags", [])
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        refuse("compatibility_flags", "a list of strings")
        flags = []
    variables = raw.get("vars", {})
    if not isinstance(variables, dict):
        refuse("vars", "a table")
        variables = {}
    namespaces = raw.get("kv_namespaces", [])
    kv: dict[str, str] = {}
    for entry in namespaces if isinstance(namespaces, list) else [None]:
        binding, namespace_id = (
            (entry.get("binding"), entry.get("id")) if isinstance(entry, dict) else (None, None)
        )
        if isinstance(binding, str) and binding and isinstance(namespace_id, str) and namespace_id:
            kv[binding] = namespace_id
        else:
            refuse("kv_namespaces", "a list of tables, each with binding and id")
    return WorkerConfig(str(main), str(date), tuple(flags), variables, kv)


def _plain_json(text: str) -> str:
    """Remove comments and trailing commas, keeping line numbers."""

    def blank(match: re.Match[str]) -> str:
        return match[1] or re.sub(r"[^\n]", " ", match[0])

    return _TRAILING_COMMA.sub(blank, _COMMENT.sub(blank, text))


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _line(text: str, name: str) -> int | None:
    """Return the first line that has a name as a key or table."""
    found = re.search(rf'^[\s\[{{,]*["\']?{re.escape(name)}["\']?[\s.\]:=]', text, re.MULTILINE)
    return None if found is None else text.count("\n", 0, found.end(0) - 1) + 1
