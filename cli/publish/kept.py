"""What a publication keeps of the one before it: fields of the record, and options of the script.

Some fields of a record are not the user's: the command derives them from the script, such as the
routes of an OpenAPI document. The publication document says which, so that they are derived again,
and everything else is kept, also what other programs wrote.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cli.errors import Finding, InputError
from cli.publish.data.options import DatasetOptions
from cli.publish.record import OPTIONS, FieldPart
from tenants.records import FIELDS

DATASET: Final = "dataset"
WRAP: Final = "wrap"
WORKER: Final = "worker"

SCRIPT_OPTIONS: Final[Mapping[str, Sequence[str]]] = {
    DATASET: (*DatasetOptions.names().values(), "cache-seconds"),
    WRAP: (
        "wrap",
        "method",
        "secret-header",
        "timeout-seconds",
        "max-response-bytes",
        "forward-authorization",
        "allow-private",
        "cache-seconds",
        "openapi",
    ),
    WORKER: ("openapi",),
}
"""The options that only concern the script, by what is published."""

NAMES: Final = {DATASET: "a dataset", WRAP: "another server's API", WORKER: "a Worker"}

_UNCLEARABLE = ("slug", "tenantId", "wrap")
_PARTS: Final[Mapping[str, FieldPart]] = {
    "cpu-ms": ("limits", "cpuMs"),
    "sub-requests": ("limits", "subRequests"),
    "daily-requests": ("usageLimit", "dailyRequests"),
    "monthly-requests": ("usageLimit", "monthlyRequests"),
    "daily-spend": ("spendLimit", "dailySpendUsd"),
    "monthly-spend": ("spendLimit", "monthlySpendUsd"),
}


def _clearable_fields() -> Iterator[tuple[str, FieldPart]]:
    for field in sorted(FIELDS - {*_UNCLEARABLE}):
        option = OPTIONS.get(field, "")
        if "," not in option:
            yield option.removeprefix("--") or field, (field, "")
    yield from _PARTS.items()


CLEARABLE: Final[Mapping[str, FieldPart]] = dict(_clearable_fields())
"""The names that `--clear` accepts for a record: those of options, otherwise those of fields."""

CLEARABLE_OPTIONS: Final = tuple(
    sorted({one for names in SCRIPT_OPTIONS.values() for one in names} - {*_UNCLEARABLE})
)
"""The names that it accepts for options of a script."""


def clearable_names() -> str:
    """Return all names that `--clear` accepts, for messages."""
    return ", ".join(sorted({*CLEARABLE, *CLEARABLE_OPTIONS}))


def cleared_parts(names: Sequence[str]) -> list[FieldPart]:
    """Return the fields, and parts of fields, that `--clear` names."""
    fields = {field: (field, "") for field, _ in CLEARABLE.values()}
    known = {**fields, **CLEARABLE}
    return [known[name] for name in map(_plain, names) if name in known]


def unknown_names(names: Sequence[str]) -> list[Finding]:
    """Return a finding for each name that `--clear` does not accept."""
    known = {*CLEARABLE, *CLEARABLE_OPTIONS, *(field for field, _ in CLEARABLE.values())}
    unknown = [name for name in names if _plain(name) not in known]
    return [
        Finding(f"{name!r} cannot be cleared; these can: {clearable_names()}", "--clear")
        for name in unknown
    ]


def _plain(name: str) -> str:
    return name.strip().removeprefix("--")


def refuse_misplaced(what: str, given: Mapping[str, Any]) -> None:
    """Raise `InputError` if a given option does not concern what is published.

    Args:
        what: `DATASET`, `WRAP` or `WORKER`.
        given: The options of the script by name; `None` if not given.
    """
    findings = [
        Finding(f"is not for {NAMES[what]}: leave it out", f"--{name}")
        for name, value in given.items()
        if value is not None and name not in SCRIPT_OPTIONS[what]
    ]
    if findings:
        raise InputError("Some options do not fit.", "Nothing was sent.", findings)


def script_options(
    what: str, given: Mapping[str, Any], publication: Mapping[str, Any], cleared: Sequence[str]
) -> dict[str, Any]:
    """Return the options of the script: those given, otherwise those of the publication.

    Args:
        what: `DATASET`, `WRAP` or `WORKER`.
        given: The options by name; `None` if not given.
        publication: The publication document; empty for a new API.
        cleared: What `--clear` names.
    """
    kept = publication.get("options") if publication.get("what") == what else None
    known = kept if isinstance(kept, dict) else {}
    dropped = {*map(_plain, cleared)}
    options = {}
    for name in SCRIPT_OPTIONS[what]:
        value = given.get(name)
        if value is None and name not in dropped:
            value = known.get(name)
        if value is not None:
            options[name] = value
    return options


def user_fields(record: Mapping[str, Any], publication: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a published record that the command did not derive.

    A derived field that was changed since then is the user's.

    Args:
        record: The published record; empty for a new API.
        publication: The publication document; may be empty.
    """
    derived, given = publication.get("derived") or {}, publication.get("given") or {}
    fields = {}
    for name, value in record.items():
        if derived.get(name) != _digest(value):
            fields[name] = value
        elif name in given:
            fields[name] = given[name]
    return fields


def derived_fields(given: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the publication document from which `user_fields` works.

    Args:
        given: The user's fields.
        record: The record with the derived fields.
    """
    derived = {name: value for name, value in record.items() if given.get(name) != value}
    return {
        "derived": {name: _digest(value) for name, value in derived.items()},
        "given": {name: given[name] for name in derived if name in given},
    }


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
