"""A script to upload: its modules and bindings, checked against Cloudflare's limits."""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from cli.publish.openapi import Description
from cli.publish.validation import Findings
from cli.secret import Secret

RAW_BYTES_MAX: Final = 64 * 1024 * 1024
COMPRESSED_BYTES_MAX: Final = 10 * 1024 * 1024
VARIABLES_MAX: Final = 128
VARIABLE_BYTES_MAX: Final = 5 * 1024
"""Limits of the paid plan: https://developers.cloudflare.com/workers/platform/limits/"""

MODULES_MAX: Final = 1_000
"""Not Cloudflare's: more files mean that a folder was given by mistake."""

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".js": "application/javascript+module",
    ".mjs": "application/javascript+module",
    ".py": "text/x-python",
    ".txt": "text/plain",
    ".html": "text/plain",
    ".css": "text/plain",
    ".md": "text/plain",
    ".sql": "text/plain",
    ".wasm": "application/wasm",
    ".bin": "application/octet-stream",
}
"""Media types by file suffix, as wrangler's defaults and `make dev` have them. Others are data."""


@dataclass(frozen=True, slots=True)
class Module:
    """One file of a script.

    Args:
        name: Its path within the script, with `/`.
        content: Its bytes.
    """

    name: str
    content: bytes

    @property
    def media_type(self) -> str:
        """The module's media type."""
        return MEDIA_TYPES.get(PurePosixPath(self.name).suffix, "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A script, ready to be uploaded.

    Args:
        kind: `dataset`, `wrap`, `javascript` or `python`.
        main: The name of the main module.
        modules: All modules, including the main one.
        compatibility_date: The runtime's compatibility date.
        compatibility_flags: The runtime's compatibility flags.
        variables: Variables by name: text, or any JSON.
        namespaces: Ids of KV namespaces by binding.
        secrets: Secrets by binding; never shown or stored.
        about: A description, as JSON, that is stored and shown.
        description: What the API says about itself, for its record.
        notes: Hints for the user about how its files were read.
    """

    kind: str
    main: str
    modules: Sequence[Module]
    compatibility_date: str
    compatibility_flags: Sequence[str] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    namespaces: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    description: Description = field(default_factory=Description)
    notes: Sequence[str] = ()

    @property
    def raw_bytes(self) -> int:
        """The size of all modules."""
        return sum(len(module.content) for module in self.modules)

    @property
    def compressed_bytes(self) -> int:
        """The size of all modules after gzip, each compressed separately."""
        return sum(len(gzip.compress(module.content, 6, mtime=0)) for module in self.modules)

    @property
    def digest(self) -> str:
        """A hash of everything but the values of secrets."""
        parts = {
            "main": self.main,
            "modules": {
                module.name: hashlib.sha256(module.content).hexdigest() for module in self.modules
            },
            "compatibility": [self.compatibility_date, *sorted(self.compatibility_flags)],
            "variables": self.variables,
            "namespaces": self.namespaces,
            "secrets": sorted(self.secrets),
        }
        text = json.dumps(parts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def bindings(self) -> list[dict[str, Any]]:
        """Return the bindings in the format of the upload, including secrets' values."""
        return [
            *(_variable(name, value) for name, value in self.variables.items()),
            *(
                {"type": "kv_namespace", "name": name, "namespace_id": namespace_id}
                for name, namespace_id in self.namespaces.items()
            ),
            *(
                {"type": "secret_text", "name": name, "text": value.reveal()}
                for name, value in self.secrets.items()
            ),
        ]

    def metadata(self, tags: Sequence[str]) -> dict[str, Any]:
        """Return the upload's metadata.

        Args:
            tags: The script's tags.
        """
        return {
            "main_module": self.main,
            "compatibility_date": self.compatibility_date,
            "compatibility_flags": [*self.compatibility_flags],
            "bindings": self.bindings(),
            "tags": [*tags],
        }

    def check(self) -> None:
        """Raise `InputError` if it exceeds Cloudflare's limits."""
        findings = Findings()
        if self.raw_bytes > RAW_BYTES_MAX:
            findings.add(f"{self.raw_bytes:,} bytes; the limit is {RAW_BYTES_MAX:,}")
        elif (
            self.raw_bytes > COMPRESSED_BYTES_MAX
            and (compressed := self.compressed_bytes) > COMPRESSED_BYTES_MAX
        ):
            findings.add(f"{compressed:,} compressed bytes; the limit is {COMPRESSED_BYTES_MAX:,}")
        bound = len(self.variables) + len(self.secrets)
        if bound > VARIABLES_MAX:
            findings.add(f"{bound} variables and secrets; the limit is {VARIABLES_MAX}")
        for name, value in self.variables.items():
            if len(json.dumps(value)) > VARIABLE_BYTES_MAX:
                findings.add(f"variable {name} is larger than {VARIABLE_BYTES_MAX:,} bytes")
        for name, secret in self.secrets.items():
            if len(secret.reveal().encode()) > VARIABLE_BYTES_MAX:
                findings.add(f"secret {name} is larger than {VARIABLE_BYTES_MAX:,} bytes")
        findings.refuse("The script")


def _variable(name: str, value: object) -> dict[str, Any]:
    if isinstance(value, str):
        return {"type": "plain_text", "name": name, "text": value}
    return {"type": "json", "name": name, "json": value}
