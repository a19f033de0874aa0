"""Reads and writes the directory in `TENANT_KV`, and scripts in the dispatch namespace."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import cloudflare
from cloudflare.types.kv.namespace_bulk_get_response import WorkersKVBulkGetResult

from cli.account_api import RUN_AGAIN, explained, open_account
from cli.deploy.deployed import Deployed, find_dispatcher
from cli.errors import CommandError, MissingError, NetworkError, StartupError
from cli.publish.scripts.bundle import Bundle
from cli.stores import Stores, named
from cli.targets import DISPATCH_NAMESPACE, NAMESPACE, SCRIPT_NAME, TENANT_KV_ID, Target

TENANT_KV: Final = "TENANT_KV"
"""The binding's name, and the title of its namespace if no id is given."""

_OLD_TENANT_KV_ID: Final = "TENANT_KV_ID"

BULK_GET_MAX: Final = 100


class Store:
    """The directory and the scripts of one account.

    Args:
        client: A client for the account's API.
        account_id: The account.
        namespace: The dispatch namespace.
        tenant_kv_id: The KV namespace of the directory.
        find: Returns the dispatcher, or `None` if there is none.
    """

    def __init__(
        self,
        client: cloudflare.Cloudflare,
        account_id: str,
        namespace: str,
        tenant_kv_id: str,
        find: Callable[[], Deployed | None],
    ) -> None:
        """Keep the arguments; no request is sent."""
        self._client = client
        self._account_id = account_id
        self.namespace = namespace
        self._kv_id = tenant_kv_id
        self._find = find

    def dispatcher_variables(self) -> Mapping[str, str]:
        """Return the variables of the dispatcher that reads this directory.

        Empty if they are not known: none is deployed, there are several and none was named, it
        reads another directory, or the token may not read it.
        """
        try:
            deployed = self._find()
        except CommandError:
            return {}
        if deployed is None or deployed.store_id(TENANT_KV) != self._kv_id:
            return {}
        return deployed.variables

    def text(self, key: str) -> str | None:
        """Return a value of the directory, or `None`."""
        with explained(f"reading {key} of {TENANT_KV}"):
            try:
                response = self._client.kv.namespaces.values.get(
                    key, account_id=self._account_id, namespace_id=self._kv_id
                )
            except cloudflare.NotFoundError:
                return None
            return response.text()

    def document(self, key: str) -> dict[str, Any] | None:
        """Return a value as a JSON object; empty if it is not one."""
        text = self.text(key)
        return None if text is None else _object(text)

    def documents(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Return all values whose key starts with `prefix`, by key."""
        with explained(f"listing {TENANT_KV}"):
            listed = self._client.kv.namespaces.keys.list(
                self._kv_id, account_id=self._account_id, prefix=prefix
            )
            names = [key.name for key in listed]
        found: dict[str, str] = {}
        for start in range(0, len(names), BULK_GET_MAX):
            found |= self._texts(names[start : start + BULK_GET_MAX])
        return {name: _object(text) for name, text in found.items()}

    def write(self, key: str, value: str) -> None:
        """Write a value of the directory."""
        with explained(f"writing {key} of {TENANT_KV}"):
            # The SDK's method for a single value accepts files only.
            result = self._client.kv.namespaces.bulk_update(
                self._kv_id, account_id=self._account_id, body=[{"key": key, "value": value}]
            )
        if result and result.unsuccessful_keys:
            raise NetworkError(f"Cloudflare could not write {key} to {TENANT_KV}.", RUN_AGAIN)

    def delete(self, key: str) -> None:
        """Delete a value of the directory, if it exists."""
        with explained(f"deleting {key} of {TENANT_KV}"):
            try:
                self._client.kv.namespaces.values.delete(
                    key, account_id=self._account_id, namespace_id=self._kv_id
                )
            except cloudflare.NotFoundError:
                return

    def script_tags(self, name: str) -> Sequence[str] | None:
        """Return the tags of a script, or `None` if it does not exist."""
        with explained(f"reading the script {name}"):
            try:
                found = self._client.workers_for_platforms.dispatch.namespaces.scripts.get(
                    name, account_id=self._account_id, dispatch_namespace=self.namespace
                )
            except cloudflare.NotFoundError:
                return None
        return (found.script.tags if found.script else None) or ()

    def upload(self, name: str, bundle: Bundle, tags: Sequence[str]) -> None:
        """Upload a script; one of the same name is replaced."""
        path = (
            f"/accounts/{self._account_id}/workers/dispatch/namespaces/{self.namespace}"
            f"/scripts/{name}"
        )
        # The SDK's method names all parts `files`; Cloudflare needs a module's path there.
        files = [(one.name, (one.name, one.content, one.media_type)) for one in bundle.modules]
        body = {"metadata": bundle.metadata(tags)}

        def upload() -> None:
            with explained(f"uploading the script {name}"):
                self._client.put(
                    path,
                    cast_to=object,
                    body=body,
                    files=files,
                    options={
                        "headers": {"Content-Type": "multipart/form-data"},
                        "multipart_syntax": "json",
                    },
                )

        try:
            upload()
        except StartupError:
            # It depends on the load of the machine that loads the script.
            upload()

    def delete_script(self, name: str) -> None:
        """Delete a script, if it exists."""
        with explained(f"deleting the script {name}"):
            try:
                self._client.workers_for_platforms.dispatch.namespaces.scripts.delete(
                    name, account_id=self._account_id, dispatch_namespace=self.namespace
                )
            except cloudflare.NotFoundError:
                return

    def _texts(self, names: Sequence[str]) -> Mapping[str, str]:
        with explained(f"reading {TENANT_KV}"):
            result = self._client.kv.namespaces.bulk_get(
                self._kv_id, account_id=self._account_id, keys=[*names], type="text"
            )
        values = result.values if isinstance(result, WorkersKVBulkGetResult) else None
        return {name: text for name, text in (values or {}).items() if isinstance(text, str)}


@contextmanager
def open_store(
    target: Target, *, namespace: str | None, tenant_kv_id: str | None, dispatcher: str | None
) -> Iterator[Store]:
    """Open the directory and the scripts of a target, for a `with` block.

    What is not given is taken from the settings, then from the bindings of the deployed dispatcher,
    whatever its stores are called. Without a dispatcher it has the names of wrangler.toml.

    Args:
        target: The account or `make dev`.
        namespace: The dispatch namespace.
        tenant_kv_id: The KV namespace of the directory.
        dispatcher: The dispatcher's name; `None` for the only one.

    Raises:
        InputError: The account has several dispatchers.
        MissingError: There is no such dispatcher, or no KV namespace of the directory.
    """
    account = target.account
    settings = {} if target.is_local else target.settings
    namespace = namespace or settings.get(DISPATCH_NAMESPACE)
    kv_id = tenant_kv_id or settings.get(TENANT_KV_ID) or settings.get(_OLD_TENANT_KV_ID)
    with open_account(account) as client:

        @cache
        def find() -> Deployed | None:
            name = dispatcher or settings.get(SCRIPT_NAME)
            return find_dispatcher(client, account.account_id, name)

        if not target.is_local and not (namespace and kv_id):
            deployed = find()
            if deployed is not None:
                namespace = namespace or deployed.dispatch_namespace
                kv_id = kv_id or deployed.store_id(TENANT_KV)
        yield Store(
            client,
            account.account_id,
            namespace or NAMESPACE,
            kv_id or _find(client, account.account_id),
            find,
        )


def _find(client: cloudflare.Cloudflare, account_id: str) -> str:
    stores = Stores(client, account_id).kv_namespaces()
    found = named(stores, TENANT_KV)
    if found is not None:
        return found.id
    titles = ", ".join(one.name for one in stores) or "none"
    raise MissingError(
        f"No dispatcher with a directory is deployed, and no KV namespace is titled {TENANT_KV}. "
        f"Existing titles: {titles}.",
        f"Set its id with --tenant-kv-id or {TENANT_KV_ID}; `clawr deploy-dispatcher` deploys a "
        "dispatcher, and `clawr kv create` creates a namespace.",
    )


def _object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
