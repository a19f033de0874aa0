"""Checks the published APIs: their records and scripts, and which of them fail today."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import httpx

from cli.analytics.formatting import plain_text
from cli.apis.listing import summary
from cli.doctor.check import Check, State
from cli.errors import CommandError
from cli.output import counted
from cli.platform import Platform
from cli.publish.store import open_store
from cli.targets import Target

PART = "APIs"

SHOWN_MAX: Final = 10
"""How many failing APIs are listed; `clawr analytics` shows all."""

_TIMEOUT: Final = httpx.Timeout(30, connect=5)


def check_apis(target: Target) -> Iterator[Check]:
    """Check the APIs of the target's directory, and those that were called today."""
    if target.known_account is not None and target.known_account.url:
        try:
            with open_store(target) as store:
                records = store.records()
                scripts = store.script_names()
                namespace, problems = store.namespace, store.variable.problems
        except CommandError as error:
            yield Check(PART, "directory", State.UNCHECKED, error.message, error.advice)
        else:
            rows = [summary(slug, one) for slug, one in records.items()]
            yield from _records(rows, problems)
            yield from _scripts(rows, scripts, namespace)
    dispatcher = target.known_dispatcher
    if dispatcher is not None and dispatcher.token:
        try:
            with Platform(dispatcher, _TIMEOUT) as platform:
                document = platform.get("/__platform/analytics", window="today", top=1)
            yield from failing_apis(document["snapshot"]["allApis"])
        except CommandError as error:
            yield Check(PART, "calls today", State.UNCHECKED, error.message, error.advice)
        except (KeyError, TypeError) as error:
            message = f"the response cannot be read ({error!r})"
            yield Check(PART, "calls today", State.UNCHECKED, message)


def _records(rows: Sequence[Mapping[str, Any]], problems: Sequence[str]) -> Iterator[Check]:
    wrong = [(row["slug"], problem) for row in rows for problem in row["problems"]]
    wrong += [("TENANT_DIRECTORY_JSON", problem) for problem in problems]
    for name, problem in wrong:
        remedy = "Correct the record, such as by publishing the API again."
        yield Check(PART, plain_text(name), State.FAILED, problem, remedy)
    if not wrong:
        yield Check(PART, "records", State.OK, f"{counted(len(rows), 'API')}, all valid")


def _scripts(
    rows: Sequence[Mapping[str, Any]], scripts: frozenset[str], namespace: str
) -> Iterator[Check]:
    missing = [row for row in rows if row["script"] and row["script"] not in scripts]
    for row in missing:
        message = f"its script {row['script']} is missing in the namespace {namespace}"
        remedy = "Publish the API again, or remove it with `clawr unpublish`."
        yield Check(PART, plain_text(row["slug"]), State.FAILED, plain_text(message), remedy)
    if not missing:
        used = len({row["script"] for row in rows if row["script"]})
        yield Check(PART, "scripts", State.OK, f"{counted(used, 'script')}, none missing")


def failing_apis(rows: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    """Yield a warning for each API with errors today, the most errors first.

    Args:
        rows: `allApis` of a snapshot.
    """
    failing = [one for one in rows if one["errorRatePct"] > 0]
    failing.sort(key=lambda one: -one["errorRatePct"] * one["calls"])
    for one in failing[:SHOWN_MAX]:
        slug = plain_text(str(one["endpoint"]).removeprefix("/t/"))
        message = f"{one['errorRatePct']:g} % of {counted(one['calls'], 'call')} failed today"
        remedy = f"`clawr show {slug}` says why; `clawr logs {slug}` has the exceptions."
        yield Check(PART, slug, State.WARNING, message, remedy)
    if not failing:
        called = counted(len(rows), "API")
        yield Check(PART, "calls today", State.OK, f"{called} called, no errors")
