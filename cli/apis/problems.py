"""What is wrong with an API that fails, from the dispatcher's health report and recent requests."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import httpx

from cli.analytics.event_log import Event, EventFilter, newest_events
from cli.analytics.formatting import plain_text
from cli.errors import SAME_VERSION, AccessError, CommandError
from cli.output import counted
from cli.platform import Platform
from cli.targets import Dispatcher
from tenants.records import Tenant

EVENTS_MAX: Final = 100
"""How many of an API's newest requests are looked at."""

EVENTS_SEARCHED_MAX: Final = 2_000
"""One page of the log, so that `clawr show` stays fast."""

_TIMEOUT: Final = httpx.Timeout(10, connect=5)

_OF_EVERY_API: Final = ("CALLER_HASH_SECRET", "TENANT_DIRECTORY_JSON", "TENANT_KV", "DISPATCHER")
"""What a problem of the configuration names if it concerns free APIs as well."""

_OF_CONFIGURATION: Final = (
    "configuration_error",
    "dispatcher_binding_missing",
    "store_unavailable",
)
_OF_PAYMENTS: Final = (
    *_OF_CONFIGURATION,
    "facilitator_unavailable",
    "facilitator_unsuitable",
    "node_unusable",
    "token_unlike_settings",
    "database_unavailable",
)
"""Codes of problems in the health report that concern an API."""

_PAYEE: Final = "PAY_TO_ADDRESS"
_OTHERS_RECORD: Final = "In the record of "


def dispatcher_problems(
    dispatcher: Dispatcher, slug: str, tenant: Tenant | None, since: str
) -> tuple[list[str], str]:
    """Return what the dispatcher says is wrong with an API, and why it could not be asked.

    Args:
        dispatcher: The dispatcher; its token may be empty.
        slug: The API.
        tenant: Its record as parsed by the dispatcher; `None` if it is invalid.
        since: Requests before this time are of an earlier version; empty for none.
    """
    if not dispatcher.token:
        return [], "PLATFORM_ANALYTICS_TOKEN is not set, so the dispatcher was not asked"
    try:
        with Platform(dispatcher, _TIMEOUT) as platform:
            report = platform.get("/__platform/health")
            found, _ = newest_events(
                platform, EventFilter([slug]), EVENTS_MAX, searched_max=EVENTS_SEARCHED_MAX
            )
    except AccessError as error:
        return [], f"the dispatcher's token does not permit to look: {error.message}"
    except CommandError as error:
        return [], f"the dispatcher could not be asked: {error.message}"
    try:
        listed = [*settings_problems(report, slug, tenant)]
    except (KeyError, TypeError, AttributeError) as error:
        return [], f"its health report cannot be read ({error!r}). {SAME_VERSION}"
    events = [one for one in found if str(one.document.get("at")) >= since]
    return [*listed, *failing_requests(events, tenant)], ""


def settings_problems(report: Mapping[str, Any], slug: str, tenant: Tenant | None) -> Iterator[str]:
    """Yield the problems of the health report that concern an API.

    Args:
        report: The response of `/__platform/health`.
        slug: The API.
        tenant: Its record; `None` if it is invalid.
    """
    is_priced = tenant is not None and bool(tenant.priced)
    for one in report["problems"]:
        message = str(one["message"])
        is_others = _OTHERS_RECORD in message and f"{_OTHERS_RECORD}{slug} " not in message
        if is_priced:
            has_payee = bool(tenant and tenant.pay_to) and _PAYEE in message
            concerns = one["code"] in _OF_PAYMENTS and not has_payee
        else:
            names = any(name in message for name in _OF_EVERY_API)
            concerns = one["code"] in _OF_CONFIGURATION and names
        if concerns and not is_others:
            yield plain_text(message)


def failing_requests(events: Sequence[Event], tenant: Tenant | None) -> list[str]:
    """Return a sentence for each way in which recent requests of an API fail.

    Args:
        events: Its newest usage events, newest first.
        tenant: Its record; `None` if it is invalid.
    """
    failed = [one for one in events if _is_failure(one.document)]
    counts = Counter(_kind(one.document) for one in failed)
    last = {_kind(one.document): one for one in sorted(failed, key=lambda one: one.at)}
    return [
        f"{counted(count, 'request')} of the last {len(events):,} failed"
        f" ({_explained(kind, tenant)}), the last one at {last[kind].at:%Y-%m-%d %H:%M:%S} UTC"
        for kind, count in counts.most_common()
    ]


def _is_failure(event: Mapping[str, Any]) -> bool:
    status, is_missing = event.get("status"), event.get("outcome") == "worker_not_found"
    return is_missing or (isinstance(status, int) and status >= httpx.codes.INTERNAL_SERVER_ERROR)


def _kind(event: Mapping[str, Any]) -> str:
    outcome = str(event.get("outcome"))
    return f"{event.get('status')}" if outcome in ("served", "settled") else outcome


_REASONS: Final[Mapping[str, str]] = {
    "worker_not_found": "its script is missing: publish it again",
    "tenant_worker_failure": "its script threw an exception: `clawr logs` shows it",
    "facilitator_unavailable": "no facilitator verified payments: `clawr doctor` checks them",
    "configuration_error": "a setting of the dispatcher is missing or unusable: `clawr doctor`",
    "dispatcher_binding_missing": "a binding of the dispatcher is missing: `clawr doctor`",
}


def _explained(kind: str, tenant: Tenant | None) -> str:
    if kind == "tenant_limit_exceeded":
        which = ""
        if tenant is not None:
            limits = tenant.limits
            which = f" of {limits.cpu_ms} ms CPU and {limits.sub_requests} subrequests"
        return (
            f"its script exceeded its limits{which}: use less, or raise them with --cpu-ms,"
            " --sub-requests or --plan"
        )
    if kind.isdecimal():
        return f"its script responded with status {kind}"
    return _REASONS.get(kind, plain_text(kind))
