"""Types of wrangler 4's requests to paths that the SDK does not have."""

from collections.abc import Iterable
from typing import Required

from typing_extensions import TypedDict


class Tail(TypedDict):
    """`POST …/scripts/NAME/tails`: the SDK sends no body."""

    filters: Iterable[object]


class ScriptRoute(TypedDict, total=False):
    """A route to a script."""

    pattern: Required[str]
    zone_id: str
    zone_name: str


class ScriptRoutes(TypedDict, total=False):
    """`PUT …/scripts/NAME/routes`: all routes of a script."""

    body: Required[Iterable[ScriptRoute]]


class Origin(TypedDict, total=False):
    """A custom domain of a script."""

    hostname: Required[str]
    zone_id: str
    zone_name: str
    enabled: bool
    previews_enabled: bool


class Changeset(TypedDict, total=False):
    """`POST …/scripts/NAME/domains/changeset`: the changes of custom domains."""

    replace_state: bool
    body: Required[Iterable[Origin]]


class Records(TypedDict, total=False):
    """`PUT …/scripts/NAME/domains/records`: all custom domains of a script."""

    override_scope: bool
    override_existing_origin: bool
    override_existing_dns_record: bool
    origins: Required[Iterable[Origin]]


class Removal(TypedDict, total=False):
    """`DELETE …/services/NAME`: remove a script with all its resources."""

    force: bool
