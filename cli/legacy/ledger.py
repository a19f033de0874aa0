"""Adds up the ledger of an older dispatcher, and compares it with what the dispatcher counts.

Nothing of it is imported: the dispatcher's own ledger has payments with the proof that they were
settled, which no export has, and their revenue is in the events.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from api.imports.money import amount_micros, is_money_name
from cli.errors import Finding, InputError
from cli.legacy.entries import Entry
from cli.legacy.events import Listed, NoteEntry
from cli.legacy.recognition import column_of
from cli.legacy.tables import Tables

NOT_IMPORTED: Final = "the dispatcher's ledger has only payments that it settled itself"

AMOUNTS: Final = {"amountUsd": "Usd", "amountCents": "Cents", "amountMicros": "Micros"}
"""What an amount can be mapped to, and its unit."""

_DOLLARS: Final = frozenset(("USD", "USDC", "DOLLAR", "DOLLARS"))
_PAID: Final = frozenset(
    ("settled", "paid", "completed", "complete", "confirmed", "success", "succeeded", "sent")
)
_UNITS: Final = (
    (re.compile(r"micro(?:s|usd|dollars?)?$"), "Micros"),
    (re.compile(r"cents?$"), "Cents"),
    (re.compile(r"(?:usd|dollars?)$"), "Usd"),
)
_FRACTION: Final = re.compile(r"\$?\d+\.\d+")
_MAIN: Final = ("amount", "payout", "net", "gross", "total", "revenue")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table is what.

    Args:
        amount: The amount.
        unit: Its unit: a value of `AMOUNTS`.
        why: How the unit is known, for people.
        other_money: Other columns that may be money, which are not added up.
        parts: Tenant, currency, status, transaction and time, as far as there are such columns.
    """

    amount: str
    unit: str
    why: str
    other_money: Sequence[str]
    parts: Mapping[str, str]


@dataclass(slots=True)
class Ledger:
    """What a ledger has.

    Args:
        note: Called with each row, none of which is imported.
        columns: The columns, by table.
        sums: The number and the sum in micro-dollars, by tenant, status and currency.
        rows: The number of rows.
        invalid: The invalid ones.
    """

    note: NoteEntry
    columns: dict[str, Columns] = field(default_factory=dict)
    sums: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    rows: int = 0
    invalid: Listed = field(init=False)
    kept: Listed = field(init=False)

    def __post_init__(self) -> None:
        """Start with empty lists."""
        self.invalid = Listed("invalid", self.note)
        self.kept = Listed("not imported", self.note)

    def paid_micros(self, tenant: str) -> int:
        """Return what was paid to a tenant in dollars."""
        return sum(
            micros
            for (own, status, currency), (_, micros) in self.sums.items()
            if own == tenant and status.lower() in _PAID and currency in _DOLLARS
        )

    @property
    def tenants(self) -> Sequence[str]:
        """Return the tenants, in order."""
        return sorted({tenant for tenant, _, _ in self.sums})


def read_ledger(tables: Tables, naming: Sequence[str], note: NoteEntry) -> Ledger:
    """Add up a ledger.

    Args:
        tables: Its rows, by table.
        naming: Options of the form `COLUMN=FIELD`; FIELD is a key of `AMOUNTS`, or `tenant`,
            `currency`, `status`, `transaction` or `created`.
        note: Called with the kind of each row, and the row.

    Raises:
        InputError: A unit or an amount is ambiguous.
    """
    ledger = Ledger(note)
    given = _given(naming)
    for table, rows in tables.items():
        names = list(dict.fromkeys(name for row in rows for name in row.value))
        columns = ledger.columns[table] = _columns(table, rows, names, given)
        for row in rows:
            _add(ledger, row, columns)
    return ledger


def _given(naming: Sequence[str]) -> Mapping[str, str]:
    fields = (*AMOUNTS, "tenant", "currency", "status", "transaction", "created")
    given = {}
    for option in naming:
        column, separator, name = option.partition("=")
        if not separator or name not in fields:
            raise InputError(
                f"--map {option} is invalid for a ledger.",
                f"Use --map COLUMN=FIELD; FIELD is one of {', '.join(fields)}.",
            )
        given[name] = column
    return given


def _columns(
    table: str, rows: Sequence[Entry], names: Sequence[str], given: Mapping[str, str]
) -> Columns:
    parts = {
        part: given.get(part) or column_of(part, names)
        for part in ("tenant", "currency", "status", "transaction", "created")
    }
    money = [name for name in names if is_money_name(name) and name not in parts.values()]
    found = {part: column for part, column in parts.items() if column is not None}
    for name, unit in AMOUNTS.items():
        if name in given:
            others = [one for one in money if one != given[name]]
            return Columns(given[name], unit, "--map", others, found)
    likely = [name for start in _MAIN for name in money if _normal(name).startswith(start)]
    candidates = list(dict.fromkeys(likely)) or money
    where = f"the table {table}" if table else "the ledger"
    if len(candidates) != 1:
        raise InputError(
            f"It is ambiguous which column of {where} has the amount: "
            f"{', '.join(candidates) or 'none looks like one'}.",
            "Name it, with its unit: --map COLUMN=amountUsd, amountCents or amountMicros.",
        )
    (amount,) = candidates
    unit, why = _unit(amount, rows, found.get("currency"))
    if not unit:
        raise InputError(
            f"The unit of {amount} in {where} is ambiguous: {why}.",
            f"Add --map {amount}=amountUsd, {amount}=amountCents or {amount}=amountMicros.",
        )
    return Columns(amount, unit, why, [name for name in money if name != amount], found)


def _unit(amount: str, rows: Sequence[Entry], currency: str | None) -> tuple[str, str]:
    """Return the unit of a column, which is empty if it is ambiguous, and why it is so."""
    for pattern, unit in _UNITS:
        if pattern.search(_normal(amount)):
            return unit, "its name"
    if currency is None:
        return "", "neither its name nor another column says it"
    currencies = sorted({str(row.value.get(currency, "")).upper() for row in rows})
    if not _DOLLARS.issuperset(currencies):
        return "", f"{currency} has {', '.join(one or 'nothing' for one in currencies[:5])}"
    if any(_FRACTION.fullmatch(str(row.value.get(amount, ""))) for row in rows):
        return "Usd", f"{currency} is {'/'.join(currencies)}, and amounts have decimals"
    return "", "its values are whole numbers: dollars, cents, or a token's smallest unit"


def _add(ledger: Ledger, row: Entry, columns: Columns) -> None:
    values = row.value
    reasons = []
    raw = values.get(columns.amount)
    micros = None if raw is None else amount_micros(f"amount{columns.unit}", raw)
    if micros is None:
        reasons.append(f"{columns.amount} must be an amount, is {str(raw)[:40]!r}")
    tenant = _text(values, columns, "tenant")
    if not tenant:
        reasons.append(f"{columns.parts.get('tenant', 'the tenant')} is missing")
    created = _text(values, columns, "created")
    if created and not _is_time(created):
        reasons.append(f"{columns.parts['created']} must be a time, is {created[:40]!r}")
    ledger.rows += 1
    if reasons:
        ledger.invalid.add(row.index, row.line, reasons)
        return
    assert micros is not None
    currency = _text(values, columns, "currency").upper() or "USD"
    name = (tenant, _text(values, columns, "status") or "unknown", currency)
    count, total = ledger.sums.get(name, (0, 0))
    ledger.sums[name] = count + 1, total + micros
    ledger.kept.add(row.index, row.line, [NOT_IMPORTED])


def _text(values: Mapping[str, Any], columns: Columns, part: str) -> str:
    column = columns.parts.get(part)
    return "" if column is None else str(values.get(column, "")).strip()


def _is_time(text: str) -> bool:
    if text.isdigit():
        return len(text) in (10, 13)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _normal(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def findings_of(ledger: Ledger, place: str) -> Sequence[Finding]:
    """Return the invalid rows, of which the first ones are described."""
    return [
        Finding(f"row {one.index}: {'; '.join(one.reasons)}", place, one.line)
        for one in ledger.invalid.first
    ]


Compare = Callable[[str], int | None]
"""Returns the revenue of a tenant in micro-dollars; `None` if it is not known."""
