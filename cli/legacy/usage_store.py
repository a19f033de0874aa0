"""Reads and writes the KV namespace of the usage log through the account's API."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import cloudflare
from cloudflare.types.kv.namespace_bulk_update_params import Body

from cli.account_api import explained
from cli.errors import CommandError, InputError, MissingError
from cli.stores import Stores, named
from dev.launch.config import load_production_config
from dev.layout import HERE

BINDING: Final = "USAGE_KV"
KEYS_READ_MAX: Final = 100
KEYS_WRITTEN_MAX: Final = 2_000
"""Keys per request. Cloudflare allows 10,000; smaller requests show progress."""
ATTEMPTS: Final = 4


@dataclass(frozen=True, slots=True)
class UsageStore:
    """One KV namespace.

    Args:
        client: A client for the account's API.
        account_id: The account.
        namespace_id: The namespace.
    """

    client: cloudflare.Cloudflare
    account_id: str
    namespace_id: str

    def values(
        self, names: Sequence[str], advance: Callable[[int], None] = lambda _count: None
    ) -> dict[str, str]:
        """Return the values of those keys that exist.

        Args:
            names: Any number of keys.
            advance: Called with the number of keys of each request.
        """
        found: dict[str, str] = {}
        for start in range(0, len(names), KEYS_READ_MAX):
            some = names[start : start + KEYS_READ_MAX]
            with explained("reading from the usage log"):
                result = self.client.kv.namespaces.bulk_get(
                    self.namespace_id, account_id=self.account_id, keys=list(some), type="text"
                )
            values = getattr(result, "values", None) or {}
            found |= {name: str(value) for name, value in values.items() if value is not None}
            advance(len(some))
        return found

    def write(
        self, pairs: Sequence[dict[str, Any]], advance: Callable[[int], None] = lambda _count: None
    ) -> None:
        """Write pairs in order; those that Cloudflare could not write are retried.

        Args:
            pairs: Pairs for KV's bulk write: `key`, `value`, `metadata`, `expiration_ttl`.
            advance: Called with the number of pairs of each request.

        Raises:
            CommandError: A request was rejected, or some pairs could not be written.
        """
        for start in range(0, len(pairs), KEYS_WRITTEN_MAX):
            some = pairs[start : start + KEYS_WRITTEN_MAX]
            left: Iterable[str] = [pair["key"] for pair in some]
            for _ in range(ATTEMPTS):
                wanted = frozenset(left)
                left = self._write([pair for pair in some if pair["key"] in wanted])
                if not left:
                    break
            else:
                raise CommandError(
                    f"Cloudflare could not write {len(list(left))} keys of the usage log.",
                    "Run the same command again. Events that were written are counted only once.",
                )
            advance(len(some))

    def _write(self, pairs: Sequence[dict[str, Any]]) -> Sequence[str]:
        with explained("writing to the usage log"):
            result = self.client.kv.namespaces.bulk_update(
                self.namespace_id, account_id=self.account_id, body=cast(list[Body], pairs)
            )
        return (result and result.unsuccessful_keys) or ()


def find_usage_store(
    client: cloudflare.Cloudflare, account_id: str, given: str | None, *, is_local: bool
) -> UsageStore:
    """Return the KV namespace that is bound as the dispatcher's `USAGE_KV`.

    Args:
        client: A client for the account's API.
        account_id: The account.
        given: Its id, if given.
        is_local: Whether the target is `make dev`, whose namespaces have their bindings' names.

    Raises:
        InputError: The id is neither given nor in wrangler.toml.
        MissingError: `make dev` has no such namespace.
    """
    if not given and not is_local:
        bindings = load_production_config(HERE.wrangler_toml).get("kv_namespaces", [])
        given = next((one.get("id") for one in bindings if one.get("binding") == BINDING), None)
        if not given:
            raise InputError(
                f"The id of the KV namespace {BINDING} is not known: wrangler.toml has none.",
                "Set it with --usage-kv-id; `clawr kv list` lists the ids.",
            )
    if not given:
        found = named(Stores(client, account_id).kv_namespaces(), BINDING)
        if found is None:
            raise MissingError(
                f"The running `make dev` has no KV namespace {BINDING}.", "Start it again."
            )
        given = found.id
    return UsageStore(client, account_id, given)
