"""Implements `clawr token`: creators' tokens, which see only the usage of certain tenants.

The dispatcher reads them from `TENANT_KV`, where only their SHA-256 is (`api.limited`).
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from api.limited.stored_tokens import CACHED_SECONDS
from api.tokens import STORED_PREFIX, TENANT_SCOPES, TENANTS_MAX, digest, stored_token
from cli.errors import ConflictError, InputError, MissingError
from cli.output import NOTHING_CHANGED, Output
from cli.publish.store import Store
from cli.publish.unpublish import KV_SECONDS
from core import keys

_SECRET_BYTES: Final = 32


def create_token(
    store: Store,
    output: Output,
    *,
    name: str,
    tenants: Sequence[str],
    scopes: Sequence[str],
    not_after: str | None,
    execute: bool,
) -> None:
    """Show what a new token would see; with `execute`, store it and print its secret once.

    Args:
        store: The directory.
        output: The output.
        name: Its name, which is not that of another token.
        tenants: The ids of its tenants, at least one.
        scopes: What it may do.
        not_after: When it expires, as a time with a zone; None for never.
        execute: Whether to store it.

    Raises:
        InputError: A value is invalid.
        ConflictError: The name is taken.
    """
    token = f"{STORED_PREFIX}{secrets.token_urlsafe(_SECRET_BYTES)}"
    value: dict[str, Any] = {
        "name": name,
        "scopes": sorted(set(scopes)),
        "tenants": sorted(set(tenants)),
        "createdAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    if not_after is not None:
        value["notAfter"] = not_after
    if stored_token(json.dumps(value), digest(token)) is None:
        raise InputError(
            "The dispatcher would reject this token.",
            "A name has 1 to 64 letters, digits, `.`, `_` or `-`; scopes are"
            f" {' and '.join(TENANT_SCOPES)}; there are at most {TENANTS_MAX} tenants; --not-after"
            " is a time with a zone, such as 2027-01-01T00:00Z.",
        )
    with output.working("Reading …"):
        if any(one.get("name") == name for one in _stored(store).values()):
            raise ConflictError(
                f"There is a token {name} already.",
                "Choose another --name, or revoke that one first: clawr token revoke NAME.",
            )
        known = {record.get("tenantId") for record in store.documents(keys.TENANT_PREFIX).values()}
    if execute:
        store.write(keys.token(digest(token).hex()), json.dumps(value))
    document = {
        **value,
        "executed": execute,
        "token": token if execute else None,
        "withoutApis": sorted(set(tenants) - known),
    }
    output.result(document, lambda console: _show_created(console, document))


def list_tokens(store: Store, output: Output) -> None:
    """Show the tokens without their secrets, by name."""
    with output.working("Reading …"):
        found = _stored(store)
    shown = sorted(
        ({"sha256": key.removeprefix(keys.TOKEN_PREFIX), **value} for key, value in found.items()),
        key=lambda one: str(one.get("name")),
    )
    output.result({"tokens": shown}, lambda console: _show_list(console, shown))


def revoke_token(store: Store, output: Output, name: str, *, is_local: bool, execute: bool) -> None:
    """Show which token would be deleted; with `execute`, delete it.

    Args:
        store: The directory.
        output: The output.
        name: The token's name.
        is_local: Whether the target is `make dev`.
        execute: Whether to delete it.

    Raises:
        MissingError: There is no such token.
    """
    with output.working("Reading …"):
        found = {key for key, value in _stored(store).items() if value.get("name") == name}
    if not found:
        raise MissingError(
            f"There is no token {name}.",
            "`clawr token list` lists them. Tokens of PLATFORM_TOKENS are changed in that setting.",
        )
    if execute:
        for key in sorted(found):
            store.delete(key)
    seconds = CACHED_SECONDS + (0 if is_local else KV_SECONDS)
    document = {"name": name, "executed": execute, "rejectedAfterSeconds": seconds}

    def show(console: Console) -> None:
        _line(console, f"{name}: {'revoked' if execute else 'would be revoked'}")
        _line(
            console,
            f"It may still be accepted for {seconds} s." if execute else NOTHING_CHANGED,
        )

    output.result(document, show)


def _stored(store: Store) -> Mapping[str, Mapping[str, Any]]:
    return store.documents(keys.TOKEN_PREFIX)


def _show_created(console: Console, document: Mapping[str, Any]) -> None:
    done = document["executed"]
    _line(console, f"Token {document['name']}: {'created' if done else 'would be created'}")
    _line(console, f"  sees only: {', '.join(document['tenants'])}")
    _line(console, f"  scopes: {', '.join(document['scopes'])}")
    _line(console, f"  expires: {document.get('notAfter', 'never')}")
    for tenant in document["withoutApis"]:
        _line(console, f"  note: no published API has the tenant {tenant}")
    if not done:
        _line(console, NOTHING_CHANGED)
        return
    _line(console, "The token, which is shown only now:")
    _line(console, document["token"])


def _show_list(console: Console, tokens: Sequence[Mapping[str, Any]]) -> None:
    if not tokens:
        _line(console, "No tokens. Create one: clawr token create --tenant TENANT.")
        return
    table = Table("name", "tenants", "scopes", "created", "expires", box=None)
    for one in tokens:
        table.add_row(
            *(
                _text(one.get(name))
                for name in ("name", "tenants", "scopes", "createdAt", "notAfter")
            )
        )
    console.print(table)


def _text(value: object) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False)
