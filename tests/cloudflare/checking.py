"""Checks whether a request matches the API's documentation: path, query, body and parts."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import typing_extensions

from tests.cloudflare.fitting import Misfit, fields, misfits
from tests.cloudflare.operation import Body, Operation
from tests.cloudflare.operations import OPERATIONS
from tests.cloudflare.recording import Part, Sent

MODULE_TYPES = frozenset(
    {
        "application/javascript+module",
        "text/javascript+module",
        "application/javascript",
        "text/javascript",
        "text/x-python",
        "text/x-python-requirement",
        "application/wasm",
        "text/plain",
        "application/octet-stream",
        "application/source-map",
    }
)
"""From the SDK's documentation of `files`."""

FORM_FIELDS = ("metadata", "settings")
"""The fields of an upload that are separate parts."""

_HASH = re.compile(r"[0-9a-f]{32}")
_NUMBERS = re.compile(r"\[\d+\]")


def check(sent: Sent) -> list[str]:
    """Return a line for each mistake of a request.

    Args:
        sent: The request.
    """
    operation = find_operation(sent)
    if operation is None:
        return ["is not a supported request"]
    lines = [*_query_lines(sent, operation)]
    found = [*_body_misfits(sent, operation)]
    allowed = operation.beyond
    return lines + [str(one) for one in found if _NUMBERS.sub("[]", one.place) not in allowed]


def find_operation(sent: Sent) -> Operation | None:
    """Return the operation of a request; `None` if it is not supported."""
    for operation in OPERATIONS:
        if operation.method == sent.method and operation.pattern.fullmatch(sent.path):
            return operation
    return None


def _query_lines(sent: Sent, operation: Operation) -> Iterator[str]:
    known: Mapping[str, Any] = fields(operation.kind) if operation.query else {}
    for name, text in sent.query.items():
        if name not in operation.query:
            if f"?{name}" not in operation.beyond:
                yield f"has an unknown query parameter {name}"
            continue
        hint = known.get(name, (str, False))[0]
        if all(misfits(value, hint) for value in _readings(text)):
            yield f"has {name}={text} in its query, which is not a {hint}"


def _readings(text: str) -> list[object]:
    """Return the possible values of a text in the query."""
    readings: list[object] = [text]
    if text in ("true", "false"):
        readings.append(text == "true")
    if re.fullmatch(r"-?\d+", text):
        readings.append(int(text))
    return readings


def _body_misfits(sent: Sent, operation: Operation) -> Iterator[Misfit]:
    match operation.body:
        case Body.NONE:
            if sent.body not in (b"", b"{}"):
                yield Misfit("", "must be empty")
        case Body.FIELDS:
            yield from _best_match(sent, operation)
        case Body.WHOLE:
            yield from misfits(sent.document, fields(operation.kind)["body"][0])
        case Body.UPLOAD:
            yield from _upload_misfits(sent, operation)
        case Body.VALUE:
            yield from _value_misfits(sent)
        case Body.FILES:
            yield from _file_misfits(sent)


def _best_match(sent: Sent, operation: Operation) -> list[Misfit]:
    """Return the misfits of a body whose type is a union: those of the best match."""
    is_one = typing_extensions.is_typeddict(operation.kind)
    members = [operation.kind] if is_one else get_args(operation.kind)
    if not isinstance(sent.document, dict):
        return [Misfit("", "is not a JSON object")]
    elsewhere = {*operation.pattern.groupindex, *operation.query}
    return min(
        (_misfits_of_fields(sent.document, member, elsewhere) for member in members), key=len
    )


def _misfits_of_fields(document: dict[str, Any], kind: Any, elsewhere: set[str]) -> list[Misfit]:
    placeholders = {name: "elsewhere" for name in fields(kind) if name in elsewhere - {*document}}
    found = misfits({**placeholders, **document}, kind)
    return [one for one in found if one.place not in placeholders]


def _upload_misfits(sent: Sent, operation: Operation) -> Iterator[Misfit]:
    described = {name: hint for name, hint in fields(operation.kind).items() if name in FORM_FIELDS}
    given = {part.name: part for part in sent.parts if part.name in described}
    for name, (hint, is_required) in described.items():
        if name in given:
            yield from _json_misfits(given[name], hint)
        elif is_required:
            yield Misfit(name, "is missing")
    for part in sent.parts:
        if part.name not in given:
            yield from _module_misfits(part)


def _json_misfits(part: Part, hint: Any) -> Iterator[Misfit]:
    try:
        document = json.loads(part.content)
    except ValueError:
        yield Misfit(part.name, "is not JSON")
        return
    yield from misfits(document, hint, part.name)


def _module_misfits(part: Part) -> Iterator[Misfit]:
    if part.file_name is None:
        yield Misfit(part.name, "is a part without a file name")
    kind = (part.content_type or "").split(";")[0]
    if kind not in MODULE_TYPES:
        yield Misfit(part.name, f"is a part of the type {kind or '(none)'}")


def _value_misfits(sent: Sent) -> Iterator[Misfit]:
    if not sent.parts:
        return
    names = [part.name for part in sent.parts]
    if "value" not in names or {*names} - {"value", "metadata"}:
        yield Misfit("", f"is a form with {', '.join(names)}, not with value and metadata")
    for part in sent.parts:
        if part.name == "metadata":
            yield from _json_misfits(part, object)


def _file_misfits(sent: Sent) -> Iterator[Misfit]:
    if not sent.parts:
        yield Misfit("", "is not a form with files")
    if sent.query.get("base64") != "true":
        yield Misfit("", "is not base64")
    for part in sent.parts:
        if not _HASH.fullmatch(part.name):
            yield Misfit(part.name, "is not a hash")
