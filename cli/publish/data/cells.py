"""Gives a column of texts one type, and reads its values.

A column has the first type that all its texts fit: integer, number, boolean, date, or text. Numbers
and dates of other countries are read only as the options say, since they cannot be told apart.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.located_json import JsonMistake, check_depth, documents
from cli.publish.data.json_values import nested_mistake
from cli.publish.data.numbers import RATIOS, integer_of, number_of, plain, split_unit
from cli.publish.data.options import Reading
from cli.publish.data.table import Value

Read = Callable[[str], Value]
"""Reads a text; `None` if it does not fit the type."""

LOCAL_WORDS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("WAHR", "VRAI", "VERDADERO", "VERO", "VERDADEIRO", "WAAR", "PRAWDA"), True),
    **dict.fromkeys(("FALSCH", "FAUX", "FALSO", "ONWAAR", "FAŁSZ"), False),
}
"""Booleans as spreadsheets in other languages export them."""

WORDS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **LOCAL_WORDS,
}
ARTICLES: Final[Mapping[str, str]] = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "date": "a date",
    "json": "JSON",
}
"""The types in a sentence."""

_MORE_WORDS: Mapping[str, bool] = {
    **dict.fromkeys(("1", "t", "y", "yes", "on", "ja", "oui", "si", "sí", "sim", "tak"), True),
    **dict.fromkeys(("0", "f", "n", "no", "off", "nein", "non", "não", "nie", "nee"), False),
}
"""Read as booleans only if the type is given."""

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATES: Mapping[str, re.Pattern[str]] = {
    "DMY": re.compile(r"(?P<D>\d{1,2})([./ -])(?P<M>\d{1,2})\2(?P<Y>\d{4})", re.ASCII),
    "MDY": re.compile(r"(?P<M>\d{1,2})([./ -])(?P<D>\d{1,2})\2(?P<Y>\d{4})", re.ASCII),
    "YMD": re.compile(r"(?P<Y>\d{4})([./ -]?)(?P<M>\d{2}|\d(?=[./ -]))\2(?P<D>\d{1,2})", re.ASCII),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """The type of a column, and its values by text.

    Args:
        type: The type.
        values: The value of each text.
        unit: The currency or percent sign that the texts had.
        misfits: The texts that do not fit a type that was asked for.
    """

    type: str
    values: Mapping[str, Value]
    unit: str = ""
    misfits: Sequence[str] = field(default_factory=list)


def type_texts(texts: Sequence[str], reading: Reading) -> Typed:
    """Return the first type that all texts fit, with their values.

    Args:
        texts: Different texts, none of them empty.
        reading: The options.
    """
    for type_name, read in readers(reading):
        values = _all(texts, read)
        if values is not None:
            return Typed(type_name, values)
    return _amounts(texts, reading) or Typed("text", {text: text for text in texts})


def type_as(type_name: str, texts: Iterable[str], reading: Reading) -> Typed:
    """Return texts as values of a given type.

    Args:
        type_name: One of `options.TYPES`.
        texts: Different texts, none of them empty.
        reading: The options.
    """
    read = _wanted(type_name, reading)
    values: dict[str, Value] = {}
    misfits, units = [], set()
    for text in texts:
        unit, amount = split_unit(text) if type_name in {"integer", "number"} else ("", text)
        value = read(amount)
        if value is None and not (type_name == "json" and amount == "null"):
            misfits.append(text)
        units.add(unit)
        values[text] = value
    return Typed(type_name, values, units.pop() if len(units) == 1 else "", misfits)


def readers(reading: Reading) -> Sequence[tuple[str, Read]]:
    """Return the types that are detected, other than text, each with its reader."""
    return (
        *_number_readers(reading.decimal),
        ("boolean", WORDS.get),
        ("date", lambda text: date_of(text, reading.dates)),
    )


def date_of(text: str, order: str | None) -> str | None:
    """Return an existing day as YYYY-MM-DD; `None` for other texts.

    Args:
        text: The text.
        order: The order of day, month and year; `None` for YYYY-MM-DD only.
    """
    if _ISO_DATE.fullmatch(text):
        parts: Sequence[str] = text.split("-")
    else:
        found = _DATES[order].fullmatch(text) if order else None
        if found is None:
            return None
        parts = found["Y"], found["M"], found["D"]
    year, month, day = map(int, parts)
    try:
        return dt.date(year, month, day).isoformat()
    except ValueError:
        return None


def _number_readers(decimal: str | None) -> Sequence[tuple[str, Read]]:
    if decimal is None:
        return ("integer", integer_of), ("number", number_of)
    return (
        ("integer", lambda text: integer_of(plain(text, decimal))),
        ("number", lambda text: number_of(plain(text, decimal))),
    )


def _amounts(texts: Sequence[str], reading: Reading) -> Typed | None:
    """Return amounts of one currency, or percentages, as numbers; `None` for other texts."""
    amounts: dict[str, str] = {}
    units: set[str] = set()
    for text in texts:
        unit, amounts[text] = split_unit(text)
        units.add(unit)
        if len(units - {""}) > 1 or number_of(plain(amounts[text], reading.decimal)) is None:
            return None
    unit = "".join(units)
    if not unit or (unit in RATIOS and len(units) > 1):
        return None
    type_name, values = next(
        (type_name, values)
        for type_name, read in _number_readers(reading.decimal)
        if (values := _all(amounts.values(), read)) is not None
    )
    return Typed(type_name, {text: values[amount] for text, amount in amounts.items()}, unit)


def _wanted(type_name: str, reading: Reading) -> Read:
    decimal = reading.decimal
    wanted: Mapping[str, Read] = {
        "integer": lambda text: integer_of(_without_zeros(plain(text, decimal))),
        "number": lambda text: number_of(_without_zeros(plain(text, decimal)), rounds=True),
        "boolean": lambda text: WORDS.get(text, _MORE_WORDS.get(text.lower())),
        "date": lambda text: date_of(text, reading.dates),
        "text": lambda text: text,
        "json": _json,
    }
    return wanted[type_name]


def _without_zeros(text: str | None) -> str | None:
    """Return a number without leading zeros, which are no digits if it was said to be one."""
    return text and re.sub(r"^(-?)0+(?=\d)", r"\1", text)


def _json(text: str) -> Any:  # noqa: ANN401 (anything JSON has)
    try:
        check_depth(text)
        values = [value for _, value in documents(text)]
    except JsonMistake:
        return None
    return values[0] if len(values) == 1 and not nested_mistake(values[0]) else None


def _all(texts: Iterable[str], read: Read) -> dict[str, Value] | None:
    """Return the value of each text; `None` if one does not fit."""
    values: dict[str, Value] = {}
    for text in texts:
        value = read(text)
        if value is None:
            return None
        values[text] = value
    return values
