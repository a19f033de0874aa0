"""A Worker's configuration: what of it an upload honours, and what is refused by name.

A binding that would be missing in the script is refused here, since the script would fail later
and less clearly.
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
"""As the local namespace has them; the first that exists counts."""

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
"""What binds or runs something that an API published here does not get."""

_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What an upload takes from a configuration.

    Args:
        main: The main module, from the folder; empty where it is not said.
        compatibility_date: Empty where it is not said.
        compatibility_flags: As they stand there.
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
        findings: Takes what is wrong.
    """
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        raw = tomllib.loads(text) if file.suffix == ".toml" else json.loads(_plain_json(text))
    except json.JSONDecodeError as error:
        findings.add(f"it is no JSON: {error.msg}", file.name, error.lineno)
        return WorkerConfig()
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        findings.add(f"it is no TOML: {error}", file.name, int(line[1]) if line else None)
        return WorkerConfig()
    if not isinstance(raw, dict):
        findings.add("it must hold an object", file.name, 1)
        return WorkerConfig()
    for name in UNSUPPORTED:
        if raw.get(name):
            findings.add(
                f"{name!r} is not for APIs that are published (vars and kv_namespaces are)",
                file.name,
                _line(text, name),
            )
    return _honoured(raw, text, file.name, findings)


def _honoured(raw: Mapping[str, Any], text: str, place: str, findings: Findings) -> WorkerConfig:
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
        refuse("compatibility_flags", "a list of texts")
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
    """Take out comments and last commas, and leave every line where it is."""

    def blank(match: re.Match[str]) -> str:
        return match[1] or re.sub(r"[^\n]", " ", match[0])

    return _TRAILING_COMMA.sub(blank, _COMMENT.sub(blank, text))


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _line(text: str, name: str) -> int | None:
    """Return the first line where a name stands as a key or a table."""
    found = re.search(rf'^[\s\[{{,]*["\']?{re.escape(name)}["\']?[\s.\]:=]', text, re.MULTILINE)
    return None if found is None else text.count("\n", 0, found.end(0) - 1) + 1
