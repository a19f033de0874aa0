"""The official clients as tests use them: programs of their own that pay on command."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from dev.economy import Wallet
from dev.layout import HERE
from dev.setup.node import find_node

ANSWER_SECONDS = 150.0

CLIENTS: Mapping[str, Sequence[str | Path]] = {
    "fetch": (find_node(HERE), HERE.economy / "payer.js"),
    "httpx": (sys.executable, Path(__file__).with_name("python_payer.py"), "httpx"),
    "requests": (sys.executable, Path(__file__).with_name("python_payer.py"), "requests"),
}
"""The command line of each client."""


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
        """The transaction that the receipt names."""
        assert self.receipt is not None, self.body
        return str(self.receipt["transaction"])


class PayerError(AssertionError):
    """The client gave up; the message is its own."""


class Payer:
    """One client, running.

    Args:
        name: Which one of `CLIENTS`.
        process: It.
    """

    def __init__(self, name: str, process: "subprocess.Popen[str]") -> None:
        self.name = name
        self._process = process
        self._ids = count()
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def pay(self, wallet: Wallet, url: str, **order: Any) -> Purchase:
        """Send a request and pay for it when asked; raise `PayerError` when the client gives up."""
        return self.begin_to_pay(wallet, url, **order)()

    def begin_to_pay(self, wallet: Wallet, url: str, **order: Any) -> Callable[[], Purchase]:
        """Start a purchase; what is returned waits for its end and returns it."""
        future = self._order({"key": wallet.private_key, "url": url, **order})

        def result() -> Purchase:
            outcome = _checked(future.result(ANSWER_SECONDS))
            return Purchase(
                outcome["status"], outcome["headers"], outcome["body"], outcome["receipt"]
            )

        return result

    def sign(self, wallet: Wallet, url: str, **order: Any) -> tuple[str, str]:
        """Return the header that would pay for a request, and its value, without sending it."""
        future = self._order({"key": wallet.private_key, "url": url, "sign": True, **order})
        outcome = _checked(future.result(ANSWER_SECONDS))
        return outcome["header"], outcome["value"]

    def _order(self, order: dict[str, Any]) -> Future[dict[str, Any]]:
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            name = next(self._ids)
            self._waiting[name] = future
            line = {"id": name, "method": "GET", "version": 2, **order}
            assert self._process.stdin is not None
            print(json.dumps(line), file=self._process.stdin, flush=True)
        return future

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            outcome = json.loads(line)
            self._waiting.pop(outcome["id"]).set_result(outcome)
        for future in self._waiting.values():
            future.set_exception(PayerError(f"the client {self.name} ended"))


def _checked(outcome: dict[str, Any]) -> dict[str, Any]:
    if "error" in outcome:
        raise PayerError(outcome["error"])
    return outcome


@contextmanager
def running_payer(name: str) -> Iterator[Payer]:
    """Run one of the clients for the time of a `with` block."""
    with subprocess.Popen(
        [str(part) for part in CLIENTS[name]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Payer(name, process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
