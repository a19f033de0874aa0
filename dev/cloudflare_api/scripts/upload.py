"""An uploaded script: read from a multipart body, and settled against what was there before.

Owns the form of the upload (https://developers.cloudflare.com/workers/configuration/multipart-upload-metadata/)
and the rules by which a new upload takes over bindings of the old one.
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

PARTS_MAX = 3_000
"""As many parts as the vendored packages of a Python Worker have, and some."""

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
"""The fields of the metadata that are settings of the script, and come back as such."""


@dataclass(frozen=True, slots=True)
class Module:
    """One file of a script.

    Args:
        name: Its path, as other modules import it.
        content_type: What it is.
        content: Its bytes.
    """

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """What one request uploads.

    Args:
        metadata: The part `metadata`, parsed.
        modules: All other parts that are files.
    """

    metadata: Mapping[str, Any]
    modules: tuple[Module, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A script as it is stored.

    Args:
        name: Its name.
        main: The name of the module that is started.
        modules: Its modules.
        bindings: Its bindings, with the texts of secrets.
        settings: Compatibility date and flags, tags, observability and the like.
        created_on: When it was first uploaded.
        modified_on: When it was last changed.
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
        """Return it with other fields, changed now."""
        return replace(self, **fields, modified_on=now())


def now() -> str:
    """Return the time as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def read_upload(request: Request) -> Upload:
    """Return what a multipart body uploads.

    Raises:
        InvalidError: It is no multipart body, or has no usable metadata.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InvalidError("A script is uploaded as multipart/form-data.", code=BAD_CONTENT_TYPE)
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
                modules.append(
                    Module(
                        _module_name(part.filename or name),
                        part.content_type or "text/plain",
                        content,
                    )
                )
            else:
                raise InvalidError(f"The part {name} has no file name.", code=UNPARSEABLE_SCRIPT)
    if metadata is None:
        raise InvalidError("The part metadata is missing.", code=INVALID_SCRIPT)
    names = [module.name for module in modules]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidError(f"There are two modules {twice}.", code=INVALID_SCRIPT)
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


def script_of(upload: Upload, name: str, previous: Script | None) -> Script:
    """Return the script that an upload makes.

    Args:
        upload: What was sent.
        name: The script's name.
        previous: What was there before, if anything.

    Raises:
        InvalidError: The main module is not among the modules, a binding is no binding, or one
            is to be inherited that was not there.
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
        bindings=settled_bindings(
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


def settled_bindings(
    sent: Iterable[Any], kept_kinds: Sequence[str], previous: Sequence[Binding]
) -> tuple[Binding, ...]:
    """Return the bindings that a script has after an upload.

    Args:
        sent: What the upload binds; `inherit` takes over the binding of that name.
        kept_kinds: The kinds of bindings that stay although they are not sent again.
        previous: What was bound before.

    Raises:
        InvalidError: A binding is no binding, or one is to be inherited that was not there.
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
                    f"The binding {name} cannot be inherited: there was none before.",
                    code=BINDING_NOT_INHERITED,
                )
            bindings[name] = {**old, "name": name}
        else:
            bindings[name] = one
    kept = {name: one for name, one in before.items() if one["type"] in kept_kinds}
    return tuple({**kept, **bindings}.values())


BINDING_NOT_INHERITED = 10057


def shown_bindings(bindings: Iterable[Binding]) -> list[Binding]:
    """Return bindings as they may be shown: secrets without their text."""
    hidden = ("text", "key_base64", "key_jwk")
    return [
        {key: value for key, value in one.items() if key not in hidden}
        if one["type"] in SECRET_KINDS
        else one
        for one in bindings
    ]
