"""What a deployment was asked for."""

from dataclasses import dataclass, field
from typing import Final

from cli.errors import InputError
from cli.names import check_name
from cli.stores import check_kv_title

USAGE_KV: Final = "USAGE_KV"
TENANT_KV: Final = "TENANT_KV"
CONTROL_DB: Final = "CONTROL_DB"
DISPATCHER: Final = "DISPATCHER"


@dataclass(frozen=True, slots=True)
class WantedStore:
    """A KV namespace or database, by id or by name.

    Args:
        id: Its id, if given.
        name: What it is found and made by.
    """

    id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """A deployment.

    Args:
        script_name: What the Worker is called.
        dispatch_namespace: Where the scripts of APIs are.
        usage_kv: Where the log is.
        tenant_kv: Where the directory is.
        control_db: Where the ledger is.
        creates_missing: Whether stores that are not there are made.
        keeps_variables: Whether variables stay that only the deployed Worker has.
        replaced_secrets: Names of secrets to be set though they are set.
        domains: Hosts that become the Worker's own.
        routes: Patterns of a zone's URLs.
    """

    script_name: str
    dispatch_namespace: str
    usage_kv: WantedStore
    tenant_kv: WantedStore
    control_db: WantedStore
    creates_missing: bool = False
    keeps_variables: bool = True
    replaced_secrets: frozenset[str] = field(default_factory=frozenset)
    domains: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the names."""
        check_name(self.script_name, "Worker")
        check_name(self.dispatch_namespace, "dispatch namespace")
        check_kv_title(self.usage_kv.name)
        check_kv_title(self.tenant_kv.name)
        for store in (self.usage_kv, self.tenant_kv, self.control_db):
            if store.id is not None and not _is_id(store.id):
                raise InputError(
                    f"{store.id!r} is not the id of a KV namespace or D1 database.",
                    "`clawr kv list` shows ids.",
                )


def _is_id(text: str) -> bool:
    digits = text.replace("-", "")
    return bool(digits) and digits.isascii() and digits.isalnum() and len(text) <= 64


def refuse_local(*, is_local: bool) -> None:
    """Return if an account is meant: `make dev` runs this clone's dispatcher from its sources.

    Raises:
        InputError: The `make dev` of this machine is meant.
    """
    if is_local:
        raise InputError(
            "`make dev` runs the dispatcher of this clone already: there is nothing to deploy.",
            "Leave out --local to see the plan for an account, with or without a token.",
        )
