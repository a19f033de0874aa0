"""`clawr logs`: shows requests to an API, and what its script printed and threw."""

from typing import Annotated, Final

import typer

from cli.options import (
    DirectoryOptions,
    DispatcherOptions,
    JsonOption,
    SlugArgument,
    examples,
    option_groups,
)

EXAMPLES: Final = examples(
    "clawr logs airports --local",
    "clawr logs airports --follow",
    "clawr logs airports --local --since 10m --errors",
    "clawr logs airports --local --limit 5 --json",
)


@option_groups
def logs(
    slug: SlugArgument,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new requests until Ctrl-C.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            min=0,
            max=10_000,
            help="How many past requests to print. Default: 20.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help="Leave out requests before: 30s, 10m, 2h, 1d, or a time.",
            show_default=False,
        ),
    ] = None,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only requests that failed or logged an error.")
    ] = False,
    as_json: JsonOption = False,
    options: DispatcherOptions,
    directory: DirectoryOptions,
) -> None:
    """Show requests to an API, what its script printed, and exceptions with their stack traces.

    Under `make dev`, the log has past requests, up to 8 MB of all scripts. On an account, it is
    Cloudflare's tail of the dispatcher, which has no past: use --follow. Without --follow, past
    requests are listed from the usage log, without what scripts printed.

    With --follow, Ctrl-C ends the command with exit code 130. With --json, each request is one JSON
    document per line.
    """
    from cli.apis.logs import parsed_options, show_logs
    from cli.output import Output

    target = options.find()
    wanted = parsed_options(limit, since, is_failed_only=errors)
    with directory.open(target) as store:
        show_logs(store, target, slug, wanted, Output(as_json=as_json), follow=follow)
