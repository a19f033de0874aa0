"""Reads the fields of one directory record and collects the reasons why it is invalid."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from core import constants
from core.ports import Json

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line ends, bidirectional controls and unpaired surrogates."""

_USD = re.compile(r"(\d{1,7})(?:\.(\d{1,6})0*)?", re.ASCII)
_SHOWN_LENGTH_MAX = 80


_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
"""A word of a name such as `paymentMode`, `cpu_ms` or `priceUSD`."""

_WEIGHTY_WORDS = (
    "402 accept amount asset balance bandwidth bill budget burst calls cap cent charge concurrency"
    " concurrent cost cpu credit currency daily discount dollar facilitator fee free limit max"
    " maximum memory micro min minimum monetization money monthly ms network paid pay payable payee"
    " payer payment payout paywall price pricing qps quota rate refund requests revenue rpm rps"
    " spend subrequest subscription throttle throttling tier timeout token trial usage usd usdc"
    " wallet"
)
"""Words of money and limits in the records of dispatchers and gateways."""

_WEIGHTY = frozenset(_WEIGHTY_WORDS.split())
_ENDINGS = ("", "s", "d", "ed", "ing")


class RecordFields:
    """One record, or an object in it; `reasons` lists what is wrong with the record so far."""

    def __init__(self, record: Mapping[str, Json]) -> None:
        """Take the record as parsed from JSON."""
        self.record = record
        self.reasons: list[str] = []
        self._prefix = ""

    def part(self, name: str, record: Mapping[str, Json]) -> RecordFields:
        """Return the fields of an object in this record, such as `routes[0]`."""
        part = RecordFields(record)
        part.reasons = self.reasons
        part._prefix = f"{self.path(name)}."
        return part

    def path(self, field_name: str) -> str:
        """Return the path of a field from the record, such as `routes[0].accepts`."""
        return f"{self._prefix}{field_name}"

    def refuse(self, field_name: str, expected: str) -> None:
        """Add the reason that a field must be `expected`, with its value."""
        value = json.dumps(self.record.get(field_name), ensure_ascii=True)
        shown = value if len(value) <= _SHOWN_LENGTH_MAX else value[:_SHOWN_LENGTH_MAX] + "…"
        self.reasons.append(f"{self.path(field_name)} must be {expected}, is {shown}")

    def refuse_others(self, known: Collection[str]) -> None:
        """Add a reason for each field that is not `known`."""
        for name in self.record:
            if name not in known:
                self.refuse(name, f"left out: the fields here are {', '.join(sorted(known))}")

    def unknown(self, known: Collection[str]) -> Sequence[str]:
        """Return the names of the fields that are not `known`.

        Adds a reason for each that could mean money or a limit, however deep it is: ignored, it
        would make an API free or unlimited that its owner believes to be neither.
        """
        names = [name for name in self.record if name not in known]
        for name in names:
            for path in _weighty_paths(name, self.record[name]):
                self.reasons.append(
                    f"{self.path(path)} must be left out: the name may mean money or a limit,"
                    " and there is no such field"
                )
        return names

    def text(self, field_name: str, length_max: int = constants.TEXT_LENGTH_MAX) -> str:
        """Read one line of text; empty if it is missing or invalid."""
        value = self.record.get(field_name)
        if value is None:
            return ""
        if type(value) is not str or len(value) > length_max or UNPRINTABLE.search(value):
            expected = f"text of at most {length_max} characters on one line, without controls"
            self.refuse(field_name, expected)
            return ""
        return value.strip()

    def matching(self, field_name: str, pattern: re.Pattern[str], expected: str) -> str:
        """Read text that must match `pattern`; empty if it is missing or invalid."""
        value = self.record.get(field_name)
        if type(value) is not str or not pattern.fullmatch(value):
            self.refuse(field_name, expected)
            return ""
        return value

    def flag(self, field_name: str) -> bool:
        """Read a Boolean; false if it is missing or invalid."""
        value = self.record.get(field_name, False)
        if type(value) is not bool:
            self.refuse(field_name, "true or false")
        return value is True


def _weighty_paths(name: str, value: Json) -> Iterator[str]:
    """Yield the path of each field at or in `name` whose words may mean money or a limit."""
    if any(_is_weighty(word.lower()) for word in _WORD.findall(name)):
        yield name
        return
    parts = value if isinstance(value, list) else [value]
    for part in parts:
        for inner in part if isinstance(part, dict) else ():
            yield from (f"{name}.{path}" for path in _weighty_paths(inner, part[inner]))


def _is_weighty(word: str) -> bool:
    return any(word.endswith(end) and word.removesuffix(end) in _WEIGHTY for end in _ENDINGS)


def usd_micros(value: Json) -> int | None:
    """Read dollars as micro-dollars.

    `value` is a number or decimal text below 10,000,000 with at most 6 decimals. Returns None
    for anything else.
    """
    # Formatted, a float is parsed the same way as text.
    text = f"{value:.12f}" if type(value) is float else str(value)
    match = None if type(value) is bool else _USD.fullmatch(text)
    if match is None:
        return None
    micros = int(match[1]) * 1_000_000 + int((match[2] or "").ljust(6, "0"))
    # A number too small for the text above must not become a price of zero.
    return None if type(value) is float and value and not micros else micros
