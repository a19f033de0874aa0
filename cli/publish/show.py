"""Implements `clawr show`: shows one API and its problems."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from cli.errors import MissingError
from cli.output import Output
from cli.publish.listing import summary
from cli.publish.plan import digest_tag, hosts_of
from cli.publish.plan_view import shown
from cli.publish.store import Store
from cli.targets import Dispatcher
from core import keys


def show_api(store: Store, dispatcher: Dispatcher | None, slug: str, output: Output) -> None:
    """Print one API.

    Args:
        store: The directory and the scripts.
        dispatcher: The dispatcher, if known, for the API's URL.
        slug: The API.
        output: The output.

    Raises:
        MissingError: The slug is not published.
    """
    with output.working("Reading …"):
        record = store.document(keys.tenant(slug))
        if record is None:
            raise MissingError(
                f"{slug} is not published.", "`clawr apis` lists the published APIs."
            )
        publication = store.document(keys.publication(slug)) or {}
        extensions = store.document(keys.extension_responses(slug)) or {}
        problems = summary(slug, record)["problems"]
        script = record.get("workerName")
        tags = store.script_tags(script) if isinstance(script, str) and script else None
        if tags is None:
            problems.append(f"the namespace {store.namespace} has no script {script}")
        elif publication and digest_tag(str(publication.get("digest"))) not in tags:
            problems.append(f"the script {script} was changed since it was published")
        hosts = hosts_of(record)
        problems += [
            f"host {host} points to {owner or 'no API'}"
            for host in hosts
            if (owner := store.text(keys.host(host))) != slug
        ]
    urls = [f"https://{host}" for host in hosts]
    if dispatcher:
        urls.insert(0, f"{dispatcher.url}/t/{slug}")
    document: dict[str, Any] = {
        "slug": slug,
        "record": record,
        "urls": urls,
        "script": {
            "name": script,
            "exists": tags is not None,
            "tags": [*(tags or ())],
            **{name: publication.get(name) for name in ("kind", "digest", "bytes", "publishedAt")},
        },
        "about": publication.get("about") or {},
        "extensionResponses": extensions,
        "problems": problems,
    }
    output.result(document, lambda console: _show(console, document))


def _show(console: Console, document: dict[str, Any]) -> None:
    for line in (*_published_lines(document), *_checked_lines(document)):
        console.print(line, markup=False)


def _published_lines(document: dict[str, Any]) -> Iterator[str]:
    """Yield what was published."""
    script, about = document["script"], document["about"]
    for name, value in document["record"].items():
        yield f"{name:<15} {shown(value)}"
    for url in document["urls"]:
        yield f"{'url':<15} {url}"
    if script["kind"]:
        yield f"{'published':<15} {script['publishedAt']}, {script['kind']}"
        yield f"{'digest':<15} {script['digest']}"
    for endpoint in about.get("endpoints", ()):
        yield f"{'endpoint':<15} {endpoint}"
    if "rows" in about:
        yield f"{'rows':<15} {about['rows']:,}, identified by {about['id'] or 'row number'}"
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
