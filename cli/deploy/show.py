"""Formats a plan and its result, as JSON and as text. Neither contains values of secrets."""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from cli.deploy.changes import described
from cli.deploy.deployed import VARIABLE_TYPES
from cli.deploy.execution import Deployment
from cli.deploy.inspection import Inspection
from cli.deploy.plan import Plan
from cli.deploy.platform_limits import STARTUP_MS_MAX
from cli.deploy.resources import Origin, Resource
from dev.launch.settings import DIRECTORY

_SHOWN_CHARACTERS_MAX = 60
_RATE_LIMIT = "ratelimit"


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON."""
    metadata = plan.bundle.metadata
    deployed = plan.deployed
    return {
        "scriptName": plan.request.script_name,
        "mainModule": metadata["main_module"],
        "compatibilityDate": metadata["compatibility_date"],
        "compatibilityFlags": metadata.get("compatibility_flags", []),
        "resources": [
            {
                "binding": one.binding,
                "kind": one.what,
                "name": one.name or None,
                "id": one.id,
                "origin": one.origin.name.lower(),
            }
            for one in plan.resources
        ],
        "bindings": [
            {"name": one["name"], "type": one["type"], "detail": described(one)}
            for one in plan.bindings
            if one["type"] not in VARIABLE_TYPES
        ],
        "variables": {
            "uploaded": {name: shown_text(name, text) for name, text in _variables(plan)},
            "kept" if plan.request.keeps_variables else "removed": list(plan.kept_variables),
        },
        "secrets": {
            "kept": list(plan.secrets.kept),
            "set": sorted(plan.secrets.fresh),
            "missing": dict(plan.secrets.advice),
        },
        "crons": list(plan.crons),
        "routes": plan.config.get("routes", []),
        "assets": {
            "files": len(plan.bundle.assets),
            "bytes": sum(size for size, _ in plan.bundle.assets.values()),
        },
        "durableObjectMigrations": [one["tag"] for one in plan.object_migrations],
        "databaseMigrations": {"all": list(plan.migrations), "pending": list(plan.pending)},
        "modules": len(plan.bundle.modules),
        "limits": [
            {"what": one.what, "value": one.value, "free": one.free, "paid": one.paid}
            for one in plan.measures
        ],
        "digest": plan.bundle.digest,
        "deployed": {
            "versionId": deployed.version_id,
            "madeAt": deployed.created_at,
            "source": deployed.source,
            "digest": deployed.digest,
        }
        if deployed
        else None,
        "notCompared": plan.not_compared,
        "changes": None
        if plan.not_compared
        else [{"sign": one.sign, "what": one.what} for one in plan.changes],
    }


def show_plan(plan: Plan, console: Console) -> None:
    """Print a plan as text."""
    metadata = plan.bundle.metadata
    console.print(f"[bold]Worker {plan.request.script_name}[/], ", end="")
    _plain(
        console,
        f"{metadata['main_module']}, compatibility date {metadata['compatibility_date']}",
    )
    _section(console, "Bindings", _binding_rows(plan))
    variables = [(name, shown_text(name, text)) for name, text in _variables(plan)]
    state = "kept" if plan.request.keeps_variables else "will be removed"
    kept = [(name, f"{state}; only the deployed Worker has it") for name in plan.kept_variables]
    _section(console, "Variables", [*variables, *kept])
    _section(console, "Secrets", _secret_rows(plan))
    _section(console, "Other settings", _other_rows(plan))
    _section(
        console,
        "Limits",
        [(one.what, f"{one.value:,}", _limit(one.free, one.paid)) for one in plan.measures],
    )
    if plan.not_compared:
        console.print("[bold yellow]Not compared with an account:[/] ", end="")
        _plain(console, plan.not_compared)
        return
    changes = plan.changes
    if not changes:
        console.print("[bold green]No changes:[/] ", end="")
        _plain(console, "the deployed Worker is up to date.")
        return
    console.print("[bold]Changes[/]")
    for change in changes:
        _plain(console, f"  {change}")


def result_document(deployment: Deployment | None, inspection: Inspection) -> dict[str, Any]:
    """Return the result as JSON; `deployment` is `None` if there were no changes."""
    return {
        "deployment": {
            "versionId": deployment.version_id,
            "startupMs": deployment.startup_ms,
            "made": list(deployment.created),
            "migrationsApplied": list(deployment.applied),
            "secretsSet": list(deployment.secrets),
            "addresses": list(deployment.addresses),
        }
        if deployment
        else None,
        "inspection": {
            "url": inspection.url,
            "answers": inspection.responds,
            "problems": list(inspection.problems),
            "notices": list(inspection.notices),
            "callsToday": inspection.calls,
            "apis": inspection.apis,
        },
    }


def show_result(deployment: Deployment | None, inspection: Inspection, console: Console) -> None:
    """Print the result as text; `deployment` is `None` if there were no changes."""
    if deployment:
        console.print("[bold green]Deployed[/]")
        for line in _deployment_lines(deployment):
            _plain(console, f"  {line}")
    console.print("[bold]Checked[/] ", end="")
    _plain(console, inspection.url or "nothing")
    if inspection.responds:
        _plain(console, "  /health responds.")
    if inspection.calls is not None:
        _plain(console, f"  Analytics respond: {inspection.calls:,} calls today.")
        _plain(console, f"  {inspection.apis} APIs in the directory.")
    for problem in inspection.problems:
        console.print("  [bold red]problem:[/] ", end="")
        _plain(console, problem)
    for notice in inspection.notices:
        console.print("  [yellow]notice:[/] ", end="")
        _plain(console, notice)


def shown_text(name: str, text: str) -> str:
    """Return a shortened value of a variable, enough to recognize it.

    Args:
        name: The variable's name.
        text: Its value; the path, query and password of a URL may be keys, and are left out.
    """
    if name == DIRECTORY:
        return f"{_tenants_in(text)}, {len(text.encode()):,} bytes"
    if "://" in text:
        return ", ".join(_origin(one.strip()) for one in text.split(","))
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…"


def _deployment_lines(deployment: Deployment) -> Iterator[str]:
    for name in deployment.created:
        yield f"created {name}"
    for name in deployment.applied:
        yield f"applied the migration {name}"
    for name in deployment.secrets:
        yield f"set the secret {name}"
    if deployment.version_id:
        started = (
            f", startup time {deployment.startup_ms} ms (limit {STARTUP_MS_MAX})"
            if deployment.startup_ms is not None
            else ""
        )
        yield f"deployed version {deployment.version_id}{started}"
    yield from deployment.addresses


def _binding_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    resources = {one.binding: one for one in plan.resources}
    rates = [one for one in plan.bindings if one["type"] == _RATE_LIMIT]
    for one in plan.bindings:
        name = str(one["name"])
        if one["type"] in VARIABLE_TYPES or one["type"] == _RATE_LIMIT:
            continue
        if name in resources:
            yield name, _resource(resources[name])
        else:
            yield name, described(one).removeprefix(f"{name} (").removesuffix(")")
    for resource in plan.resources:
        if resource.origin is Origin.LEFT_OUT:
            yield resource.binding, _resource(resource)
    if rates:
        ids = sorted(str(one["namespace_id"]) for one in rates)
        yield f"{len(rates)} rate limits", f"namespaces {ids[0]} to {ids[-1]} of the account"


def _resource(resource: Resource) -> str:
    if resource.origin is Origin.LEFT_OUT:
        return f"left out: no id was given, and no {resource.what} is named {resource.name}"
    name = f" {resource.name}" if resource.name else ""
    has_id = resource.id and resource.id != resource.name
    return f"{resource.what}{name}{f' {resource.id}' if has_id else ''} ({resource.origin.value})"


def _secret_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    for name in sorted(plan.secrets.fresh):
        yield name, "will be set"
    for name in plan.secrets.kept:
        yield name, "already set; kept"
    for name, advice in plan.secrets.advice.items():
        yield name, f"missing. {advice}"


def _other_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "schedules", ", ".join(plan.crons) or "none"
    routes = plan.config.get("routes", [])
    shown = ", ".join(one if isinstance(one, str) else str(one["pattern"]) for one in routes)
    yield "addresses", shown or f"https://{plan.request.script_name}.….workers.dev"
    size = sum(size for size, _ in plan.bundle.assets.values())
    yield "static files", f"{len(plan.bundle.assets)}, {size:,} bytes"
    tags = ", ".join(str(one["tag"]) for one in plan.object_migrations)
    yield "Durable Object migrations", tags or "none"
    pending = f"; pending: {', '.join(plan.pending)}" if plan.pending else ""
    yield "database migrations", f"{len(plan.migrations)}{pending}"
    yield "modules", f"{len(plan.bundle.modules)}"


def _limit(free: int, paid: int) -> str:
    return f"of {paid:,}" if free == paid else f"of {paid:,} (free plan {free:,})"


def _variables(plan: Plan) -> list[tuple[str, str]]:
    return [
        (str(one["name"]), str(one.get("text", one.get("json", ""))))
        for one in plan.bindings
        if one["type"] in VARIABLE_TYPES
    ]


def _tenants_in(text: str) -> str:
    try:
        tenants = json.loads(text)["tenants"]
    except (ValueError, KeyError, TypeError):
        return "a directory"
    return f"{len(tenants)} APIs" if isinstance(tenants, list) else "a directory"


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a URL"
    hidden = "/…" if parts.path.strip("/") or parts.query or parts.username else ""
    return f"{parts.scheme}://{parts.hostname}{port}{hidden}"


def _section(console: Console, title: str, rows: Sequence[Any] | Iterator[Any]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    if table.row_count:
        console.print(f"[bold]{title}[/]")
        console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _plain(console: Console, text: str) -> None:
    console.print(text, markup=False)
