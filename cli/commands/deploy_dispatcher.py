"""`clawr deploy-dispatcher`, and its old name `clawr cloudflare-deploy-dispatcher`."""

from typing import Annotated

import typer

from cli.options import (
    EnvironmentOption,
    ExecuteOption,
    JsonOption,
    LocalOption,
    ScriptNameOption,
    UrlOption,
    examples,
)

NAME = "deploy-dispatcher"
OLD_NAME = "cloudflare-deploy-dispatcher"
OLD_NAME_ADVICE = (
    f"The command is now `clawr {NAME}`; run it with --help to see its options. The account and "
    "its token are never options: set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN in the "
    "environment or in the --env file, with the dispatcher's settings and secrets "
    "(docs/deploy.md). `clawr publish` writes the directory."
)
"""Advice after an option that the old name may have had."""

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
    script_name: ScriptNameOption = None,
    dispatch_namespace: Annotated[
        str | None,
        typer.Option(
            help="The dispatch namespace that holds the APIs' scripts "
            "(CLOUDFLARE_DISPATCH_NAMESPACE).",
            show_default=False,
        ),
    ] = None,
    usage_kv_id: Annotated[
        str | None,
        typer.Option(
            help="The id of the usage log's KV namespace (CLOUDFLARE_USAGE_KV_ID). Default: the "
            "one that is bound, otherwise the one with the title below.",
            show_default=False,
        ),
    ] = None,
    tenant_kv_id: Annotated[
        str | None,
        typer.Option(
            help="The id of the directory's KV namespace (CLOUDFLARE_TENANT_KV_ID). Same default.",
            show_default=False,
        ),
    ] = None,
    control_db_id: Annotated[
        str | None,
        typer.Option(
            help="The id of the ledger's D1 database (CLOUDFLARE_CONTROL_DB_ID). Same default.",
            show_default=False,
        ),
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
    from cli.deploy.request import (
        DeployRequest,
        WantedStore,
        refuse_local,
        refuse_without_clone,
        required,
    )
    from cli.output import Output
    from cli.targets import (
        CONTROL_DB_ID,
        DISPATCH_NAMESPACE,
        SCRIPT_NAME,
        TENANT_KV_ID,
        USAGE_KV_ID,
        find_target,
    )
    from dev.layout import HERE

    refuse_without_clone(HERE)
    from cli.deploy.run import deploy

    refuse_local(is_local=bool(local))
    target = find_target(local=False, env=env, url=url)
    settings = target.settings
    script = required("--script-name", SCRIPT_NAME, script_name, settings)
    usage_kv_id = usage_kv_id or settings.get(USAGE_KV_ID)
    tenant_kv_id = tenant_kv_id or settings.get(TENANT_KV_ID)
    control_db_id = control_db_id or settings.get(CONTROL_DB_ID)
    request = DeployRequest(
        script_name=script,
        dispatch_namespace=required(
            "--dispatch-namespace", DISPATCH_NAMESPACE, dispatch_namespace, settings
        ),
        usage_kv=WantedStore(usage_kv_id, usage_kv_title or f"{script}-usage"),
        tenant_kv=WantedStore(tenant_kv_id, tenant_kv_title or f"{script}-tenants"),
        control_db=WantedStore(control_db_id, control_db_name or f"{script}-control"),
        creates_missing=create_missing,
        keeps_variables=not remove_variables,
        replaced_secrets=frozenset(replace_secret or ()),
        domains=tuple(domain or ()),
        routes=tuple(route or ()),
    )
    deploy(request, target, HERE, Output(as_json=as_json), is_executed=execute, wait_seconds=wait)
