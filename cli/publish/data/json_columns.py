"""Reads the columns of JSON rows: values keep their types, and a column gets one type."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import NoneType
from typing import Any, Final

from cli.located_json import Repeated, Rounded
from cli.publish.data.cells import ARTICLES, date_of, type_as
from cli.publish.data.json_values import is_inexact, nested_mistake, shown
from cli.publish.data.offers import Offer, explain_dates, flag, notes_of
from cli.publish.data.options import Reading
from cli.publish.data.table import INTEGER_MAX, JSON_TYPE, Column, Value
from cli.publish.validation import Findings

_NAMES: Final[Mapping[type, str]] = {
    int: "integer",
    float: "number",
    Rounded: "number",
    bool: "boolean",
    str: "text",
    dict: "an object",
    Repeated: "an object",
    list: "an array",
}
_NESTED = frozenset({dict, Repeated, list})
_NUMBERS = frozenset({int, float, Rounded})


class JsonColumns:
    """Reads columns, and collects options that would read more of them.

    Args:
        reading: The options.
        line_of: Returns the line of a row's value, given the row's index and the value's name.
        place: The file, for messages.
        findings: Mistakes are added to it.
    """

    def __init__(
        self,
        reading: Reading,
        line_of: Callable[[int, str], int],
        place: str,
        findings: Findings,
    ) -> None:
        """Start without columns."""
        self._reading = reading
        self._line_of = line_of
        self._place = place
        self._findings = findings
        self._offers: dict[str, Offer] = {}

    def read(
        self, name: str, raw_name: str, values: Sequence[Any]
    ) -> tuple[Column, Sequence[Value]]:
        """Return a column and its values.

        Args:
            name: Its name.
            raw_name: Its name in the file.
            values: Its values, of any type.
        """
        empty = self._reading.empty
        if empty:
            values = [None if type(one) is str and one.strip() in empty else one for one in values]
        kinds = set(map(type, values))
        is_nullable = NoneType in kinds
        kinds.discard(NoneType)
        wanted = self._reading.types.get(name)
        if wanted is not None and wanted != JSON_TYPE:
            values = self._converted(name, raw_name, wanted, values)
            return Column(name, wanted, is_nullable), values
        if kinds == {str} and not wanted:
            type_name, values = self._texts(name, values)
            return Column(name, type_name, is_nullable), values
        type_name = JSON_TYPE if wanted else self._type(name, raw_name, kinds, values)
        if type_name == JSON_TYPE:
            self._check_nested(raw_name, values)
        return Column(name, type_name, is_nullable), values

    def offers(self) -> Iterator[str]:
        """Yield notes that say which options would read more columns."""
        return notes_of(self._offers)

    def _type(self, name: str, raw_name: str, kinds: set[type], values: Sequence[Any]) -> str:
        if not kinds:
            return "null"
        if kinds <= _NUMBERS:
            self._check_numbers(name, raw_name, kinds, values)
            return "integer" if kinds == {int} else "number"
        if kinds == {bool}:
            return "boolean"
        if not kinds.isdisjoint(_NESTED) and self._reading.nested is None:
            self._find_nested(name, raw_name, values)
        elif not kinds <= _NESTED and self._reading.nested != "keep":
            self._find_mixed(name, raw_name, kinds, values)
        return JSON_TYPE

    def _texts(self, name: str, values: Sequence[str | None]) -> tuple[str, Sequence[str | None]]:
        """Return the type of a column of texts, and its values."""
        texts = [text for text in dict.fromkeys(values) if text is not None]
        dates: dict[str | None, str] = {}
        for text in texts:
            date = date_of(text, self._reading.dates)
            if date is None:
                break
            dates[text] = date
        else:
            return "date", [*map(dates.get, values)]
        explained = explain_dates([text for text in texts if text], self._reading)
        if explained is not None and explained.offer is not None:
            self._offers[name] = explained.offer
        return "text", values

    def _converted(
        self, name: str, raw_name: str, type_name: str, values: Sequence[Any]
    ) -> Sequence[Value]:
        """Return values as another type; those that do not fit are mistakes."""
        read: dict[tuple[bool, str], Value] = {}
        texts = [None if one is None else (type(one) is str, _as_text(one)) for one in values]
        # Numbers of JSON have a decimal point, whatever texts have.
        for is_text, decimal in ((True, self._reading.decimal), (False, None)):
            own = [*dict.fromkeys(one[1] for one in texts if one and one[0] is is_text)]
            typed = type_as(type_name, own, replace(self._reading, decimal=decimal))
            read |= {(is_text, text): value for text, value in typed.values.items()}
            for text in typed.misfits:
                index = texts.index((is_text, text))
                fix = f"; if it means no value, add {flag('--empty', text)}" if is_text else ""
                self._add(
                    f"column {name}: {shown(values[index])} is not {ARTICLES[type_name]}{fix}",
                    index,
                    raw_name,
                )
        return [None if one is None else read[one] for one in texts]

    def _check_numbers(
        self, name: str, raw_name: str, kinds: set[type], values: Sequence[Any]
    ) -> None:
        if kinds == {int}:
            known = [one for one in values if one is not None]
            if min(known) >= -INTEGER_MAX and max(known) <= INTEGER_MAX:
                return
        for index, value in enumerate(values):
            if is_inexact(value):
                self._add(
                    f"{raw_name!r} is {shown(value)}, which a number in JSON does not preserve: "
                    f"keep it as text with {flag('--type', f'{name}=text')}, or round it with "
                    f"{flag('--type', f'{name}=number')}",
                    index,
                    raw_name,
                )

    def _check_nested(self, raw_name: str, values: Sequence[Any]) -> None:
        for index, value in enumerate(values):
            mistake = nested_mistake(value)
            if mistake:
                self._add(f"{raw_name!r} {mistake}", index, raw_name)

    def _find_nested(self, name: str, raw_name: str, values: Sequence[Any]) -> None:
        index = next(at for at, one in enumerate(values) if type(one) in _NESTED)
        value = values[index]
        flatten = (
            f"makes columns such as {name}.{next(iter(value))}"
            if isinstance(value, dict) and value
            else "and"
        )
        keep = "keeps it" if flatten != "and" else "both keep it"
        self._add(
            f"{raw_name!r} is {_NAMES[type(value)]}, {shown(value)}: --nested flatten {flatten}"
            f"{',' if flatten != 'and' else ''} --nested keep {keep} as JSON in one column",
            index,
            raw_name,
        )

    def _find_mixed(
        self, name: str, raw_name: str, kinds: set[type], values: Sequence[Any]
    ) -> None:
        types = [*map(type, values)]
        first = sorted(types.index(kind) for kind in kinds)
        parts = [
            f"{_NAMES[types[at]]} (line {self._line_of(at, raw_name)}: {shown(values[at])})"
            for at in first
        ]
        text = next((values[at] for at in first if types[at] is str), None)
        empty = f", or {flag('--empty', text)} if that means no value" if text else ""
        self._add(
            f"column {name!r} has values of different types: {' and '.join(parts)}; add "
            f"{flag('--type', f'{name}=text')} or {flag('--type', f'{name}=json')}{empty}",
            first[0],
            raw_name,
        )

    def _add(self, message: str, index: int, raw_name: str) -> None:
        self._findings.add(message, self._place, self._line_of(index, raw_name))


def _as_text(value: Any) -> str:  # noqa: ANN401 (anything JSON has)
    if isinstance(value, str):
        return value
    if isinstance(value, Rounded):
        return value.text
    return json.dumps(value, ensure_ascii=False)
