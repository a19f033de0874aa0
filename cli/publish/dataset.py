"""A dataset as a script: the rows as one module of text, and the template that answers.

Owns how large a dataset may be, so that it fits an isolate's memory and start-up time.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Final

from cli.errors import Finding, InputError
from cli.publish.bundle import Bundle, Module
from cli.publish.csv_table import read_csv
from cli.publish.json_table import read_json
from cli.publish.table import Table, choose_id
from cli.publish.templates import COMPATIBILITY_DATE, constant, template

ENDINGS: Final = (".csv", ".tsv", ".json")
CACHE_SECONDS: Final = 60
"""How long callers may keep an answer, where nothing else is asked for."""

ROWS_BYTES_MAX: Final = 20 * 1024 * 1024
"""As JSON. Read, 250,000 rows of eight columns take 58 MB beside it, of an isolate's 128, and
90 ms of the second that it has to start."""


_HALF = re.compile("[\ud800-\udfff]")


def read_table(path: Path, delimiter: str | None = None) -> Table:
    """Read a dataset.

    Args:
        path: A file in UTF-8, with a byte order mark or without, named `.csv`, `.tsv` or `.json`.
        delimiter: What stands between the cells of a CSV file.

    Raises:
        InputError: With everything that is wrong.
    """
    text = _text(path)
    if path.suffix.lower() == ".json":
        return read_json(text, path.name)
    return read_csv(text, path.name, delimiter or ("\t" if path.suffix.lower() == ".tsv" else None))


def dataset_bundle(
    table: Table, *, title: str, description: str, id_column: str | None, cache_control: str
) -> Bundle:
    """Return the script that answers from a table.

    Args:
        table: The dataset.
        title: What people call it.
        description: What it is about.
        id_column: The column that rows are known by; `None` for their number.
        cache_control: What callers are told of keeping answers.

    Raises:
        InputError: It is too large.
    """
    try:
        rows = json.dumps(table.rows, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            "The dataset has half a character in it, an escape from \\ud800 to \\udfff alone.",
            "",
            [Finding("in this row", "", _first_unwritable(table))],
        ) from error
    if len(rows) > ROWS_BYTES_MAX:
        raise InputError(
            f"The dataset has {len(rows):,} bytes as JSON; {ROWS_BYTES_MAX:,} are allowed.",
            "Split it into several APIs, or write a Worker that reads it from KV or R2.",
        )
    code = template("dataset")
    columns = [
        {"name": one.name, "type": one.type, "isNullable": one.is_nullable} for one in table.columns
    ]
    described = {
        "title": title,
        "description": description,
        "cacheControl": cache_control,
        "id": id_column,
        "columns": columns,
    }
    version = hashlib.sha256(rows)
    for part in (*(module.content for module in code), json.dumps(described).encode()):
        version.update(part)
    modules = [
        *code,
        constant("dataset.js", "dataset", {**described, "version": version.hexdigest()[:16]}),
        Module("rows.txt", rows),
    ]
    about = {
        "rows": len(table.rows),
        "id": id_column,
        "columns": columns,
        "endpoints": ["GET /", "GET /rows/ID", "GET /schema.json", "GET /openapi.json"],
    }
    return Bundle("dataset", "index.js", modules, COMPATIBILITY_DATE, about=about)


def dataset_of(
    path: Path,
    *,
    delimiter: str | None,
    id_column: str | None,
    title: str,
    description: str,
    cache_control: str,
) -> Bundle:
    """Return the script that answers from a file; raises as `read_table` and `choose_id` do."""
    table = read_table(path, delimiter)
    return dataset_bundle(
        table,
        title=title,
        description=description,
        id_column=choose_id(table, id_column, path.name),
        cache_control=cache_control,
    )


def _first_unwritable(table: Table) -> int | None:
    for row, line in zip(table.rows, table.lines, strict=True):
        if any(isinstance(one, str) and _HALF.search(one) for one in row):
            return line
    return None


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path.name} is not UTF-8 text.",
            "Save it as UTF-8; spreadsheets offer this as “CSV UTF-8”.",
            [Finding(f"byte 0x{content[error.start]:02x} starts no character", path.name, line)],
        ) from error
