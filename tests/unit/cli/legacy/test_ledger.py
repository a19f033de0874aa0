"""Ledgers are recognized in any form, and never guessed about where money is ambiguous."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.errors import InputError
from cli.legacy.events import not_noted
from cli.legacy.ledger import Ledger, read_ledger
from cli.legacy.recognition import Kind, recognize

ROW = {
    "tenant": "t_1",
    "amountUsd": "1.25",
    "currency": "USDC",
    "status": "paid",
    "txHash": "0xab",
    "createdAt": "2026-10-01T12:00:00Z",
}


def read(file: Path, *naming: str) -> Ledger:
    found = recognize(file, "", None)
    assert found.kind is Kind.LEDGER
    return read_ledger(found.tables, naming, not_noted)


def written(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    file = tmp_path / "ledger.json"
    file.write_text(json.dumps({"payouts": rows}))
    return file


def without(*names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in ROW.items() if name not in names} | changes


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ROW, without(status="failed")]),
        f"{json.dumps(ROW)}\n{json.dumps(without(status='failed'))}\n",
        """tenant,amountUsd,currency,status,txHash,createdAt
t_1,1.25,USDC,paid,0xab,2026-10-01T12:00:00Z
t_1,1.25,USDC,failed,,2026-10-01T12:00:00Z
""",
        "tenant;amount_usd;currency;status\nt_1;1.25;USDC;paid\nt_1;1.25;USDC;failed\n",
        """INSERT INTO "main"."payouts" ("tenant","amount_usd","currency","status") VALUES
('t_1',1.25,'USDC','paid'),('t_1','1.25','USDC','failed');""",
    ],
)
def test_rows_are_added_up_by_tenant_status_and_currency(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ledger"
    file.write_text(text)
    ledger = read(file)
    assert ledger.sums == {
        ("t_1", "paid", "USDC"): (1, 1_250_000),
        ("t_1", "failed", "USDC"): (1, 1_250_000),
    }
    assert (ledger.paid_micros("t_1"), ledger.kept.count) == (1_250_000, 2)


@pytest.mark.parametrize(
    ("changes", "micros"),
    [
        ({"amount_cents": 125}, 1_250_000),
        ({"amount_micros": 125}, 125),
        ({"payoutUsd": "$1.25"}, 1_250_000),
        ({"amount": "1.25"}, 1_250_000),
    ],
)
def test_the_unit_follows_from_the_name_or_from_currency_and_decimals(
    tmp_path: Path, changes: dict[str, Any], micros: int
) -> None:
    ledger = read(written(tmp_path, without("amountUsd", **changes)))
    assert [total for _, total in ledger.sums.values()] == [micros]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (without("amountUsd", amount=125), "whole numbers: dollars, cents, or a token's"),
        (without("amountUsd", "currency", amount="1.25"), "neither its name nor another column"),
        (without("amountUsd", amount="1.25", currency="EUR"), "currency has EUR"),
        (without(netAmountUsd="1.00", amountUsd="1.25"), None),
        (without("amountUsd", gross="1.25", net="1.00"), "ambiguous which column"),
    ],
)
def test_ambiguous_money_is_not_guessed(
    tmp_path: Path, row: dict[str, Any], told: str | None
) -> None:
    file = written(tmp_path, row)
    with pytest.raises(InputError, match="ambiguous") as refusal:
        read(file)
    if told:
        assert told in refusal.value.message


def test_a_column_can_be_named(tmp_path: Path) -> None:
    row = without("amountUsd", gross=125, net=100)
    ledger = read(written(tmp_path, row), "net=amountCents")
    assert ledger.paid_micros("t_1") == 1_000_000
    assert ledger.columns["" if "" in ledger.columns else "payouts"].other_money == ["gross"]


@pytest.mark.parametrize(
    "changes", [{"amountUsd": "-1"}, {"amountUsd": "n/a"}, {"tenant": ""}, {"createdAt": "soon"}]
)
def test_an_invalid_row_is_listed(tmp_path: Path, changes: dict[str, Any]) -> None:
    ledger = read(written(tmp_path, ROW, {**ROW, **changes}))
    assert (ledger.invalid.count, ledger.kept.count) == (1, 1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"tenants": []}', Kind.DIRECTORY),
        ('{"byHost": {}, "bySlug": {}}', Kind.DIRECTORY),
        ('[{"slug": "a", "tenantId": "t", "workerName": "a", "priceUsd": 1}]', Kind.DIRECTORY),
        (
            '[{"tenantId": "t", "slug": "a", "timestamp": 1, "status": 200, "ip": "", "paid": 1}]',
            Kind.EVENTS,
        ),
        ('{"log": [{"apiId": "a", "tenantId": "t", "lifecycle": "served"}]}', Kind.EVENTS),
        ("[]", Kind.EVENTS),
    ],
)
def test_a_file_is_recognized_by_its_content(tmp_path: Path, text: str, kind: Kind) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    assert recognize(file, "", None).kind is kind


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "CREATE TABLE t (a INTEGER);", "hello", ""])
def test_what_is_nothing_known_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(InputError, match="file"):
        recognize(file, "", None)
