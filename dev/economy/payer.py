"""Runs an official x402 client as a separate program.

Requests and results are lines of JSON (`node/payer.js`); many requests can run at once.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from dev.economy.wallets import Wallet
from dev.errors import DevelopmentError

RESULT_SECONDS = 150.0
END_SECONDS = 10.0


class PayerError(DevelopmentError):
    """The client failed; the message is its own."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """The result of a paid request.

    Args:
        status: The status of the last response.
        headers: Its headers, with names in lower case.
        body: Its text.
        receipt: Its decoded receipt; `None` if it has none.
    """

    status: int
    headers: Mapping[str, str]
    body: str
    receipt: Mapping[str, Any] | None

    @property
    def transaction(self) -> str:
        """The transaction in the receipt; empty without a receipt."""
        return str((self.receipt or {}).get("transaction") or "")


class Payer:
    """A running client.

    Args:
        process: Its process.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Start to read the results."""
        self._process = process
        self._ids = count()
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def pay(self, wallet: Wallet, url: str, **fields: object) -> Purchase:
        """Send a request, and pay if the response is 402.

        Args:
            wallet: The buyer's wallet.
            url: The URL.
            fields: Further fields: `method`, `headers`, `body` (text), `version` (2 or 1),
                `anyToken` (whether the client may pay in tokens that it does not know).

        Raises:
            PayerError: The client failed.
        """
        return self.start_payment(wallet, url, **fields)()

    def start_payment(self, wallet: Wallet, url: str, **fields: object) -> Callable[[], Purchase]:
        """Start a purchase; the returned function waits for its result, like `pay`."""
        future = self._send({**wallet.signer(), "url": url, **fields})

        def result() -> Purchase:
            outcome = _checked(future.result(RESULT_SECONDS))
            return Purchase(
                outcome["status"], outcome["headers"], outcome["body"], outcome["receipt"]
            )

        return result

    def sign(self, wallet: Wallet, url: str, **fields: object) -> tuple[str, str]:
        """Return name and value of the header that would pay for a request, without sending it.

        Raises:
            PayerError: The client failed.
        """
        future = self._send({**wallet.signer(), "url": url, "sign": True, **fields})
        outcome = _checked(future.result(RESULT_SECONDS))
        return outcome["header"], outcome["value"]

    def _send(self, request: dict[str, object]) -> Future[dict[str, Any]]:
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            name = next(self._ids)
            self._waiting[name] = future
            assert self._process.stdin is not None
            line = {"id": name, "method": "GET", "version": 2, **request}
            print(json.dumps(line), file=self._process.stdin, flush=True)
        return future

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            outcome = json.loads(line)
            self._waiting.pop(outcome["id"]).set_result(outcome)
        for future in self._waiting.values():
            future.set_exception(PayerError("The client stopped; see its message above."))


def _checked(outcome: dict[str, Any]) -> dict[str, Any]:
    if "error" in outcome:
        raise PayerError(f"The client failed: {outcome['error']}")
    return outcome


@contextmanager
def running_payer(command: Sequence[str | Path]) -> Iterator[Payer]:
    """Run a client during a `with` block.

    Args:
        command: Its command line.
    """
    with subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Payer(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
