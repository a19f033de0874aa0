"""The KV namespace of the usage log, reached through the account's API."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import cloudflare
from cloudflare.types.kv.namespace_bulk_update_params import Body

from cli.account_api import explained
from cli.errors import CommandError, InputError, MissingError
from dev.launch.config import load_production_config
from dev.layout import HERE

BINDING: Final = "USAGE_KV"
KEYS_READ_MAX: Final = 100
KEYS_WRITTEN_MAX: Final = 2_000
"""Keys of one request; Cloudflare takes 10,000, and people like to see it move."""
ATTEMPTS: Final = 4


@dataclass(frozen=True, slots=True)
class UsageStore:
    """One KV namespace.

    Args:
        client: A client of the account's API.
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
            names: Keys, as many as you like.
            advance: Called with how many were asked for.
        """
        found: dict[str, str] = {}
        for start in range(0, len(names), KEYS_READ_MAX):
            some = names[start : start + KEYS_READ_MAX]
            with explained("reading from the usage log"):
                answer = self.client.kv.namespaces.bulk_get(
                    self.namespace_id, account_id=self.account_id, keys=list(some), type="text"
                )
            values = getattr(answer, "values", None) or {}
            found |= {name: str(value) for name, value in values.items() if value is not None}
            advance(len(some))
        return found

    def write(
        self, pairs: Sequence[dict[str, Any]], advance: Callable[[int], None] = lambda _count: None
    ) -> None:
        """Write pairs, in order; those that Cloudflare could not write are tried again.

        Args:
            pairs: Of the bulk write: `key`, `value`, `metadata`, `expiration_ttl`.
            advance: Called with how many were written.

        Raises:
            CommandError: It was refused, or some could not be written.
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
                    "Run the same command again: what is written stays written, and counts once.",
                )
            advance(len(some))

    def _write(self, pairs: Sequence[dict[str, Any]]) -> Sequence[str]:
        with explained("writing to the usage log"):
            answer = self.client.kv.namespaces.bulk_update(
                self.namespace_id, account_id=self.account_id, body=cast(list[Body], pairs)
            )
        return (answer and answer.unsuccessful_keys) or ()


def find_usage_store(
    client: cloudflare.Cloudflare, account_id: str, given: str | None, *, is_local: bool
) -> UsageStore:
    """Return the namespace that the dispatcher's `USAGE_KV` is.

    Args:
        client: A client of the account's API.
        account_id: The account.
        given: Its id, if that was said.
        is_local: Whether it is a `make dev`, whose namespaces are called like their bindings.

    Raises:
        InputError: Nothing says which one it is.
        MissingError: The `make dev` has none.
    """
    if not given and not is_local:
        bindings = load_production_config(HERE.wrangler_toml).get("kv_namespaces", [])
        given = next((one.get("id") for one in bindings if one.get("binding") == BINDING), None)
        if not given:
            raise InputError(
                f"wrangler.toml does not say which KV namespace {BINDING} is.",
                "Give its id with --usage-kv-id; `clawr kv list` shows them.",
            )
    if not given:
        with explained("listing KV namespaces"):
            listed = client.kv.namespaces.list(account_id=account_id)
            given = next((one.id for one in listed if one.title == BINDING), None)
        if not given:
            raise MissingError(f"The running `make dev` has no KV namespace {BINDING}.")
    return UsageStore(client, account_id, given)
