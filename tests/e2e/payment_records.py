"""Compares the payments in the dispatcher's ledger with the transfers on the chain."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.economy import Economy, Transfer, Wallet
from dev.economy.chain import PLAIN_TOKEN, TOKEN
from dev.economy.wallets import PAYEE

BUSY_SECONDS = 10.0
OWN_PAYEE = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
"""The payee of priced APIs whose record names one."""

PLAIN_UNITS = 10**12
"""The smallest units of the token without EIP-3009 in a micro-dollar."""

PAYEES = {OWN_PAYEE.lower(), PAYEE.lower()}

_SETTLEMENTS = "SELECT amount_micros FROM entries WHERE payment_id = ? AND kind = 'settlement'"


@dataclass(frozen=True, slots=True)
class PaymentRecords:
    """The payments of one dispatcher, in its ledger and on the chain.

    Args:
        state: The dispatcher's STATE; the ledger is read from D1's file in it.
        economy: The economy that it is paid in.
    """

    state: Path
    economy: Economy

    def rows(self, wallet: Wallet | None = None) -> list[dict[str, Any]]:
        """Return all payments of the ledger or one payer's, in the order of their claims."""
        condition, values = ("WHERE payer = ?", [wallet.address.lower()]) if wallet else ("", [])
        with self._open() as database:
            found = database.execute(
                f"SELECT * FROM payments {condition} ORDER BY claimed_at_ms, payment_id",  # noqa: S608
                values,
            )
            return [dict(row) for row in found]

    def states(self, wallet: Wallet) -> list[str]:
        """Return the states of a payer's payments, in the order of their claims."""
        return [row["state"] for row in self.rows(wallet)]

    def let_time_pass(self, seconds: float) -> None:
        """Move all open deadlines in the ledger back, as if `seconds` had passed."""
        milliseconds = round(1000 * seconds)
        with self._open() as database:
            # The database refuses to change what a payer has signed.
            ((trigger,),) = database.execute(
                "SELECT sql FROM sqlite_master WHERE name = 'payments_keep_their_terms'"
            )
            database.execute("DROP TRIGGER payments_keep_their_terms")
            database.execute(
                "UPDATE payments SET due_ms = due_ms - ?1, valid_before_ms = valid_before_ms - ?1"
                " WHERE is_done = 0",
                [milliseconds],
            )
            database.execute(trigger)
            database.commit()

    def check(self, wallet: Wallet, states: Sequence[str]) -> None:
        """Fail unless a payer's payments have these states and the chain agrees.

        Each settled payment is one transfer of exactly its amount to its payee, and has one
        ledger entry with its amount. There are no other transfers.
        """
        rows = self.rows(wallet)
        assert [row["state"] for row in rows] == list(states), rows
        self._check_money(rows, self._paid_by(wallet.address))

    def check_all(self) -> int:
        """Fail unless ledger and chain agree for every payer; return the settled micro-dollars."""
        rows = self.rows()
        for payer in {row["payer"] for row in rows}:
            own, moved = [row for row in rows if row["payer"] == payer], self._paid_by(payer)
            if payer == self.economy.buyer.address.lower():
                # This wallet also pays other servers: in `make pay`, and in other tests.
                known = {row["transaction_id"] for row in own}
                moved = {name: transfer for name, transfer in moved.items() if name in known}
            self._check_money(own, moved)
        return sum(row["amount_micros"] for row in rows if row["state"] == "settled")

    def _paid_by(self, address: str) -> dict[str, Transfer]:
        chain = self.economy.chain
        moved = {**chain.transfers_from(address), **chain.transfers_from(address, PLAIN_TOKEN)}
        return {name: transfer for name, transfer in moved.items() if transfer.recipient in PAYEES}

    def _check_money(self, rows: Sequence[dict[str, Any]], moved: dict[str, Transfer]) -> None:
        settled = {row["transaction_id"]: row for row in rows if row["state"] == "settled"}
        unsure = [row for row in rows if row["state"] in ("claimed", "pending")]
        unknown = moved.keys() - settled.keys()
        assert settled.keys() <= moved.keys(), "the ledger names a transaction that moved nothing"
        assert len(unknown) <= len(unsure), "the chain moved money that the ledger does not know"
        for name, row in settled.items():
            transfer = moved[name]
            assert transfer.recipient == row["pay_to"].lower()
            units = 1 if row["asset"] == TOKEN else PLAIN_UNITS
            assert transfer.amount == row["amount_micros"] * units == int(row["amount"])
        with self._open() as database:
            for row in rows:
                entries = database.execute(_SETTLEMENTS, [row["payment_id"]]).fetchall()
                wanted = [row["amount_micros"]] if row["state"] == "settled" else []
                assert [entry["amount_micros"] for entry in entries] == wanted

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        folder = self.state / "v3" / "d1" / "miniflare-D1DatabaseObject"
        (file,) = (path for path in folder.glob("*.sqlite") if path.name != "metadata.sqlite")
        with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as database:
            database.row_factory = sqlite3.Row
            yield database
