"""A script as it is uploaded: its modules, what it is bound to, and what it weighs.

Owns Cloudflare's limits of a script. Secrets are named in a bundle, and their values are held
so that nothing shows them.
"""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from cli.publish.validation import Findings
from cli.secret import Secret

RAW_BYTES_MAX: Final = 64 * 1024 * 1024
COMPRESSED_BYTES_MAX: Final = 10 * 1024 * 1024
VARIABLES_MAX: Final = 128
VARIABLE_BYTES_MAX: Final = 5 * 1024
"""Of a paid plan: https://developers.cloudflare.com/workers/platform/limits/"""

MODULES_MAX: Final = 1_000
"""Ours: more are a folder given by mistake."""

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
"""What the upload takes, by a file's ending; wrangler's defaults, and the local namespace's."""


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
        """Return what the upload calls a module of this kind."""
        return MEDIA_TYPES[PurePosixPath(self.name).suffix]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A script, ready to be uploaded.

    Args:
        kind: `dataset`, `wrap`, `javascript` or `python`.
        main: The name of the main module.
        modules: All modules, the main one among them.
        compatibility_date: The runtime's behaviour that it is written for.
        compatibility_flags: Single changes to that.
        variables: Plain values by name: text, or anything JSON has.
        namespaces: Ids of KV namespaces by binding.
        secrets: Values by binding; never shown nor stored.
        about: What people are shown of it, as JSON.
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

    @property
    def raw_bytes(self) -> int:
        """Return how large the modules are together."""
        return sum(len(module.content) for module in self.modules)

    @property
    def compressed_bytes(self) -> int:
        """Return how large they are after gzip, each for itself."""
        return sum(len(gzip.compress(module.content, 6, mtime=0)) for module in self.modules)

    @property
    def digest(self) -> str:
        """Return the same text for the same script: of all but the values of its secrets."""
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
        """Return the bindings as the upload takes them, secrets' values among them."""
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
            tags: What the script is found by.
        """
        return {
            "main_module": self.main,
            "compatibility_date": self.compatibility_date,
            "compatibility_flags": [*self.compatibility_flags],
            "bindings": self.bindings(),
            "tags": [*tags],
        }

    def check(self) -> None:
        """Raise `InputError` if Cloudflare would refuse it for its size."""
        findings = Findings()
        if self.raw_bytes > RAW_BYTES_MAX:
            findings.add(f"it has {self.raw_bytes:,} bytes; {RAW_BYTES_MAX:,} are allowed")
        elif (
            self.raw_bytes > COMPRESSED_BYTES_MAX
            and (compressed := self.compressed_bytes) > COMPRESSED_BYTES_MAX
        ):
            findings.add(
                f"it has {compressed:,} bytes when compressed; {COMPRESSED_BYTES_MAX:,} are allowed"
            )
        bound = len(self.variables) + len(self.secrets)
        if bound > VARIABLES_MAX:
            findings.add(f"it has {bound} variables and secrets; {VARIABLES_MAX} are allowed")
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
