"""Builds the script that serves a dataset: the template's modules, and the rows as text."""

import hashlib
import json
import re
from pathlib import Path
from typing import Final

from cli.errors import Finding, InputError
from cli.publish.data.csv_table import read_csv
from cli.publish.data.json_table import read_json
from cli.publish.data.table import Table, choose_id
from cli.publish.openapi import Priced
from cli.publish.scripts.bundle import Bundle, Module
from cli.publish.scripts.dataset_openapi import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    OPERATORS,
    dataset_description,
    dataset_openapi,
    row_schema,
)
from cli.publish.scripts.templates import COMPATIBILITY_DATE, constant, template

ENDINGS: Final = (".csv", ".tsv", ".json")
CACHE_SECONDS: Final = 60
"""The default cache lifetime of responses."""

ROWS_BYTES_MAX: Final = 20 * 1024 * 1024
"""The maximum size as JSON. 250,000 rows of eight columns reach it; parsed, they take another 58 MB
of an isolate's 128 MB, and 90 ms of its one second of startup time."""

_HALF = re.compile("[\ud800-\udfff]")


def read_table(path: Path, delimiter: str | None = None) -> Table:
    """Read a dataset.

    Args:
        path: A `.csv`, `.tsv` or `.json` file in UTF-8, with or without a byte order mark.
        delimiter: The delimiter of a CSV file; `None` to detect it.

    Raises:
        InputError: The file is invalid; the findings list all mistakes.
    """
    text = _text(path)
    if path.suffix.lower() == ".json":
        return read_json(text, path.name)
    return read_csv(text, path.name, delimiter or ("\t" if path.suffix.lower() == ".tsv" else None))


def dataset_bundle(
    table: Table,
    *,
    title: str,
    description: str,
    id_column: str | None,
    cache_control: str,
    priced: Priced = dict,
) -> Bundle:
    """Return the script that serves a table.

    Args:
        table: The dataset.
        title: Its title.
        description: Its description.
        id_column: The column that identifies a row; `None` for the row number.
        cache_control: The `Cache-Control` header of responses.
        priced: Adds prices to the OpenAPI document.

    Raises:
        InputError: The table is too large, or has text that cannot be encoded.
    """
    try:
        rows = json.dumps(table.rows, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            "The dataset contains half of a surrogate pair (\\ud800 to \\udfff).",
            "Remove it, or add the other half.",
            [Finding("in this row", "", _first_unencodable(table))],
        ) from error
    if len(rows) > ROWS_BYTES_MAX:
        raise InputError(
            f"The dataset has {len(rows):,} bytes as JSON; the limit is {ROWS_BYTES_MAX:,}.",
            "Split it into several APIs, or publish a Worker that reads it from KV.",
        )
    code = template("dataset")
    columns = [
        {"name": one.name, "type": one.type, "isNullable": one.is_nullable} for one in table.columns
    ]
    described = {
        "cacheControl": cache_control,
        "id": id_column,
        "columns": columns,
        "operators": OPERATORS,
        "limitDefault": LIMIT_DEFAULT,
        "limitMax": LIMIT_MAX,
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
            **row_schema(table.columns),
        },
        "openapi": priced(
            dataset_openapi(
                table.columns, title=title, description=description, id_column=id_column
            )
        ),
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
    return Bundle(
        "dataset",
        "index.js",
        modules,
        COMPATIBILITY_DATE,
        about=about,
        description=dataset_description(table.columns, title),
    )


def dataset_of(
    path: Path,
    *,
    delimiter: str | None,
    id_column: str | None,
    title: str,
    description: str,
    cache_control: str,
    priced: Priced = dict,
) -> Bundle:
    """Return the script that serves a file; raises as `read_table` and `choose_id` do."""
    table = read_table(path, delimiter)
    return dataset_bundle(
        table,
        title=title,
        description=description,
        id_column=choose_id(table, id_column, path.name),
        cache_control=cache_control,
        priced=priced,
    )


def _first_unencodable(table: Table) -> int | None:
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
            [Finding(f"invalid byte 0x{content[error.start]:02x}", path.name, line)],
        ) from error
