"""Additions of `PAYMENTS=1` to a run: priced demo APIs, wallets and example payments."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from dev.economy import Economy
from dev.economy.pay import dollars
from dev.errors import UsageError
from dev.launch.examples import Example, curl, usable_tenants


def check_payments(text: str) -> bool:
    """Return whether `PAYMENTS` is 1.

    Raises:
        UsageError: It is not `1`, `0` or empty.
    """
    if text not in {"", "0", "1"}:
        raise UsageError(f"PAYMENTS={text} is unknown: use PAYMENTS=1, or leave it out.")
    return text == "1"


def with_priced_apis(tenant_directory: str, priced: Path) -> str:
    """Append the priced demo APIs to a tenant directory.

    They are separate records, so that `make demo` still calls the free ones.

    Args:
        tenant_directory: The directory as JSON text, in the list form.
        priced: The file with the priced APIs, in the same form.
    """
    directory = json.loads(tenant_directory)
    directory["tenants"] += json.loads(priced.read_text(encoding="utf-8"))["tenants"]
    return json.dumps(directory, ensure_ascii=False)


def payment_examples(
    url: str, tenant_directory: str | None, state: Path | None
) -> Iterator[Example]:
    """Yield example commands for a payment to the first priced API.

    Args:
        url: The dispatcher's address, without a trailing slash.
        tenant_directory: The tenant directory as JSON text.
        state: The run's STATE folder; `None` for the default.
    """
    slugs = [tenant.slug for tenant in usable_tenants(tenant_directory) if tenant.is_priced]
    if slugs:
        yield Example("A priced API, without payment", curl("-i", f"{url}/t/{slugs[0]}/"))
        where = [f"STATE={state}"] if state else []
        command = shlex.join(["make", "pay", f"API={slugs[0]}", *where])
        yield Example("The same API, paid by the buyer", command)


def wallet_lines(economy: Economy) -> Iterator[str]:
    """Yield lines about the wallets, the chains and the facilitator."""
    yield "Wallets on the local chains (published keys, worthless anywhere else):"
    for name, wallet in (("buyer", economy.buyer), ("second buyer", economy.second_buyer)):
        balance = dollars(economy.chain.balance(wallet.address))
        yield f"  {name} {wallet.address} has {balance}, key {wallet.private_key}"
    yield f"  payee {economy.payee}"
    solana = economy.solana_buyer
    balance = dollars(economy.solana.balance(solana.address))
    yield f"  Solana buyer {solana.address} has {balance}, key {solana.private_key}"
    yield f"Chain at {economy.rpc_url}, facilitator at {economy.facilitator_url}"
    yield f"Solana chain at {economy.solana_rpc_url}"
