"""Builds the Worker with wrangler: modules, metadata and static files.

`wrangler deploy --dry-run --outfile` writes the form that a deployment uploads, so a plan shows
exactly what would be sent.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.deploy.wrangler import Wrangler
from cli.errors import CommandError

_NOT_CONTENT = ("annotations", "keep_bindings")
"""Fields of the metadata that control the upload and are not part of the Worker."""

_SETTINGS = ("triggers", "workers_dev", "migrations")
"""Settings that are not in the form: wrangler sends them in other requests."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A Worker, ready to be uploaded.

    Args:
        metadata: Main module, bindings, compatibility date and more, as uploaded.
        modules: Each module's hash, by name.
        assets: Each static file's size in bytes and hash, by path.
        raw_bytes: The size of all modules.
        compressed_bytes: The same after gzip.
        digest: A hash of all of it, and of schedules, routes and migrations.
    """

    metadata: Mapping[str, Any]
    modules: Mapping[str, str]
    assets: Mapping[str, tuple[int, str]]
    raw_bytes: int
    compressed_bytes: int
    digest: str


def build_bundle(wrangler: Wrangler, config: Mapping[str, Any]) -> Bundle:
    """Build the Worker of a configuration, without network access.

    Args:
        wrangler: wrangler in the run's folder.
        config: The configuration.

    Raises:
        CommandError: wrangler failed.
    """
    folder = wrangler.folder
    folder.write_config(config)
    form = folder.path / "upload.form"
    ran = wrangler.run(
        *("deploy", "--dry-run", "--outdir", folder.path / "bundle", "--outfile", form),
        name="bundle",
        failure="The Worker could not be built.",
    )
    parts = _parts(form.read_bytes())
    size = ran.record("deploy").get("bundle_size") or {}
    if "metadata" not in parts or not size:
        raise CommandError(
            "wrangler built the Worker, but its output has no metadata or no size.",
            "Run `make clawr` to install the wrangler version that this clone needs.",
        )
    metadata = json.loads(parts.pop("metadata"))
    modules = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
    assets = _assets(folder.path / config["assets"]["directory"]) if "assets" in config else {}
    content = {
        "metadata": {key: value for key, value in metadata.items() if key not in _NOT_CONTENT},
        "modules": modules,
        "assets": assets,
        "settings": {name: config.get(name) for name in _SETTINGS},
        "routes": [one for one in config.get("routes", []) if not is_domain(one)],
    }
    return Bundle(
        metadata,
        modules,
        assets,
        int(size["raw_bytes"]),
        int(size["gzip_bytes"]),
        hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
    )


def is_domain(route: str | Mapping[str, Any]) -> bool:
    """Return whether a route of a configuration is a custom domain.

    Custom domains are not in the digest. They are compared with the account, where they may have
    been changed by other means.
    """
    return not isinstance(route, str) and bool(route.get("custom_domain"))


def _parts(form: bytes) -> dict[str, bytes]:
    """Return the parts of a multipart form by name."""
    boundary, _, _ = form.partition(b"\r\n")
    parts = {}
    for part in form.split(boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0]
        parts[name.decode()] = content.removesuffix(b"\r\n")
    return parts


def _assets(directory: Path) -> dict[str, tuple[int, str]]:
    return {
        str(file.relative_to(directory)): (
            file.stat().st_size,
            hashlib.sha256(file.read_bytes()).hexdigest(),
        )
        for file in sorted(directory.rglob("*"))
        if file.is_file() and file.name != ".assetsignore"
    }
