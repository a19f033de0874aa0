"""Builds the script that serves a dataset: the template's modules, and the rows as text."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from cli.errors import Finding, InputError
from cli.publish.data.csv_table import read_csv
from cli.publish.data.json_table import read_json
from cli.publish.data.options import DatasetOptions
from cli.publish.data.table import COLUMNS_MAX, ROWS_MAX, Table, choose_id
from cli.publish.data.text_file import read_text
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
from core.collector import collector_paused

JSON_ENDINGS: Final = (".json", ".geojson")
LINES_ENDINGS: Final = (".jsonl", ".ndjson")
ENDINGS: Final = (".csv", ".tsv", ".txt", *JSON_ENDINGS, *LINES_ENDINGS)
CACHE_SECONDS: Final = 60
"""The default cache lifetime of responses."""

ROWS_BYTES_MAX: Final = 20 * 1024 * 1024
"""The maximum size as JSON. 250,000 rows of eight columns reach it; parsed, they take another 58 MB
of an isolate's 128 MB, and 90 ms of its one second of startup time."""

_HALF = re.compile("[\ud800-\udfff]")


LIMITS: Final = (
    f"{ROWS_MAX:,} rows, {COLUMNS_MAX} columns, {ROWS_BYTES_MAX // 2**20} MiB as JSON without names"
)


def read_table(path: Path, options: DatasetOptions | None = None) -> Table:
    """Read a dataset.

    Args:
        path: A file whose suffix is one of `ENDINGS`.
        options: How to read it.

    Raises:
        InputError: An option or the file is invalid; the findings list all mistakes.
    """
    options = options or DatasetOptions()
    ending = path.suffix.lower()
    is_json = ending in (*JSON_ENDINGS, *LINES_ENDINGS)
    reading = options.checked(is_json=is_json)
    text = read_text(path, reading.encoding)
    if ending == ".tsv" and reading.delimiter is None:
        reading = replace(reading, delimiter="\t")
    with collector_paused():
        if is_json:
            return read_json(text, path.name, reading, is_lines=ending in LINES_ENDINGS)
        return read_csv(text, path.name, reading)


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
            "Leave columns out with --columns, split it into several APIs, or publish a Worker "
            "that reads it from KV.",
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
        "columns": [
            {**described_column, **({"why": one.why} if one.why else {})}
            for described_column, one in zip(columns, table.columns, strict=True)
        ],
        "endpoints": ["GET /", "GET /rows/ID", "GET /schema.json", "GET /openapi.json"],
    }
    return Bundle(
        "dataset",
        "index.js",
        modules,
        COMPATIBILITY_DATE,
        about=about,
        description=dataset_description(table.columns, title),
        notes=table.notes,
    )


def dataset_of(
    path: Path,
    options: DatasetOptions,
    *,
    title: str,
    description: str,
    cache_control: str,
    priced: Priced = dict,
) -> Bundle:
    """Return the script that serves a file; raises as `read_table` and `choose_id` do."""
    table = read_table(path, options)
    return dataset_bundle(
        table,
        title=title,
        description=description,
        id_column=choose_id(table, options.id_column, path.name),
        cache_control=cache_control,
        priced=priced,
    )


def _first_unencodable(table: Table) -> int | None:
    for row, line in zip(table.rows, table.lines, strict=True):
        if _HALF.search(json.dumps(row, ensure_ascii=False)):
            return line
    return None
