"""What `PAYMENTS=1` adds to a run: a local economy, priced demo APIs, and how to pay them."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from dev.economy import Economy
from dev.economy.pay import dollars
from dev.errors import UsageError
from dev.launch.examples import Example, curl


def check_payments(text: str) -> bool:
    """Return whether `PAYMENTS` asks for payments.

    Raises:
        UsageError: It is neither `1` nor `0` nor empty.
    """
    if text not in {"", "0", "1"}:
        raise UsageError(f"PAYMENTS={text} is unknown: use PAYMENTS=1, or leave it out.")
    return text == "1"


def with_priced_apis(tenant_directory: str, priced: Path) -> str:
    """Return a tenant directory with the priced demo APIs at its end.

    They are records of their own, so that the free ones stay what `make demo` calls.

    Args:
        tenant_directory: The directory's JSON text, in the shape of a list.
        priced: The file with the priced ones, in the same shape.
    """
    directory = json.loads(tenant_directory)
    directory["tenants"] += json.loads(priced.read_text(encoding="utf-8"))["tenants"]
    return json.dumps(directory, ensure_ascii=False)


def payment_examples(
    url: str, tenant_directory: str | None, state: Path | None
) -> Iterator[Example]:
    """Yield the commands that show a payment, for the first API that is priced.

    Args:
        url: The dispatcher's address, without a slash at the end.
        tenant_directory: The tenant directory's JSON text.
        state: The run's STATE; `None` for the default one.
    """
    tenants = json.loads(tenant_directory or "{}").get("tenants", [])
    slugs = [tenant["slug"] for tenant in tenants if tenant.get("x402Enabled") is True]
    if slugs:
        yield Example("A priced API asks for payment", curl("-i", f"{url}/t/{slugs[0]}/"))
        where = [f"STATE={state}"] if state else []
        command = shlex.join(["make", "pay", f"API={slugs[0]}", *where])
        yield Example("Paying it as the buyer", command)


def wallet_lines(economy: Economy) -> Iterator[str]:
    """Yield a line about each side of the money."""
    yield "Wallets on the local chain (published keys, worthless anywhere else):"
    for name, wallet in (("buyer", economy.buyer), ("second buyer", economy.second_buyer)):
        balance = dollars(economy.chain.balance(wallet.address))
        yield f"  {name} {wallet.address} has {balance}, key {wallet.private_key}"
    yield f"  payee {economy.payee}"
    yield f"Chain at {economy.rpc_url}, facilitator at {economy.facilitator_url}"
