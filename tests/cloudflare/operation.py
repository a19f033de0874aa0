"""What a request of the API is: its method, its path, and how it carries what it carries."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from starlette.routing import compile_path


class Body(enum.Enum):
    """How a request carries what its type describes."""

    NONE = "no body"
    FIELDS = "a JSON object of the fields"
    WHOLE = "JSON that is the field `body`"
    UPLOAD = "a form: the field `metadata` or `settings` as JSON, and files"
    VALUE = "a value as it is, or a form with a value and metadata"
    FILES = "a form of files named by their hashes"


@dataclass(frozen=True)
class Operation:
    """One request that can be sent.

    Args:
        method: Its method.
        path: Its path; names in braces are those of the type's fields.
        kind: The SDK's type of what it carries; `None` where it has none.
        body: How it is carried.
        query: The fields that are in the query.
        beyond: What is sent although the SDK's types lack it, and why: a place in the document
            without numbers, or `?name` for the query.
    """

    method: str
    path: str
    kind: Any = None
    body: Body = Body.NONE
    query: tuple[str, ...] = ()
    beyond: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What its path looks like."""
        return compile_path(self.path)[0]
