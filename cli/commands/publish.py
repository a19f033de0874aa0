"""`clawr publish`: publishes a dataset, a Worker, or another server's API."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.completion import complete_category, complete_plan, complete_slug
from cli.options import (
    DirectoryOptions,
    DispatcherOptions,
    ExecuteOption,
    JsonOption,
    examples,
    option_groups,
)
from cli.publish.data.options import DatasetOptions

RECORD: Final = "The API's record"
PAYMENT: Final = "Payment"
LIMITS: Final = "Limits"
WRAP: Final = "Another server's API"
SCRIPT: Final = "The script"

EXAMPLES: Final = examples(
    "clawr publish demo.csv --price 0.001 --local",
    "clawr publish demo.csv --slug airports --price 0.001 --local --execute",
    "clawr publish demo.csv --slug airports --description 'Airports by country' --local --execute",
    "clawr publish demo.csv --slug airports --price 0 --clear description --local --execute",
    "clawr publish ./worker --slug rates --plan pro --host rates.example.com --execute",
    "clawr publish --wrap https://api.example.com/v1 --slug weather "
    "--secret-header x-api-key=WEATHER_KEY --cache-seconds 300",
    "clawr publish ./worker --slug shop --price 0.01 --route 'GET /items=0' --execute",
    "clawr publish data.json --record record.json --json",
)

_Text = str | None
_Count = int | None


def _option(
    name: str,
    help_text: str,
    panel: str | None = None,
    **settings: Any,  # noqa: ANN401 - typer's own
) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        name, help=help_text, rich_help_panel=panel, show_default=False, **settings
    )
    return option


@option_groups
def publish(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A dataset (.csv, .json, .jsonl, …) or a Worker (.js, .mjs, .py, or a folder).",
            show_default=False,
        ),
    ] = None,
    *,
    slug: Annotated[
        _Text,
        _option(
            "--slug",
            "The name in /t/SLUG. Default: the file's name.",
            autocompletion=complete_slug,
        ),
    ] = None,
    price: Annotated[
        _Text,
        _option("--price", "Price of a request in US dollars, such as 0.001. 0 makes it free."),
    ] = None,
    description: Annotated[_Text, _option("--description", "A one-line description.")] = None,
    wrap: Annotated[
        _Text, _option("--wrap", "Instead of PATH: the URL of an API to forward requests to.")
    ] = None,
    execute: ExecuteOption = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Change the price without asking.")
    ] = False,
    clear: Annotated[
        list[str] | None,
        _option(
            "--clear",
            "Remove a setting, such as description. Repeatable. An unknown name lists all.",
        ),
    ] = None,
    as_json: JsonOption = False,
    category: Annotated[
        _Text,
        _option(
            "--category",
            "Category in the public ranking.",
            RECORD,
            autocompletion=complete_category,
        ),
    ] = None,
    owner: Annotated[
        _Text, _option("--owner", "The creator's handle, such as @ada.", RECORD)
    ] = None,
    owner_user_id: Annotated[
        _Text, _option("--owner-user-id", "The creator's user id, if there is no handle.", RECORD)
    ] = None,
    host: Annotated[
        list[str] | None, _option("--host", "A custom host name. Repeatable.", RECORD)
    ] = None,
    tenant_id: Annotated[
        _Text,
        _option("--tenant-id", "The tenant (CLAWR_TENANT_ID). Default: ten_SLUG.", RECORD),
    ] = None,
    record: Annotated[
        Path | None,
        _option("--record", "A JSON file with record fields. Options take precedence.", RECORD),
    ] = None,
    route: Annotated[
        list[str] | None,
        _option(
            "--route",
            "[METHOD ]PATH=PRICE: the price of some requests, such as 'GET /docs/*=0'. Repeatable;"
            " the first that fits counts.",
            PAYMENT,
        ),
    ] = None,
    pay_to: Annotated[
        _Text, _option("--pay-to", "The address that receives payments.", PAYMENT)
    ] = None,
    network: Annotated[_Text, _option("--network", "The payment network.", PAYMENT)] = None,
    x402: Annotated[
        bool | None,
        _option(
            "--x402/--no-x402",
            "Whether the dispatcher requires payment. Default: yes, if there is a price.",
            PAYMENT,
        ),
    ] = None,
    plan: Annotated[
        _Text,
        _option(
            "--plan",
            "free, pro, business, enterprise or quarantine.",
            LIMITS,
            autocompletion=complete_plan,
        ),
    ] = None,
    rate_limit: Annotated[
        _Text, _option("--rate-limit", "Requests per caller: N/10s or N/60s.", LIMITS)
    ] = None,
    daily_requests: Annotated[
        _Count, _option("--daily-requests", "Requests per UTC day.", LIMITS)
    ] = None,
    monthly_requests: Annotated[
        _Count, _option("--monthly-requests", "Requests per UTC month.", LIMITS)
    ] = None,
    daily_spend: Annotated[
        _Text, _option("--daily-spend", "Revenue cap per day, in US dollars.", LIMITS)
    ] = None,
    monthly_spend: Annotated[
        _Text, _option("--monthly-spend", "Revenue cap per month, in US dollars.", LIMITS)
    ] = None,
    cpu_ms: Annotated[
        _Count, _option("--cpu-ms", "CPU time limit per request. Default: the plan's.", LIMITS)
    ] = None,
    sub_requests: Annotated[
        _Count,
        _option("--sub-requests", "Subrequest limit per request. Default: the plan's.", LIMITS),
    ] = None,
    dataset: DatasetOptions,
    method: Annotated[
        list[str] | None,
        _option("--method", "A method to forward. Repeatable. Default: GET and HEAD.", WRAP),
    ] = None,
    secret_header: Annotated[
        list[str] | None,
        _option(
            "--secret-header",
            "NAME=VARIABLE: a request header whose value is in this environment variable.",
            WRAP,
        ),
    ] = None,
    timeout_seconds: Annotated[
        float | None, _option("--timeout-seconds", "The response timeout. Default: 20.", WRAP)
    ] = None,
    max_response_bytes: Annotated[
        _Count,
        _option(
            "--max-response-bytes", "The largest response body. Default: 10485760 (10 MiB).", WRAP
        ),
    ] = None,
    forward_authorization: Annotated[
        bool | None,
        _option(
            "--forward-authorization",
            "Forward the caller's Authorization header.",
            WRAP,
        ),
    ] = None,
    allow_private: Annotated[
        bool | None,
        _option(
            "--allow-private",
            "Allow a target on a private network (--local only).",
            WRAP,
        ),
    ] = None,
    cache_seconds: Annotated[
        _Count,
        _option(
            "--cache-seconds",
            "Cache lifetime of responses. Default: 60 for a dataset, otherwise the target's.",
            SCRIPT,
        ),
    ] = None,
    openapi: Annotated[
        _Text,
        _option(
            "--openapi",
            "The OpenAPI document of a Worker or of the wrapped server, as JSON: a file or a "
            "URL. Default: openapi.json in the Worker's folder.",
            SCRIPT,
        ),
    ] = None,
    script: Annotated[
        _Text,
        _option(
            "--script", "The script's name in the dispatch namespace. Default: the slug.", SCRIPT
        ),
    ] = None,
    replace_script: Annotated[
        bool,
        _option(
            "--replace-script", "Replace a script that was not published for this API.", SCRIPT
        ),
    ] = False,
    renew_secrets: Annotated[
        bool, _option("--renew-secrets", "Upload the secrets' values again.", SCRIPT)
    ] = False,
    options: DispatcherOptions,
    directory: DirectoryOptions,
) -> None:
    """Publish an API: a dataset, a Worker, or another server's API.

    Without --execute, only shows what would change. Settings of a published API that are not given
    keep their values; --price 0 and --clear remove them. On a terminal, a change of the price must
    be confirmed, unless --yes is given. Everything is validated before anything is sent, a script
    that does not load is not published, and running the same command again changes nothing.
    """
    from cli.output import Output
    from cli.publish.kept import cleared_parts
    from cli.publish.publishing import Request, publish_api
    from cli.publish.record import RecordOptions

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
        cleared=cleared_parts(clear or ()),
    )
    request = Request(
        path=path,
        record=fields,
        script={
            **dataset.given(),
            "wrap": wrap,
            "method": method,
            "secret-header": secret_header,
            "timeout-seconds": timeout_seconds,
            "max-response-bytes": max_response_bytes,
            "forward-authorization": forward_authorization,
            "allow-private": allow_private,
            "cache-seconds": cache_seconds,
            "openapi": openapi,
        },
        clear=clear or (),
        replace_script=replace_script,
        renew_secrets=renew_secrets,
        is_confirmed=yes,
        directory=directory,
    )
    publish_api(target, request, Output(as_json=as_json), execute=execute)
