"""Stores uploaded scripts as folders that the local dispatch namespace serves.

`STATE/uploads/NAME` is a link to a hidden folder beside it, so that one rename replaces a whole
script. The folder has the modules, `config.json` for the plugin that serves it
(`dev/dispatch-namespace`), and `.upload.json` with the metadata that only this API uses.
"""

import asyncio
import json
import os
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any, Final

from dev.cloudflare_api.responses import INVALID_SCRIPT, InvalidError, UnsupportedError
from dev.cloudflare_api.scripts.folder import (
    CONFIG_FILES,
    CONTENT_TYPES,
    PYTHON_MODULES,
    read_script,
    script_names,
)
from dev.cloudflare_api.scripts.upload import Binding, Module, Script

NAMESPACE: Final = "clawr"
"""The dispatch namespace of wrangler.toml, the only local one."""

SERVED_AFTER_SECONDS: Final = 0.2
"""Longer than the plugin's `recheckMs` plus its wait for unfinished writes."""

DESCRIPTION: Final = ".upload.json"
UNKNOWN_KV: Final = 10041

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_UNSERVED = frozenset({"application/source-map", "text/x-python-requirement"})
"""Content types of parts that no Worker imports; they are not stored."""

KvIds = Callable[[], Awaitable[Iterable[str]]]


class Uploads:
    """The scripts of the local dispatch namespace.

    Args:
        folder: The folder of uploaded scripts; created if missing.
        read_only: Further, read-only folders of scripts that the dispatcher serves.
        kv_ids: Returns the ids of the KV namespaces that a script can bind.
    """

    def __init__(self, folder: Path, read_only: Sequence[Path], kv_ids: KvIds) -> None:
        """Keep the arguments."""
        self._folder = folder
        self._read_only = read_only
        self._kv_ids = kv_ids
        folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> Sequence[str]:
        """Return the names of all scripts."""
        folders = [folder for folder in (self._folder, *self._read_only) if folder.is_dir()]
        return sorted({name for folder in folders for name in script_names(folder)})

    def read(self, name: str) -> Script | None:
        """Return a script."""
        if not _NAME.fullmatch(name):
            return None
        home = self._folder / name
        if (home / DESCRIPTION).exists():
            return _read_upload(home, name)
        for folder in (self._folder, *self._read_only):
            script = read_script(folder, name)
            if script is not None:
                return script
        return None

    async def write(self, script: Script) -> None:
        """Store a script; when this returns, the dispatcher serves the new version."""
        _check(script)
        kv_ids = set(await self._kv_ids())
        for one in script.bindings:
            if one["type"] == "kv_namespace" and one["namespace_id"] not in kv_ids:
                raise InvalidError(
                    f"KV namespace '{one['namespace_id']}' (binding {one['name']}) not found.",
                    code=UNKNOWN_KV,
                )
        fresh = Path(tempfile.mkdtemp(prefix=f".{script.name}-", dir=self._folder))
        try:
            _write_files(fresh, script)
            self._swap(script.name, fresh)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        await asyncio.sleep(SERVED_AFTER_SECONDS)

    async def remove(self, name: str) -> None:
        """Remove an uploaded script; when this returns, the dispatcher no longer serves it."""
        home = self._folder / name
        if not home.exists():
            raise UnsupportedError(
                f"The script {name} is a file in NAMESPACE, which this API cannot change: "
                "remove the file."
            )
        if home.is_symlink():
            old = home.resolve()
            home.unlink()
            shutil.rmtree(old)
        else:
            shutil.rmtree(home)
        await asyncio.sleep(SERVED_AFTER_SECONDS)

    def _swap(self, name: str, fresh: Path) -> None:
        home = self._folder / name
        old = home.resolve() if home.is_symlink() else None
        if old is None and home.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self._folder))
            home.replace(old)
        link = fresh.with_name(f"{fresh.name}.link")
        link.symlink_to(fresh.name)
        link.replace(home)
        if old is not None:
            shutil.rmtree(old)


class LocalDispatchNamespaces:
    """The one dispatch namespace of a local dispatcher.

    Args:
        uploads: Its scripts.
    """

    def __init__(self, uploads: Uploads) -> None:
        """Keep the argument."""
        self._uploads = uploads

    def names(self) -> Sequence[str]:
        """Return the name of the namespace."""
        return [NAMESPACE]

    def create(self, name: str) -> None:
        """Raise `UnsupportedError`."""
        raise UnsupportedError(
            f"The dispatch namespace {name} cannot be created: the local dispatcher serves only "
            f"{NAMESPACE}."
        )

    def remove(self, name: str) -> None:
        """Raise `UnsupportedError`."""
        raise UnsupportedError(f"{name} cannot be removed: the local dispatcher serves it.")

    def scripts(self, name: str) -> Uploads:
        """Return its scripts."""
        assert name == NAMESPACE
        return self._uploads


def _check(script: Script) -> None:
    if not _NAME.fullmatch(script.name):
        raise InvalidError(
            f"A script's name has at most 63 characters of a-z, 0-9, - and _: not {script.name}.",
            code=INVALID_SCRIPT,
        )
    for module in script.modules:
        _check_module(module)
    for one in script.bindings:
        if one["type"] not in _IN_CONFIG:
            kinds = ", ".join(sorted(_IN_CONFIG))
            raise UnsupportedError(
                f"The binding {one['name']} has the type {one['type']}, which is not supported "
                f"locally; supported types: {kinds}."
            )


def _check_module(module: Module) -> None:
    if module.content_type in _UNSERVED:
        return
    path = PurePosixPath(module.name)
    parts = module.name.split("/")
    if "\\" in module.name or "\0" in module.name or any(one in ("", ".", "..") for one in parts):
        raise InvalidError(f"{module.name!r} is not a valid module path.", code=INVALID_SCRIPT)
    if parts[0] == PYTHON_MODULES:
        return
    if module.name in CONFIG_FILES or any(one.startswith(".") for one in parts):
        raise UnsupportedError(
            f"A module cannot have the name {module.name} locally: hidden files and configuration "
            "files are not served."
        )
    if path.suffix not in CONTENT_TYPES:
        endings = " ".join(CONTENT_TYPES)
        raise UnsupportedError(
            f"The type of the module {module.name} cannot be told from its ending; supported "
            f"endings: {endings}."
        )


def _write_files(folder: Path, script: Script) -> None:
    for module in script.modules:
        if module.content_type not in _UNSERVED:
            path = folder / module.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(module.content)
    described = asdict(script) | {
        "modules": [
            {"name": one.name, "content_type": one.content_type}
            for one in script.modules
            if one.content_type not in _UNSERVED
        ]
    }
    _write_secret(folder / DESCRIPTION, described)
    _write_secret(folder / "config.json", _config(script))


def _write_secret(file: Path, document: Mapping[str, Any]) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(document, stream, indent=1)


def _config(script: Script) -> dict[str, Any]:
    config: dict[str, Any] = {"main": script.main, "vars": {}, "kv_namespaces": []}
    for key in ("compatibility_date", "compatibility_flags"):
        if script.settings.get(key):
            config[key] = script.settings[key]
    for one in script.bindings:
        _IN_CONFIG[one["type"]](config, one)
    return config


def _text(config: dict[str, Any], one: Binding) -> None:
    config["vars"][one["name"]] = one["text"]


def _json(config: dict[str, Any], one: Binding) -> None:
    config["vars"][one["name"]] = one["json"]


def _kv(config: dict[str, Any], one: Binding) -> None:
    config["kv_namespaces"].append({"binding": one["name"], "id": one["namespace_id"]})


_IN_CONFIG: Final[Mapping[str, Callable[[dict[str, Any], Binding], None]]] = {
    "plain_text": _text,
    "secret_text": _text,
    "json": _json,
    "kv_namespace": _kv,
}
"""Writers of each supported type of binding into `config.json`."""


def _read_upload(home: Path, name: str) -> Script | None:
    # The link may be replaced between two reads: a removed script counts as missing.
    with suppress(FileNotFoundError):
        folder = home.resolve()
        described = json.loads((folder / DESCRIPTION).read_bytes())
        modules = tuple(
            Module(**one, content=(folder / one["name"]).read_bytes())
            for one in described["modules"]
        )
        bindings = tuple(described["bindings"])
        return Script(**{**described, "name": name, "modules": modules, "bindings": bindings})
    return None
