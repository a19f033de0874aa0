"""Parses a script upload from its multipart body, and merges it with the previous version.

https://developers.cloudflare.com/workers/configuration/multipart-upload-metadata/
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from dev.cloudflare_api.responses import (
    BAD_CONTENT_TYPE,
    INVALID_SCRIPT,
    UNPARSEABLE_SCRIPT,
    InvalidError,
)

BINDING_NOT_INHERITED = 10057
PARTS_MAX = 3_000
"""More than the vendored packages of a Python Worker have files."""

Binding = Mapping[str, Any]

SECRET_KINDS = frozenset({"secret_text", "secret_key"})
SETTINGS = (
    "compatibility_date",
    "compatibility_flags",
    "usage_model",
    "logpush",
    "tail_consumers",
    "observability",
    "placement",
    "limits",
    "tags",
    "cache_options",
)
"""The metadata fields that are stored and returned as settings of the script."""


@dataclass(frozen=True, slots=True)
class Module:
    """One file of a script.

    Args:
        name: Its path, as other modules import it.
        content_type: Its media type.
        content: Its bytes.
    """

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """A parsed upload.

    Args:
        metadata: The part `metadata`, parsed.
        modules: All other file parts.
    """

    metadata: Mapping[str, Any]
    modules: tuple[Module, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A script as it is stored.

    Args:
        name: Its name.
        main: The name of the main module.
        modules: Its modules.
        bindings: Its bindings, including secret values.
        settings: Compatibility date and flags, tags, observability and so on.
        created_on: Time of the first upload.
        modified_on: Time of the last change.
    """

    name: str
    main: str
    modules: tuple[Module, ...]
    bindings: tuple[Binding, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    created_on: str = ""
    modified_on: str = ""

    @property
    def etag(self) -> str:
        """A hash of its code."""
        digest = hashlib.sha256(self.main.encode())
        for module in sorted(self.modules, key=lambda one: one.name):
            digest.update(f"\0{module.name}\0{len(module.content)}\0".encode() + module.content)
        return digest.hexdigest()

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        return [*(self.settings.get("tags") or ())]

    def changed(self, **fields: Any) -> "Script":  # noqa: ANN401 (the fields have types)
        """Return a copy with changed fields and `modified_on` set to now."""
        return replace(self, **fields, modified_on=now())


def now() -> str:
    """Return the current time in the API's format."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def read_upload(request: Request) -> Upload:
    """Parse a multipart upload.

    Raises:
        InvalidError: The body is not multipart, or its metadata is missing or invalid.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InvalidError(
            "A script must be uploaded as multipart/form-data.", code=BAD_CONTENT_TYPE
        )
    metadata: dict[str, Any] | None = None
    modules = []
    async with request.form(max_files=PARTS_MAX, max_fields=100) as form:
        for name, part in form.multi_items():
            is_file = isinstance(part, UploadFile)
            content = await part.read() if isinstance(part, UploadFile) else part.encode()
            if name in ("metadata", "settings"):
                metadata = _metadata(content)
            elif is_file:
                assert isinstance(part, UploadFile)
                path = part.filename or name
                # Cloudflare finds a module in a folder only if the part has its path as its name.
                if "/" in path and path != name:
                    raise InvalidError(f'No such module "{path}".', code=INVALID_SCRIPT)
                modules.append(
                    Module(_module_name(path), part.content_type or "text/plain", content)
                )
            else:
                raise InvalidError(f"The part {name} has no file name.", code=UNPARSEABLE_SCRIPT)
    if metadata is None:
        raise InvalidError("The part metadata is missing.", code=INVALID_SCRIPT)
    names = [module.name for module in modules]
    duplicate = next((name for name in names if names.count(name) > 1), None)
    if duplicate is not None:
        raise InvalidError(f"There are two modules {duplicate}.", code=INVALID_SCRIPT)
    return Upload(metadata, tuple(modules))


def _module_name(name: str) -> str:
    """Return a module's path; wrangler writes some as relative to the main module."""
    return name.removeprefix("./")


def _metadata(content: bytes) -> dict[str, Any]:
    try:
        metadata = json.loads(content)
    except ValueError as error:
        raise InvalidError(f"metadata is not JSON: {error}.", code=INVALID_SCRIPT) from error
    if not isinstance(metadata, dict):
        raise InvalidError("metadata must be a JSON object.", code=INVALID_SCRIPT)
    return metadata


def build_script(upload: Upload, name: str, previous: Script | None) -> Script:
    """Return the script of an upload.

    Args:
        upload: The upload.
        name: The script's name.
        previous: The previous version, if there is one.

    Raises:
        InvalidError: The main module is missing, or a binding is invalid.
    """
    named = upload.metadata.get("main_module")
    if not isinstance(named, str):
        raise InvalidError(
            "main_module must name a module: only modules can be uploaded.", code=INVALID_SCRIPT
        )
    main = _module_name(named)
    if main not in {module.name for module in upload.modules}:
        raise InvalidError(f'No such module "{main}".', code=INVALID_SCRIPT)
    moment = now()
    return Script(
        name=name,
        main=main,
        modules=upload.modules,
        bindings=merge_bindings(
            upload.metadata.get("bindings") or (),
            upload.metadata.get("keep_bindings") or (),
            previous.bindings if previous else (),
        ),
        settings={
            key: upload.metadata[key] for key in SETTINGS if upload.metadata.get(key) is not None
        },
        created_on=previous.created_on if previous else moment,
        modified_on=moment,
    )


def merge_bindings(
    sent: Iterable[Any], kept_kinds: Sequence[str], previous: Sequence[Binding]
) -> tuple[Binding, ...]:
    """Return the bindings of a script after an upload.

    Args:
        sent: The bindings of the upload; type `inherit` keeps the previous one.
        kept_kinds: The types of bindings that are kept without being sent again.
        previous: The previous bindings.

    Raises:
        InvalidError: A binding is invalid, or an inherited one did not exist.
    """
    before = {one["name"]: one for one in previous}
    bindings: dict[str, Binding] = {}
    for one in sent:
        if not isinstance(one, dict) or not all(
            isinstance(one.get(key), str) for key in ("name", "type")
        ):
            raise InvalidError("Each binding needs a name and a type.", code=INVALID_SCRIPT)
        name = one["name"]
        if name in bindings:
            raise InvalidError(f"There are two bindings {name}.", code=INVALID_SCRIPT)
        if one["type"] == "inherit":
            old = before.get(one.get("old_name") or name)
            if old is None:
                raise InvalidError(
                    f"The binding {name} cannot be inherited: it did not exist before.",
                    code=BINDING_NOT_INHERITED,
                )
            bindings[name] = {**old, "name": name}
        else:
            bindings[name] = one
    kept = {name: one for name, one in before.items() if one["type"] in kept_kinds}
    return tuple({**kept, **bindings}.values())


def without_secrets(bindings: Iterable[Binding]) -> list[Binding]:
    """Return the bindings, with the values of secrets removed."""
    hidden = ("text", "key_base64", "key_jwk")
    return [
        {key: value for key, value in one.items() if key not in hidden}
        if one["type"] in SECRET_KINDS
        else one
        for one in bindings
    ]
