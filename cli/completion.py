"""Completes slugs, plans and categories in the shell. It must be fast and must not print errors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cli.targets import Dispatcher, Target

SECONDS_MAX: Final = 1.0

Suggestions = list[tuple[str, str]]
"""Values, and what the shell shows beside them."""


@dataclass(frozen=True, slots=True)
class _Api:
    """What completion knows of an API.

    Args:
        slug: Its slug.
        category: Its category.
        summary: Its description, or its title or slug.
    """

    slug: str
    category: str
    summary: str


def complete_slug(incomplete: str) -> Suggestions:
    """Return the slugs of live APIs that start with `incomplete`, with their descriptions."""
    return [(one.slug, one.summary) for one in _apis() if one.slug.startswith(incomplete)]


def complete_category(incomplete: str) -> Suggestions:
    """Return the categories of live APIs that start with `incomplete`, in any letter case."""
    categories = sorted({one.category for one in _apis() if one.category})
    start = incomplete.lower()
    return [(one, "") for one in categories if one.lower().startswith(start)]


def complete_plan(incomplete: str) -> Suggestions:
    """Return the plans that start with `incomplete`, with their limits."""
    from core.constants import PLAN_LIMITS  # noqa: PLC0415 - only when a shell completes

    return [
        (plan, f"{limits.cpu_ms} ms CPU, {limits.sub_requests} subrequests")
        for plan, limits in PLAN_LIMITS.items()
        if plan.startswith(incomplete)
    ]


def _apis() -> list[_Api]:
    """Return the live APIs, sorted by slug; none if they cannot be read in time."""
    from cli.errors import CommandError  # noqa: PLC0415 - only when a shell completes
    from cli.targets import find_target  # noqa: PLC0415

    try:
        target = find_target()
        if target.known_dispatcher is not None:
            return list(_of_dispatcher(target.known_dispatcher))
        if target.known_account is not None:
            return list(_of_account(target))
    except (CommandError, OSError, KeyError, TypeError, AttributeError, IndexError):
        pass
    return []


def _of_dispatcher(dispatcher: "Dispatcher") -> Iterator[_Api]:
    """Read the catalog, which has every live API and needs no token."""
    import httpx  # noqa: PLC0415 - only when a shell completes

    from cli.platform import Platform  # noqa: PLC0415

    with Platform(dispatcher, httpx.Timeout(SECONDS_MAX)) as platform:
        response = platform.send("GET", "/openapi.json", attempts=1)
    for path, item in sorted((response.document or {})["paths"].items()):
        slug = path.removeprefix("/t/")
        if "/" not in slug:
            operation = next(iter(item.values()))
            yield _Api(slug, str(operation["tags"][0]), str(operation["summary"]))


def _of_account(target: "Target") -> Iterator[_Api]:
    """Read the directory through the account's API."""
    from cli.publish.store import open_store  # noqa: PLC0415 - imports the SDK

    with open_store(target, seconds_max=SECONDS_MAX) as store:
        for slug, published in store.records().items():
            record = published.record
            summary = str(record.get("description") or record.get("title") or slug)
            yield _Api(slug, str(record.get("directory") or "APIs"), summary)
