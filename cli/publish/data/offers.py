"""Says why a column became text, and which options would read it as something else."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from cli.publish.data.cells import WORDS, date_of
from cli.publish.data.numbers import number_of, plain, split_unit
from cli.publish.data.options import DECIMALS, ORDERS, Reading

SHARE_MIN: Final = 0.5
"""A column whose values are mostly of another type became text; others simply are text."""

SAMPLE: Final = 200
EMPTY_MAX: Final = 3
"""More texts than this that do not fit are values, not names for “no value”."""

_ZEROS = re.compile(r"-?0\d+(?:[.,]\d+)?", re.ASCII)
_TOTAL = re.compile(
    r"(?:grand |sub)?totale?s?|sum|summe|gesamt(?:summe)?|total général|suma|somma|итого|合計|总计",
    re.IGNORECASE,
)
_HAS_DIGIT = re.compile(r"\d")
_TWO_DIGIT_YEAR = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Offer:
    """Options that would read a column of texts as another type.

    Args:
        type: The type.
        options: The value of `--decimal` or `--dates`, by option, and an example of what it does;
            several values if the texts do not tell.
        empty: Texts that must be given with `--empty`.
    """

    type: str
    options: Mapping[str, Sequence[tuple[str, str]]]
    empty: Sequence[str]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a column became text.

    Args:
        text: The first value that did not fit the other type.
        reason: What is special about it; may be empty.
        offer: Options that would read it; `None` if there are none.
    """

    text: str
    reason: str
    offer: Offer | None


def explain(texts: Sequence[str], reading: Reading) -> Explanation | None:
    """Return why a column became text; `None` if it simply is text.

    Args:
        texts: Its different values, in the order of the file; none of them empty.
        reading: The options it was read with.
    """
    dates = explain_dates(texts, reading)
    if dates is not None:
        return dates
    sample = texts[:: max(1, len(texts) // SAMPLE)]
    enough = len(sample) * SHARE_MIN
    if sum(_is_number_like(text) for text in sample) >= enough:
        return _explain_numbers(texts, reading)
    if sum(text in WORDS for text in sample) >= enough:
        odd = next(text for text in texts if text not in WORDS)
        offer = _offer("boolean", "", texts, (None,), lambda text, _: WORDS.get(text))
        return Explanation(odd, "", offer)
    return None


def explain_dates(texts: Sequence[str], reading: Reading) -> Explanation | None:
    """Return why a column did not become dates; `None` if it does not look like dates.

    Args:
        texts: Its different values, in the order of the file; none of them empty.
        reading: The options it was read with.
    """
    sample = texts[:: max(1, len(texts) // SAMPLE)]
    odd = next((text for text in texts if date_of(text, reading.dates) is None), None)
    if odd is None or sum(map(_is_date_like, sample)) < len(sample) * SHARE_MIN:
        return None
    reason = "has a year of two digits" if _TWO_DIGIT_YEAR.fullmatch(odd) else ""
    choices = ORDERS if reading.dates is None else ()
    offer = _offer("date", "--dates", texts, (reading.dates, *choices), date_of)
    return Explanation(odd, reason, offer)


def notes_of(offers: Mapping[str, Offer]) -> Iterator[str]:
    """Yield notes that name the options for all columns, in one line if they agree.

    Args:
        offers: The offer of each column.
    """
    clear = {
        name: offer
        for name, offer in offers.items()
        if all(len(values) == 1 for values in offer.options.values())
    }
    options: dict[str, dict[str, None]] = {}
    for offer in clear.values():
        for option, ((value, _),) in offer.options.items():
            options.setdefault(option, {})[value] = None
        for text in offer.empty:
            options.setdefault("--empty", {})[text] = None
    is_agreed = all(len(options.get(name, ())) <= 1 for name in ("--decimal", "--dates"))
    if clear and is_agreed:
        types = " and ".join(f"{name} as {offer.type}" for name, offer in clear.items())
        flags = [flag(option, value) for option, values in options.items() for value in values]
        yield f"Add {' '.join(flags)} to read {types}."
    for name, offer in offers.items():
        if name in clear and is_agreed:
            continue
        empty = "".join(f" {flag('--empty', text)}" for text in offer.empty)
        choices = [
            f"{option} {value}{empty} if {example}"
            for option, values in offer.options.items()
            for value, example in values
        ]
        yield f"To read {name} as {offer.type}, add {', or '.join(choices) or empty.strip()}."


def flag(option: str, value: str) -> str:
    """Return an option with its value, quoted for a shell."""
    quoted = shlex.quote(value)
    return f"{option}={quoted}" if value.startswith("-") else f"{option} {quoted}"


def _explain_numbers(texts: Sequence[str], reading: Reading) -> Explanation | None:
    odd = next((text for text in texts if _number(text, reading.decimal) is None), None)
    if odd is None:
        units = [split_unit(text)[0] for text in texts]
        odd = next(text for text, unit in zip(texts, units, strict=True) if unit != units[0])
        return Explanation(odd, "has another unit", None)
    if _ZEROS.fullmatch(odd):
        return Explanation(odd, "has leading zeros", None)
    if number_of(plain(split_unit(odd)[1], reading.decimal), rounds=True) is not None:
        return Explanation(odd, "has more digits than a number preserves", None)
    choices = DECIMALS if reading.decimal is None else ()
    offer = _offer("number", "--decimal", texts, (reading.decimal, *choices), _number)
    return Explanation(odd, "", offer)


def _offer(
    type_name: str,
    option: str,
    texts: Sequence[str],
    choices: Sequence[str | None],
    read: Callable[[str, str | None], str | float | None],
) -> Offer | None:
    """Return the values of an option with which the fewest texts do not fit a type.

    Args:
        type_name: The type.
        option: The option.
        texts: The texts.
        choices: The value in use, then the others.
        read: Reads a text with a value of the option; `None` if it does not fit.
    """
    found: dict[str | None, list[str]] = {}
    for choice in choices:
        odd = [*islice((text for text in texts if read(text, choice) is None), EMPTY_MAX + 1)]
        if len(odd) <= EMPTY_MAX and not any(map(_is_value, odd)):
            found[choice] = odd
    if not found:
        return None
    fewest = min(map(len, found.values()))
    best = [choice for choice, odd in found.items() if len(odd) == fewest]
    if choices[0] in best:
        return Offer(type_name, {}, found[choices[0]])
    known = [text for text in texts if text not in found[best[0]]]
    example = next((text for text in known if len({read(text, one) for one in best}) > 1), known[0])
    values = [(str(one), f"{example} is {_shown(read(example, one))}") for one in best]
    return Offer(type_name, {option: values}, found[best[0]])


def _number(text: str, decimal: str | None) -> float | None:
    return number_of(plain(split_unit(text)[1], decimal))


def _is_number_like(text: str) -> bool:
    return bool(_ZEROS.fullmatch(text)) or any(
        number_of(plain(split_unit(text)[1], decimal), rounds=True) is not None
        for decimal in (None, *DECIMALS)
    )


def _is_date_like(text: str) -> bool:
    return not text.isdigit() and (
        bool(_TWO_DIGIT_YEAR.fullmatch(text)) or any(date_of(text, order) for order in ORDERS)
    )


def _is_value(text: str) -> bool:
    """Return whether a text certainly does not mean that there is no value."""
    return bool(_HAS_DIGIT.search(text)) or text in WORDS or is_total(text)


def is_total(text: str) -> bool:
    """Return whether a text names a row of totals."""
    return bool(_TOTAL.fullmatch(text.rstrip(": ")))


def _shown(value: object) -> str:
    return str(value).removesuffix(".0")
