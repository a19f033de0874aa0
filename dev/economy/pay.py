"""Pays a priced API of a running dispatcher on the local chains, and prints the balances."""

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from dev.economy.announcement import Announcement, find_announced
from dev.economy.chain import NETWORK, TOKEN, Chain, Transfer
from dev.economy.payer import Payer, PayerError, Purchase, running_payer
from dev.economy.rpc import Rpc
from dev.economy.solana import SOLANA_NETWORK, SOLANA_TOKEN, SolanaChain
from dev.economy.wallets import BUYER, SOLANA_BUYER, Wallet
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
        times: How many times to send it, on each chain.
        network: The chain to pay on; empty for all that the API accepts.
    """

    api: str
    method: str
    body: str
    times: int
    network: str = ""

    def url(self, dispatcher_url: str) -> str:
        """Return the URL of the request."""
        path, mark, query = self.api.partition("?")
        slash = "" if "/" in path else "/"
        return f"{dispatcher_url}/t/{path}{slash}{mark}{query}"

    def fields(self) -> dict[str, str]:
        """Return the fields for `Payer.pay`."""
        return {"method": self.method, **({"body": self.body} if self.body else {})}


@dataclass(frozen=True, slots=True)
class Way:
    """A local chain on which an API can be paid.

    Args:
        name: The network's name in version 1 of x402.
        label: What distinguishes its wallets from those of the EVM chain.
        chain: The chain.
        asset: The token that is a dollar there.
        wallet: The buyer's wallet.
        fields: What `Payer.pay` needs to pay there.
    """

    name: str
    label: str
    chain: Chain | SolanaChain
    asset: str
    wallet: Wallet
    fields: Mapping[str, str] = field(default_factory=dict)

    def balances(self, payee: str) -> dict[str, int]:
        """Return the balances of buyer and payee."""
        return {
            f"{self.label}buyer": self.chain.balance(self.wallet.address),
            f"{self.label}payee": self.chain.balance(payee),
        }


@dataclass(frozen=True, slots=True)
class Requirements:
    """The payment requirements of a priced API on one network.

    Args:
        network: The network, in CAIP-2 form.
        amount: In atomic units of the token, which are micro-dollars.
        payee: The address to pay.
        asset: The token.
        scheme: `exact`; or `upto`, and the amount is the most that is paid.
        is_permit2: Whether the payer signs for Permit2.
    """

    network: str
    amount: int
    payee: str
    asset: str
    scheme: str = "exact"
    is_permit2: bool = False


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
    required = fetch_requirements(url, request)
    problems: list[str] = []
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    with ExitStack() as parts:
        ways = local_ways(found, parts)
        # The client takes the first entry of a network.
        wanted = {
            one.network: one
            for one in reversed(required)
            if one.network in ways
            and request.network in ("", ways[one.network].name)
            and one.asset == ways[one.network].asset
        }
        if not wanted:
            raise UsageError(f"{url} cannot be paid on {request.network or 'a local chain'}.")
        payer = parts.enter_context(running_payer(client_command(layout)))
        for one in reversed(wanted.values()):
            way = ways[one.network]
            if one.is_permit2 and isinstance(way.chain, Chain):
                way.chain.approve_permit2(way.wallet.address, one.amount * request.times)
            most = "at most " if one.scheme == "upto" else ""
            console.print(
                f"{request.method} {url} costs {most}{dollars(one.amount)} on {way.name}, "
                f"payable to {one.payee}.",
                highlight=False,
                soft_wrap=True,
            )
            before |= way.balances(one.payee)
            for _ in range(request.times):
                problems += _buy(payer, way, url, request, one, console)
            after |= way.balances(one.payee)
        console.print(balance_table(before, after))
    if problems:
        count = request.times * len(wanted)
        raise WrongPayment(f"{len(problems)} of {count} failed: {problems[0]}.")


def local_ways(found: Announcement, parts: ExitStack) -> Mapping[str, Way]:
    """Return the local chains by network.

    Args:
        found: The addresses of their nodes.
        parts: Closes the connections.
    """
    rpc, solana_rpc = (
        parts.enter_context(Rpc(url)) for url in (found.rpc_url, found.solana_rpc_url)
    )
    fields = {"solanaRpcUrl": found.solana_rpc_url}
    chain, solana = Chain(rpc), SolanaChain(solana_rpc)
    return {
        NETWORK: Way("base-sepolia", "", chain, TOKEN, BUYER),
        SOLANA_NETWORK: Way("solana-devnet", "Solana ", solana, SOLANA_TOKEN, SOLANA_BUYER, fields),
    }


def client_command(layout: Layout) -> Sequence[str | Path]:
    """Return the command line of the official client `@x402/fetch`."""
    return (find_node(layout), layout.economy / "payer.js")


def fetch_requirements(url: str, request: PaidRequest) -> Sequence[Requirements]:
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
    return [
        Requirements(
            one["network"],
            int(one["amount"]),
            one["payTo"],
            one["asset"],
            one["scheme"],
            is_permit2=one["extra"].get("assetTransferMethod") == "permit2",
        )
        for one in json.loads(base64.b64decode(required))["accepts"]
    ]


def find_problem(purchase: Purchase, way: Way, requirements: Requirements) -> str | None:
    """Return what is wrong with a purchase; `None` if nothing is.

    A request that the API failed to serve must not have been paid.
    """
    is_upto = requirements.scheme == "upto"
    if is_upto and purchase.status < httpx.codes.BAD_REQUEST and not purchase.receipt:
        return None  # The script asked for nothing.
    if not purchase.receipt or not purchase.receipt.get("success"):
        return f"the response {purchase.status} has no receipt"
    name, amount = purchase.transaction, requirements.amount
    if is_upto:
        amount = min(amount, int(purchase.receipt["amount"]))
    expected = Transfer(way.wallet.address, requirements.payee, amount)
    has_transferred = way.chain.has_transferred(name, expected)
    if has_transferred is None:
        return f"the chain has no transaction {name}"
    return None if has_transferred else f"the transaction {name} did not transfer the price"


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
    way: Way,
    url: str,
    request: PaidRequest,
    requirements: Requirements,
    console: Console,
) -> list[str]:
    try:
        purchase = payer.pay(way.wallet, url, **request.fields(), **way.fields)
    except PayerError as error:
        return [error.message]
    problem = find_problem(purchase, way, requirements)
    receipt = f"receipt {purchase.transaction}" if purchase.receipt else "nothing charged"
    paid = receipt if problem is None else f"not paid: {problem}"
    body = purchase.body.strip()[:SHOWN_BODY_LENGTH]
    console.print(f"{purchase.status}, {paid}", highlight=False, soft_wrap=True)
    console.print(f"  {body}", highlight=False, markup=False, soft_wrap=True)
    return [problem] if problem else []
