"""Reads and writes the directory in `TENANT_KV`, and scripts in the dispatch namespace."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import cloudflare
import httpx
from cloudflare.types.kv.namespace_bulk_get_response import WorkersKVBulkGetResult

from cli.account_api import RUN_AGAIN, explained, open_account
from cli.deploy.deployed import Deployed, dispatcher_name, find_dispatcher
from cli.errors import CommandError, MissingError, NetworkError, StartupError
from cli.publish.directory import TENANT_KV, VARIABLE, DirectoryVariable, Published, read_variable
from cli.publish.scripts.bundle import Bundle
from cli.stores import Stores, named
from cli.targets import DISPATCH_NAMESPACE, NAMESPACE, SCRIPT_NAME, TENANT_KV_ID, Target
from core import keys

_OLD_TENANT_KV_ID: Final = "TENANT_KV_ID"

BULK_GET_MAX: Final = 100


class Store:
    """The directory and the scripts of one account.

    Args:
        client: A client for the account's API.
        account_id: The account.
        namespace: The dispatch namespace.
        tenant_kv_id: The KV namespace of the directory.
        variable: The records of the dispatcher's variable.
        dispatcher: The name of the dispatcher's Worker, if there is one on the account.
        deployed: The deployed dispatcher, if it reads this directory.
    """

    def __init__(
        self,
        client: cloudflare.Cloudflare,
        account_id: str,
        namespace: str,
        tenant_kv_id: str,
        variable: DirectoryVariable | None = None,
        dispatcher: str | None = None,
        deployed: Deployed | None = None,
    ) -> None:
        """Keep the arguments; no request is sent."""
        self._client = client
        self._account_id = account_id
        self.namespace = namespace
        self._kv_id = tenant_kv_id
        self.variable = variable or DirectoryVariable()
        self.dispatcher = dispatcher
        self._deployed = deployed

    def dispatcher_variables(self) -> Mapping[str, str]:
        """Return the variables of the dispatcher that reads this directory.

        Empty if they are not known: none is deployed, there are several and none was named, it
        reads another directory, or the token may not read it.
        """
        return self._deployed.variables if self._deployed is not None else {}

    @property
    def client(self) -> cloudflare.Cloudflare:
        """The client for the account's API."""
        return self._client

    @property
    def account_id(self) -> str:
        """The account."""
        return self._account_id

    def published(self, slug: str) -> Published:
        """Return what is published under a slug; `TENANT_KV` takes precedence."""
        record = self.document(keys.tenant(slug))
        publication = self.document(keys.publication(slug)) or {}
        if record is not None:
            return Published(record, TENANT_KV, publication)
        if slug in self.variable.records:
            return Published(self.variable.records[slug], VARIABLE, publication)
        return Published(publication=publication)

    def records(self) -> dict[str, Published]:
        """Return all records by slug, sorted; without what `clawr publish` stored about them."""
        found = {slug: Published(one, VARIABLE) for slug, one in self.variable.records.items()}
        stored = self.documents(keys.TENANT_PREFIX)
        found |= {
            key.removeprefix(keys.TENANT_PREFIX): Published(record, TENANT_KV)
            for key, record in stored.items()
        }
        return dict(sorted(found.items()))

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

    def script_names(self) -> frozenset[str]:
        """Return the names of all scripts of the namespace."""
        with explained(f"listing the scripts of {self.namespace}"):
            # The SDK has no method for this route.
            listed = self._client.get(
                f"/accounts/{self._account_id}/workers/dispatch/namespaces/{self.namespace}/scripts",
                cast_to=httpx.Response,
            )
        return frozenset(str(one["id"]) for one in listed.json()["result"] or ())

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
    target: Target,
    *,
    namespace: str | None = None,
    tenant_kv_id: str | None = None,
    dispatcher: str | None = None,
    seconds_max: float | None = None,
) -> Iterator[Store]:
    """Open the directory and the scripts of a target, for a `with` block.

    What is not given is taken from the settings, then from the bindings of the deployed dispatcher,
    whatever its stores are called. Without a dispatcher it has the names of wrangler.toml.

    Args:
        target: The account or `make dev`.
        namespace: The dispatch namespace.
        tenant_kv_id: The KV namespace of the directory.
        dispatcher: The dispatcher's name; `None` for the only one.
        seconds_max: Ends each request after this time, without another attempt; `None` for the
            usual patience.

    Raises:
        InputError: The account has several dispatchers.
        MissingError: There is no such dispatcher, or no KV namespace of the directory.
    """
    account = target.account
    settings = {} if target.is_local else target.settings
    namespace = namespace or settings.get(DISPATCH_NAMESPACE)
    kv_id = tenant_kv_id or settings.get(TENANT_KV_ID) or settings.get(_OLD_TENANT_KV_ID)
    name = dispatcher or settings.get(SCRIPT_NAME)
    with open_account(account, seconds_max) as client:
        deployed = None
        if not target.is_local:
            try:
                name = name or dispatcher_name(client, account.account_id)
                deployed = find_dispatcher(client, account.account_id, name) if name else None
            except CommandError:
                # Stores that are named need no dispatcher.
                if not (namespace and kv_id):
                    raise
        if deployed is not None:
            namespace = namespace or deployed.dispatch_namespace
            kv_id = kv_id or deployed.store_id(TENANT_KV)
            if kv_id != deployed.store_id(TENANT_KV):
                deployed = None  # It reads another directory.
        variable = deployed.variables.get(VARIABLE) if deployed else target.tenant_directory
        yield Store(
            client,
            account.account_id,
            namespace or NAMESPACE,
            kv_id or _find(client, account.account_id),
            read_variable(variable),
            name,
            deployed,
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
