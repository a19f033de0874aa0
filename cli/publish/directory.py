"""The records of the tenant directory, wherever they come from.

The dispatcher reads `TENANT_KV` first, then its variable `TENANT_DIRECTORY_JSON`, which has the
records of `TENANTS=FILE` and of the demo under `make dev`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from core.errors import ConfigurationError
from tenants.records import parse_directory, records_in

TENANT_KV: Final = "TENANT_KV"
VARIABLE: Final = "TENANT_DIRECTORY_JSON"


@dataclass(frozen=True, slots=True)
class Published:
    """What is published under a slug.

    Args:
        record: The record as it is stored; empty if there is none.
        source: `TENANT_KV` or `TENANT_DIRECTORY_JSON`; empty if there is no record.
        publication: What `clawr publish` stored about it; empty if it was published otherwise.
    """

    record: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    publication: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DirectoryVariable:
    """The records of `TENANT_DIRECTORY_JSON`.

    Args:
        records: The records by slug, valid or not.
        problems: What is wrong with records that have no slug, and with the variable as a whole.
    """

    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_variable(text: str | None) -> DirectoryVariable:
    """Read the variable.

    Args:
        text: Its value; `None` if it is not set.
    """
    if not text:
        return DirectoryVariable()
    try:
        refused = parse_directory(text).refused
        listed = [*records_in(json.loads(text))]
    except ConfigurationError as error:
        return DirectoryVariable(problems=(error.message,))
    except ValueError as error:
        return DirectoryVariable(problems=(f"{VARIABLE} is not JSON: {error}.",))
    records: dict[str, Mapping[str, Any]] = {}
    names = set()
    for name, record in listed:
        slug = record.get("slug") if isinstance(record, dict) else None
        if isinstance(slug, str) and slug and slug not in records:
            records[slug] = record
            names.add(name)
    # The problems of those are listed with their slugs.
    problems = [str(one) for one in refused if one.record.partition(" (slug")[0] not in names]
    return DirectoryVariable(records, tuple(problems))
