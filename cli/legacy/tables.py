"""Reads the rows of tables from CSV files and SQL dumps, each with its line."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cli.errors import Finding, InputError
from cli.legacy.entries import Entry

BYTES_MAX: Final = 100_000_000
"""The size of a table file, which is read as a whole."""

Tables = Mapping[str, Sequence[Entry]]
"""Rows by the name of their table; their values are objects."""

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<text>[eE]?'(?:[^'\\]|''|\\.)*')
    |(?P<name>"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|[A-Za-z_][\w$.]*)
    |(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<mark>.)""",
    re.DOTALL | re.VERBOSE,
)
_NO_COLUMN: Final = frozenset(
    ("primary", "unique", "check", "foreign", "constraint", "key", "index")
)
_CONSTANTS: Final = {"null": None, "true": True, "false": False}
_SQL_START: Final = re.compile(
    r"\s*(?:--|/\*|PRAGMA\b|BEGIN\b|CREATE\b|INSERT\b|SET\b|START\b|DROP\b|USE\b)", re.IGNORECASE
)

_Token = tuple[str, str, int]
"""The kind, the text and the line of a token."""


def is_sql(start: str) -> bool:
    """Tell whether a file that starts so is an SQL dump."""
    return _SQL_START.match(start) is not None


def read_sql(file: Path) -> Tables:
    """Return the rows of all `INSERT` statements of a dump.

    Raises:
        InputError: It cannot be read, or a statement is invalid.
    """
    text = _text(file)
    copied = re.search(r"^COPY\s", text, re.MULTILINE)
    if copied:
        line = text.count("\n", 0, copied.start()) + 1
        raise InputError(
            f"{file}:{line}: COPY cannot be read.", "Write the dump with INSERT statements."
        )
    columns: dict[str, Sequence[str]] = {}
    tables: dict[str, list[Entry]] = {}
    for statement in _statements(text):
        words = [token[1].lower() for token in statement[:6] if token[0] == "name"]
        if words[:1] == ["create"] and "table" in words:
            name, given = _created(statement)
            columns[name] = given
        elif words[:1] in (["insert"], ["replace"]):
            _insert(statement, columns, tables, file)
    return tables


def read_csv(file: Path) -> Sequence[Entry]:
    """Return the rows of a CSV file with a header line; empty cells are left out.

    Raises:
        InputError: It cannot be read, or has no header line.
    """
    text = _text(file)
    header = text.partition("\n")[0]
    delimiter = max(",;\t|", key=header.count)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    rows: list[Entry] = []
    try:
        names = [name.strip() for name in next(reader, [])]
        if len(names) < 2 or len(set(names)) < len(names):
            raise InputError(
                f"{file} is neither JSON nor an SQL dump, and its first line has no column names.",
                "Give the event list, the tenant directory, or a ledger with a header line.",
            )
        line = reader.line_num + 1
        for cells in reader:
            values = dict(zip(names, cells, strict=False))
            row = {name: cell.strip() for name, cell in values.items() if cell.strip()}
            if row:
                rows.append(Entry(len(rows), line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{file}:{reader.line_num}: {error}.") from error
    return rows


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > BYTES_MAX:
            raise InputError(
                f"{file} has more than {BYTES_MAX:,} bytes.", "Split it into several files."
            )
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text.", "Convert it to UTF-8.") from error


def _statements(text: str) -> Iterator[Sequence[_Token]]:
    line = 1
    statement: list[_Token] = []
    for token in _TOKEN.finditer(text):
        kind, found = str(token.lastgroup), token[0]
        if kind == "mark" and found == ";":
            yield statement
            statement = []
        elif kind != "space":
            statement.append((kind, found, line))
        line += found.count("\n")
    if statement:
        yield statement


def _created(statement: Sequence[_Token]) -> tuple[str, Sequence[str]]:
    """Return the name and the columns of a `CREATE TABLE` statement."""
    start = next((at for at, token in enumerate(statement) if token[1] == "("), len(statement))
    names = []
    depth, is_first = 0, False
    for kind, found, _ in statement[start:]:
        if found in "()":
            depth += 1 if found == "(" else -1
            is_first = found == "(" and depth == 1
        elif found == "," and depth == 1:
            is_first = True
        elif is_first:
            is_first = False
            if kind == "name" and found.lower() not in _NO_COLUMN:
                names.append(_unquoted(found))
    return _table_name(statement[:start]), names


def _insert(
    statement: Sequence[_Token],
    columns: Mapping[str, Sequence[str]],
    tables: dict[str, list[Entry]],
    file: Path,
) -> None:
    at = next(
        (at for at, token in enumerate(statement) if token[1].lower() == "values"), len(statement)
    )
    before = statement[:at]
    start = next((at for at, token in enumerate(before) if token[1] == "("), len(before))
    name = _table_name(before[:start])
    given = [_unquoted(token[1]) for token in before[start:] if token[0] == "name"]
    names = given or columns.get(name, ())
    rows = tables.setdefault(name, [])
    values: list[Any] = []
    depth = 0
    for kind, found, line in statement[at + 1 :]:
        if found == "(" and kind == "mark":
            depth += 1
            if depth == 1:
                values, row_line = [], line
        elif found == ")" and kind == "mark":
            depth -= 1
            if depth == 0:
                if len(values) != len(names):
                    message = f"{len(values)} values for {len(names)} columns of {name}"
                    raise InputError(
                        f"{file} cannot be read.",
                        "Write the dump with the names of the columns.",
                        [Finding(message, str(file), row_line)],
                    )
                row = {
                    column: value
                    for column, value in zip(names, values, strict=True)
                    if value is not None
                }
                rows.append(Entry(len(rows), row_line, row))
        elif depth == 1 and kind in ("text", "number", "name"):
            values.append(_value(kind, found))


def _value(kind: str, found: str) -> Any:  # noqa: ANN401 (a value of a row)
    if kind == "text":
        inner = found[found.index("'") + 1 : -1]
        return inner.replace("''", "'").replace("\\'", "'")
    if kind == "number":
        # As it is written: a float could have other decimals.
        return int(found) if found.lstrip("+-").isdecimal() else found
    return _CONSTANTS.get(found.lower(), found)


def _table_name(head: Sequence[_Token]) -> str:
    return _unquoted(head[-1][1]).rpartition(".")[2] if head else ""


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name[:1] in '"`[' else name
