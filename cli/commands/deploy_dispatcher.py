"""`clawr deploy-dispatcher`, and its old name `clawr cloudflare-deploy-dispatcher`."""

from typing import Annotated

import typer

from cli.options import (
    EnvironmentOption,
    ExecuteOption,
    JsonOption,
    LocalOption,
    UrlOption,
    examples,
)

NAME = "deploy-dispatcher"
OLD_NAME = "cloudflare-deploy-dispatcher"
EXAMPLES = examples(
    "clawr deploy-dispatcher --script-name market --dispatch-namespace market "
    "--usage-kv-id 0123456789abcdef0123456789abcdef",
    "clawr deploy-dispatcher --script-name market --dispatch-namespace market "
    "--create-missing --env production.env --execute",
    "clawr deploy-dispatcher --script-name market --dispatch-namespace market "
    "--domain api.example.com --env production.env --execute --json",
)


def deploy_dispatcher(
    *,
    script_name: Annotated[str, typer.Option(help="The Worker's name.")],
    dispatch_namespace: Annotated[
        str, typer.Option(help="The dispatch namespace that holds the APIs' scripts.")
    ],
    usage_kv_id: Annotated[
        str | None,
        typer.Option(
            help="The id of the usage log's KV namespace. Default: the one that is bound, "
            "otherwise the one with the title below.",
            show_default=False,
        ),
    ] = None,
    tenant_kv_id: Annotated[
        str | None,
        typer.Option(
            help="The id of the directory's KV namespace. Same default.", show_default=False
        ),
    ] = None,
    control_db_id: Annotated[
        str | None,
        typer.Option(help="The id of the ledger's D1 database. Same default.", show_default=False),
    ] = None,
    usage_kv_title: Annotated[
        str | None, typer.Option(help="Default: SCRIPT-NAME-usage.", show_default=False)
    ] = None,
    tenant_kv_title: Annotated[
        str | None, typer.Option(help="Default: SCRIPT-NAME-tenants.", show_default=False)
    ] = None,
    control_db_name: Annotated[
        str | None, typer.Option(help="Default: SCRIPT-NAME-control.", show_default=False)
    ] = None,
    create_missing: Annotated[
        bool, typer.Option("--create-missing", help="Create missing stores.")
    ] = False,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="A custom domain in one of the account's zones. Repeatable."),
    ] = None,
    route: Annotated[
        list[str] | None,
        typer.Option(help="A route pattern such as example.com/api/*. Repeatable."),
    ] = None,
    replace_secret: Annotated[
        list[str] | None,
        typer.Option(help="Overwrite this secret. Repeatable."),
    ] = None,
    remove_variables: Annotated[
        bool,
        typer.Option(
            "--remove-variables",
            help="Remove variables that only the deployed Worker has. Default: keep them.",
        ),
    ] = False,
    execute: ExecuteOption = False,
    local: LocalOption = None,
    url: UrlOption = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for the deployed dispatcher to respond.", min=0)
    ] = 60,
    env: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what deploying this clone's dispatcher would change; with --execute, deploy it.

    Without a token, no account is contacted and nothing is compared. Settings and secrets come from
    the environment or the --env file (docs/reference/settings.md). Secrets that are already set are
    kept. Running the same command again changes nothing.
    """
    from cli.deploy.request import DeployRequest, WantedStore, refuse_local
    from cli.deploy.run import deploy
    from cli.output import Output
    from cli.targets import find_target
    from dev.layout import HERE

    refuse_local(is_local=bool(local))
    request = DeployRequest(
        script_name=script_name,
        dispatch_namespace=dispatch_namespace,
        usage_kv=WantedStore(usage_kv_id, usage_kv_title or f"{script_name}-usage"),
        tenant_kv=WantedStore(tenant_kv_id, tenant_kv_title or f"{script_name}-tenants"),
        control_db=WantedStore(control_db_id, control_db_name or f"{script_name}-control"),
        creates_missing=create_missing,
        keeps_variables=not remove_variables,
        replaced_secrets=frozenset(replace_secret or ()),
        domains=tuple(domain or ()),
        routes=tuple(route or ()),
    )
    target = find_target(local=False, env=env, url=url)
    deploy(request, target, HERE, Output(as_json=as_json), is_executed=execute, wait_seconds=wait)
