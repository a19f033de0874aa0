"""An official client as a program of its own, which pays on command.

It gets its orders and gives its outcomes line by line, as `node/payer.js` has it, many at
once where the caller wants that.
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

ANSWER_SECONDS = 150.0
END_SECONDS = 10.0


class PayerError(DevelopmentError):
    """The client gave up; the message is its own."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """What came of a paid request.

    Args:
        status: The status of the last answer.
        headers: Its headers, their names in small letters.
        body: Its text.
        receipt: What the answer's receipt says, decoded; `None` without one.
    """

    status: int
    headers: Mapping[str, str]
    body: str
    receipt: Mapping[str, Any] | None

    @property
    def transaction(self) -> str:
        """The transaction that the receipt names, empty without a receipt."""
        return str((self.receipt or {}).get("transaction") or "")


class Payer:
    """One client, running.

    Args:
        process: It.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Read the outcomes as they come."""
        self._process = process
        self._ids = count()
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def pay(self, wallet: Wallet, url: str, **order: object) -> Purchase:
        """Send a request, and pay for it if the answer asks for that.

        Args:
            wallet: Who pays.
            url: What is asked for.
            order: More of the order: `method`, `headers`, `body` (text), `version` (2 or 1).

        Raises:
            PayerError: The client gave up.
        """
        return self.begin_to_pay(wallet, url, **order)()

    def begin_to_pay(self, wallet: Wallet, url: str, **order: object) -> Callable[[], Purchase]:
        """Start a purchase; what is returned waits for its end, like `pay`."""
        future = self._order({"key": wallet.private_key, "url": url, **order})

        def result() -> Purchase:
            outcome = _checked(future.result(ANSWER_SECONDS))
            return Purchase(
                outcome["status"], outcome["headers"], outcome["body"], outcome["receipt"]
            )

        return result

    def sign(self, wallet: Wallet, url: str, **order: object) -> tuple[str, str]:
        """Return the header that would pay for a request, and its value, without sending it.

        Raises:
            PayerError: The client gave up.
        """
        future = self._order({"key": wallet.private_key, "url": url, "sign": True, **order})
        outcome = _checked(future.result(ANSWER_SECONDS))
        return outcome["header"], outcome["value"]

    def _order(self, order: dict[str, object]) -> Future[dict[str, Any]]:
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            name = next(self._ids)
            self._waiting[name] = future
            assert self._process.stdin is not None
            line = {"id": name, "method": "GET", "version": 2, **order}
            print(json.dumps(line), file=self._process.stdin, flush=True)
        return future

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            outcome = json.loads(line)
            self._waiting.pop(outcome["id"]).set_result(outcome)
        for future in self._waiting.values():
            future.set_exception(PayerError("The client ended; it says why above."))


def _checked(outcome: dict[str, Any]) -> dict[str, Any]:
    if "error" in outcome:
        raise PayerError(f"The client gave up: {outcome['error']}")
    return outcome


@contextmanager
def running_payer(command: Sequence[str | Path]) -> Iterator[Payer]:
    """Run a client for the time of a `with` block.

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
