"""The options that commands share, and the decorator that adds them to a command."""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from cli.completion import complete_slug
from cli.targets import Target, find_target

if TYPE_CHECKING:
    from cli.publish.store import Store

PANEL_APIS: Final = "APIs"
PANEL_ANALYTICS: Final = "Analytics"
PANEL_ACCOUNT: Final = "Dispatcher and account"
PANEL_TARGET: Final = "Target: `make dev` or an account"

SlugArgument = Annotated[
    str,
    typer.Argument(help="The API's slug.", autocompletion=complete_slug),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]

LocalOption = Annotated[
    bool | None,
    typer.Option(
        "--local/--remote",
        help="Use the running `make dev`, or the Cloudflare account. "
        "Default: the account if one is configured, otherwise `make dev`.",
        show_default=False,
        rich_help_panel=PANEL_TARGET,
    ),
]

StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        help="The STATE folder of the `make dev` to use.",
        show_default=False,
        rich_help_panel=PANEL_TARGET,
    ),
]

EnvironmentOption = Annotated[
    Path | None,
    typer.Option(
        "--env",
        help="A file of KEY=VALUE lines. Environment variables take precedence.",
        show_default=False,
        rich_help_panel=PANEL_TARGET,
    ),
]

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="The dispatcher's URL (CLAWR_URL).",
        show_default=False,
        rich_help_panel=PANEL_TARGET,
    ),
]

ExecuteOption = Annotated[
    bool,
    typer.Option("--execute", help="Apply the changes. Without it, they are only shown."),
]

ScriptNameOption = Annotated[
    str | None,
    typer.Option(
        "--script-name", help="The Worker's name (CLAWR_SCRIPT_NAME).", show_default=False
    ),
]

DispatcherOption = Annotated[
    str | None,
    typer.Option(
        "--dispatcher",
        help="The name of the dispatcher's Worker (CLAWR_SCRIPT_NAME), if the account has several.",
        show_default=False,
        rich_help_panel=PANEL_TARGET,
    ),
]

NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--dispatch-namespace",
        help="The dispatch namespace of the APIs' scripts (CLOUDFLARE_DISPATCH_NAMESPACE). "
        "Default: the one of the deployed dispatcher, otherwise clawr.",
        show_default=False,
        rich_help_panel=PANEL_TARGET,
    ),
]

TenantKvOption = Annotated[
    str | None,
    typer.Option(
        "--tenant-kv-id",
        help="The id of the directory's KV namespace (CLOUDFLARE_TENANT_KV_ID). "
        "Default: the one of the deployed dispatcher, otherwise the one titled TENANT_KV.",
        show_default=False,
        rich_help_panel=PANEL_TARGET,
    ),
]

IntervalOption = Annotated[
    float, typer.Option("--interval", min=1, max=3_600, help="Seconds between two requests.")
]


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Options for commands that use the account's API only."""

    local: LocalOption = None
    state: StateOption = None
    env: EnvironmentOption = None

    def find(self) -> Target:
        """Return the target; raises as `find_target` does."""
        return find_target(local=self.local, env=self.env, state=self.state)


@dataclass(frozen=True, slots=True)
class DispatcherOptions(TargetOptions):
    """Options for commands that call the dispatcher."""

    url: UrlOption = None

    def find(self) -> Target:
        """Return the target; raises as `find_target` does."""
        return find_target(local=self.local, env=self.env, state=self.state, url=self.url)


@dataclass(frozen=True, slots=True)
class DirectoryOptions:
    """Options for commands that read or write published APIs."""

    namespace: NamespaceOption = None
    tenant_kv_id: TenantKvOption = None
    dispatcher: DispatcherOption = None

    def open(self, target: Target) -> "AbstractContextManager[Store]":
        """Open the directory and the scripts; raises as `open_store` does."""
        from cli.publish.store import open_store  # noqa: PLC0415 - imports the SDK

        return open_store(
            target,
            namespace=self.namespace,
            tenant_kv_id=self.tenant_kv_id,
            dispatcher=self.dispatcher,
        )


def option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of a command that is a dataclass with one option for each field.

    typer takes the options from the signature, so the fields' annotations and defaults become
    parameters in the place of the dataclass.

    Args:
        command: A typer command with parameters such as `options: TargetOptions`.
    """
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if not is_dataclass(parameter.annotation):
            parameters.append(parameter)
            continue
        group = parameter.annotation
        groups[parameter.name] = group
        hints = get_type_hints(group, include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name, parameter.kind, default=field.default, annotation=hints[field.name]
            )
            for field in fields(group)
        ]

    @wraps(command)
    def run(**options: Any) -> None:  # noqa: ANN401
        for name, group in groups.items():
            options[name] = group(
                **{field.name: options.pop(field.name) for field in fields(group)}
            )
        command(**options)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def examples(*lines: str) -> str:
    """Return the last part of a command's help.

    Args:
        lines: Complete command lines.
    """
    return "\n\n".join(("Examples:", *(f"`{line}`" for line in lines)))
