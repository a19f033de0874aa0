"""The options that most commands take, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated, Final

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]

LocalOption = Annotated[
    bool | None,
    typer.Option(
        "--local/--remote",
        help="Work on the running `make dev`, or on the Cloudflare account. "
        "Without either: the account if one is configured, else `make dev`.",
        show_default=False,
    ),
]

StateOption = Annotated[
    Path | None,
    typer.Option("--state", help="The STATE of the `make dev` that is meant.", show_default=False),
]

EnvironmentOption = Annotated[
    Path | None,
    typer.Option(
        "--env",
        help="A file of KEY=VALUE lines; what the environment has already wins.",
        show_default=False,
    ),
]

UrlOption = Annotated[
    str | None,
    typer.Option("--url", help="The dispatcher's address (CLAWR_URL).", show_default=False),
]

ExecuteOption = Annotated[
    bool,
    typer.Option("--execute", help="Do it. Without, only what would be done is shown."),
]

NamespaceOption = Annotated[
    str, typer.Option("--dispatch-namespace", help="Where the account's scripts are.")
]

TenantKvOption = Annotated[
    str | None,
    typer.Option(
        "--tenant-kv-id",
        help="The KV namespace of the directory (TENANT_KV_ID); else the one titled TENANT_KV.",
        show_default=False,
    ),
]

PANEL_APIS: Final = "APIs"
PANEL_FIGURES: Final = "Figures"
PANEL_ACCOUNT: Final = "Dispatcher and account"

IntervalOption = Annotated[
    float, typer.Option("--interval", min=1, max=3_600, help="Seconds between two looks.")
]


def examples(*lines: str) -> str:
    """Return the end of a command's help.

    Args:
        lines: Commands as people type them.
    """
    return "\n\n".join(("Examples:", *(f"`{line}`" for line in lines)))
