"""Compares an upload with the deployed Worker: bindings, variables and schedules.

The digest of the last deployment decides whether an upload is needed. This comparison describes the
changes, and also finds changes made by other means since.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.deploy.deployed import DIGEST_VARIABLE, SECRET_TYPES, VARIABLE_TYPES, Deployed

ADDED: Final = "+"
CHANGED: Final = "~"
REMOVED: Final = "-"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Args:
        sign: `+`, `~` or `-`.
        what: What differs, in a few words, without values of variables.
    """

    sign: str
    what: str

    def __str__(self) -> str:
        """Return it as a line of the plan."""
        return f"{self.sign} {self.what}"


def binding_changes(
    wanted: Sequence[Mapping[str, Any]], deployed: Deployed, *, keeps_variables: bool
) -> Iterator[Change]:
    """Yield the differences of bindings, including variables.

    Args:
        wanted: The bindings of the upload.
        deployed: The deployed Worker.
        keeps_variables: Whether variables that only the deployed Worker has are kept.
    """
    before = {str(one["name"]): one for one in deployed.bindings if _counts(one)}
    after = {str(one["name"]): one for one in wanted if _counts(one)}
    for name, one in after.items():
        if name not in before:
            yield Change(ADDED, described(one))
        elif _differ(one, before[name]):
            is_text = one["type"] in VARIABLE_TYPES
            old = "" if is_text else f"; was {described(before[name])}"
            yield Change(CHANGED, f"{described(one)}{old}")
    for name, one in before.items():
        is_kept = keeps_variables and one["type"] in VARIABLE_TYPES
        if name not in after and not is_kept:
            yield Change(REMOVED, described(one))


def kept_variables(wanted: Sequence[Mapping[str, Any]], deployed: Deployed | None) -> list[str]:
    """Return the names of variables that only the deployed Worker has."""
    names = {one["name"] for one in wanted}
    return sorted(
        str(one["name"])
        for one in (deployed.bindings if deployed else ())
        if one.get("type") in VARIABLE_TYPES
        and one["name"] not in names
        and one["name"] != DIGEST_VARIABLE
    )


def cron_changes(wanted: Sequence[str], deployed: Deployed) -> Iterator[Change]:
    """Yield the differences of schedules."""
    for cron in wanted:
        if cron not in deployed.crons:
            yield Change(ADDED, f"schedule {cron}")
    for cron in deployed.crons:
        if cron not in wanted:
            yield Change(REMOVED, f"schedule {cron}")


def object_changes(migrations: Sequence[Mapping[str, Any]], deployed: Deployed) -> Iterator[Change]:
    """Yield the migrations of Durable Object classes that the deployed Worker lacks.

    Args:
        migrations: All migrations, oldest first.
        deployed: The deployed Worker; its newest migration is one of them, or it has none.
    """
    tags = [str(one["tag"]) for one in migrations]
    first = tags.index(deployed.migration_tag) + 1 if deployed.migration_tag else 0
    for tag in tags[first:]:
        yield Change(ADDED, f"Durable Object migration {tag}")


def described(binding: Mapping[str, Any]) -> str:
    """Return a binding in a few words, without a variable's value."""
    kind = str(binding.get("type"))
    name = binding.get("name")
    match kind:
        case "kv_namespace":
            detail = f"KV namespace {binding.get('namespace_id')}"
        case "d1":
            detail = f"D1 database {binding.get('id') or binding.get('database_id')}"
        case "dispatch_namespace":
            detail = f"dispatch namespace {binding.get('namespace')}"
        case "durable_object_namespace":
            detail = f"Durable Object class {binding.get('class_name')}"
        case "ratelimit":
            simple = binding.get("simple") or {}
            detail = f"{simple.get('limit')} requests per {simple.get('period')} s"
        case "plain_text" | "json":
            detail = "variable"
        case "assets":
            detail = "static files"
        case _:
            detail = kind.replace("_", " ")
    return f"{name} ({detail})"


def _counts(binding: Mapping[str, Any]) -> bool:
    return binding.get("type") not in SECRET_TYPES and binding.get("name") != DIGEST_VARIABLE


def _differ(wanted: Mapping[str, Any], deployed: Mapping[str, Any]) -> bool:
    # Cloudflare adds fields, and has two names for a database's id.
    return any(
        _differ(value, deployed[field])
        if isinstance(value, dict) and isinstance(deployed.get(field), dict)
        else deployed.get(field, value) != value
        for field, value in wanted.items()
    )
