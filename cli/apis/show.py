"""Implements `clawr show`: shows one API, and what is wrong with it."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from cli.apis.listing import summary
from cli.apis.problems import dispatcher_problems
from cli.apis.script_log import last_exception
from cli.errors import MissingError
from cli.output import Output, counted
from cli.publish.directory import TENANT_KV
from cli.publish.plan import digest_tag, hosts_of
from cli.publish.plan_view import shown
from cli.publish.prices import prices
from cli.publish.store import Store
from cli.targets import Target
from core import keys
from core.errors import RecordRefused
from tenants.records import Tenant, parse_tenant


def show_api(store: Store, target: Target, slug: str, output: Output) -> None:
    """Print one API.

    Args:
        store: The directory and the scripts.
        target: The account or `make dev`, for the API's URL and its recent requests.
        slug: The API.
        output: The output.

    Raises:
        MissingError: The slug is not published.
    """
    dispatcher = target.known_dispatcher
    with output.working("Reading …"):
        published = store.published(slug)
        record, publication = published.record, published.publication
        if not published.source:
            raise MissingError(
                f"{slug} is not published.", "`clawr apis` lists the published APIs."
            )
        extensions = store.document(keys.extension_responses(slug)) or {}
        problems: list[str] = summary(slug, published)["problems"]
        tenant = _parsed(record, slug)
        script = record.get("workerName")
        tags = store.script_tags(script) if isinstance(script, str) and script else None
        if tags is None:
            problems.append(f"the namespace {store.namespace} has no script {script}")
        elif publication and digest_tag(str(publication.get("digest"))) not in tags:
            problems.append(f"the script {script} was changed since it was published")
        hosts = hosts_of(record)
        if published.source == TENANT_KV:
            problems += [
                f"host {host} points to {owner or 'no API'}"
                for host in hosts
                if (owner := store.text(keys.host(host))) != slug
            ]
        note = ""
        if dispatcher:
            since = str(publication.get("publishedAt") or "")
            found, note = dispatcher_problems(dispatcher, slug, tenant, since)
            problems += found
    urls = [f"https://{host}" for host in hosts]
    if dispatcher:
        urls.insert(0, f"{dispatcher.url}/t/{slug}")
    document: dict[str, Any] = {
        "slug": slug,
        "source": published.source,
        "record": record,
        "urls": urls,
        "prices": prices(tenant) if tenant else {},
        "script": {
            "name": script,
            "exists": tags is not None,
            "tags": [*(tags or ())],
            **{name: publication.get(name) for name in ("kind", "digest", "bytes", "publishedAt")},
        },
        "about": publication.get("about") or {},
        "extensionResponses": extensions,
        "lastException": last_exception(target, str(script)) if problems else None,
        "problems": problems,
        "notes": [note] if note else [],
    }
    output.result(document, lambda console: _show(console, document))


def _parsed(record: Any, slug: str) -> Tenant | None:  # noqa: ANN401 (any JSON)
    try:
        return parse_tenant(dict(record), slug)
    except RecordRefused:
        return None  # `summary` has the reasons.


def _show(console: Console, document: dict[str, Any]) -> None:
    for line in (*_published_lines(document), *_checked_lines(document)):
        console.print(line, markup=False)


def _published_lines(document: dict[str, Any]) -> Iterator[str]:
    """Yield what was published."""
    script, about = document["script"], document["about"]
    for url in document["urls"]:
        yield f"{'url':<15} {url}"
    for what, price in document["prices"].items():
        yield f"{what:<15} {price}"
    for name, value in document["record"].items():
        yield f"{name:<15} {shown(value)}"
    yield f"{'source':<15} {document['source']}"
    if script["kind"]:
        yield f"{'published':<15} {script['publishedAt']}, {script['kind']}"
        yield f"{'digest':<15} {script['digest']}"
    for endpoint in about.get("endpoints", ()):
        yield f"{'endpoint':<15} {endpoint}"
    if "rows" in about:
        rows = counted(about["rows"], "row")
        yield f"{'rows':<15} {rows}, identified by {about['id'] or 'row number'}"
    for column in about.get("columns", ()):
        yield f"{'column':<15} {column['name']}: {column['type']}"


def _checked_lines(document: dict[str, Any]) -> Iterator[str]:
    """Yield what others say about it, and its problems."""
    for route, said in document["extensionResponses"].items():
        yield f"{'facilitator':<15} {said['facilitator']} at {said['at']} about {route}:"
        for name, parts in said["extensions"].items():
            yield f"{'':<15} {name}: {', '.join(parts.values())}"
    for problem in document["problems"]:
        yield f"{'problem':<15} {problem}"
    if document["lastException"]:
        at, *lines = document["lastException"].splitlines()
        yield f"{'last exception':<15} {at}"
        yield from (f"{'':<15} {line}" for line in lines)
    for note in document["notes"]:
        yield f"{'note':<15} {note}"
