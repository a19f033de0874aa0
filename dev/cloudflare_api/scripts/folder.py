"""Reads scripts that people put into `NAMESPACE` as a folder or a file.

Uploaded scripts have a description file and are read by `dev.cloudflare_api.scripts.store`.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dev.cloudflare_api.responses import UnsupportedError
from dev.cloudflare_api.scripts.upload import Binding, Module, Script

CONFIG_FILES: Final = ("wrangler.toml", "wrangler.jsonc", "wrangler.json", "config.json")
"""As in the plugin `dev/dispatch-namespace`; the first existing file is used."""

PYTHON_MODULES: Final = "python_modules"
"""The folder of a script's Python packages; all its files are modules."""

MAINS: Final = ("index.js", "index.mjs", "index.py")
ENDINGS: Final = (".js", ".mjs", ".py")
CONTENT_TYPES: Final = {
    ".js": "application/javascript+module",
    ".mjs": "application/javascript+module",
    ".py": "text/x-python",
    ".json": "application/json",
    ".txt": "text/plain",
    ".html": "text/html",
    ".css": "text/css",
    ".md": "text/markdown",
    ".sql": "text/plain",
    ".wasm": "application/wasm",
    ".bin": "application/octet-stream",
}


def script_names(folder: Path) -> Iterator[str]:
    """Yield the name of each script in a folder of scripts."""
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield entry.name
        elif entry.suffix in ENDINGS:
            yield entry.stem


def read_script(folder: Path, name: str) -> Script | None:
    """Return a script of a folder of scripts; `None` if it does not exist.

    Args:
        folder: The folder of scripts.
        name: The script's name.

    Raises:
        UnsupportedError: Its configuration file cannot be parsed.
    """
    home = folder / name
    if home.is_dir():
        files = [path for path in sorted(home.rglob("*")) if _is_module(path, home)]
        config = next((home / one for one in CONFIG_FILES if (home / one).exists()), None)
        mains: Sequence[str] = MAINS
    else:
        home = folder
        files = [path for ending in ENDINGS if (path := folder / f"{name}{ending}").exists()]
        configs = (folder / f"{name}{ending}" for ending in (".toml", ".jsonc", ".json"))
        config = next((path for path in configs if path.exists()), None)
        mains = [path.name for path in files]
    settings = _config(config) if config else {}
    modules = tuple(
        Module(
            path.relative_to(home).as_posix(),
            CONTENT_TYPES.get(path.suffix, "application/octet-stream"),
            path.read_bytes(),
        )
        for path in files
        if path != config
    )
    names = {module.name for module in modules}
    main = next((one for one in (settings.get("main"), *mains) if one in names), None)
    if main is None:
        return None
    changed = datetime.fromtimestamp(max(path.stat().st_mtime for path in files), UTC).isoformat()
    return Script(
        name=name,
        main=main,
        modules=modules,
        bindings=tuple(_bindings(settings)),
        settings={
            key: settings[key]
            for key in ("compatibility_date", "compatibility_flags")
            if key in settings
        },
        created_on=changed,
        modified_on=changed,
    )


def _is_module(path: Path, home: Path) -> bool:
    parts = path.relative_to(home).parts
    if parts[0] == PYTHON_MODULES:
        return path.is_file()
    if any(part.startswith(".") or part == "node_modules" for part in parts):
        return False
    return path.suffix in CONTENT_TYPES and path.is_file()


def _config(file: Path) -> dict[str, Any]:
    text = file.read_text(encoding="utf-8")
    try:
        document = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise UnsupportedError(f"{file.name} of this script cannot be parsed: {error}.") from error
    return document if isinstance(document, dict) else {}


def _bindings(config: Mapping[str, Any]) -> Iterator[Binding]:
    for name, value in config.get("vars", {}).items():
        if isinstance(value, str):
            yield {"name": name, "type": "plain_text", "text": value}
        else:
            yield {"name": name, "type": "json", "json": value}
    for one in config.get("kv_namespaces", []):
        namespace_id = one.get("preview_id") or one.get("id") or one["binding"]
        yield {"name": one["binding"], "type": "kv_namespace", "namespace_id": namespace_id}
