"""`clawr costs`: what a dispatcher would cost at Cloudflare."""

import tomllib
from typing import Annotated, Final

import typer

from cli.options import JsonOption, examples
from dev.layout import HERE, Layout

EXAMPLES: Final = examples(
    "clawr costs --requests-per-second 20 --locations 30",
    "clawr costs --requests-per-second 200 --locations 300 --paid-share 0.1 --apis 1000 --json",
)


def costs(
    *,
    requests_per_second: Annotated[
        float,
        typer.Option(help="Requests to APIs a second, on average over the month."),
    ],
    locations: Annotated[
        int,
        typer.Option(help="Cloudflare's locations that serve them, with one isolate each."),
    ],
    paid_share: Annotated[
        float, typer.Option(help="The share of requests that are paid, 0 to 1.")
    ] = 0.0,
    limited_share: Annotated[
        float, typer.Option(help="The share of requests to APIs with a quota or cap, 0 to 1.")
    ] = 0.0,
    apis: Annotated[int, typer.Option(help="Published APIs.")] = 100,
    reads_per_second: Annotated[
        float, typer.Option(help="Requests for analytics a second that no cache answers.")
    ] = 0.1,
    cpu_ms: Annotated[
        float,
        typer.Option(
            help="CPU milliseconds of a request, in the dispatcher (about 1) and the script."
        ),
    ] = 2.0,
    shards: Annotated[int, typer.Option(help="Shards of the usage log (USAGE_SHARDS).")] = 1,
    logged_share: Annotated[
        float | None,
        typer.Option(
            help="The share of invocations that are logged, 0 to 1. "
            "Default: head_sampling_rate of wrangler.toml.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate what a month of the dispatcher costs at Cloudflare, by item, without an account.

    The quantities follow from the dispatcher's own constants and limits. Prices are from a table
    with the page of each; what is included in a month is subtracted.
    """
    from cli.costs.estimate import Traffic, estimate
    from cli.costs.show import document, show
    from cli.output import Output

    traffic = Traffic(
        requests_per_second=requests_per_second,
        locations=locations,
        paid_share=paid_share,
        limited_share=limited_share,
        apis=apis,
        reads_per_second=reads_per_second,
        cpu_ms=cpu_ms,
        shards=shards,
        logged_share=_sampling_rate(HERE) if logged_share is None else logged_share,
    )
    found = estimate(traffic)
    Output(as_json=as_json).result(document(found), lambda console: show(found, console))


def _sampling_rate(layout: Layout) -> float:
    config = tomllib.loads((layout.root / "wrangler.toml").read_text(encoding="utf-8"))
    logs = config.get("observability", {})
    return float(logs.get("head_sampling_rate", 1)) if logs.get("enabled") else 0.0
