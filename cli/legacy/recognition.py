"""Finds out what a file of an older dispatcher is: its events, its directory or its ledger."""

import enum
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from api.imports.money import is_money_name
from cli.errors import InputError
from cli.legacy.entries import Place, find_list, read_entries
from cli.legacy.tables import Tables, is_sql, read_csv, read_sql

DIRECTORY_BYTES_MAX: Final = 25_000_000
"""A value in KV has at most that."""

_START_CHARACTERS: Final = 4_096
_SAMPLES: Final = 20

_DIRECTORY_NAMES: Final = frozenset(("tenants", "bySlug", "byHost"))
_EVENT_WORDS: Final = frozenset(
    ("latencyms", "latency", "durationms", "lifecycle", "countable", "counted", "statuscode")
)
_LEDGER_PARTS: Final = {
    "tenant": re.compile(r"(?:tenant|creator|owner|payee|account|publisher|merchant)(?:id|slug)?"),
    "currency": re.compile(r"currency|asset|token|coin"),
    "status": re.compile(r"(?:payout|payment|settlement)?(?:status|state)"),
    "transaction": re.compile(r"(?:tx|txn|transaction|settlement|chain)(?:hash|id|ref|signature)?"),
    "created": re.compile(r"(?:created|paid|settled|updated|requested)(?:at|on)?|timestamp|date"),
}
"""What names of a ledger's columns look like, in lower case and without `_`."""

_LEDGER_PARTS_MIN: Final = 2
_STATUS_DIGITS: Final = 3


class Kind(enum.StrEnum):
    """What a file has."""

    EVENTS = "events"
    DIRECTORY = "directory"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class Recognized:
    """What a file was recognized as.

    Args:
        kind: What it has.
        form: In which form, for people.
        place: Where the list of a JSON file is.
        tables: The rows of a ledger, by table.
        others: The number of rows of tables that are no ledgers.
        document: A directory, as JSON.
    """

    kind: Kind
    form: str
    place: Place = field(default_factory=Place)
    tables: Tables = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)


def recognize(file: Path, at: str, kind: Kind | None) -> Recognized:
    """Find out what a file is.

    Args:
        file: The file.
        at: The path of the member that has the list; empty to find it.
        kind: What it has, if the user says so.

    Raises:
        InputError: It cannot be read, or is nothing that can be imported.
    """
    start = _start(file)
    if _is_table(start):
        return _tables(file, start, kind)
    if start[:1] == "{" and not at and kind in (None, Kind.DIRECTORY):
        document = _directory(file, start)
        if document is not None:
            return Recognized(Kind.DIRECTORY, "JSON", document=document)
    place = find_list(file, at)
    found = kind or _kind_of(file, place)
    if found is Kind.EVENTS:
        return Recognized(found, f"JSON, {place}", place)
    entries = [*read_entries(file, place)]
    if found is Kind.LEDGER:
        return Recognized(found, f"JSON, {place}", tables={"": entries})
    document = {"tenants": [entry.value for entry in entries]}
    return Recognized(found, f"JSON, {place}", document=document)


def _start(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            start = stream.read(_START_CHARACTERS)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error
    return start.decode("utf-8-sig", errors="replace").lstrip()


def _is_table(start: str) -> bool:
    """Tell whether a file that starts so is a table; anything else is reported as invalid JSON."""
    header = start.partition("\n")[0]
    return start[:1] not in ("[", "{") and (is_sql(start) or any(one in header for one in ",;\t|"))


def _directory(file: Path, start: str) -> Mapping[str, Any] | None:
    """Return a directory document; `None` if the file is something else."""
    if not any(f'"{name}"' in start for name in _DIRECTORY_NAMES):
        return None
    if file.stat().st_size > DIRECTORY_BYTES_MAX:
        return None
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError:
        return None
    is_directory = isinstance(document, dict) and not _DIRECTORY_NAMES.isdisjoint(document)
    return document if is_directory else None


def _kind_of(file: Path, place: Place) -> Kind:
    first = [
        entry.value
        for entry in itertools.islice(read_entries(file, place), _SAMPLES)
        if isinstance(entry.value, dict)
    ]
    names = {_normal(name) for one in first for name in one}
    if "workername" in names and not names & {"timestamp", "requestid", *_EVENT_WORDS}:
        return Kind.DIRECTORY
    return Kind.LEDGER if is_ledger(first) else Kind.EVENTS


def _tables(file: Path, start: str, kind: Kind | None) -> Recognized:
    form = "SQL" if is_sql(start) else "CSV"
    tables = read_sql(file) if form == "SQL" else {"": read_csv(file)}
    ledgers = {
        name: rows
        for name, rows in tables.items()
        if kind is Kind.LEDGER or is_ledger([row.value for row in rows[:_SAMPLES]])
    }
    if kind in (Kind.EVENTS, Kind.DIRECTORY) or not ledgers:
        names = ", ".join(
            f"{name or 'the file'} ({len(rows):,} rows)" for name, rows in tables.items()
        )
        raise InputError(
            f"{file} has no ledger: {names or 'no rows'}.",
            "Events and directories must be JSON. For a ledger with other names, add --kind "
            "ledger and --map.",
        )
    others = {name: len(rows) for name, rows in tables.items() if name not in ledgers}
    return Recognized(Kind.LEDGER, form, tables=ledgers, others=others)


def is_ledger(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether rows are those of a ledger: amounts of tenants, and what became of them."""
    names = {name for row in rows for name in row}
    if {_normal(name) for name in names} & _EVENT_WORDS:
        return False
    if any(_is_http_status(row.get(column_of("status", names) or "")) for row in rows):
        return False
    has_amount = any(is_money_name(name) for name in names)
    parts = [column_of(part, names) for part in _LEDGER_PARTS]
    return has_amount and sum(part is not None for part in parts) > _LEDGER_PARTS_MIN


def _is_http_status(value: object) -> bool:
    return (
        str(value).isdecimal() and str(value)[:1] in "12345" and len(str(value)) == _STATUS_DIGITS
    )


def column_of(part: str, names: Sequence[str] | set[str]) -> str | None:
    """Return the column of a ledger that is its tenant, currency and so on; `None` without one."""
    pattern = _LEDGER_PARTS[part]
    found = sorted(name for name in names if pattern.fullmatch(_normal(name)))
    # `tenant_id` rather than `account`: the first alternatives of a pattern are the likeliest.
    return min(found, key=lambda name: _likeliness(pattern, name), default=None)


def _likeliness(pattern: re.Pattern[str], name: str) -> int:
    first = re.split(r"[|()?:]+", pattern.pattern)
    words = [word for word in first if word]
    return next((at for at, word in enumerate(words) if _normal(name).startswith(word)), len(words))


def _normal(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
