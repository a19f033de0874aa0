"""Checks whether JSON matches a type of the official SDK exactly.

The SDK describes requests by `TypedDict`s with `Iterable` and `SequenceNotStr`, which validation
libraries do not check, so this module interprets the types itself.
"""

import datetime as dt
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Required, Union, get_args, get_origin

import typing_extensions
from cloudflare._types import SequenceNotStr
from cloudflare._utils import PropertyInfo

UNKNOWN = "is not a field of the SDK's types"
MISSING = "is missing"

_REQUIRED: tuple[Any, ...] = (Required, typing_extensions.Required)
_WRAPPERS: tuple[Any, ...] = (*_REQUIRED, Annotated)
_LISTS: tuple[Any, ...] = (list, Iterable, Sequence, SequenceNotStr)
_PLAIN: dict[Any, tuple[type, ...]] = {
    float: (int, float),
    int: (int,),
    str: (str,),
    dt.datetime: (str,),
}
_LITERALS: tuple[Any, ...] = (Literal, typing_extensions.Literal)


@dataclass(frozen=True, slots=True)
class Misfit:
    """One difference between a value and its type.

    Args:
        place: The place in the document, such as `metadata.bindings[3].id`.
        problem: What is wrong.
    """

    place: str
    problem: str

    def __str__(self) -> str:
        """Return place and problem."""
        return f"{self.place or 'the body'} {self.problem}"


def fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Return the fields of a `TypedDict` by JSON name: type, and whether it is required."""
    found = {}
    for name, hint in typing_extensions.get_type_hints(kind, include_extras=True).items():
        is_required = get_origin(hint) in _REQUIRED
        inner = get_args(hint)[0] if is_required else hint
        found[_wire_name(name, inner)] = (inner, is_required)
    return found


def misfits(value: object, kind: Any, place: str = "") -> list[Misfit]:
    """Return the differences between a JSON value and a type of the SDK.

    Args:
        value: The JSON value.
        kind: The type.
        place: The place of the value.
    """
    while get_origin(kind) in _WRAPPERS:
        kind = get_args(kind)[0]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _misfits_of_union(value, arguments, place)
    if typing_extensions.is_typeddict(kind):
        return _misfits_of_object(value, kind, place)
    if origin in _LISTS:
        return _misfits_of_list(value, arguments[0], place)
    if origin in (dict, Mapping):
        return _misfits_of_mapping(value, arguments[1], place)
    return [] if _is_plain(value, kind) else [Misfit(place, f"is {value!r}, not {kind}")]


def _wire_name(name: str, hint: Any) -> str:
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    aliases = [note.alias for note in notes if isinstance(note, PropertyInfo) and note.alias]
    return aliases[0] if aliases else name


def _misfits_of_object(value: object, kind: Any, place: str) -> list[Misfit]:
    if not isinstance(value, dict):
        return [Misfit(place, "is not an object")]
    known = fields(kind)
    found = [Misfit(_below(place, name), UNKNOWN) for name in value if name not in known]
    for name, (inner, is_required) in known.items():
        if name in value:
            found += misfits(value[name], inner, _below(place, name))
        elif is_required:
            found.append(Misfit(_below(place, name), MISSING))
    return found


def _misfits_of_list(value: object, kind: Any, place: str) -> list[Misfit]:
    if not isinstance(value, list):
        return [Misfit(place, "is not a list")]
    return [
        misfit
        for number, one in enumerate(value)
        for misfit in misfits(one, kind, f"{place}[{number}]")
    ]


def _misfits_of_mapping(value: object, kind: Any, place: str) -> list[Misfit]:
    if not isinstance(value, dict):
        return [Misfit(place, "is not an object")]
    return [
        misfit for name, one in value.items() for misfit in misfits(one, kind, _below(place, name))
    ]


def _misfits_of_union(value: object, members: Iterable[Any], place: str) -> list[Misfit]:
    """Return the misfits of the member with the value's `type`, otherwise of the best match."""
    tried = [(misfits(value, member, place), member) for member in members]
    same_type = [found for found, member in tried if _has_type_of(value, member)]
    return min(same_type or [found for found, _ in tried], key=len)


def _has_type_of(value: object, member: Any) -> bool:
    if not isinstance(value, dict) or not typing_extensions.is_typeddict(member):
        return False
    hint = fields(member).get("type", (None, False))[0]
    return "type" in value and hint is not None and value["type"] in get_args(hint)


def _is_plain(value: object, kind: Any) -> bool:
    if kind in (Any, object):
        return True
    if get_origin(kind) in _LITERALS:
        return any(value == one and type(value) is type(one) for one in get_args(kind))
    if kind is type(None):
        return value is None
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    accepted = _PLAIN.get(kind, ())
    return isinstance(value, accepted)


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
