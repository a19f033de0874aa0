"""The options that say how a dataset is read, and their validated form."""

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Final, Self

import typer

from cli.publish.validation import Findings

PANEL: Final = "Datasets"
ORDERS: Final = ("DMY", "MDY", "YMD")
DECIMALS: Final = (",", ".")
NESTED: Final = ("flatten", "keep")
TYPES: Final = ("integer", "number", "boolean", "date", "text", "json")
SKIPPED_LINES_MAX: Final = 10_000_000
"""The largest line number that `--skip` accepts."""

_CSV_ONLY = ("delimiter", "header", "skip", "fill", "no_quotes")
_JSON_ONLY = ("at", "nested")
_LINES = re.compile(r"([1-9]\d*)(?:-([1-9]\d*))?", re.ASCII)


def _option(name: str, help_text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        name, help=help_text, rich_help_panel=PANEL, show_default=False
    )
    return option


@dataclass(frozen=True, slots=True)
class Reading:
    """How a dataset is read.

    Args:
        encoding: The encoding; `None` for UTF-8, or what a byte order mark says.
        delimiter: The delimiter of CSV; `None` to detect it.
        has_quotes: Whether quotes enclose cells of CSV.
        skipped: Ranges of lines to leave out, both ends included.
        header: The names of the columns of a CSV file without a header line.
        fills: Whether rows of CSV with too few cells are filled with nulls.
        at: The path of the rows in a JSON document, separated by dots; `None` for the document.
        nested: Whether nested JSON is flattened or kept; `None` if there must be none.
        names: New names of columns, by name.
        columns: The columns to publish, in order; `None` for all.
        types: Types of columns, by name.
        empty: Texts that mean null.
        dates: The order of day, month and year in dates; `None` for YYYY-MM-DD.
        decimal: The decimal sign; `None` for a point, without thousands separators.
    """

    encoding: str | None = None
    delimiter: str | None = None
    has_quotes: bool = True
    skipped: Sequence[tuple[int, int]] = ()
    header: Sequence[str] | None = None
    fills: bool = False
    at: str | None = None
    nested: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    columns: Sequence[str] | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    empty: frozenset[str] = frozenset()
    dates: str | None = None
    decimal: str | None = None

    def is_skipped(self, line: int) -> bool:
        """Return whether a line, from 1, is left out."""
        return any(first <= line <= last for first, last in self.skipped)


@dataclass(frozen=True, slots=True)
class DatasetOptions:
    """The options of `clawr publish` for datasets."""

    id_column: Annotated[
        str | None,
        _option("--id", "The column that identifies a row. Default: `id`, otherwise the number."),
    ] = None
    rename: Annotated[
        list[str] | None, _option("--rename", "OLD=NEW: a column's new name. Repeatable.")
    ] = None
    columns: Annotated[
        str | None, _option("--columns", "Publish only these columns, separated by commas.")
    ] = None
    types: Annotated[
        list[str] | None,
        _option("--type", f"COLUMN=TYPE: {', '.join(TYPES)}. Default: detected. Repeatable."),
    ] = None
    empty: Annotated[
        list[str] | None, _option("--empty", "A text that means no value, such as n/a. Repeatable.")
    ] = None
    dates: Annotated[
        str | None,
        _option("--dates", f"The order of dates such as 31.12.2026: {', '.join(ORDERS)}."),
    ] = None
    decimal: Annotated[
        str | None,
        _option("--decimal", "The decimal sign, , or . and thousands separators are read as well."),
    ] = None
    encoding: Annotated[
        str | None,
        _option("--encoding", "Default: UTF-8, or UTF-16 with a byte order mark."),
    ] = None
    delimiter: Annotated[
        str | None, _option("--delimiter", "The delimiter of a CSV file. Default: detected.")
    ] = None
    header: Annotated[
        str | None,
        _option("--header", "Names for a CSV file without a header line, separated by commas."),
    ] = None
    skip: Annotated[
        list[str] | None,
        _option("--skip", "Lines to leave out, such as 1-3 or 51: titles, comments, totals."),
    ] = None
    fill: Annotated[
        bool, typer.Option("--fill", help="Fill short rows with nulls.", rich_help_panel=PANEL)
    ] = False
    no_quotes: Annotated[
        bool,
        typer.Option(
            "--no-quotes", help="Quotes in a CSV file are ordinary text.", rich_help_panel=PANEL
        ),
    ] = False
    at: Annotated[
        str | None,
        _option("--at", "Where the rows of a JSON document are, such as data or result.items."),
    ] = None
    nested: Annotated[
        str | None,
        _option("--nested", "flatten: objects become columns such as at.lat; keep: one column."),
    ] = None

    @classmethod
    def names(cls) -> dict[str, str]:
        """Return the names of the options by field, without dashes at their beginning."""
        own = {"id_column": "id", "types": "type"}
        return {one.name: own.get(one.name, one.name.replace("_", "-")) for one in fields(cls)}

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Return the options for their values by name; missing ones have their defaults."""
        names = cls.names()
        return cls(**{one: given[name] for one, name in names.items() if name in given})

    def given(self) -> dict[str, Any]:
        """Return the values of the options by name; `None` for those that are not given."""
        return {name: getattr(self, one) or None for one, name in self.names().items()}

    def checked(self, *, is_json: bool) -> Reading:
        """Return the validated options.

        Args:
            is_json: Whether they are for JSON; otherwise they are for CSV.

        Raises:
            InputError: An option is invalid; the findings list all mistakes.
        """
        findings = Findings()
        for name in _CSV_ONLY if is_json else _JSON_ONLY:
            if getattr(self, name):
                kind, given = ("CSV", "JSON") if is_json else ("JSON", "CSV")
                option = f"--{name.replace('_', '-')}"
                findings.add(f"it is for {kind} files, and this is {given}", option)
        reading = Reading(
            encoding=_encoding(self.encoding, findings),
            delimiter=_delimiter(self.delimiter, findings),
            has_quotes=not self.no_quotes,
            skipped=_ranges(self.skip or (), findings),
            header=_list("--header", self.header, findings),
            fills=self.fill,
            at=self.at,
            nested=_choice("--nested", self.nested, NESTED, findings),
            names=_pairs("--rename", self.rename or (), "OLD=NEW", findings),
            columns=_list("--columns", self.columns, findings),
            types=_types(self.types or (), findings),
            empty=frozenset(one.strip() for one in self.empty or ()),
            dates=_choice("--dates", self.dates and self.dates.upper(), ORDERS, findings),
            decimal=_choice("--decimal", self.decimal, DECIMALS, findings),
        )
        findings.refuse("An option")
        return reading


def _choice(
    option: str, value: str | None, choices: Sequence[str], findings: Findings
) -> str | None:
    if value is not None and value not in choices:
        findings.add(f"{value!r} is not one of {'  '.join(choices)}", option)
    return value


def _encoding(name: str | None, findings: Findings) -> str | None:
    if name is None:
        return None
    try:
        info = codecs.lookup(name)
        b"a".decode(name, "replace")  # fails for codecs that are not encodings, such as base64
        is_text = True
    except (LookupError, ValueError):
        is_text = False
    if not is_text:
        findings.add(
            f"unknown encoding {name!r}; common ones are utf-8, utf-16, windows-1252 and latin-1",
            "--encoding",
        )
        return None
    return info.name


def _delimiter(value: str | None, findings: Findings) -> str | None:
    named = "\t" if value in {r"\t", "tab"} else value
    if named is not None and (len(named) != 1 or named in '"\r\n'):
        findings.add(
            "it must be one character other than a quote or a line break; for a tab, use "
            "--delimiter tab",
            "--delimiter",
        )
        return None
    return named


def _list(option: str, text: str | None, findings: Findings) -> Sequence[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        findings.add("a name is missing between two commas", option)
    elif len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        findings.add(f"{repeated!r} is given twice", option)
    return names


def _pairs(option: str, texts: Sequence[str], form: str, findings: Findings) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        # A name in a file may have a =, a new name and a type have none.
        name, sign, value = (part.strip() for part in text.rpartition("="))
        if not (name and sign and value):
            findings.add(f"{text!r} is not {form}", option)
        elif name in pairs:
            findings.add(f"{name!r} is given twice", option)
        pairs[name] = value
    return pairs


def _types(texts: Sequence[str], findings: Findings) -> dict[str, str]:
    types = _pairs("--type", texts, "COLUMN=TYPE", findings)
    for name, type_name in types.items():
        if name and type_name not in TYPES:
            findings.add(f"unknown type {type_name!r} of {name}; use {', '.join(TYPES)}", "--type")
    return types


def _ranges(texts: Sequence[str], findings: Findings) -> list[tuple[int, int]]:
    ranges = []
    for text in (part.strip() for one in texts for part in one.split(",")):
        match = _LINES.fullmatch(text)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= SKIPPED_LINES_MAX:
            findings.add(f"{text!r} is not a line, such as 7, or lines, such as 1-3", "--skip")
        ranges.append((first, last))
    return ranges
