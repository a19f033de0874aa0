"""Reads CSV into a table: records of equal lengths, of which each column gets one type."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import compress, islice
from operator import itemgetter, ne, not_
from typing import Any, Final

from cli.errors import Finding, InputError
from cli.publish.data.cells import date_of
from cli.publish.data.names import RawColumn, choose_columns, listed
from cli.publish.data.numbers import number_of
from cli.publish.data.offers import is_total
from cli.publish.data.options import Reading
from cli.publish.data.table import ROWS_MAX, Table
from cli.publish.data.text_columns import NULL_WORDS, TextColumns
from cli.publish.validation import Findings

CELL_LENGTH_MAX: Final = 1_000_000
DELIMITERS: Final = (",", ";", "\t", "|")
"""The delimiters that are detected; others must be given."""

DETECTION_RECORDS: Final = 100
"""Records at the start of a file from which its delimiter and its width are detected."""

_DETECTION_LENGTH = 100_000
_SHOWN_LENGTH = 40
YEARS: Final = (1900, 2100)
"""Numbers that may be the names of columns."""

_EXCEL_LINE = re.compile(r"sep=(.)\r?\n?")


@dataclass(slots=True)
class _Records:
    """The records of a file that are not empty, and the first and last line of each."""

    cells: list[list[str]]
    lines: list[int]
    ends: list[int]

    def skip_option(self, index: int) -> str:
        """Return the option that leaves a record out."""
        return f"--skip {_range(self.lines[index], self.ends[index])}"


def read_csv(text: str, place: str, reading: Reading) -> Table:
    """Read a CSV text with a header line.

    Spaces around cells are removed, and an empty cell is null. Rows without any value are left out.

    Args:
        text: The file's text.
        place: The file's name, for messages.
        reading: The options.

    Raises:
        InputError: The text is invalid; the findings list all mistakes.
    """
    findings = Findings()
    notes: list[str] = []
    excel = _EXCEL_LINE.match(text)
    if excel:
        reading = replace(reading, skipped=((1, 1), *reading.skipped))
    delimiter = reading.delimiter or (excel[1] if excel else _delimiter(text, reading))
    records = _records(text, place, delimiter, reading, findings)
    findings.refuse("The dataset")
    names, name_line = _header(records, reading, place)
    if len(records.cells) > ROWS_MAX:
        findings.add(f"{len(records.cells):,} rows; the limit is {ROWS_MAX:,}", place)
    _fit_widths(records, names, name_line, place, reading, findings)
    findings.refuse("The dataset")
    columns = _trimmed(records, notes)
    if not records.cells:
        raise InputError(
            f"{place} has no rows.",
            "" if reading.header else "For a file without a header line, add --header NAME,NAME.",
            [Finding("no rows", place)],
        )
    raw = [RawColumn(name, name_line, cells) for name, cells in zip(names, columns, strict=True)]
    _find_other_header(raw, records, reading, place, findings)
    _find_no_header(names, name_line, reading, notes)
    chosen = choose_columns(raw, reading, place, findings, notes)
    findings.refuse("The dataset")
    texts = TextColumns(reading, records.lines, place, findings, notes)
    read = [texts.read(name, columns[index]) for index, name in chosen]
    findings.refuse("The dataset")
    _find_total(records, notes)
    rows = list(map(list, zip(*(values for _, values in read), strict=True)))
    return Table([column for column, _ in read], rows, records.lines, [*notes, *texts.offers()])


def _records(
    text: str, place: str, delimiter: str, reading: Reading, findings: Findings
) -> _Records:
    csv.field_size_limit(CELL_LENGTH_MAX)
    reader = _reader(_lines(text, reading), delimiter, reading)
    records = _Records([], [], [])
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return records
        except csv.Error as error:
            # After a misplaced quote, the rest of the file cannot be interpreted.
            findings.add(
                f"invalid CSV: {error}: write a quote in a quoted cell twice, or read quotes as "
                "text with --no-quotes",
                place,
                line,
            )
            return records
        if record:
            records.cells.append(record)
            records.lines.append(line)
            records.ends.append(reader.line_num)


def _reader(lines: Iterable[str], delimiter: str, reading: Reading, *, strict: bool = True) -> Any:  # noqa: ANN401 - csv does not export its type
    return csv.reader(
        lines,
        delimiter=delimiter,
        strict=strict,
        skipinitialspace=delimiter != " ",
        quoting=csv.QUOTE_MINIMAL if reading.has_quotes else csv.QUOTE_NONE,
    )


def _lines(text: str, reading: Reading) -> Iterable[str]:
    """Return the lines of a text; those to leave out are empty, so that lines keep their number."""
    lines = io.StringIO(text, newline="")
    if not reading.skipped:
        return lines
    return (
        "\n" if reading.is_skipped(number) else line for number, line in enumerate(lines, start=1)
    )


def _delimiter(text: str, reading: Reading) -> str:
    """Return the delimiter that gives most of the first records the same number of cells."""
    start = text[:_DETECTION_LENGTH]

    def score(delimiter: str) -> tuple[int, int]:
        reader = _reader(_lines(start, reading), delimiter, reading, strict=False)
        try:
            widths = Counter(len(record) for record in islice(reader, DETECTION_RECORDS) if record)
        except csv.Error:
            return 0, 0
        width, count = max(widths.items(), key=itemgetter(1, 0), default=(1, 0))
        return (count, width) if width > 1 else (0, 0)

    return max(DELIMITERS, key=score)


def _header(records: _Records, reading: Reading, place: str) -> tuple[list[str], int]:
    """Return the names of the columns and their line."""
    if reading.header is not None:
        return [*reading.header], 1
    if not records.cells:
        raise InputError(f"{place} is empty.", "", [Finding("no header and no rows", place)])
    del records.ends[0]
    return records.cells.pop(0), records.lines.pop(0)


def _fit_widths(
    records: _Records,
    names: list[str],
    name_line: int,
    place: str,
    reading: Reading,
    findings: Findings,
) -> None:
    """Give all records as many cells as there are names; what would lose a value is a mistake."""
    widest = max(map(len, records.cells), default=0)
    while names and not names[-1].strip() and widest < len(names):
        names.pop()
    width = len(names)
    for record in records.cells:
        if len(record) > width and not any(map(str.strip, record[width:])):
            del record[width:]
        elif len(record) < width and reading.fills:
            record.extend([""] * (width - len(record)))
    widths = Counter(map(len, records.cells))
    usual, count = max(widths.items(), key=itemgetter(1), default=(width, 0))
    if usual > width and count * 2 > len(records.cells) and reading.header is None:
        line = next(
            line
            for cells, line in zip(records.cells, records.lines, strict=True)
            if len(cells) == usual
        )
        findings.add(
            f"the header has {_count(width, 'cell')}, most rows have {usual}: if the header is in "
            f"line {line}, add --skip {_range(1, line - 1)}",
            place,
            name_line,
        )
        return
    if widths.keys() <= {width}:
        return
    for index, record in enumerate(records.cells):
        if len(record) != width:
            is_short = len(record) < width
            fix = (
                "fill short rows with --fill"
                if is_short
                else f"{record[width][:_SHOWN_LENGTH]!r} has no column; a cell with the delimiter "
                "must be quoted"
            )
            findings.add(
                f"{_count(len(record), 'cell')}; the header has {width}: {fix}, or leave the row "
                f"out with {records.skip_option(index)}",
                place,
                records.lines[index],
            )


def _trimmed(records: _Records, notes: list[str]) -> Sequence[Sequence[str]]:
    """Return the columns without spaces around cells; drop the rows that have no values."""
    columns = [*zip(*records.cells, strict=True)]
    trimmed = [tuple(map(str.strip, column)) for column in columns]
    if trimmed != columns:
        changed = sum(sum(map(ne, *both)) for both in zip(columns, trimmed, strict=True))
        notes.append(f"Spaces around {_count(changed, 'value')} removed.")
    if any("" not in column for column in trimmed):
        return trimmed
    is_filled = [*map(any, zip(*trimmed, strict=True))]
    if all(is_filled):
        return trimmed
    empty = [*compress(records.lines, map(not_, is_filled))]
    notes.append(
        f"{_count(len(empty), 'row')} without values left out: "
        f"{'line' if len(empty) == 1 else 'lines'} {listed([*map(str, empty)])}."
    )
    records.cells = [*compress(records.cells, is_filled)]
    records.lines = [*compress(records.lines, is_filled)]
    records.ends = [*compress(records.ends, is_filled)]
    return [[*compress(column, is_filled)] for column in trimmed]


def _find_other_header(
    raw: Sequence[RawColumn],
    records: _Records,
    reading: Reading,
    place: str,
    findings: Findings,
) -> None:
    """Add a mistake if a title seems to stand where the header is expected."""
    unnamed = [one for one in raw if not one.name.strip() and not one.is_empty]
    if reading.header is not None or len(unnamed) * 2 <= len(raw) or reading.names:
        return
    for cells, line in zip(records.cells[:DETECTION_RECORDS], records.lines, strict=False):
        if all(cells) and len(set(cells)) == len(cells):
            findings.add(
                f"the header has names for {len(raw) - len(unnamed)} of {len(raw)} columns: if it "
                f"is in line {line}, add --skip {_range(1, line - 1)}; otherwise name "
                "columns, such as --rename column_2=NEW",
                place,
                raw[0].line,
            )
            return


def _find_no_header(names: Sequence[str], line: int, reading: Reading, notes: list[str]) -> None:
    """Add a note if the header has a value that is no name; years may be names."""
    odd = next((name for name in map(str.strip, names) if _is_no_name(name)), None)
    if odd is not None and reading.header is None:
        example = ",".join(f"name{number}" for number in range(1, len(names) + 1))
        notes.append(
            f"Line {line} is read as the header, though {odd!r} looks like a value. If the file "
            f"has no header line, add --header {example}."
        )


def _is_no_name(name: str) -> bool:
    number = number_of(name)
    is_year = number is not None and YEARS[0] <= number <= YEARS[1]
    return (
        name in NULL_WORDS
        or date_of(name, None) is not None
        or (number is not None and not is_year)
    )


def _find_total(records: _Records, notes: list[str]) -> None:
    first = next((cell for cell in map(str.strip, records.cells[-1]) if cell), "")
    if is_total(first):
        notes.append(
            f"The last row looks like a total ({first!r}). Leave it out with "
            f"{records.skip_option(-1)}."
        )


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
