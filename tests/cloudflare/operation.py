"""Describes an operation of the API: method, path, and the encoding of its parameters."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from starlette.routing import compile_path


class Body(enum.Enum):
    """The encoding of a request's body."""

    NONE = "no body"
    FIELDS = "a JSON object with the fields"
    WHOLE = "the field `body` as JSON"
    UPLOAD = "a form with the field `metadata` or `settings` as JSON, and files"
    VALUE = "a raw value, or a form with a value and metadata"
    FILES = "a form with files named by their hashes"


@dataclass(frozen=True)
class Operation:
    """An operation.

    Args:
        method: The method.
        path: The path; names in braces are fields of the type.
        kind: The SDK's type of the parameters, if any.
        body: The encoding of the body.
        query: The fields in the query.
        beyond: Fields that clients send although the SDK's types lack them, with the reason: a
            place in the document without numbers, or `?name` for the query.
    """

    method: str
    path: str
    kind: Any = None
    body: Body = Body.NONE
    query: tuple[str, ...] = ()
    beyond: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern of the path."""
        return compile_path(self.path)[0]
