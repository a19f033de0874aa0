"""`clawr publish`: publishes a dataset, a Worker, or another server's API."""

from pathlib import Path
from typing import Annotated, Final

import typer

from cli.options import (
    DirectoryOptions,
    DispatcherOptions,
    ExecuteOption,
    JsonOption,
    examples,
    option_groups,
)
from cli.publish.data.options import DatasetOptions

RECORD: Final = "Directory record"
WRAP: Final = "Wrapping another server's API"

EXAMPLES: Final = examples(
    "clawr publish demo.csv --slug airports --price 0.001 --local",
    "clawr publish demo.csv --slug airports --price 0.001 --local --execute",
    "clawr publish ./worker --slug rates --plan pro --host rates.example.com --execute",
    "clawr publish --wrap https://api.example.com/v1 --slug weather "
    "--secret-header x-api-key=WEATHER_KEY --cache-seconds 300",
    "clawr publish ./worker --slug shop --price 0.01 --route 'GET /items=0' --execute",
    "clawr publish data.json --slug data --record record.json --json",
)

_Text = str | None
_Count = int | None


def _field(name: str, help_text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        name, help=help_text, rich_help_panel=RECORD, show_default=False
    )
    return option


@option_groups
def publish(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A dataset (.csv, .tsv, .json) or a Worker (.js, .mjs, .py, or a folder).",
            show_default=False,
        ),
    ] = None,
    *,
    slug: Annotated[_Text, _field("--slug", "The name in /t/SLUG.")] = None,
    price: Annotated[
        _Text, _field("--price", "Price of a request in US dollars, such as 0.001.")
    ] = None,
    category: Annotated[_Text, _field("--category", "Category in the public ranking.")] = None,
    plan: Annotated[
        _Text, _field("--plan", "free, pro, business, enterprise or quarantine.")
    ] = None,
    host: Annotated[list[str] | None, _field("--host", "A custom host name. Repeatable.")] = None,
    owner: Annotated[_Text, _field("--owner", "The creator's handle, such as @ada.")] = None,
    owner_user_id: Annotated[
        _Text, _field("--owner-user-id", "The creator's user id, if there is no handle.")
    ] = None,
    tenant_id: Annotated[
        _Text, _field("--tenant-id", "The tenant (CLAWR_TENANT_ID). Default: ten_SLUG.")
    ] = None,
    description: Annotated[_Text, _field("--description", "A one-line description.")] = None,
    script: Annotated[
        _Text, _field("--script", "The script's name in the dispatch namespace. Default: the slug.")
    ] = None,
    route: Annotated[
        list[str] | None,
        _field(
            "--route",
            "[METHOD ]PATH=PRICE: the price of some requests, such as 'GET /docs/*=0'. Repeatable;"
            " the first that fits counts.",
        ),
    ] = None,
    pay_to: Annotated[_Text, _field("--pay-to", "The address that receives payments.")] = None,
    network: Annotated[_Text, _field("--network", "The payment network.")] = None,
    x402: Annotated[
        bool | None,
        typer.Option(
            "--x402/--no-x402",
            help="Whether the dispatcher requires payment. Default: yes, if there is a price.",
            rich_help_panel=RECORD,
            show_default=False,
        ),
    ] = None,
    rate_limit: Annotated[
        _Text, _field("--rate-limit", "Requests per caller: N/10s or N/60s.")
    ] = None,
    daily_requests: Annotated[_Count, _field("--daily-requests", "Requests per UTC day.")] = None,
    monthly_requests: Annotated[
        _Count, _field("--monthly-requests", "Requests per UTC month.")
    ] = None,
    daily_spend: Annotated[
        _Text, _field("--daily-spend", "Revenue cap per day, in US dollars.")
    ] = None,
    monthly_spend: Annotated[
        _Text, _field("--monthly-spend", "Revenue cap per month, in US dollars.")
    ] = None,
    cpu_ms: Annotated[
        _Count, _field("--cpu-ms", "CPU time limit per request. Default: the plan's.")
    ] = None,
    sub_requests: Annotated[
        _Count, _field("--sub-requests", "Subrequest limit per request. Default: the plan's.")
    ] = None,
    record: Annotated[
        Path | None, _field("--record", "A JSON file with record fields. Options take precedence.")
    ] = None,
    dataset: DatasetOptions,
    wrap: Annotated[
        _Text, typer.Option(help="The URL to forward requests to.", rich_help_panel=WRAP)
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method to forward. Repeatable. Default: GET and HEAD.", rich_help_panel=WRAP
        ),
    ] = None,
    secret_header: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VARIABLE: a request header whose value is in this environment variable.",
            rich_help_panel=WRAP,
        ),
    ] = None,
    timeout_seconds: Annotated[
        float, typer.Option(help="The response timeout.", rich_help_panel=WRAP)
    ] = 20,
    max_response_bytes: Annotated[
        int, typer.Option(help="The largest response body.", rich_help_panel=WRAP)
    ] = 10_485_760,
    forward_authorization: Annotated[
        bool,
        typer.Option(
            "--forward-authorization",
            help="Forward the caller's Authorization header.",
            rich_help_panel=WRAP,
        ),
    ] = False,
    allow_private: Annotated[
        bool,
        typer.Option(
            "--allow-private",
            help="Allow a target on a private network (--local only).",
            rich_help_panel=WRAP,
        ),
    ] = False,
    cache_seconds: Annotated[
        int | None,
        typer.Option(
            help="Cache lifetime of responses. Default: 60 for a dataset, otherwise the target's.",
            show_default=False,
        ),
    ] = None,
    openapi: Annotated[
        _Text,
        typer.Option(
            "--openapi",
            help="The OpenAPI document of a Worker or of the wrapped server, as JSON: a file or a "
            "URL. Default: openapi.json in the Worker's folder.",
            show_default=False,
        ),
    ] = None,
    replace_script: Annotated[
        bool,
        typer.Option(
            "--replace-script", help="Replace a script that was not published for this API."
        ),
    ] = False,
    renew_secrets: Annotated[
        bool, typer.Option("--renew-secrets", help="Upload the secrets' values again.")
    ] = False,
    directory: DirectoryOptions,
    options: DispatcherOptions,
    execute: ExecuteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Publish an API: a dataset, a Worker, or another server's API.

    Without --execute, only shows what would change. The options and --record describe the complete
    record: a field that is not given is removed. Everything is validated before anything is sent,
    and running the same command again changes nothing.
    """
    from cli.output import Output
    from cli.publish.publishing import Request, publish_api
    from cli.publish.record import RecordOptions
    from cli.publish.scripts.wrap import Wrapping

    target = options.find()
    fields = RecordOptions(
        fields={
            "slug": slug,
            "tenantId": tenant_id or target.settings.get("CLAWR_TENANT_ID"),
            "workerName": script,
            "owner": owner,
            "ownerUserId": owner_user_id,
            "directory": category,
            "plan": plan,
            "hosts": host,
            "priceUsd": price,
            "x402Enabled": x402,
            "payTo": pay_to,
            "paymentNetwork": network,
            "description": description,
        },
        pairs={
            "limits": {"cpuMs": cpu_ms, "subRequests": sub_requests},
            "usageLimit": {"dailyRequests": daily_requests, "monthlyRequests": monthly_requests},
            "spendLimit": {"dailySpendUsd": daily_spend, "monthlySpendUsd": monthly_spend},
        },
        rate=rate_limit,
        file=record,
        routes=route or (),
    )
    wrapping = wrap and Wrapping(
        target=wrap,
        methods=method or ("GET", "HEAD"),
        secret_headers=secret_header or (),
        cache_seconds=cache_seconds or 0,
        timeout_seconds=timeout_seconds,
        response_bytes_max=max_response_bytes,
        forward_authorization=forward_authorization,
        allow_private=allow_private,
    )
    request = Request(
        path=path,
        wrapping=wrapping or None,
        record=fields,
        dataset=dataset,
        cache_seconds=cache_seconds,
        openapi=openapi,
        replace_script=replace_script,
        renew_secrets=renew_secrets,
        directory=directory,
    )
    publish_api(target, request, Output(as_json=as_json), execute=execute)
