"""Pays a priced API of a running dispatcher and prints the changed balances."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from dev.economy.announcement import find_announced
from dev.economy.chain import Chain, Transfer
from dev.economy.payer import Payer, PayerError, Purchase, running_payer
from dev.economy.rpc import Rpc
from dev.economy.wallets import BUYER
from dev.errors import DevelopmentError, UsageError
from dev.layout import Layout
from dev.setup.node import find_node

RESPONSE_SECONDS = 60.0
SHOWN_BODY_LENGTH = 400
MICROS_PER_DOLLAR = 1_000_000


@dataclass(frozen=True, slots=True)
class PaidRequest:
    """A request to pay for.

    Args:
        api: The API's slug with path and query: `rates/convert?amount=2`.
        method: The HTTP method.
        body: The body; empty for none.
        times: How many times to send it.
    """

    api: str
    method: str
    body: str
    times: int

    def url(self, dispatcher_url: str) -> str:
        """Return the URL of the request."""
        path, mark, query = self.api.partition("?")
        slash = "" if "/" in path else "/"
        return f"{dispatcher_url}/t/{path}{slash}{mark}{query}"

    def fields(self) -> dict[str, str]:
        """Return the fields for `Payer.pay`."""
        return {"method": self.method, **({"body": self.body} if self.body else {})}


@dataclass(frozen=True, slots=True)
class Requirements:
    """The payment requirements of a priced API.

    Args:
        amount: In atomic units of the token, which are micro-dollars.
        payee: The address to pay.
    """

    amount: int
    payee: str


class NotPriced(DevelopmentError):
    """The API requires no payment."""


class WrongPayment(DevelopmentError):
    """A payment failed, or the chain does not have it."""


def pay(layout: Layout, state: Path, request: PaidRequest, console: Console) -> None:
    """Send and pay the request the given number of times, and print the results.

    Args:
        layout: The clone; set-up for payments must have run.
        state: The dispatcher's STATE folder.
        request: The request.
        console: The output.

    Raises:
        UsageError: No dispatcher runs with payments and this STATE.
        NotPriced: The API requires no payment.
        PayerError: The client failed.
        WrongPayment: A payment failed, or transferred another amount than the price.
    """
    found = find_announced(state)
    url = request.url(found.dispatcher_url)
    requirements = fetch_requirements(url, request)
    console.print(
        f"{request.method} {url} costs {dollars(requirements.amount)}, "
        f"payable to {requirements.payee}.",
        highlight=False,
        soft_wrap=True,
    )
    with Rpc(found.rpc_url) as rpc, running_payer(client_command(layout)) as payer:
        chain = Chain(rpc)
        before = balances(chain, requirements)
        problems = [
            problem
            for _ in range(request.times)
            for problem in _buy(payer, chain, url, request, requirements, console)
        ]
        console.print(balance_table(before, balances(chain, requirements)))
    if problems:
        raise WrongPayment(f"{len(problems)} of {request.times} failed: {problems[0]}.")


def client_command(layout: Layout) -> Sequence[str | Path]:
    """Return the command line of the official client `@x402/fetch`."""
    return (find_node(layout), layout.economy / "payer.js")


def fetch_requirements(url: str, request: PaidRequest) -> Requirements:
    """Send the request without payment, and return the payment requirements.

    Raises:
        UsageError: The dispatcher does not respond.
        NotPriced: The response is not 402.
    """
    try:
        response = httpx.request(
            request.method, url, content=request.body.encode(), timeout=RESPONSE_SECONDS
        )
    except httpx.HTTPError as error:
        raise UsageError(f"{url} does not respond ({error}): is `make dev` running?") from error
    required = response.headers.get("payment-required")
    if response.status_code != httpx.codes.PAYMENT_REQUIRED or required is None:
        raise NotPriced(
            f"{url} requires no payment, it responds with {response.status_code}: "
            f"{response.text[:SHOWN_BODY_LENGTH]}"
        )
    requirements = json.loads(base64.b64decode(required))["accepts"][0]
    return Requirements(int(requirements["amount"]), requirements["payTo"])


def balances(chain: Chain, requirements: Requirements) -> dict[str, int]:
    """Return the balances of buyer and payee."""
    return {"buyer": chain.balance(BUYER.address), "payee": chain.balance(requirements.payee)}


def find_problem(purchase: Purchase, chain: Chain, requirements: Requirements) -> str | None:
    """Return what is wrong with a purchase; `None` if nothing is.

    A request that the API failed to serve must not have been paid.
    """
    if not purchase.receipt or not purchase.receipt.get("success"):
        return f"the response {purchase.status} has no receipt"
    transaction = chain.transaction(purchase.transaction)
    expected = Transfer(BUYER.address.lower(), requirements.payee.lower(), requirements.amount)
    if transaction is None:
        return f"the chain has no transaction {purchase.transaction}"
    if not transaction.succeeded or tuple(transaction.transfers) != (expected,):
        return f"the transaction {purchase.transaction} did not transfer the price"
    return None


def balance_table(before: dict[str, int], after: dict[str, int]) -> Table:
    """Return both balances and their difference as a table."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for title in ("before", "after", "change"):
        table.add_column(title, justify="right")
    for name, amount in before.items():
        change = after[name] - amount
        table.add_row(name, dollars(amount), dollars(after[name]), dollars(change, sign=True))
    return table


def dollars(micros: int, *, sign: bool = False) -> str:
    """Write an amount of micro-dollars with all its digits."""
    mark = "-" if micros < 0 else "+" if sign else ""
    whole, part = divmod(abs(micros), MICROS_PER_DOLLAR)
    return f"{mark}${whole:,}.{part:06d}"


def _buy(
    payer: Payer,
    chain: Chain,
    url: str,
    request: PaidRequest,
    requirements: Requirements,
    console: Console,
) -> list[str]:
    try:
        purchase = payer.pay(BUYER, url, **request.fields())
    except PayerError as error:
        return [error.message]
    problem = find_problem(purchase, chain, requirements)
    paid = f"receipt {purchase.transaction}" if problem is None else f"not paid: {problem}"
    body = purchase.body.strip()[:SHOWN_BODY_LENGTH]
    console.print(f"{purchase.status}, {paid}", highlight=False, soft_wrap=True)
    console.print(f"  {body}", highlight=False, markup=False, soft_wrap=True)
    return [problem] if problem else []
