"""The options of a deployment, validated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cli.errors import InputError
from cli.names import check_name
from cli.stores import check_kv_title
from dev.layout import Layout

USAGE_KV: Final = "USAGE_KV"
TENANT_KV: Final = "TENANT_KV"
CONTROL_DB: Final = "CONTROL_DB"
DISPATCHER: Final = "DISPATCHER"


@dataclass(frozen=True, slots=True)
class WantedStore:
    """A KV namespace or database to bind.

    Args:
        id: Its id, if given.
        name: The title or name by which it is found or created otherwise.
    """

    id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """A deployment.

    Args:
        script_name: The Worker's name.
        dispatch_namespace: The dispatch namespace of the APIs' scripts.
        usage_kv: The KV namespace of the usage log.
        tenant_kv: The KV namespace of the directory.
        control_db: The database of the ledger.
        creates_missing: Whether to create missing stores.
        keeps_variables: Whether to keep variables that only the deployed Worker has.
        replaced_secrets: Names of secrets to overwrite.
        domains: Custom domains.
        routes: Route patterns.
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
                    "`clawr kv list` lists the ids of KV namespaces.",
                )


def _is_id(text: str) -> bool:
    digits = text.replace("-", "")
    return bool(digits) and digits.isascii() and digits.isalnum() and len(text) <= 64


def required(option: str, setting: str, given: str | None, settings: Mapping[str, str]) -> str:
    """Return an option's value, or the setting's; raises `InputError` if neither is given."""
    value = given or settings.get(setting)
    if not value:
        raise InputError(
            f"{option} is missing.",
            f"Give it, or set {setting} in the environment or in the --env file.",
        )
    return value


def refuse_local(*, is_local: bool) -> None:
    """Raise `InputError` for `--local`: `make dev` runs the dispatcher from its sources."""
    if is_local:
        raise InputError(
            "`make dev` already runs the dispatcher of this clone; there is nothing to deploy.",
            "Remove --local to see the plan for an account, with or without a token.",
        )


def refuse_without_clone(layout: Layout) -> None:
    """Raise `InputError` if this is not a clone of the dispatcher."""
    if not layout.is_clone:
        raise InputError(
            "This command deploys a clone of the dispatcher, and was installed without one.",
            "Run it in the clone: `make clawr` installs it there.",
        )
