"""Pays a priced API of a running dispatcher, and shows what happened to the money."""

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

ANSWER_SECONDS = 60.0
SHOWN_BODY_LENGTH = 400
MICROS_PER_DOLLAR = 1_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be bought.

    Args:
        api: The API's slug, and what follows it: `rates/convert?amount=2`.
        method: The HTTP method.
        body: The request's body, empty for none.
        times: How often.
    """

    api: str
    method: str
    body: str
    times: int

    def url(self, dispatcher_url: str) -> str:
        """Return what is asked for."""
        path, mark, query = self.api.partition("?")
        slash = "" if "/" in path else "/"
        return f"{dispatcher_url}/t/{path}{slash}{mark}{query}"

    def request(self) -> dict[str, str]:
        """Return the method and the body as clients take them."""
        return {"method": self.method, **({"body": self.body} if self.body else {})}


@dataclass(frozen=True, slots=True)
class Offer:
    """What a priced API asks for.

    Args:
        amount: In atomic units of the token, which are micro-dollars.
        payee: Whom to pay.
    """

    amount: int
    payee: str


class NotPriced(DevelopmentError):
    """The API did not ask for payment."""


class WrongPayment(DevelopmentError):
    """The answers and the chain do not tell the same."""


def pay(layout: Layout, state: Path, order: Order, console: Console) -> None:
    """Buy what was ordered, one after the other, and print it.

    Args:
        layout: The clone; set-up for payments must have run.
        state: The dispatcher's STATE.
        order: What is to be bought.
        console: Where to print.

    Raises:
        UsageError: No dispatcher takes payment with this STATE.
        NotPriced: The API asks for no payment.
        PayerError: The client gave up.
        WrongPayment: A purchase failed, or moved another sum than its price.
    """
    found = find_announced(state)
    url = order.url(found.dispatcher_url)
    offer = ask_for_offer(url, order)
    console.print(
        f"{order.method} {url} costs {dollars(offer.amount)}, payable to {offer.payee}.",
        highlight=False,
        soft_wrap=True,
    )
    with Rpc(found.rpc_url) as rpc, running_payer(client_command(layout)) as payer:
        chain = Chain(rpc)
        before = balances(chain, offer)
        problems = [
            problem
            for _ in range(order.times)
            for problem in _buy(payer, chain, url, order, offer, console)
        ]
        console.print(balance_table(before, balances(chain, offer)))
    if problems:
        raise WrongPayment(f"{len(problems)} of {order.times} failed: {problems[0]}.")


def client_command(layout: Layout) -> Sequence[str | Path]:
    """Return the command line of the official client `@x402/fetch`."""
    return (find_node(layout), layout.economy / "payer.js")


def ask_for_offer(url: str, order: Order) -> Offer:
    """Ask without paying, and return what is asked for.

    Raises:
        UsageError: The dispatcher does not answer.
        NotPriced: The answer is no offer.
    """
    try:
        answer = httpx.request(
            order.method, url, content=order.body.encode(), timeout=ANSWER_SECONDS
        )
    except httpx.HTTPError as error:
        raise UsageError(f"{url} does not answer ({error}): is `make dev` running?") from error
    required = answer.headers.get("payment-required")
    if answer.status_code != httpx.codes.PAYMENT_REQUIRED or required is None:
        raise NotPriced(
            f"{url} asks for no payment, it answers {answer.status_code}: "
            f"{answer.text[:SHOWN_BODY_LENGTH]}"
        )
    offer = json.loads(base64.b64decode(required))["accepts"][0]
    return Offer(int(offer["amount"]), offer["payTo"])


def balances(chain: Chain, offer: Offer) -> dict[str, int]:
    """Return the tokens of both sides, by who has them."""
    return {"buyer": chain.balance(BUYER.address), "payee": chain.balance(offer.payee)}


def wrong_with(purchase: Purchase, chain: Chain, offer: Offer) -> str | None:
    """Return what is wrong with a purchase in a few words; `None` if nothing is.

    A request that the API itself failed must not have been paid for.
    """
    if not purchase.receipt or not purchase.receipt.get("success"):
        return f"it answered {purchase.status} without a receipt"
    transaction = chain.transaction(purchase.transaction)
    expected = Transfer(BUYER.address.lower(), offer.payee.lower(), offer.amount)
    if transaction is None:
        return f"the chain knows no transaction {purchase.transaction}"
    if not transaction.succeeded or tuple(transaction.transfers) != (expected,):
        return f"the transaction {purchase.transaction} did not move the price"
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
    payer: Payer, chain: Chain, url: str, order: Order, offer: Offer, console: Console
) -> list[str]:
    try:
        purchase = payer.pay(BUYER, url, **order.request())
    except PayerError as error:
        return [error.message]
    problem = wrong_with(purchase, chain, offer)
    paid = f"receipt {purchase.transaction}" if problem is None else f"not paid: {problem}"
    body = purchase.body.strip()[:SHOWN_BODY_LENGTH]
    console.print(f"{purchase.status}, {paid}", highlight=False, soft_wrap=True)
    console.print(f"  {body}", highlight=False, markup=False, soft_wrap=True)
    return [problem] if problem else []
