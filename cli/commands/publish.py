"""`clawr publish`: from a file, a folder or an address to an API that can be called."""

from pathlib import Path
from typing import Annotated, Final

import typer

from cli.options import (
    EnvironmentOption,
    ExecuteOption,
    JsonOption,
    LocalOption,
    NamespaceOption,
    StateOption,
    TenantKvOption,
    UrlOption,
    examples,
)
from cli.targets import NAMESPACE

RECORD: Final = "Directory record"
DATASET: Final = "Datasets"
WRAP: Final = "Wrapping another server's API"

EXAMPLES: Final = examples(
    "clawr publish demo.csv --slug airports --price 0.001 --local",
    "clawr publish demo.csv --slug airports --price 0.001 --local --execute",
    "clawr publish ./worker --slug rates --plan pro --host rates.example.com --execute",
    "clawr publish --wrap https://api.example.com/v1 --slug weather "
    "--secret-header x-api-key=WEATHER_KEY --cache-seconds 300",
    "clawr publish data.json --slug data --record record.json --json",
)

_Text = str | None
_Count = int | None


def _field(name: str, help_text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        name, help=help_text, rich_help_panel=RECORD, show_default=False
    )
    return option


def publish(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A dataset (.csv, .tsv, .json) or a Worker (.js, .mjs, .py, or a folder).",
            show_default=False,
        ),
    ] = None,
    *,
    slug: Annotated[_Text, _field("--slug", "Its name in /t/SLUG.")] = None,
    price: Annotated[_Text, _field("--price", "US dollars a request, such as 0.001.")] = None,
    category: Annotated[_Text, _field("--category", "What people find it under.")] = None,
    plan: Annotated[
        _Text, _field("--plan", "free, pro, business, enterprise or quarantine.")
    ] = None,
    host: Annotated[
        list[str] | None, _field("--host", "A host name of its own; may be repeated.")
    ] = None,
    owner: Annotated[_Text, _field("--owner", "Who made it, such as @ada.")] = None,
    owner_user_id: Annotated[
        _Text, _field("--owner-user-id", "The same, where there is no name.")
    ] = None,
    tenant_id: Annotated[
        _Text, _field("--tenant-id", "Whose it is (CLAWR_TENANT_ID); else ten_SLUG.")
    ] = None,
    description: Annotated[_Text, _field("--description", "What it does, in a line.")] = None,
    script: Annotated[
        _Text, _field("--script", "The script's name in the dispatch namespace; else the slug.")
    ] = None,
    pay_to: Annotated[_Text, _field("--pay-to", "The address that is paid.")] = None,
    network: Annotated[_Text, _field("--network", "The network of payments.")] = None,
    x402: Annotated[
        bool | None,
        typer.Option(
            "--x402/--no-x402",
            help="Whether the price is asked for at the edge; it is, if there is one.",
            rich_help_panel=RECORD,
            show_default=False,
        ),
    ] = None,
    rate_limit: Annotated[
        _Text, _field("--rate-limit", "Requests of each caller: N/10s or N/60s.")
    ] = None,
    daily_requests: Annotated[_Count, _field("--daily-requests", "Requests a UTC day.")] = None,
    monthly_requests: Annotated[_Count, _field("--monthly-requests", "Requests a month.")] = None,
    daily_spend: Annotated[_Text, _field("--daily-spend", "US dollars it takes a day.")] = None,
    monthly_spend: Annotated[
        _Text, _field("--monthly-spend", "US dollars it takes a month.")
    ] = None,
    cpu_ms: Annotated[_Count, _field("--cpu-ms", "CPU time, if not the plan's.")] = None,
    sub_requests: Annotated[
        _Count, _field("--sub-requests", "Sub-requests, if not the plan's.")
    ] = None,
    record: Annotated[
        Path | None, _field("--record", "A JSON file with fields; options win over it.")
    ] = None,
    delimiter: Annotated[
        _Text,
        typer.Option(help="Between the cells of a CSV file.", rich_help_panel=DATASET),
    ] = None,
    id_column: Annotated[
        _Text,
        typer.Option(
            "--id",
            help="The column that rows are known by; else `id`, else their number.",
            rich_help_panel=DATASET,
        ),
    ] = None,
    wrap: Annotated[
        _Text, typer.Option(help="The address to pass requests on to.", rich_help_panel=WRAP)
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="A method that is passed on; GET and HEAD else.", rich_help_panel=WRAP),
    ] = None,
    secret_header: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VARIABLE: a header with what that environment variable holds.",
            rich_help_panel=WRAP,
        ),
    ] = None,
    timeout_seconds: Annotated[
        float, typer.Option(help="How long an answer may take.", rich_help_panel=WRAP)
    ] = 20,
    max_response_bytes: Annotated[
        int, typer.Option(help="How large an answer may be.", rich_help_panel=WRAP)
    ] = 10_485_760,
    forward_authorization: Annotated[
        bool,
        typer.Option(
            "--forward-authorization",
            help="Pass the caller's Authorization on.",
            rich_help_panel=WRAP,
        ),
    ] = False,
    allow_private: Annotated[
        bool,
        typer.Option(
            "--allow-private", help="Wrap what is on this machine (--local).", rich_help_panel=WRAP
        ),
    ] = False,
    cache_seconds: Annotated[
        int | None,
        typer.Option(
            help="How long answers may be kept; 60 for a dataset, else as the target says.",
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
        bool, typer.Option("--renew-secrets", help="Send the values of secrets again.")
    ] = False,
    namespace: NamespaceOption = NAMESPACE,
    tenant_kv_id: TenantKvOption = None,
    local: LocalOption = None,
    state: StateOption = None,
    env: EnvironmentOption = None,
    url: UrlOption = None,
    execute: ExecuteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Publish an API: a dataset, a Worker, or another server's API.

    Shows what would be done, and does it with --execute. The record is what the options and
    --record say: a field that is left out is taken away. Everything is checked before anything
    is sent, and a second run of the same command changes nothing.
    """
    from cli.output import Output
    from cli.publish.publishing import Request, publish_api
    from cli.publish.record import RecordOptions
    from cli.publish.wrap import Wrapping
    from cli.targets import find_target

    target = find_target(local=local, env=env, state=state, url=url)
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
        delimiter=delimiter,
        id_column=id_column,
        cache_seconds=cache_seconds,
        replace_script=replace_script,
        renew_secrets=renew_secrets,
        namespace=namespace,
        tenant_kv_id=tenant_kv_id,
    )
    publish_api(target, request, Output(as_json=as_json), execute=execute)
